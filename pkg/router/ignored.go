package router

import (
	"slices"
	"strings"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// Ignored lists the fields that a Canary sets and that its provider has no use for, as this router of it: Linkerd's is
// one of two. The API allows them, so that a manifest can be moved from one provider to another; people should know all
// the same. What a router refuses is not its concern.
func Ignored(provider string, r Router, c *v1beta1.Canary) []string {
	// The version behind the colon changes objects, and not what a provider can say.
	family, _, _ := strings.Cut(provider, ":")
	if _, splits := r.(smi); splits {
		family = "smi"
	}
	s := c.Spec
	fields := slices.Concat(objects(s), shapes(s.Service))
	if family == "kubernetes" {
		// What shapes a route is named by rollout.Compile already, for whoever has none.
		fields = slices.Concat(objects(s), idle(s))
	}
	var names []string
	for _, f := range fields {
		// A VirtualService that is delegated to is reached by the hosts and gateways of the one that delegates.
		delegated := s.Service.Delegation && family == "istio" && (f.name == "spec.service.hosts" || f.name == "spec.service.gateways")
		if f.set && (delegated || !slices.Contains(f.users, family)) {
			names = append(names, f.name)
		}
	}
	return names
}

// field is whether a spec sets it, and who has a use for it.
type field struct {
	name  string
	set   bool
	users []string // families of providers: gatewayapi stands for gatewayapi:v1
}

// objects are fields that only few providers know at all.
// The last two were App Mesh's: that is refused by now, so they have no use anywhere.
func objects(s v1beta1.CanarySpec) []field {
	return []field{
		{"spec.ingressRef", s.IngressRef != nil, []string{"nginx", "skipper"}},
		{"spec.routeRef", s.RouteRef != nil, []string{"apisix"}},
		{"spec.upstreamRef", s.UpstreamRef != nil, []string{"gloo"}},
		{"spec.service.gatewayRefs", len(s.Service.GatewayRefs) > 0, []string{"gatewayapi", "linkerd"}},
		{"spec.service.mirror", len(s.Service.Mirror) > 0, []string{"gatewayapi"}},
		{"spec.service.backendTimeout", s.Service.BackendTimeout != "", []string{"gatewayapi", "linkerd"}},
		{"spec.service.routeRefs", len(s.Service.RouteRefs) > 0, []string{"istio", "gatewayapi", "linkerd"}},
		{"spec.service.meshName", s.Service.MeshName != "", []string{"appmesh"}},
		{"spec.service.backends", len(s.Service.Backends) > 0, []string{"appmesh"}},
	}
}

// shapes are fields that say what a generated route is like. Where the route is the user's own, as an Ingress, it says
// so itself.
func shapes(s v1beta1.CanaryService) []field {
	return []field{
		{"spec.service.gateways", len(s.Gateways) > 0, []string{"istio"}},
		{"spec.service.hosts", len(s.Hosts) > 0, []string{"istio", "gatewayapi", "linkerd", "smi"}},
		{"spec.service.match", len(s.Match) > 0, []string{"istio", "gatewayapi", "linkerd", "contour", "gloo"}},
		{"spec.service.rewrite", s.Rewrite != nil, []string{"istio", "gatewayapi"}},
		{"spec.service.retries", s.Retries != nil, []string{"istio", "contour"}},
		{"spec.service.timeout", s.Timeout != "", []string{"istio", "gatewayapi", "linkerd", "contour"}},
		{"spec.service.headers", s.Headers != nil, []string{"istio", "gatewayapi", "linkerd"}},
		{"spec.service.corsPolicy", s.CorsPolicy != nil, []string{"istio", "gatewayapi"}},
		{"spec.service.trafficPolicy", s.TrafficPolicy != nil, []string{"istio"}},
		{"spec.service.delegation", s.Delegation, []string{"istio"}},
	}
}

// idle are fields of an analysis by Services alone that its strategy has no use for. That steps become iterations, and
// what is said about a match then, is rollout.Compile's to say.
func idle(s v1beta1.CanarySpec) []field {
	a := s.Analysis
	if a == nil || s.SkipAnalysis {
		return nil
	}
	// As rollout.Compile has it: with iterations there is no weight that sizes could reach.
	ratio := a.ReplicaRatio && a.Iterations == 0
	return []field{
		{name: "spec.analysis.replicaRatio", set: a.ReplicaRatio && !ratio},
		{name: "spec.analysis.match", set: len(a.Match) > 0 && ratio},
		{name: "spec.analysis.stepWeightPromotion", set: a.StepWeightPromotion > 0 && !ratio},
	}
}

package router

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	gateway "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
)

// gatewayAPI renders an HTTPRoute, or a GRPCRoute for a service that speaks gRPC, under the apex's name.
//
// https://gateway-api.sigs.k8s.io/reference/spec/
type gatewayAPI struct {
	version schema.GroupVersion
	grpc    bool // this version has a GRPCRoute
}

// newGatewayAPI is the constructor of one version of the Gateway API.
func newGatewayAPI(provider, version string) func(Options) (Router, rollout.Capabilities, error) {
	return func(o Options) (Router, rollout.Capabilities, error) {
		gv, err := pick(o, provider, gateway.GroupName, version)
		if err != nil {
			return nil, 0, err
		}
		// There has never been a GRPCRoute in v1beta1.
		can := rollout.Weighted | rollout.Mirrored | rollout.Matched | rollout.MatchedWeighted | rollout.Sticky
		return gatewayAPI{version: gv, grpc: version == "v1"}, can, nil
	}
}

// Writes leaves out the GRPCRoute: a cluster need not have it, and a watch of what is not there never begins.
func (r gatewayAPI) Writes() []schema.GroupVersionKind {
	return []schema.GroupVersionKind{r.version.WithKind("HTTPRoute")}
}

// Reads the user's own routes, and where one is made, the GRPCRoute, so that it is watched.
func (r gatewayAPI) Reads(c *v1beta1.Canary) []Ref {
	if r.own().asked(c) {
		return r.own().reads(c)
	}
	// Only then: a watch of a kind that the cluster lacks would never begin.
	if r.speaksGRPC(c.Spec.Service) {
		return []Ref{{GroupVersionKind: r.version.WithKind("GRPCRoute"), Namespace: c.Namespace, Name: c.ApexName()}}
	}
	return nil
}

// own moves routes of the kinds that its version has.
func (r gatewayAPI) own() own {
	o := own{provider: "gatewayapi", versions: map[string]schema.GroupVersion{"HTTPRoute": r.version}}
	if r.grpc {
		o.versions["GRPCRoute"] = r.version
	}
	return o
}

// speaksGRPC goes by the names that are in use for it: Kubernetes has none of its own.
func (r gatewayAPI) speaksGRPC(s v1beta1.CanaryService) bool {
	protocol := strings.ToLower(s.AppProtocol)
	return r.grpc && (protocol == "grpc" || strings.HasSuffix(protocol, "/grpc"))
}

// Render makes one route. Which of its rules takes a request is not a matter of their order: see ranked.
func (r gatewayAPI) Render(in Input) ([]runtime.ApplyConfiguration, error) {
	if r.own().asked(in.Canary) {
		return r.own().render(in)
	}
	if err := portable(in.Canary.Spec.Service); err != nil {
		return nil, err
	}
	lines, err := table(in)
	if err != nil {
		return nil, err
	}
	// One route for a service, of the one kind that its protocol calls for: the API forbids both for one host.
	kind, render := "HTTPRoute", httpSpec
	if r.speaksGRPC(in.Canary.Spec.Service) {
		kind, render = "GRPCRoute", grpcSpec
	}
	route, err := render(in.Canary, ranked(lines))
	if err != nil {
		return nil, err
	}
	spec, err := runtime.DefaultUnstructuredConverter.ToUnstructured(route)
	if err != nil {
		return nil, fmt.Errorf("encode the spec of a %s: %w", kind, err)
	}
	return []runtime.ApplyConfiguration{
		object(r.version.WithKind(kind), in.Canary.ApexName(), in.Canary, in.Canary.Spec.Service.Apex, spec),
	}, nil
}

// parents are what the route is attached to.
func parents(c *v1beta1.Canary) gateway.CommonRouteSpec {
	var refs []gateway.ParentReference
	for _, g := range c.Spec.Service.GatewayRefs {
		refs = append(refs, gateway.ParentReference{
			Group:       (*gateway.Group)(g.Group),
			Kind:        given[gateway.Kind](g.Kind),
			Namespace:   given[gateway.Namespace](g.Namespace),
			Name:        gateway.ObjectName(g.Name),
			SectionName: given[gateway.SectionName](g.SectionName),
			Port:        g.Port,
		})
	}
	return gateway.CommonRouteSpec{ParentRefs: refs}
}

// hostnames are none where none are asked for: the route then takes those of its parents.
func hostnames(c *v1beta1.Canary) []gateway.Hostname {
	var names []gateway.Hostname
	for _, h := range c.Spec.Service.Hosts {
		names = append(names, gateway.Hostname(h))
	}
	return names
}

// given is a text that may be left out.
// Written down as an empty one it would be refused by the schema.
func given[T ~string](text string) *T {
	if text == "" {
		return nil
	}
	t := T(text)
	return &t
}

// portable refuses what the Gateway API has no word for.
func portable(s v1beta1.CanaryService) error {
	if len(s.GatewayRefs) == 0 {
		return &rollout.InvalidError{Field: "spec.service.gatewayRefs", Problem: "GatewayRefs must be specified when using Gateway API as a provider."}
	}
	return refuse("cannot be said in the Gateway API; leave it out, or use the provider istio", []asked{
		{"spec.service.gateways", len(s.Gateways) > 0},
		{"spec.service.delegation", s.Delegation},
		{"spec.service.trafficPolicy", s.TrafficPolicy != nil},
		{"spec.service.retries", s.Retries != nil},
		{"spec.service.rewrite.uriRegexRewrite", s.Rewrite != nil && s.Rewrite.URIRegexRewrite != nil},
		{"spec.service.corsPolicy.unmatchedPreflights", s.CorsPolicy != nil && s.CorsPolicy.UnmatchedPreflights != ""},
	})
}

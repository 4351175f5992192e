package router

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-cd/sluice/pkg/rollout"
)

// sign is an API that tells which provider a cluster has.
type sign struct{ provider, api string }

// signs are looked for in this order. What belongs to one product comes before what several implement, since a
// cluster often has the Gateway API's resources without a gateway; a mesh comes before what only stands at the edge,
// since it divides requests from inside as well. The ingress controllers nginx and skipper have no API of their own,
// and Knative's targets are no Deployments: these three have to be named.
func signs() []sign {
	return []sign{
		{"istio", "networking.istio.io/v1"},
		{"istio", "networking.istio.io/v1beta1"},
		{"linkerd", "policy.linkerd.io/v1alpha1"},
		{"kuma", "kuma.io/v1alpha1"},
		{"contour", "projectcontour.io/v1"},
		{"gloo", "gateway.solo.io/v1"},
		{"traefik", "traefik.io/v1alpha1"},
		{"apisix", "apisix.apache.org/v2"},
		{"gatewayapi:v1", "gateway.networking.k8s.io/v1"},
		{"gatewayapi:v1beta1", "gateway.networking.k8s.io/v1beta1"},
		{"smi:v1alpha3", "split.smi-spec.io/v1alpha3"},
		{"smi:v1alpha2", "split.smi-spec.io/v1alpha2"},
		{"smi:v1alpha1", "split.smi-spec.io/v1alpha1"},
	}
}

// Detect chooses a provider for Canaries that name none, by the group versions that a cluster serves, and says why. A
// provider that the cluster serves only a part of is passed over.
// It is asked once, when the operator starts: docs/decisions/0014.
func Detect(served []string) (name, why string) {
	for _, s := range signs() {
		if !slices.Contains(served, s.api) {
			continue
		}
		// Gloo's routes and upstreams are two APIs, of which a cluster may serve one.
		if _, _, err := New(s.provider, Options{APIVersions: served}); err == nil {
			return s.provider, "the cluster serves " + s.api
		}
	}
	// Services are in every cluster, so there is always an answer.
	return "kubernetes", "the cluster serves no API of a mesh or a gateway"
}

// Able names the providers that can do all that is needed, in order.
// It supposes a cluster that serves everything: people who read it want to know what they could install.
func Able(need rollout.Capabilities) []string {
	var able []string
	for _, name := range names() {
		if _, can, err := New(name, Options{APIVersions: EveryAPI()}); err == nil && can.Has(need) {
			able = append(able, name)
		}
	}
	return able
}

// EveryAPI are the group versions of a cluster that serves everything.
func EveryAPI() []string {
	// What providers need and are not detected by.
	all := []string{"gloo.solo.io/v1", "serving.knative.dev/v1"}
	for _, s := range signs() {
		all = append(all, s.api)
	}
	return all
}

// retired refuses providers whose projects have ended, and says what took their place.
func retired(name string) error {
	// Called unknown, such a name would have people look for a slip of the pen.
	past, mesh := map[string]string{
		"appmesh":         "AWS App Mesh",
		"appmesh:v1beta2": "AWS App Mesh",
		"osm":             "Open Service Mesh",
	}, strings.Join([]string{"istio", "linkerd", "kuma", "gatewayapi:v1"}, ", ")
	project, ok := past[name]
	if !ok {
		return nil
	}
	return &rollout.InvalidError{
		Field:   "spec.provider",
		Problem: fmt.Sprintf("%q is not supported: %s has reached its end of life; move to one of %s", name, project, mesh),
	}
}

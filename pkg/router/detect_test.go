package router_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-cd/sluice/pkg/rollout"
	"github.com/sluice-cd/sluice/pkg/router"
)

func TestDetect(t *testing.T) {
	cases := map[string]struct {
		reason    string
		served    []string
		name, why string
	}{
		"Nothing":   {reason: "Services are everywhere", served: []string{"apps/v1"}, name: "kubernetes", why: "the cluster serves no API of a mesh or a gateway"},
		"Istio":     {reason: "its API is its own", served: []string{"apps/v1", "networking.istio.io/v1"}, name: "istio", why: "the cluster serves networking.istio.io/v1"},
		"OldIstio":  {reason: "in an older version as well", served: []string{"networking.istio.io/v1beta1"}, name: "istio", why: "the cluster serves networking.istio.io/v1beta1"},
		"MeshFirst": {reason: "a mesh divides requests from inside, too", served: []string{"projectcontour.io/v1", "kuma.io/v1alpha1"}, name: "kuma", why: "the cluster serves kuma.io/v1alpha1"},
		"ProductFirst": {
			reason: "the Gateway API's resources often come with a product that has its own",
			served: []string{"gateway.networking.k8s.io/v1", "traefik.io/v1alpha1"}, name: "traefik", why: "the cluster serves traefik.io/v1alpha1",
		},
		"Part":    {reason: "a provider of which the cluster has a part only could never write a route", served: []string{"gateway.solo.io/v1"}, name: "kubernetes", why: "the cluster serves no API of a mesh or a gateway"},
		"Whole":   {reason: "with the other part it can", served: []string{"gloo.solo.io/v1", "gateway.solo.io/v1"}, name: "gloo", why: "the cluster serves gateway.solo.io/v1"},
		"Linkerd": {reason: "its policies are its own, and its routes are those of the Gateway API", served: []string{"policy.linkerd.io/v1alpha1", "gateway.networking.k8s.io/v1"}, name: "linkerd", why: "the cluster serves policy.linkerd.io/v1alpha1"},
		"SMI":     {reason: "of several versions the newest", served: []string{"split.smi-spec.io/v1alpha1", "split.smi-spec.io/v1alpha3"}, name: "smi:v1alpha3", why: "the cluster serves split.smi-spec.io/v1alpha3"},
		"Knative": {reason: "its targets are no Deployments, so it is chosen by the target and not by the cluster", served: []string{"serving.knative.dev/v1"}, name: "kubernetes", why: "the cluster serves no API of a mesh or a gateway"},
		"Ingress": {reason: "an ingress controller without an API of its own cannot be seen", served: []string{"networking.k8s.io/v1"}, name: "kubernetes", why: "the cluster serves no API of a mesh or a gateway"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			name, why := router.Detect(tc.served)
			require.Equal(t, tc.name, name, tc.reason)
			require.Equal(t, tc.why, why, tc.reason)
			_, _, err := router.New(name, router.Options{APIVersions: tc.served})
			require.NoError(t, err, "what is detected can be used")
		})
	}
}

func TestAble(t *testing.T) {
	cases := map[string]struct {
		reason string
		need   rollout.Capabilities
		can    []string
		cannot []string
	}{
		"Anything": {reason: "every provider can do nothing in particular", can: []string{"istio", "kubernetes", "knative", "skipper"}, cannot: []string{"osm", "appmesh"}},
		"Weighted": {reason: "Services alone cannot divide", need: rollout.Weighted, can: []string{"apisix", "contour", "gloo", "istio", "knative", "kuma", "nginx", "skipper", "smi:v1alpha1", "smi:v1alpha2", "smi:v1alpha3", "traefik"}, cannot: []string{"kubernetes"}},
		"Matched":  {reason: "those that tell requests apart", need: rollout.Matched, can: []string{"contour", "gloo", "istio", "nginx"}, cannot: []string{"kuma", "skipper", "traefik"}},
		"Mirrored": {reason: "those that copy requests", need: rollout.Mirrored, can: []string{"istio"}, cannot: []string{"nginx", "contour"}},
		"Both":     {reason: "all that is needed has to be there", need: rollout.Matched | rollout.Sticky, can: []string{"istio"}, cannot: []string{"nginx", "contour", "gloo"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			able := router.Able(tc.need)
			require.Subset(t, able, tc.can, tc.reason)
			require.IsIncreasing(t, able, "always in the same order")
			for _, name := range tc.cannot {
				require.NotContains(t, able, name, tc.reason)
			}
		})
	}
}

// Every provider that is known is in the answer about nothing in particular: one that needs an API which Able does
// not think of would be missing from all messages.
func TestAbleKnowsEveryProvider(t *testing.T) {
	_, _, err := router.New("", router.Options{})
	for _, name := range router.Able(0) {
		require.ErrorContains(t, err, name)
	}
	require.ErrorContains(t, err, "known are: "+strings.Join(router.Able(0), ", "))
}

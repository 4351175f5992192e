package router_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/sluice-cd/sluice/pkg/rollout"
	"github.com/sluice-cd/sluice/pkg/router/routertest"
)

const traefikAPI = "traefik.io/v1alpha1"

func TestTraefikGolden(t *testing.T) {
	routertest.Golden(t, "testdata/traefik", "traefik", *update, routertest.Read(t, "testdata/traefik/crd.yaml"))
}

func TestTraefikContract(t *testing.T) {
	r := build(t, "traefik", rollout.Weighted, traefikAPI)
	routertest.Contract(t, r, podinfo(nil), func(t *testing.T, objects []*unstructured.Unstructured) map[string]int64 {
		t.Helper()
		weights := listed([]string{"name"}, []string{"weight"}, "spec", "weighted", "services")(t, objects)
		if _, ok := weights["podinfo-canary"]; !ok {
			weights["podinfo-canary"] = 0 // a Service without pods would take the whole route out
		}
		return weights
	})
}

func TestTraefikNamesServicesWithPodsOnly(t *testing.T) {
	cases := map[string]struct {
		reason string
		weight int
		want   []string
	}{
		"Rest":     {reason: "between rollouts the canary has no pods", weight: 0, want: []string{"podinfo-primary"}},
		"First":    {reason: "with its first percent it is in the list", weight: 1, want: []string{"podinfo-primary", "podinfo-canary"}},
		"Promoted": {reason: "the primary always has pods, and gets nothing by its weight", weight: 100, want: []string{"podinfo-primary", "podinfo-canary"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			in := input(podinfo(nil))
			in.Traffic.Weight = tc.weight
			services, _, err := unstructured.NestedSlice(one(t, build(t, "traefik", rollout.Weighted, traefikAPI), in).Object, "spec", "weighted", "services")
			require.NoError(t, err)
			var names []string
			for _, s := range services {
				names = append(names, s.(map[string]any)["name"].(string))
			}
			require.Equal(t, tc.want, names, tc.reason)
		})
	}
}

package router_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
	"github.com/sluice-cd/sluice/pkg/router"
	"github.com/sluice-cd/sluice/pkg/router/routertest"
)

func newSkipper(t *testing.T) router.Router {
	t.Helper()
	return build(t, "skipper", rollout.Weighted)
}

func TestSkipperGolden(t *testing.T) {
	routertest.Golden(t, "testdata/skipper", "skipper", *update, routertest.Core())
}

func TestSkipperContract(t *testing.T) {
	weights := func(t *testing.T, objects []*unstructured.Unstructured) map[string]int64 {
		t.Helper()
		require.Len(t, objects, 1)
		all := map[string]int64{}
		require.NoError(t, json.Unmarshal([]byte(objects[0].GetAnnotations()["zalando.org/backend-weights"]), &all))
		return all
	}
	routertest.Contract(t, newSkipper(t), behind(nil), weights, parse(t, webIngress))
}

// Both sides are backends of each path, since the weights speak of backends that a path has.
func TestSkipperPathsLeadToBothSides(t *testing.T) {
	in := input(behind(nil), parse(t, webIngress))
	in.Traffic.Weight = 30
	paths := first(t, one(t, newSkipper(t), in), "spec", "rules")
	entries, _, err := unstructured.NestedSlice(paths.Object, "http", "paths")
	require.NoError(t, err)
	var names []string
	for _, e := range entries {
		name, _, err := unstructured.NestedString(e.(map[string]any), "backend", "service", "name")
		require.NoError(t, err)
		names = append(names, name)
	}
	require.Equal(t, []string{"podinfo-primary", "podinfo-canary"}, names)
}

func TestSkipperPrecedence(t *testing.T) {
	cases := map[string]struct {
		reason string
		weight int
		theirs string
		want   string
	}{
		"Rest":         {reason: "the user's own Ingress serves alone", want: "False()"},
		"RestTheirs":   {reason: "whatever predicate that has", theirs: "True()", want: "False()"},
		"Rollout":      {reason: "the copy is asked first", weight: 1, want: "Weight(100)"},
		"Theirs":       {reason: "by those whom the original serves", weight: 1, theirs: `Method("GET")`, want: `Method("GET") && Weight(100)`},
		"AllToTheNew":  {reason: "also when the canary has it all", weight: 100, want: "Weight(100)"},
		"AllAndTheirs": {reason: "with the predicate of the original", weight: 100, theirs: "True()", want: "True() && Weight(100)"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			ingress := parse(t, webIngress)
			if tc.theirs != "" {
				ingress.SetAnnotations(map[string]string{"zalando.org/skipper-predicate": tc.theirs})
			}
			in := input(behind(nil), ingress)
			in.Traffic.Weight = tc.weight
			require.Equal(t, tc.want, one(t, newSkipper(t), in).GetAnnotations()["zalando.org/skipper-predicate"], tc.reason)
		})
	}
}

func TestSkipperRefuses(t *testing.T) {
	const fallback = `{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: web, namespace: test}, spec: {defaultBackend: {service: {name: podinfo, port: {number: 9898}}}}}`
	cases := map[string]struct {
		reason string
		change func(*v1beta1.Canary)
		read   string
		want   rollout.InvalidError
	}{
		"NoRef":     {reason: "there is nothing to copy", change: func(c *v1beta1.Canary) { c.Spec.IngressRef = nil }, want: rollout.InvalidError{Field: "spec.ingressRef", Problem: `provider "skipper" needs the Ingress`}},
		"NoIngress": {reason: "the object is named", want: rollout.InvalidError{Field: "spec.ingressRef.name", Problem: `Ingress "web" does not exist`}},
		"Fallback":  {reason: "what fits no path goes to one place and cannot be divided", read: fallback, want: rollout.InvalidError{Field: "spec.ingressRef.name", Problem: `no path that leads to Service "podinfo"`}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			in := input(behind(tc.change))
			if tc.read != "" {
				in = input(in.Canary, parse(t, tc.read))
			}
			refuses(t, newSkipper(t), in, tc.want, tc.reason)
		})
	}
}

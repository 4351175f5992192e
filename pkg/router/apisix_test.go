package router_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
	"github.com/sluice-cd/sluice/pkg/router"
	"github.com/sluice-cd/sluice/pkg/router/routertest"
)

func newApisix(t *testing.T) router.Router {
	t.Helper()
	return build(t, "apisix", rollout.Weighted, "apisix.apache.org/v2")
}

// apisixRoute is the user's, with the given rules.
func apisixRoute(t *testing.T, rules string) *unstructured.Unstructured {
	t.Helper()
	return parse(t, `{apiVersion: apisix.apache.org/v2, kind: ApisixRoute, metadata: {name: web, namespace: test}, spec: {http: `+rules+`}}`)
}

func routed() *v1beta1.Canary {
	c := podinfo(nil)
	c.Spec.RouteRef = &v1beta1.RouteRef{APIVersion: "apisix.apache.org/v2", Kind: "ApisixRoute", Name: "web"}
	return c
}

func TestApisixGolden(t *testing.T) {
	routertest.Golden(t, "testdata/apisix", "apisix", *update, routertest.Read(t, "testdata/apisix/crd.yaml"))
}

func TestApisixContract(t *testing.T) {
	route := apisixRoute(t, `[{name: app, match: {paths: [/*]}, backends: [{serviceName: podinfo, servicePort: 9898}]}]`)
	weights := func(t *testing.T, objects []*unstructured.Unstructured) map[string]int64 {
		t.Helper()
		require.Len(t, objects, 1)
		rule := first(t, objects[0], "spec", "http")
		return listed([]string{"serviceName"}, []string{"weight"}, "backends")(t, []*unstructured.Unstructured{rule})
	}
	routertest.Contract(t, newApisix(t), routed(), weights, route)
}

func TestApisixPriority(t *testing.T) {
	cases := map[string]struct {
		reason, priority string
		want             int64
	}{
		"Unset":  {reason: "the copy is asked before the original", want: 10000},
		"Set":    {reason: "rules keep their order among each other", priority: "priority: 7,", want: 10007},
		"Behind": {reason: "also one that is behind the others", priority: "priority: -3,", want: 9997},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			route := apisixRoute(t, `[{name: app, `+tc.priority+` match: {paths: [/*]}, backends: [{serviceName: podinfo, servicePort: 9898}]}]`)
			priority, _, err := unstructured.NestedInt64(first(t, one(t, newApisix(t), input(routed(), route)), "spec", "http").Object, "priority")
			require.NoError(t, err)
			require.Equal(t, tc.want, priority, tc.reason)
		})
	}
}

func TestApisixRefuses(t *testing.T) {
	cases := map[string]struct {
		reason string
		canary *v1beta1.Canary
		rules  string
		want   rollout.InvalidError
	}{
		"NoRef":     {reason: "there is nothing to copy", canary: podinfo(nil), want: rollout.InvalidError{Field: "spec.routeRef", Problem: `provider "apisix" needs the ApisixRoute`}},
		"NoRoute":   {reason: "the object is named", canary: routed(), want: rollout.InvalidError{Field: "spec.routeRef.name", Problem: `ApisixRoute "web" does not exist in namespace "test"`}},
		"Elsewhere": {reason: "a route that leads elsewhere is somebody else's", canary: routed(), rules: `[{name: app, match: {paths: [/*]}, backends: [{serviceName: shop, servicePort: 80}]}]`, want: rollout.InvalidError{Field: "spec.routeRef.name", Problem: `no rule that leads to Service "podinfo"`}},
		"Divided": {
			reason: "a rule that divides already has weights that nobody but its author understands",
			canary: routed(),
			rules:  `[{name: app, match: {paths: [/*]}, backends: [{serviceName: podinfo, servicePort: 80, weight: 50}, {serviceName: other, servicePort: 80, weight: 50}]}]`,
			want:   rollout.InvalidError{Field: "spec.routeRef.name", Problem: `rule "app" of ApisixRoute "web" has other backends beside "podinfo"`},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			in := input(tc.canary)
			if tc.rules != "" {
				in = input(tc.canary, apisixRoute(t, tc.rules))
			}
			refuses(t, newApisix(t), in, tc.want, tc.reason)
		})
	}
}

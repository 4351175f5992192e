package router_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
	"github.com/sluice-cd/sluice/pkg/router"
	"github.com/sluice-cd/sluice/pkg/router/routertest"
)

func newGloo(t *testing.T) router.Router {
	t.Helper()
	return build(t, "gloo", rollout.Weighted|rollout.Matched|rollout.MatchedWeighted, "gateway.solo.io/v1", "gloo.solo.io/v1")
}

func TestGlooGolden(t *testing.T) {
	routertest.Golden(t, "testdata/gloo", "gloo", *update, routertest.Read(t, "testdata/gloo/crd.yaml"))
}

func TestGlooNeedsBothGroups(t *testing.T) {
	_, _, err := router.New("gloo", router.Options{APIVersions: []string{"gateway.solo.io/v1"}})
	require.EqualError(t, err, `provider "gloo": the cluster does not serve gloo.solo.io, install its custom resources`)
}

// glooWeights follows destinations to the Services that their Upstreams lead to.
func glooWeights(t *testing.T, objects []*unstructured.Unstructured, route *unstructured.Unstructured) map[string]int64 {
	t.Helper()
	services := map[string]string{}
	for _, o := range objects {
		service, _, err := unstructured.NestedString(o.Object, "spec", "kube", "serviceName")
		require.NoError(t, err)
		services[o.GetName()] = service
	}
	weights := map[string]int64{}
	shares := listed([]string{"destination", "upstream", "name"}, []string{"weight"}, "routeAction", "multi", "destinations")
	for upstream, weight := range shares(t, []*unstructured.Unstructured{route}) {
		require.NotEmpty(t, services[upstream], "%s is rendered", upstream)
		weights[services[upstream]] = weight
	}
	return weights
}

func TestGlooContract(t *testing.T) {
	weights := func(t *testing.T, objects []*unstructured.Unstructured) map[string]int64 {
		t.Helper()
		require.Len(t, objects, 3)
		require.Equal(t, "RouteTable", objects[2].GetKind(), "the Upstreams come first")
		return glooWeights(t, objects, first(t, objects[2], "spec", "routes"))
	}
	routertest.Contract(t, newGloo(t), podinfo(nil), weights)
}

func TestGlooRequests(t *testing.T) {
	routertest.Requests(t, newGloo(t), podinfo(nil), rollout.Weighted|rollout.Matched|rollout.MatchedWeighted, askGloo)
}

// askGloo takes the first route one of whose matchers a request fits.
func askGloo(t *testing.T, objects []*unstructured.Unstructured, r routertest.Request) routertest.Answer {
	t.Helper()
	routes, _, err := unstructured.NestedSlice(objects[2].Object, "spec", "routes")
	require.NoError(t, err)
	for _, route := range routes {
		matchers, _, err := unstructured.NestedSlice(route.(map[string]any), "matchers")
		require.NoError(t, err)
		fits := func(m any) bool { return glooFits(t, m.(map[string]any), r) }
		if len(matchers) == 0 || slices.ContainsFunc(matchers, fits) {
			return routertest.Answer{Weights: glooWeights(t, objects, &unstructured.Unstructured{Object: route.(map[string]any)})}
		}
	}
	require.Fail(t, "no route", "%+v", r)
	return routertest.Answer{}
}

func glooFits(t *testing.T, matcher map[string]any, r routertest.Request) bool {
	t.Helper()
	if prefix, ok := matcher["prefix"].(string); ok && !strings.HasPrefix(r.Path, prefix) {
		return false
	}
	for field, values := range map[string]map[string]string{"headers": r.Headers, "queryParameters": r.Query} {
		entries, _, err := unstructured.NestedSlice(matcher, field)
		require.NoError(t, err)
		for _, e := range entries {
			m := e.(map[string]any)
			value, there := values[m["name"].(string)]
			want, compared := m["value"].(string)
			fits := !compared || value == want
			if m["regex"] == true {
				fits, err = regexp.MatchString("^(?:"+want+")$", value)
				require.NoError(t, err)
			}
			if !there || !fits {
				return false
			}
		}
	}
	return true
}

func TestGlooRefuses(t *testing.T) {
	prefix := "G"
	match := func(m v1beta1.HTTPMatchRequest) func(*v1beta1.Canary) {
		return func(c *v1beta1.Canary) { c.Spec.Analysis.Match = []v1beta1.HTTPMatchRequest{m} }
	}
	cases := map[string]struct {
		reason string
		change func(*v1beta1.Canary)
		want   rollout.InvalidError
	}{
		"NoUpstream": {
			reason: "the object is named",
			change: func(c *v1beta1.Canary) {
				c.Spec.UpstreamRef = &v1beta1.UpstreamRef{APIVersion: "gloo.solo.io/v1", Kind: "Upstream", Name: "shared", Namespace: "infra"}
			},
			want: rollout.InvalidError{Field: "spec.upstreamRef.name", Problem: `Upstream "shared" does not exist in namespace "infra"`},
		},
		"MethodPrefix": {
			reason: "methods are listed and not compared",
			change: match(v1beta1.HTTPMatchRequest{Method: &v1beta1.StringMatch{Prefix: &prefix}}),
			want:   rollout.InvalidError{Field: "spec.analysis.match[0]", Problem: "exact methods"},
		},
		"WithoutHeaders": {
			reason: "without it the match would take more than was meant",
			change: match(v1beta1.HTTPMatchRequest{WithoutHeaders: map[string]v1beta1.StringMatch{"x-a": {}}}),
			want:   rollout.InvalidError{Field: "spec.analysis.match[0]", Problem: "and nothing else"},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			c := podinfo(nil)
			c.Spec.Analysis = &v1beta1.CanaryAnalysis{Interval: "1m", Threshold: 1, Iterations: 1}
			tc.change(c)
			in := input(c)
			in.Traffic = rollout.Traffic{Weight: 100, Matched: true}
			refuses(t, newGloo(t), in, tc.want, tc.reason)
		})
	}
}

func TestGlooSettings(t *testing.T) {
	const meta = `{apiVersion: gloo.solo.io/v1, kind: Upstream, metadata: {name: shared, namespace: test}`
	cases := map[string]struct {
		reason, spec string
		want         map[string]any
	}{
		"None":      {reason: "nothing is set", want: map[string]any{}},
		"Kept":      {reason: "how connections are treated is", spec: `, spec: {useHttp2: true}`, want: map[string]any{"useHttp2": true}},
		"Elsewhere": {reason: "where another Upstream leads to is not", spec: `, spec: {aws: {region: x}, discoveryMetadata: {labels: {}}}`, want: map[string]any{}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			c := podinfo(nil)
			c.Spec.UpstreamRef = &v1beta1.UpstreamRef{APIVersion: "gloo.solo.io/v1", Kind: "Upstream", Name: "shared"}
			applied, err := newGloo(t).Render(input(c, parse(t, meta+tc.spec+`}`)))
			require.NoError(t, err)
			for i, service := range []string{"podinfo-primary", "podinfo-canary"} {
				spec := routertest.Objects(t, applied)[i].Object["spec"].(map[string]any)
				require.Equal(t, map[string]any{"serviceName": service, "serviceNamespace": "test", "servicePort": int64(9898)}, spec["kube"])
				delete(spec, "kube")
				require.Equal(t, tc.want, spec, tc.reason)
			}
		})
	}
}

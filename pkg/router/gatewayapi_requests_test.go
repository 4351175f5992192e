package router_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/router/routertest"
)

func TestGatewayAPIRequests(t *testing.T) {
	api, root := "/api", "/"
	paths := []v1beta1.HTTPMatchRequest{{URI: &v1beta1.StringMatch{Prefix: &api}}, {URI: &v1beta1.StringMatch{Prefix: &root}}}
	cases := map[string]struct {
		reason string
		change func(*v1beta1.CanaryService)
	}{
		"AnyRequest": {reason: "a service without a match of its own"},
		"OneOfTwo": {
			reason: "each match of the service is combined with each of the analysis",
			change: func(s *v1beta1.CanaryService) { s.Match = paths },
		},
		"RulePerMatch": {
			reason: "a rewritten prefix takes a rule for each match",
			change: func(s *v1beta1.CanaryService) {
				s.Match, s.Rewrite = paths, &v1beta1.HTTPRewrite{URI: "/v2", Type: "ReplacePrefixMatch"}
			},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Log(tc.reason)
			routertest.Requests(t, newGatewayAPI(t, "gatewayapi"), attached(tc.change), everything, askGateway)
		})
	}
}

// askGateway reads an HTTPRoute as the Gateway API asks for: the most specific match wins, and among equals the first.
func askGateway(t *testing.T, objects []*unstructured.Unstructured, r routertest.Request) routertest.Answer {
	t.Helper()
	require.Len(t, objects, 1)
	rules, _, err := unstructured.NestedSlice(objects[0].Object, "spec", "rules")
	require.NoError(t, err)
	var best map[string]any
	var highest []int
	for _, rule := range rules {
		matches, _, err := unstructured.NestedSlice(rule.(map[string]any), "matches")
		require.NoError(t, err)
		for _, m := range matches {
			rank, fits := gatewayRank(t, m.(map[string]any), r)
			if fits && slices.Compare(rank, highest) > 0 {
				best, highest = rule.(map[string]any), rank
			}
		}
	}
	require.NotNil(t, best, "no rule takes the request")
	return gatewayAnswer(t, best)
}

// gatewayRank is in the order of precedence that the Gateway API gives for HTTPRouteRule.matches.
func gatewayRank(t *testing.T, m map[string]any, r routertest.Request) (rank []int, fits bool) {
	t.Helper()
	kind, _, err := unstructured.NestedString(m, "path", "type")
	require.NoError(t, err)
	value, _, err := unstructured.NestedString(m, "path", "value")
	require.NoError(t, err)
	require.Equal(t, "PathPrefix", kind, "these cases have prefixes only")
	headers, _, err := unstructured.NestedSlice(m, "headers")
	require.NoError(t, err)
	params, _, err := unstructured.NestedSlice(m, "queryParams")
	require.NoError(t, err)
	fits = strings.HasPrefix(r.Path+"/", strings.TrimSuffix(value, "/")+"/")
	return []int{len(value), len(headers), len(params)}, fits && gatewayFits(t, headers, r.Headers) && gatewayFits(t, params, r.Query)
}

func gatewayFits(t *testing.T, asked []any, given map[string]string) bool {
	t.Helper()
	for _, a := range asked {
		m := a.(map[string]any)
		text, there := given[strings.ToLower(m["name"].(string))]
		fits := text == m["value"]
		if m["type"] == "RegularExpression" {
			fits = regexp.MustCompile(m["value"].(string)).MatchString(text)
		}
		if !there || !fits {
			return false
		}
	}
	return true
}

func gatewayAnswer(t *testing.T, rule map[string]any) routertest.Answer {
	t.Helper()
	a := routertest.Answer{Weights: map[string]int64{}, Mirror: map[string]int64{}, Cookies: map[string]string{}}
	backends, _, err := unstructured.NestedSlice(rule, "backendRefs")
	require.NoError(t, err)
	for _, b := range backends {
		backend := b.(map[string]any)
		name := backend["name"].(string)
		weight, found := backend["weight"].(int64)
		require.True(t, found, "a weight of zero is written out")
		a.Weights[name] = weight
		for _, f := range filters(t, backend) {
			headers, _, err := unstructured.NestedSlice(f, "responseHeaderModifier", "add")
			require.NoError(t, err)
			require.Len(t, headers, 1)
			require.Equal(t, "Set-Cookie", headers[0].(map[string]any)["name"])
			a.Cookies[name] = headers[0].(map[string]any)["value"].(string)
		}
	}
	for _, f := range filters(t, rule) {
		name, found, err := unstructured.NestedString(f, "requestMirror", "backendRef", "name")
		require.NoError(t, err)
		if !found {
			continue
		}
		a.Mirror[name] = 100
		if percent, found, _ := unstructured.NestedInt64(f, "requestMirror", "percent"); found {
			a.Mirror[name] = percent
		}
	}
	return a
}

func filters(t *testing.T, of map[string]any) []map[string]any {
	t.Helper()
	list, _, err := unstructured.NestedSlice(of, "filters")
	require.NoError(t, err)
	var all []map[string]any
	for _, f := range list {
		all = append(all, f.(map[string]any))
	}
	return all
}

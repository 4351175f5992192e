package router_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/router/routertest"
)

func TestIstioRequests(t *testing.T) {
	cases := map[string]struct {
		reason string
		change func(*v1beta1.CanaryService)
	}{
		"AnyRequest": {reason: "a service without a match of its own", change: nil},
		"OneOfTwo": {
			reason: "each match of the service is combined with each of the analysis",
			change: func(s *v1beta1.CanaryService) {
				api, root := "/api", "/"
				s.Match = []v1beta1.HTTPMatchRequest{{URI: &v1beta1.StringMatch{Prefix: &api}}, {URI: &v1beta1.StringMatch{Exact: &root}}}
			},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Log(tc.reason)
			routertest.Requests(t, newIstio(t), podinfo(tc.change), everything, askIstio)
		})
	}
}

// askIstio reads a VirtualService as Istio documents it: the first route that has no match, or one that fits.
func askIstio(t *testing.T, objects []*unstructured.Unstructured, r routertest.Request) routertest.Answer {
	t.Helper()
	for _, o := range objects {
		routes, _, err := unstructured.NestedSlice(o.Object, "spec", "http")
		require.NoError(t, err)
		for _, route := range routes {
			if m := route.(map[string]any); istioTakes(t, m, r) {
				return istioAnswer(t, m)
			}
		}
	}
	require.Fail(t, "no route takes the request")
	return routertest.Answer{}
}

func istioTakes(t *testing.T, route map[string]any, r routertest.Request) bool {
	t.Helper()
	matches, found, err := unstructured.NestedSlice(route, "match")
	require.NoError(t, err)
	if !found {
		return true
	}
	require.NotEmpty(t, matches, "an empty list would match everything")
	for _, m := range matches {
		fits := true
		for field, asked := range m.(map[string]any) {
			switch field {
			case "uri":
				fits = fits && istioFits(t, asked, r.Path, true)
			case "headers":
				fits = fits && istioFitsAll(t, asked, r.Headers)
			case "queryParams":
				fits = fits && istioFitsAll(t, asked, r.Query)
			default:
				require.Fail(t, "a request has no "+field)
			}
		}
		if fits {
			return true
		}
	}
	return false
}

func istioFitsAll(t *testing.T, asked any, given map[string]string) bool {
	t.Helper()
	for name, comparison := range asked.(map[string]any) {
		require.Equal(t, strings.ToLower(name), name, "Istio asks for names in lower case")
		text, there := given[name]
		if !istioFits(t, comparison, text, there) {
			return false
		}
	}
	return true
}

func istioFits(t *testing.T, comparison any, text string, there bool) bool {
	t.Helper()
	for kind, value := range comparison.(map[string]any) {
		switch kind {
		case "exact":
			return there && text == value
		case "prefix":
			return there && strings.HasPrefix(text, value.(string))
		case "regex":
			return there && regexp.MustCompile("^(?:"+value.(string)+")$").MatchString(text)
		}
		require.Fail(t, "Istio knows no comparison "+kind)
	}
	return there
}

func istioAnswer(t *testing.T, route map[string]any) routertest.Answer {
	t.Helper()
	a := routertest.Answer{Weights: map[string]int64{}, Mirror: map[string]int64{}, Cookies: map[string]string{}}
	split, _, err := unstructured.NestedSlice(route, "route")
	require.NoError(t, err)
	for _, d := range split {
		side := d.(map[string]any)
		host, _, err := unstructured.NestedString(side, "destination", "host")
		require.NoError(t, err)
		a.Weights[host] = side["weight"].(int64)
		if cookie, found, _ := unstructured.NestedString(side, "headers", "response", "add", "Set-Cookie"); found {
			a.Cookies[host] = cookie
		}
	}
	if host, found, _ := unstructured.NestedString(route, "mirror", "host"); found {
		percent, _, err := unstructured.NestedInt64(route, "mirrorPercentage", "value")
		require.NoError(t, err)
		a.Mirror[host] = percent
	}
	return a
}

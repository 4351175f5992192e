package router_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	api "istio.io/api/networking/v1alpha3"
	networking "istio.io/client-go/pkg/apis/networking/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

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
		if o.GetKind() != "VirtualService" {
			continue
		}
		v := networking.VirtualService{}
		require.NoError(t, runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, &v))
		for _, route := range v.Spec.Http {
			if istioTakes(t, route, r) {
				return istioAnswer(route)
			}
		}
	}
	require.Fail(t, "no route takes the request")
	return routertest.Answer{}
}

func istioTakes(t *testing.T, route *api.HTTPRoute, r routertest.Request) bool {
	t.Helper()
	for _, m := range route.Match {
		if fits := m.Uri == nil || istioFits(m.Uri, r.Path, true); fits && istioFitsAll(t, m.Headers, r.Headers) && istioFitsAll(t, m.QueryParams, r.Query) {
			rest := proto.CloneOf(m)
			rest.Uri, rest.Headers, rest.QueryParams = nil, nil, nil
			require.True(t, proto.Equal(&api.HTTPMatchRequest{}, rest), "a request has no %s", rest)
			return true
		}
	}
	return len(route.Match) == 0
}

func istioFitsAll(t *testing.T, asked map[string]*api.StringMatch, given map[string]string) bool {
	t.Helper()
	for name, comparison := range asked {
		require.Equal(t, strings.ToLower(name), name, "Istio asks for names in lower case")
		if text, there := given[name]; !istioFits(comparison, text, there) {
			return false
		}
	}
	return true
}

func istioFits(comparison *api.StringMatch, text string, there bool) bool {
	switch m := comparison.MatchType.(type) {
	case *api.StringMatch_Exact:
		return there && text == m.Exact
	case *api.StringMatch_Prefix:
		return there && strings.HasPrefix(text, m.Prefix)
	case *api.StringMatch_Regex:
		return there && regexp.MustCompile("^(?:"+m.Regex+")$").MatchString(text)
	}
	return there
}

func istioAnswer(route *api.HTTPRoute) routertest.Answer {
	a := routertest.Answer{Weights: map[string]int64{}, Mirror: map[string]int64{}, Cookies: map[string]string{}}
	for _, d := range route.Route {
		host := d.Destination.Host
		a.Weights[host] = int64(d.Weight)
		if cookie, found := d.GetHeaders().GetResponse().GetAdd()["Set-Cookie"]; found {
			a.Cookies[host] = cookie
		}
	}
	if route.Mirror != nil {
		a.Mirror[route.Mirror.Host] = int64(route.MirrorPercentage.Value)
	}
	return a
}

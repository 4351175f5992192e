package router_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/yaml"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
	"github.com/sluice-cd/sluice/pkg/router"
	"github.com/sluice-cd/sluice/pkg/router/routertest"
)

const ownHTTPRoute = `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: storefront, namespace: test, resourceVersion: "7", uid: 5a, labels: {team: shop}, annotations: {a: b}}
spec:
  hostnames: [app.example.com]
  rules:
  - name: assets
    backendRefs: [{name: assets, port: 80, weight: 3}]
  - name: pages
    filters: [{type: URLRewrite, urlRewrite: {hostname: a.b}}]
    backendRefs: [{name: podinfo-primary, port: 9898, weight: 9}, {name: podinfo-canary, port: 9898}]
status: {parents: []}
`

func live(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	u := &unstructured.Unstructured{}
	raw, err := yaml.YAMLToJSON([]byte(text))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(raw, &u.Object))
	return u
}

func withUserRoutes(kind string, objects ...*unstructured.Unstructured) router.Input {
	in := router.Input{
		Canary: podinfo(func(s *v1beta1.CanaryService) { s.RouteRefs = []v1beta1.OwnRoute{{Kind: kind, Name: "storefront"}} }),
		Read:   map[router.Ref]*unstructured.Unstructured{},
	}
	for _, u := range objects {
		in.Read[router.Ref{GroupVersionKind: u.GroupVersionKind(), Namespace: u.GetNamespace(), Name: u.GetName()}] = u
	}
	return in
}

// Of a route of the user's own everything but the weights comes out as it went in.
func TestOwnRouteKeepsAllButWeights(t *testing.T) {
	for weight := range 101 {
		found := live(t, ownHTTPRoute)
		in := withUserRoutes("HTTPRoute", found)
		in.Traffic.Weight = weight
		applied, err := newGatewayAPI(t, "gatewayapi").Render(in)
		require.NoError(t, err)
		require.Equal(t, live(t, ownHTTPRoute), found, "what was read is not written to")
		got := routertest.Objects(t, applied)
		require.Len(t, got, 1)
		require.True(t, applied[0].(router.Object).UserOwned())
		want := live(t, strings.NewReplacer("weight: 9", "weight: "+itoa(100-weight),
			"{name: podinfo-canary, port: 9898}", "{name: podinfo-canary, port: 9898, weight: "+itoa(weight)+"}").Replace(ownHTTPRoute))
		require.Equal(t, map[string]any{"rules": want.Object["spec"].(map[string]any)["rules"]}, got[0].Object["spec"])
		require.Equal(t, map[string]any{"name": "storefront", "namespace": "test", "resourceVersion": "7"}, got[0].Object["metadata"])
	}
}

func itoa(n int) string { raw, _ := json.Marshal(n); return string(raw) }

func TestOwnRouteContract(t *testing.T) {
	in := withUserRoutes("HTTPRoute", live(t, ownHTTPRoute))
	weights := func(t *testing.T, objects []*unstructured.Unstructured) map[string]int64 {
		t.Helper()
		rules, _, err := unstructured.NestedSlice(objects[0].Object, "spec", "rules")
		require.NoError(t, err)
		return gatewayAnswer(t, rules[1].(map[string]any)).Weights
	}
	routertest.Contract(t, newGatewayAPI(t, "gatewayapi"), in.Canary, weights, live(t, ownHTTPRoute))
}

func TestOwnRouteDestinations(t *testing.T) {
	const route = "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: storefront, namespace: test}\n" +
		"spec: {LIST: [{route: [{destination: {host: PRIMARY}}, {destination: {host: podinfo-canary}}]}]}"
	cases := map[string]struct {
		reason  string
		list    string
		primary string
		part    bool
	}{
		"Short":          {reason: "a short name is of the route's namespace", list: "http", primary: "podinfo-primary", part: true},
		"Namespace":      {reason: "so may the namespace be named", list: "http", primary: "podinfo-primary.test", part: true},
		"Service":        {reason: "and that it is a Service", list: "http", primary: "podinfo-primary.test.svc", part: true},
		"Whole":          {reason: "a whole name in whichever domain", list: "http", primary: "podinfo-primary.test.svc.cluster.local", part: true},
		"TCP":            {reason: "connections are moved as well", list: "tcp", primary: "podinfo-primary", part: true},
		"TLS":            {reason: "encrypted ones, too", list: "tls", primary: "podinfo-primary", part: true},
		"OtherNamespace": {reason: "a Service of that name elsewhere is another one", list: "http", primary: "podinfo-primary.prod.svc.cluster.local"},
		"OtherDomain":    {reason: "a host out of the cluster is none of ours", list: "http", primary: "podinfo-primary.test.example.com"},
		"OtherService":   {reason: "one side alone is not divided", list: "http", primary: "podinfo"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			in := withUserRoutes("VirtualService", live(t, strings.NewReplacer("LIST", tc.list, "PRIMARY", tc.primary).Replace(route)))
			in.Traffic.Weight = 30
			applied, err := newIstio(t).Render(in)
			if !tc.part {
				require.ErrorContains(t, err, "spec.service.routeRefs[0]: no rule of VirtualService \"storefront\" has both Services", tc.reason)
				return
			}
			require.NoError(t, err, tc.reason)
			require.Len(t, applied, 3, "the rules of the Services are ours all the same")
			want := map[string]int64{tc.primary: 70, "podinfo-canary": 30}
			require.Equal(t, want, istioWeights(tc.list)(t, routertest.Objects(t, applied)[2:]), tc.reason)
		})
	}
}

func TestOwnRouteRefuses(t *testing.T) {
	cases := map[string]struct {
		reason string
		change func(*router.Input)
		field  string
		says   string
	}{
		"Kind": {
			reason: "each provider moves its own kinds",
			change: func(in *router.Input) { in.Canary.Spec.Service.RouteRefs[0].Kind = "VirtualService" },
			field:  "spec.service.routeRefs[0].kind", says: `"VirtualService" is not moved by the provider gatewayapi, which moves GRPCRoute and HTTPRoute`,
		},
		"Missing": {
			reason: "what is not there is not made",
			change: func(in *router.Input) { in.Canary.Spec.Service.RouteRefs[0].Name = "gone" },
			field:  "spec.service.routeRefs[0].name", says: `HTTPRoute "gone" does not exist in namespace "test"`,
		},
		"NoPart": {
			reason: "what to add is said",
			change: func(in *router.Input) { in.Canary.Spec.Service.Name = "shop" },
			field:  "spec.service.routeRefs[0]", says: `both Services "shop-primary" and "shop-canary" among its backends; add them`,
		},
		"Match": {
			reason: "the matches of a route are the user's",
			change: func(in *router.Input) {
				in.Canary.Spec.Analysis = &v1beta1.CanaryAnalysis{Match: []v1beta1.HTTPMatchRequest{{}}}
			},
			field: "spec.analysis.match", says: "only weights are set in it",
		},
		"Timeout": {
			reason: "so is everything else",
			change: func(in *router.Input) { in.Canary.Spec.Service.Timeout = "5s" },
			field:  "spec.service.timeout", says: "belongs into the routes of spec.service.routeRefs",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			in := withUserRoutes("HTTPRoute", live(t, ownHTTPRoute))
			tc.change(&in)
			_, err := newGatewayAPI(t, "gatewayapi").Render(in)
			var invalid *rollout.InvalidError
			require.ErrorAs(t, err, &invalid, tc.reason)
			require.Equal(t, tc.field, invalid.Field, tc.reason)
			require.Contains(t, invalid.Problem, tc.says, tc.reason)
		})
	}
}

func TestTCPRefusesMoreThanWeights(t *testing.T) {
	cases := map[string]struct {
		field  string
		change func(*v1beta1.CanaryAnalysis)
	}{
		"Match":   {"spec.analysis.match", func(a *v1beta1.CanaryAnalysis) { a.Match = []v1beta1.HTTPMatchRequest{{}} }},
		"Preview": {"spec.analysis.previewMatch", func(a *v1beta1.CanaryAnalysis) { a.PreviewMatch = []v1beta1.HTTPMatchRequest{{}} }},
		"StepPreview": {"spec.analysis.steps[1].previewMatch", func(a *v1beta1.CanaryAnalysis) {
			a.Steps = []v1beta1.AnalysisStep{{}, {PreviewMatch: &[]v1beta1.HTTPMatchRequest{{}}}}
		}},
		"StepMirror": {"spec.analysis.steps[0].mirror", func(a *v1beta1.CanaryAnalysis) { a.Steps = []v1beta1.AnalysisStep{{Mirror: 10}} }},
		"Mirror":     {"spec.analysis.mirror", func(a *v1beta1.CanaryAnalysis) { a.Mirror = true }},
		"Affinity":   {"spec.analysis.sessionAffinity", func(a *v1beta1.CanaryAnalysis) { a.SessionAffinity = &v1beta1.SessionAffinity{CookieName: "a"} }},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			c := podinfo(func(s *v1beta1.CanaryService) { s.AppProtocol = "TCP" })
			c.Spec.Analysis = &v1beta1.CanaryAnalysis{}
			tc.change(c.Spec.Analysis)
			_, err := newIstio(t).Render(router.Input{Canary: c})
			var invalid *rollout.InvalidError
			require.ErrorAs(t, err, &invalid, "a connection shows no headers")
			require.Equal(t, tc.field, invalid.Field)
		})
	}
}

// What Istio does not know is told by the field that it was written in, not by a combination's place.
func TestIstioRefusesInAnalysis(t *testing.T) {
	c := podinfo(nil)
	c.Spec.Analysis = &v1beta1.CanaryAnalysis{Match: []v1beta1.HTTPMatchRequest{{}, {Port: -1}}}
	_, err := newIstio(t).Render(router.Input{Canary: c})
	require.ErrorContains(t, err, "spec.analysis.match[1].port: ")
}

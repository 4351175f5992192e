package router_test

import (
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

func newGatewayAPI(t *testing.T, provider string) router.Router {
	t.Helper()
	r, can, err := router.New(provider, router.Options{APIVersions: []string{
		"gateway.networking.k8s.io/v1", "gateway.networking.k8s.io/v1beta1",
	}})
	require.NoError(t, err)
	require.Equal(t, everything, can, "all that is rendered, and no more, is promised")
	return r
}

// attached is podinfo behind a gateway.
func attached(change func(*v1beta1.CanaryService)) *v1beta1.Canary {
	return podinfo(func(s *v1beta1.CanaryService) {
		s.GatewayRefs = []v1beta1.GatewayRef{{Name: "public", Namespace: "gateways"}}
		if change != nil {
			change(s)
		}
	})
}

func gatewaySchemas(t *testing.T) *routertest.Schemas {
	t.Helper()
	return routertest.Load(t, "sigs.k8s.io/gateway-api",
		"config/crd/standard/gateway.networking.k8s.io_httproutes.yaml",
		"config/crd/standard/gateway.networking.k8s.io_grpcroutes.yaml")
}

func TestGatewayAPIGolden(t *testing.T) {
	for _, provider := range []string{"gatewayapi", "gatewayapi:v1"} {
		routertest.Golden(t, "testdata/gatewayapi", provider, *update, gatewaySchemas(t))
	}
	routertest.Golden(t, "testdata/gatewayapi-v1beta1", "gatewayapi:v1beta1", *update, gatewaySchemas(t))
}

func TestGatewayAPIContract(t *testing.T) {
	cases := map[string]struct {
		reason string
		change func(*v1beta1.CanaryService)
	}{
		"HTTP": {reason: "requests are divided by an HTTPRoute"},
		"GRPC": {reason: "calls are divided by a GRPCRoute", change: func(s *v1beta1.CanaryService) { s.AppProtocol = "kubernetes.io/grpc" }},
		"CustomMetadata": {
			reason: "custom annotations neither replace ours nor change in the Canary",
			change: func(s *v1beta1.CanaryService) {
				s.Apex = &v1beta1.CustomMetadata{Annotations: map[string]string{"helm.toolkit.fluxcd.io/driftDetection": "enabled"}}
				s.Rewrite = &v1beta1.HTTPRewrite{URI: "/", Type: "ReplacePrefixMatch"}
				s.Hosts = append(make([]string, 0, 8), "app.example.com")
			},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			for _, provider := range []string{"gatewayapi", "gatewayapi:v1", "gatewayapi:v1beta1"} {
				t.Log(tc.reason)
				routertest.Contract(t, newGatewayAPI(t, provider), attached(tc.change), gatewayWeights)
			}
		})
	}
}

// gatewayWeights reads the only rule of the only route.
func gatewayWeights(t *testing.T, objects []*unstructured.Unstructured) map[string]int64 {
	t.Helper()
	require.Len(t, objects, 1)
	rules, _, err := unstructured.NestedSlice(objects[0].Object, "spec", "rules")
	require.NoError(t, err)
	require.Len(t, rules, 1)
	return gatewayAnswer(t, rules[0].(map[string]any)).Weights
}

func TestGatewayAPIRefuses(t *testing.T) {
	text, other := "x", "y"
	cases := map[string]struct {
		reason string
		change func(*v1beta1.Canary)
		field  string
		says   string
	}{
		"NoGateway": {
			reason: "a route that hangs on nothing takes no requests",
			change: func(c *v1beta1.Canary) { c.Spec.Service.GatewayRefs = nil },
			field:  "spec.service.gatewayRefs", says: "GatewayRefs must be specified when using Gateway API as a provider.",
		},
		"Retries": {
			reason: "what would be left out is said",
			change: func(c *v1beta1.Canary) { c.Spec.Service.Retries = &v1beta1.HTTPRetry{Attempts: 3} },
			field:  "spec.service.retries", says: "use the provider istio",
		},
		"SourceLabels": {
			reason: "without it the rule would take everybody",
			change: func(c *v1beta1.Canary) {
				c.Spec.Analysis.Match = []v1beta1.HTTPMatchRequest{{}, {SourceLabels: map[string]string{"app": "shop"}}}
			},
			field: "spec.analysis.match[1].sourceLabels", says: "cannot be asked for in the Gateway API",
		},
		"MethodPrefix": {
			reason: "methods are an enumeration",
			change: func(c *v1beta1.Canary) {
				c.Spec.Service.Match = []v1beta1.HTTPMatchRequest{{Method: &v1beta1.StringMatch{Prefix: &text}}}
			},
			field: "spec.service.match[0].method", says: "compared exactly only",
		},
		"Duration": {
			reason: "a duration that cannot be read is not the default",
			change: func(c *v1beta1.Canary) { c.Spec.Service.BackendTimeout = "soon" },
			field:  "spec.service.backendTimeout", says: `"soon" is not a duration`,
		},
		"TooFine": {
			reason: "the Gateway API has no microseconds",
			change: func(c *v1beta1.Canary) { c.Spec.Service.Timeout = "10us" },
			field:  "spec.service.timeout", says: "whole milliseconds",
		},
		"CORSPrefix": {
			reason: "origins are not compared by their beginning",
			change: func(c *v1beta1.Canary) {
				c.Spec.Service.CorsPolicy = &v1beta1.CorsPolicy{AllowOrigins: []v1beta1.StringMatch{{Exact: &text}, {Prefix: &text}}}
			},
			field: "spec.service.corsPolicy.allowOrigins[1]", says: "compared exactly only",
		},
		"TooMany": {
			reason: "a rule has an end, and is not found too long in the middle of a rollout",
			change: func(c *v1beta1.Canary) {
				c.Spec.Service.Match = make([]v1beta1.HTTPMatchRequest, 13)
				c.Spec.Analysis.PreviewMatch = make([]v1beta1.HTTPMatchRequest, 5)
			},
			field: "spec.analysis.previewMatch", says: "makes 65 matches",
		},
		"Unclear": {
			reason: "two comparisons of a header are not made one",
			change: func(c *v1beta1.Canary) {
				c.Spec.Service.Match = []v1beta1.HTTPMatchRequest{{Headers: map[string]v1beta1.StringMatch{"Agent": {Prefix: &text}}}}
				c.Spec.Analysis.Match = []v1beta1.HTTPMatchRequest{{Headers: map[string]v1beta1.StringMatch{"agent": {Suffix: &other}}}}
			},
			field: "spec.analysis.match[0].headers.agent", says: "spec.service.match[0].headers.agent",
		},
		"GRPCTimeout": {
			reason: "a GRPCRoute has none",
			change: func(c *v1beta1.Canary) { c.Spec.Service.AppProtocol, c.Spec.Service.Timeout = "grpc", "5s" },
			field:  "spec.service.timeout", says: "GRPCRoute",
		},
		"GRPCCookies": {
			reason: "clients of gRPC keep no cookies",
			change: func(c *v1beta1.Canary) {
				c.Spec.Service.AppProtocol, c.Spec.Analysis.SessionAffinity = "grpc", &v1beta1.SessionAffinity{CookieName: "side"}
			},
			field: "spec.analysis.sessionAffinity", says: "GRPCRoute",
		},
		"GRPCPath": {
			reason: "gRPC's paths are services and methods",
			change: func(c *v1beta1.Canary) {
				c.Spec.Service.AppProtocol = "grpc"
				c.Spec.Service.Match = []v1beta1.HTTPMatchRequest{{URI: &v1beta1.StringMatch{Prefix: &text}}}
			},
			field: "spec.service.match[0].uri", says: "/shop.Cart/Add",
		},
		"GRPCQuery": {
			reason: "gRPC has no parameters",
			change: func(c *v1beta1.Canary) {
				c.Spec.Service.AppProtocol = "grpc"
				c.Spec.Analysis.Match = []v1beta1.HTTPMatchRequest{{QueryParams: map[string]v1beta1.StringMatch{"a": {}}}}
			},
			field: "spec.analysis.match[0].queryParams", says: "compare headers",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			c := attached(nil)
			c.Spec.Analysis = &v1beta1.CanaryAnalysis{Interval: "1m"}
			tc.change(c)
			_, err := newGatewayAPI(t, "gatewayapi").Render(router.Input{Canary: c})
			var invalid *rollout.InvalidError
			require.ErrorAs(t, err, &invalid, tc.reason)
			require.Equal(t, tc.field, invalid.Field, tc.reason)
			require.Contains(t, invalid.Problem, tc.says, tc.reason)
		})
	}
}

func TestGatewayAPIAccepted(t *testing.T) {
	const spec = "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: podinfo, namespace: test, generation: 3}\n" +
		"spec: {parentRefs: [{name: public, namespace: gateways}, {name: podinfo, kind: Service, group: ''}]}\n"
	both := func(first, second string) string {
		return "status: {parents: [" +
			"{parentRef: {name: public, namespace: gateways, group: gateway.networking.k8s.io, kind: Gateway}, conditions: [" + first + "]}," +
			"{parentRef: {name: podinfo, kind: Service, group: ''}, conditions: [" + second + "]}]}"
	}
	const yes = "{type: Accepted, status: 'True', observedGeneration: 3}, {type: ResolvedRefs, status: 'True', observedGeneration: 3}"
	cases := map[string]struct {
		reason string
		status string
		want   string
	}{
		"Taken":    {reason: "every parent has it", status: both(yes, yes)},
		"NoStatus": {reason: "a gateway that has said nothing has not taken it", want: `parent "public" has not answered yet`},
		"OneOfTwo": {
			reason: "all parents count",
			status: "status: {parents: [{parentRef: {name: public, namespace: gateways}, conditions: [" + yes + "]}]}",
			want:   `parent "podinfo" has not answered yet`,
		},
		"LeftOver": {
			reason: "what a parent says that is none any more does not count",
			status: both(yes, yes)[:len(both(yes, yes))-2] + ", {parentRef: {name: old}, conditions: [{type: Accepted, status: 'False', observedGeneration: 3}]}]}",
		},
		"Refused": {
			reason: "why is passed on",
			status: both("{type: Accepted, status: 'False', observedGeneration: 3, reason: NoMatchingParent, message: no such listener}", yes),
			want:   `parent "public" says Accepted is False: NoMatchingParent: no such listener`,
		},
		"NoBackend": {
			reason: "a route without its Services answers with errors",
			status: both(yes, "{type: Accepted, status: 'True', observedGeneration: 3}, {type: ResolvedRefs, status: 'False', observedGeneration: 3, reason: BackendNotFound, message: podinfo-canary}"),
			want:   `parent "podinfo" says ResolvedRefs is False: BackendNotFound: podinfo-canary`,
		},
		"Half": {
			reason: "half an answer is waited for",
			status: both("{type: Accepted, status: 'True', observedGeneration: 3}", yes),
			want:   `parent "public" has not said ResolvedRefs yet`,
		},
		"Stale": {
			reason: "what was true of the version before says nothing about this one",
			status: both("{type: Accepted, status: 'False', observedGeneration: 2}", yes),
			want:   `parent "public" has not looked at the newest version yet`,
		},
		"Undated": {
			reason: "a controller that does not say which version it speaks of, as Linkerd's, is taken at its word",
			status: both("{type: Accepted, status: 'True'}, {type: ResolvedRefs, status: 'True'}", yes),
		},
		"UndatedRefusal": {
			reason: "whichever way that goes",
			status: both("{type: Accepted, status: 'False', reason: NoMatchingParent, message: no such port}", yes),
			want:   `parent "public" says Accepted is False: NoMatchingParent: no such port`,
		},
		"UndatedPartly": {
			reason: "and of a part as well",
			status: both(yes+", {type: PartiallyInvalid, status: 'True', reason: UnsupportedValue, message: Dropped Rule}", yes),
			want:   `parent "public" takes a part of it only: UnsupportedValue: Dropped Rule`,
		},
		"Partly": {
			reason: "rules that were dropped are no routes",
			status: both(yes+", {type: PartiallyInvalid, status: 'True', observedGeneration: 3, reason: UnsupportedValue, message: Dropped Rule}", yes),
			want:   `parent "public" takes a part of it only: UnsupportedValue: Dropped Rule`,
		},
		"Malformed": {
			reason: "a status that cannot be read is said, not taken for good",
			status: "status: {parents: 3}",
			want:   "its status cannot be read",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			u := &unstructured.Unstructured{}
			live, err := yaml.YAMLToJSON([]byte(spec + tc.status))
			require.NoError(t, err)
			require.NoError(t, json.Unmarshal(live, &u.Object))
			ok, reason := newGatewayAPI(t, "gatewayapi").(router.Prober).Accepted([]*unstructured.Unstructured{u})
			require.Equal(t, tc.want == "", ok, tc.reason)
			if tc.want != "" {
				require.Contains(t, reason, "HTTPRoute podinfo.test: "+tc.want, tc.reason)
			}
		})
	}
}

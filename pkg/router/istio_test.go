package router_test

import (
	"flag"
	"fmt"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	api "istio.io/api/networking/v1alpha3"
	networking "istio.io/client-go/pkg/apis/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/yaml"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
	"github.com/sluice-cd/sluice/pkg/router"
	"github.com/sluice-cd/sluice/pkg/router/routertest"
)

const everything = rollout.Weighted | rollout.Mirrored | rollout.Matched | rollout.MatchedWeighted | rollout.Sticky

var update = flag.Bool("update", false, "write the golden files")

func newIstio(t *testing.T) router.Router {
	t.Helper()
	r, can, err := router.New("istio", router.Options{APIVersions: []string{"networking.istio.io/v1"}})
	require.NoError(t, err)
	require.Equal(t, everything, can, "all that is rendered, and no more, is promised")
	return r
}

func podinfo(change func(*v1beta1.CanaryService)) *v1beta1.Canary {
	c := &v1beta1.Canary{
		ObjectMeta: metav1.ObjectMeta{Name: "podinfo", Namespace: "test", UID: types.UID("1b3e")},
		Spec: v1beta1.CanarySpec{
			TargetRef: v1beta1.TargetRef{APIVersion: "apps/v1", Kind: "Deployment", Name: "podinfo"},
			Service:   v1beta1.CanaryService{Port: 9898},
		},
	}
	if change != nil {
		change(&c.Spec.Service)
	}
	return c
}

func istioSchemas(t *testing.T) *routertest.Schemas {
	t.Helper()
	return routertest.Load(t, "istio.io/api", "kubernetes/customresourcedefinitions.gen.yaml")
}

func TestIstioGolden(t *testing.T) {
	routertest.Golden(t, "testdata/istio", "istio", *update, istioSchemas(t))
}

func TestIstioContract(t *testing.T) {
	cases := map[string]struct {
		reason string
		change func(*v1beta1.CanaryService)
		kind   string
	}{
		"HTTP": {reason: "requests are divided by a list of HTTP routes", kind: "http"},
		"TCP": {
			reason: "connections are divided by a list of TCP routes",
			change: func(s *v1beta1.CanaryService) { s.AppProtocol = "tcp" },
			kind:   "tcp",
		},
		"Delegation": {
			reason: "a delegate divides what it is handed",
			change: func(s *v1beta1.CanaryService) { s.Delegation = true },
			kind:   "http",
		},
		"CustomMetadata": {
			reason: "custom annotations neither replace ours nor change in the Canary",
			change: func(s *v1beta1.CanaryService) {
				s.Apex = &v1beta1.CustomMetadata{Annotations: map[string]string{"helm.toolkit.fluxcd.io/driftDetection": "enabled"}}
				s.Rewrite = &v1beta1.HTTPRewrite{URI: "/", Type: "ReplaceFullPath"}
				s.Hosts = append(make([]string, 0, 8), "app.example.com")
			},
			kind: "http",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			routertest.Contract(t, newIstio(t), podinfo(tc.change), istioWeights(tc.kind))
		})
	}
}

// istioWeights reads the only route of the only VirtualService.
func istioWeights(kind string) routertest.Weights {
	return func(t *testing.T, objects []*unstructured.Unstructured) map[string]int64 {
		t.Helper()
		weights := map[string]int64{}
		for _, o := range objects {
			routes, _, err := unstructured.NestedSlice(o.Object, "spec", kind)
			require.NoError(t, err)
			for _, r := range routes {
				split, _, err := unstructured.NestedSlice(r.(map[string]any), "route")
				require.NoError(t, err)
				for _, d := range split {
					host, _, err := unstructured.NestedString(d.(map[string]any), "destination", "host")
					require.NoError(t, err)
					weight, found, err := unstructured.NestedInt64(d.(map[string]any), "weight")
					require.NoError(t, err)
					require.True(t, found, "a weight of zero is written out")
					weights[host] = weight
				}
			}
		}
		return weights
	}
}

func raw(text string) *runtime.RawExtension { return &runtime.RawExtension{Raw: []byte(text)} }

func TestIstioRefuses(t *testing.T) {
	path := "/api"
	cases := map[string]struct {
		reason string
		change func(*v1beta1.CanaryService)
		want   rollout.InvalidError
	}{
		"Timeout": {
			reason: "a duration that cannot be read is not the default",
			change: func(s *v1beta1.CanaryService) { s.Timeout = "soon" },
			want:   rollout.InvalidError{Field: "spec.service.timeout", Problem: `"soon" is not a duration such as 15s`},
		},
		"TrafficPolicyTypo": {
			reason: "Istio's decoder would drop the field and leave traffic in the clear",
			change: func(s *v1beta1.CanaryService) { s.TrafficPolicy = raw(`{"tls":{"mod":"ISTIO_MUTUAL"}}`) },
			want:   rollout.InvalidError{Field: "spec.service.trafficPolicy.tls.mod", Problem: "unknown to Istio here"},
		},
		"TrafficPolicyInList": {
			reason: "the place inside of a list is named",
			change: func(s *v1beta1.CanaryService) {
				s.TrafficPolicy = raw(`{"portLevelSettings":[{"port":{"number":80}},{"port":{"number":81},"tsl":{"mode":"SIMPLE"}}]}`)
			},
			want: rollout.InvalidError{Field: "spec.service.trafficPolicy.portLevelSettings[1].tsl", Problem: "unknown to Istio here"},
		},
		"HTTPMatchOnTCP": {
			reason: "without its path the match would take every connection",
			change: func(s *v1beta1.CanaryService) {
				s.AppProtocol = "tcp"
				s.Match = []v1beta1.HTTPMatchRequest{{Port: 6379}, {URI: &v1beta1.StringMatch{Exact: &path}}}
			},
			want: rollout.InvalidError{Field: "spec.service.match[1].uri", Problem: "unknown to Istio here"},
		},
		"FirstOfTwo": {
			reason: "of several problems it is always the same one that is told",
			change: func(s *v1beta1.CanaryService) {
				s.Timeout = "soon"
				s.TrafficPolicy = raw(`{"tsl":{}, "lb": 1}`)
			},
			want: rollout.InvalidError{Field: "spec.service.trafficPolicy.lb", Problem: "unknown to Istio here"},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := newIstio(t).Render(router.Input{Canary: podinfo(tc.change)})
			var invalid *rollout.InvalidError
			require.ErrorAs(t, err, &invalid, tc.reason)
			require.Equal(t, tc.want, *invalid, tc.reason)
		})
	}
}

func TestIstioRefusesWrongTypes(t *testing.T) {
	cases := map[string]struct {
		reason string
		change func(*v1beta1.CanaryService)
		field  string
	}{
		"Enum": {
			reason: "a value outside of an enumeration is refused by Istio's decoder",
			change: func(s *v1beta1.CanaryService) { s.TrafficPolicy = raw(`{"tls":{"mode":"MAYBE"}}`) },
			field:  "spec.service.trafficPolicy.tls.mode",
		},
		"TypeInAList": {
			reason: "the entry is named",
			change: func(s *v1beta1.CanaryService) {
				s.TrafficPolicy = raw(`{"tls":{"mode":"SIMPLE"},"portLevelSettings":[{"port":{"number":80}},{"port":{"number":"eighty"}}]}`)
			},
			field: "spec.service.trafficPolicy.portLevelSettings[1].port.number",
		},
		"Duration": {
			reason: "durations inside of a field are read as Istio reads them",
			change: func(s *v1beta1.CanaryService) { s.Retries = &v1beta1.HTTPRetry{Attempts: 1, PerTryTimeout: "soon"} },
			field:  "spec.service.retries.perTryTimeout",
		},
		"NotJSON": {
			reason: "an object that was built wrongly is an error and no panic",
			change: func(s *v1beta1.CanaryService) { s.TrafficPolicy = raw(`{`) },
			field:  "spec.service.trafficPolicy",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			in := router.Input{Canary: podinfo(tc.change)}
			_, err := newIstio(t).Render(in)
			var invalid *rollout.InvalidError
			require.ErrorAs(t, err, &invalid, tc.reason)
			require.Equal(t, tc.field, invalid.Field, tc.reason)
			_, again := newIstio(t).Render(in)
			require.EqualError(t, again, err.Error(), "what ends in a condition does not change by itself")
		})
	}
}

func TestIstioAccepted(t *testing.T) {
	cases := map[string]struct {
		reason string
		live   string
		want   string
	}{
		"NoStatus": {reason: "by default istiod writes none, and nothing is held back", live: `{}`},
		"Reconciled": {
			reason: "every proxy has it",
			live:   `status: {conditions: [{type: Reconciled, status: "True"}]}`,
		},
		"OnItsWay": {
			reason: "the message counts proxies, so it is not passed on",
			live:   `status: {conditions: [{type: Reconciled, status: "False", message: 1/2 proxies up to date.}]}`,
			want:   "VirtualService podinfo.test: not every proxy has taken it yet",
		},
		"Invalid": {
			reason: "an error of the analysers is named by its code",
			live:   `status: {validationMessages: [{level: WARNING, type: {code: IST0001}}, {level: ERROR, type: {name: ReferencedResourceNotFound, code: IST0101}}]}`,
			want:   "VirtualService podinfo.test: refused by Istio's validation: ReferencedResourceNotFound (IST0101)",
		},
		"InvalidByNumber": {
			reason: "levels are numbers where they were not written by proto JSON",
			live:   `status: {validationMessages: [{level: 3, type: {name: SchemaValidationError, code: IST0106}}]}`,
			want:   "VirtualService podinfo.test: refused by Istio's validation: SchemaValidationError (IST0106)",
		},
		"InvalidInWords": {
			reason: "Istio's examples write levels like this",
			live:   `status: {validationMessages: [{level: Error, type: {name: SchemaValidationError, code: IST0106}}]}`,
			want:   "VirtualService podinfo.test: refused by Istio's validation: SchemaValidationError (IST0106)",
		},
		"Warned": {
			reason: "a warning does not keep a route from working",
			live:   `status: {validationMessages: [{level: WARNING, type: {name: PodMissingProxy, code: IST0103}}]}`,
		},
		"Outdated": {
			reason: "what was wrong with the version before says nothing about this one",
			live:   `{metadata: {generation: 4}, status: {observedGeneration: "3", validationMessages: [{level: ERROR, type: {code: IST0101}}]}}`,
		},
		"Observed": {
			reason: "what is wrong with this version counts",
			live:   `{metadata: {generation: 3}, status: {observedGeneration: 3, conditions: [{type: Reconciled, status: "False"}]}}`,
			want:   "VirtualService podinfo.test: not every proxy has taken it yet",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			u := &unstructured.Unstructured{}
			live, err := yaml.YAMLToJSON([]byte(tc.live))
			require.NoError(t, err)
			require.NoError(t, json.Unmarshal(live, &u.Object))
			u.SetAPIVersion("networking.istio.io/v1")
			u.SetKind("VirtualService")
			u.SetName("podinfo")
			u.SetNamespace("test")
			ok, reason := newIstio(t).(router.Prober).Accepted([]*unstructured.Unstructured{u})
			require.Equal(t, tc.want == "", ok, tc.reason)
			require.Equal(t, tc.want, reason, tc.reason)
		})
	}
}

// With more than one port, from wherever they are, requests go to the port that they asked: at a gateway that one has to be
// named, and inside it must not be.
func TestIstioPorts(t *testing.T) {
	two := map[string]int32{"http": 9898, "metrics": 9797}
	cases := map[string]struct {
		reason   string
		gateways []string
		ports    map[string]int32
		tcp      bool
		want     []string // of each route, who takes it and the port of its destinations
	}{
		"OnePort":   {reason: "one port is the port", gateways: []string{"mesh", "public"}, ports: map[string]int32{"http": 9898}, want: []string{"[] -"}},
		"Mesh":      {reason: "sidecars keep the port that was asked", ports: two, want: []string{"[] -"}},
		"Gateway":   {reason: "a gateway's own port is none of the Service's", gateways: []string{"public"}, ports: two, want: []string{"[] 9898"}},
		"Both":      {reason: "each way has its routes", gateways: []string{"mesh", "public"}, ports: two, want: []string{"[mesh] -", "[] 9898"}},
		"BothByTCP": {reason: "connections as well", gateways: []string{"mesh", "public"}, ports: two, tcp: true, want: []string{"[mesh] -", "[] 9898"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			c := podinfo(func(s *v1beta1.CanaryService) {
				s.Gateways = tc.gateways
				if tc.tcp {
					s.AppProtocol = "tcp"
				}
			})
			rendered, err := newIstio(t).Render(router.Input{Canary: c, Traffic: rollout.Traffic{Weight: 30}, Ports: tc.ports})
			require.NoError(t, err)
			o, ok := rendered[len(rendered)-1].(router.Object)
			require.True(t, ok)
			var v networking.VirtualService
			require.NoError(t, runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, &v))
			var got []string
			port := func(to *api.Destination) string {
				if to.Port == nil {
					return "-"
				}
				return strconv.Itoa(int(to.Port.Number))
			}
			for _, r := range v.Spec.Http {
				from := []string{}
				for _, m := range r.Match {
					from = append(from, m.Gateways...)
				}
				got = append(got, fmt.Sprint(from, " ", port(r.Route[0].Destination)))
			}
			for _, r := range v.Spec.Tcp {
				from := []string{}
				for _, m := range r.Match {
					from = append(from, m.Gateways...)
				}
				got = append(got, fmt.Sprint(from, " ", port(r.Route[0].Destination)))
			}
			require.Equal(t, tc.want, got, tc.reason)
		})
	}
}

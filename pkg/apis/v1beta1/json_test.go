package v1beta1_test

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	networking "istio.io/api/networking/v1alpha3"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

func TestExamplesAreAcceptedAndKept(t *testing.T) {
	cases := map[string]struct {
		reason string
		plural string
		into   any
	}{
		"podinfo-canary.yaml":       {reason: "the first Canary that users meet", plural: "canaries", into: &v1beta1.Canary{}},
		"podinfo-bg.yaml":           {reason: "blue/green", plural: "canaries", into: &v1beta1.Canary{}},
		"podinfo-canary-alert.yaml": {reason: "with alerts", plural: "canaries", into: &v1beta1.Canary{}},
		"podinfo-alert.yaml":        {reason: "the channel of the alerts", plural: "alertproviders", into: &v1beta1.AlertProvider{}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			manifest := example(t, name)[0]
			stored, errs := serve(t, tc.plural).create(t, parse(t, manifest))
			require.Empty(t, errs, tc.reason)
			require.Equal(t, parse(t, manifest), stored, "nothing may be pruned: %s", tc.reason)

			require.NoError(t, yaml.UnmarshalStrict([]byte(manifest), tc.into))
			back, err := yaml.Marshal(tc.into)
			require.NoError(t, err)
			require.Equal(t, parse(t, manifest), parse(t, string(back)), "the Go types must lose and add nothing: %s", tc.reason)
		})
	}
}

// fields lists the JSON names of a Go type's fields.
func fields(of any) []string {
	names := []string{}
	for field := range reflect.TypeOf(of).Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func TestIstioFields(t *testing.T) {
	cases := map[string]struct {
		reason string
		istio  proto.Message
		ours   any
		more   []string
	}{
		"Match":      {reason: "a match can be pasted", istio: &networking.HTTPMatchRequest{}, ours: v1beta1.HTTPMatchRequest{}},
		"Comparison": {reason: "suffix is the contract's own", istio: &networking.StringMatch{}, ours: v1beta1.StringMatch{}, more: []string{"suffix"}},
		"Rewrite":    {reason: "type is for the Gateway API", istio: &networking.HTTPRewrite{}, ours: v1beta1.HTTPRewrite{}, more: []string{"type"}},
		"Expression": {reason: "a rewrite can be pasted", istio: &networking.RegexRewrite{}, ours: v1beta1.RegexRewrite{}},
		"Retries":    {reason: "retries can be pasted", istio: &networking.HTTPRetry{}, ours: v1beta1.HTTPRetry{}},
		"Headers":    {reason: "headers can be pasted", istio: &networking.Headers{}, ours: v1beta1.Headers{}},
		"Operations": {reason: "headers can be pasted", istio: &networking.Headers_HeaderOperations{}, ours: v1beta1.HeaderOperations{}},
		"Cors":       {reason: "a policy can be pasted", istio: &networking.CorsPolicy{}, ours: v1beta1.CorsPolicy{}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			want := slices.Clone(tc.more)
			for i := range tc.istio.ProtoReflect().Descriptor().Fields().Len() {
				want = append(want, jsonName(tc.istio.ProtoReflect().Descriptor().Fields().Get(i)))
			}
			slices.Sort(want)
			require.Equal(t, want, fields(tc.ours), tc.reason)
		})
	}
}

func jsonName(f protoreflect.FieldDescriptor) string { return f.JSONName() }

func TestIstioValues(t *testing.T) {
	cases := map[string]struct {
		reason string
		istio  proto.Message
		ours   any
		json   string
	}{
		"Match": {
			reason: "every kind of comparison", istio: &networking.HTTPMatchRequest{}, ours: &v1beta1.HTTPMatchRequest{},
			json: `{"name":"a","uri":{"prefix":"/"},"scheme":{"exact":"https"},"method":{"regex":"GET|HEAD"},"authority":{"exact":"x"},
				"headers":{"x-canary":{"exact":"insider"}},"withoutHeaders":{"x-bot":{}},"queryParams":{"v":{"exact":"2"}},"ignoreUriCase":true,
				"port":80,"sourceLabels":{"app":"web"},"sourceNamespace":"test","gateways":["mesh"],"statPrefix":"p"}`,
		},
		"EmptyComparison": {
			reason: "an empty value is not the same as presence", istio: &networking.HTTPMatchRequest{}, ours: &v1beta1.HTTPMatchRequest{},
			json: `{"headers":{"a":{"exact":""},"b":{}}}`,
		},
		"Retries": {
			reason: "false is not the same as nothing", istio: &networking.HTTPRetry{}, ours: &v1beta1.HTTPRetry{},
			json: `{"attempts":3,"perTryTimeout":"1s","retryOn":"gateway-error","retryRemoteLocalities":false,"retryIgnorePreviousHosts":true,"backoff":"0.100s"}`,
		},
		"NoRetries": {reason: "zero attempts is the default of the message", istio: &networking.HTTPRetry{}, ours: &v1beta1.HTTPRetry{}, json: `{"attempts":0}`},
		"Rewrite": {
			reason: "path, host and expression", istio: &networking.HTTPRewrite{}, ours: &v1beta1.HTTPRewrite{},
			json: `{"uri":"/","authority":"x","uriRegexRewrite":{"match":"/v1/(.*)","rewrite":"/v2/\\1"}}`,
		},
		"Headers": {
			reason: "both directions", istio: &networking.Headers{}, ours: &v1beta1.Headers{},
			json: `{"request":{"set":{"a":"1"},"add":{"b":"2"},"remove":["c"]},"response":{"remove":["d"]}}`,
		},
		"Cors": {
			reason: "false is not the same as nothing", istio: &networking.CorsPolicy{}, ours: &v1beta1.CorsPolicy{},
			json: `{"allowOrigin":["https://a"],"allowOrigins":[{"regex":".*"}],"allowMethods":["GET"],"allowHeaders":["a"],"exposeHeaders":["b"],
				"maxAge":"86400s","allowCredentials":false,"unmatchedPreflights":"IGNORE"}`,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, protojson.Unmarshal([]byte(tc.json), tc.istio), "the case has to be Istio's")
			require.NoError(t, json.Unmarshal([]byte(tc.json), tc.ours))
			passed, err := json.Marshal(tc.ours)
			require.NoError(t, err)
			got := tc.istio.ProtoReflect().New().Interface()
			require.NoError(t, protojson.Unmarshal(passed, got))
			require.True(t, proto.Equal(tc.istio, got), "%s: %s became %s", tc.reason, tc.json, passed)
		})
	}
}

func TestEmptyCanaryIsBare(t *testing.T) {
	const reason = "a client must not send a status, a service or a time that nobody wrote"
	got, err := json.Marshal(&v1beta1.Canary{Spec: v1beta1.CanarySpec{Analysis: &v1beta1.CanaryAnalysis{Interval: "1m", Threshold: 1, StepWeight: 10}}})
	require.NoError(t, err)
	require.JSONEq(t, `{"metadata":{},"spec":{"targetRef":{"apiVersion":"","kind":"","name":""},
		"analysis":{"interval":"1m","threshold":1,"stepWeight":10}}}`, string(got), reason)
}

func TestStatusShowsZeroes(t *testing.T) {
	const reason = "the columns of kubectl show 0, not nothing"
	got, err := json.Marshal(v1beta1.CanaryStatus{Phase: v1beta1.PhaseInitialized})
	require.NoError(t, err)
	require.JSONEq(t, `{"phase":"Initialized","failedChecks":0,"canaryWeight":0,"iterations":0}`, string(got), reason)
}

func TestAddToScheme(t *testing.T) {
	s := runtime.NewScheme()
	require.NoError(t, v1beta1.AddToScheme(s))
	for _, kind := range []string{"Canary", "CanaryList", "MetricTemplate", "MetricTemplateList", "AlertProvider", "AlertProviderList"} {
		require.True(t, s.Recognizes(v1beta1.GroupVersion.WithKind(kind)), "clients need %s", kind)
	}
}

func TestNames(t *testing.T) {
	cases := map[string]struct {
		reason  string
		service string
		want    [4]string
	}{
		"TargetsName":  {reason: "without a name the apex is called like the target", want: [4]string{"podinfo", "podinfo-primary", "podinfo-canary", "podinfo-primary"}},
		"ServicesName": {reason: "the workload keeps the target's name", service: "web", want: [4]string{"web", "web-primary", "web-canary", "podinfo-primary"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			c := &v1beta1.Canary{Spec: v1beta1.CanarySpec{TargetRef: v1beta1.TargetRef{Name: "podinfo"}, Service: v1beta1.CanaryService{Name: tc.service}}}
			require.Equal(t, tc.want, [4]string{c.ApexName(), c.PrimaryName(), c.CanaryName(), c.PrimaryWorkload()}, tc.reason)
		})
	}
}

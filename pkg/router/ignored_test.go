package router_test

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
	"github.com/sluice-cd/sluice/pkg/router"
	"github.com/sluice-cd/sluice/pkg/router/routertest"
)

// shaping are all fields that some providers have no use for, with a value that shows wherever it is used.
const shaping = `
spec.ingressRef: {apiVersion: networking.k8s.io/v1, kind: Ingress, name: x}
spec.routeRef: {apiVersion: apisix.apache.org/v2, kind: ApisixRoute, name: x}
spec.upstreamRef: {apiVersion: gloo.solo.io/v1, kind: Upstream, name: x}
spec.service.gatewayRefs: [{name: x, namespace: x}]
spec.service.mirror: [{backendRef: {name: x, port: 80}}]
spec.service.backendTimeout: 1s
spec.service.routeRefs: [{kind: HTTPRoute, name: x}]
spec.service.meshName: x
spec.service.backends: [x]
spec.service.gateways: [x]
spec.service.hosts: [x.example.com]
spec.service.match: [{headers: {x-a: {exact: b}}}]
spec.service.rewrite: {uri: /x}
spec.service.retries: {attempts: 2}
spec.service.timeout: 7s
spec.service.headers: {request: {set: {x-a: b}}}
spec.service.corsPolicy: {allowOrigins: [{exact: x}]}
spec.service.trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}
spec.service.delegation: true
`

// shaped is a Canary with a field and without it.
func shaped(t *testing.T, c *v1beta1.Canary, field string, value any) (with, without *v1beta1.Canary) {
	t.Helper()
	path := strings.Split(field, ".")
	one, err := runtime.DefaultUnstructuredConverter.ToUnstructured(c)
	require.NoError(t, err)
	other := runtime.DeepCopyJSON(one)
	unstructured.RemoveNestedField(other, path...)
	require.NoError(t, unstructured.SetNestedField(one, value, path...))
	with, without = &v1beta1.Canary{}, &v1beta1.Canary{}
	require.NoError(t, runtime.DefaultUnstructuredConverter.FromUnstructured(one, with))
	require.NoError(t, runtime.DefaultUnstructuredConverter.FromUnstructured(other, without))
	return with, without
}

// TestNothingIsIgnoredInSilence sets every field with every provider: it changes the routes or is refused, or people
// are told of it, once.
func TestNothingIsIgnoredInSilence(t *testing.T) {
	var fields map[string]any
	require.NoError(t, yaml.Unmarshal([]byte(shaping), &fields))
	cases := map[string]struct {
		example string
		options router.Options
	}{"linkerd by splits": {"linkerd/canary.yaml", router.Options{APIVersions: []string{"split.smi-spec.io/v1alpha1"}}}}
	for _, family := range []string{"apisix", "contour", "gatewayapi", "gloo", "istio", "knative", "kuma", "linkerd", "nginx", "skipper", "smi", "traefik"} {
		cases[family] = struct {
			example string
			options router.Options
		}{family + "/canary.yaml", allServed()}
	}
	cases["kubernetes"] = struct {
		example string
		options router.Options
	}{"kubernetes/replica-ratio.yaml", allServed()}
	for name, tc := range cases {
		example, rest := routertest.Example(t, tc.example)
		provider := example.Spec.Provider
		r, can, err := router.New(provider, tc.options)
		require.NoError(t, err)
		outcome := func(c *v1beta1.Canary) (routes string, refused bool) {
			in := router.Input{Canary: c, Revision: "podinfo-00002", Read: map[router.Ref]*unstructured.Unstructured{}}
			for _, o := range rest {
				o.SetAnnotations(map[string]string{v1beta1.PrimaryRevisionAnnotation: "podinfo-00001"})
				in.Read[router.Ref{GroupVersionKind: o.GroupVersionKind(), Namespace: o.GetNamespace(), Name: o.GetName()}] = o
			}
			objects, err := r.Render(in)
			if err != nil {
				return err.Error(), true
			}
			text, err := yaml.Marshal(objects)
			require.NoError(t, err)
			return string(text), false
		}
		for _, field := range slices.Sorted(maps.Keys(fields)) {
			t.Run(name+"/"+field, func(t *testing.T) {
				with, without := shaped(t, example, field, fields[field])
				plan, err := rollout.Compile(with.Spec, can)
				require.NoError(t, err)
				said := router.Ignored(provider, r, with)
				for _, remark := range plan.Remarks {
					said = append(said, strings.FieldsFunc(remark.Text, func(c rune) bool { return c == ' ' || c == ',' })...)
				}
				times := len(slices.DeleteFunc(said, func(s string) bool { return s != field }))
				before, _ := outcome(without)
				after, refused := outcome(with)
				switch {
				case before == after:
					require.Equal(t, 1, times, "it has no effect, and that is said once")
				case !refused:
					require.Zero(t, times, "it has an effect")
				}
			})
		}
	}
}

// TestDocumentedFieldsOfServicesAlone looks for each of them on the provider's page.
func TestDocumentedFieldsOfServicesAlone(t *testing.T) {
	text, err := os.ReadFile("../../docs/providers/kubernetes.md")
	require.NoError(t, err)
	var fields map[string]any
	require.NoError(t, yaml.Unmarshal([]byte(shaping), &fields))
	for field := range fields {
		said := regexp.MustCompile("(?m)^\\| `.+ no use for` \\|.+`" + field[strings.LastIndex(field, ".")+1:] + "`")
		require.True(t, said.Match(text), field)
	}
}

func TestIgnoredOfAnAnalysis(t *testing.T) {
	cases := map[string]struct {
		reason, provider, analysis string
		want                       []string
	}{
		"Ratio": {
			reason: "sizes reach weights on the way back as well", provider: "kubernetes",
			analysis: `{replicaRatio: true, stepWeight: 20, stepWeightPromotion: 50}`,
		},
		"RatioAndMatch": {
			reason: "pods cannot tell requests apart", provider: "kubernetes",
			analysis: `{replicaRatio: true, stepWeight: 20, match: [{headers: {x-a: {exact: b}}}]}`,
			want:     []string{"spec.analysis.match"},
		},
		"RatioAndIterations": {
			reason: "iterations count more", provider: "kubernetes",
			analysis: `{replicaRatio: true, iterations: 3}`,
			want:     []string{"spec.analysis.replicaRatio"},
		},
		"Retreat": {
			reason: "a selector goes back at once", provider: "kubernetes",
			analysis: `{iterations: 3, stepWeightPromotion: 50}`,
			want:     []string{"spec.analysis.stepWeightPromotion"},
		},
		"Match": {
			reason: "the plan has a warning of its own, in the API's words", provider: "kubernetes",
			analysis: `{iterations: 3, match: [{headers: {x-a: {exact: b}}}]}`,
		},
		"Mesh": {
			reason: "it has a use for both", provider: "istio",
			analysis: `{stepWeight: 20, stepWeightPromotion: 50}`,
		},
		"None": {reason: "nothing is asked for", provider: "kubernetes", analysis: `null`},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			c := &v1beta1.Canary{}
			require.NoError(t, yaml.UnmarshalStrict([]byte(tc.analysis), &c.Spec.Analysis))
			r, _, err := router.New(tc.provider, allServed())
			require.NoError(t, err)
			require.Equal(t, tc.want, router.Ignored(tc.provider, r, c), tc.reason)
			c.Spec.SkipAnalysis = true
			require.Empty(t, router.Ignored(tc.provider, r, c), "without an analysis all of it is left aside, as was asked for")
		})
	}
}

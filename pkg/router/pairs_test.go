package router_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"reflect"
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

// judging are the fields of an analysis, with a value that shows wherever it is used.
const judging = `
spec.analysis.interval: 90s
spec.analysis.threshold: 7
spec.analysis.iterations: 4
spec.analysis.maxWeight: 45
spec.analysis.stepWeight: 15
spec.analysis.stepWeights: [5, 35]
spec.analysis.steps: [{weight: 0, duration: 7m, pause: {}}, {weight: 100, duration: 9m}]
spec.analysis.promotion: {auto: false, bake: 11m}
spec.analysis.onFailure: keep
spec.analysis.stepWeightPromotion: 10
spec.analysis.mirror: true
spec.analysis.mirrorWeight: 25
spec.analysis.primaryReadyThreshold: 55
spec.analysis.canaryReadyThreshold: 65
spec.analysis.match: [{headers: {x-b: {exact: c}}}]
spec.analysis.previewMatch: [{headers: {x-d: {exact: e}}}]
spec.analysis.replicaRatio: true
spec.analysis.onInconclusive: pause
spec.analysis.metrics: [{name: request-duration, thresholdRange: {max: 5}}]
spec.analysis.webhooks: [{name: w, url: "http://x"}]
spec.analysis.sessionAffinity: {cookieName: f, primaryCookieName: g}
`

// elsewhere are the fields that are no matter of plans and routes, with who has a use for them whatever else is set.
func elsewhere() map[string]string {
	services := "pkg/workload renders Services by it"
	return map[string]string{
		"spec.analysis.alerts": "pkg/announce sends them",
		"spec.service.name":    services, "spec.service.port": services, "spec.service.portName": services, "spec.service.targetPort": services,
		"spec.service.appProtocol": services, "spec.service.trafficDistribution": services, "spec.service.headless": services,
		"spec.service.portDiscovery": services, "spec.service.apex": services, "spec.service.primary": services, "spec.service.canary": services,
		"spec.service.unmanagedMetadata": services,
	}
}

// table is what one provider makes of fields.
type table struct {
	t        *testing.T
	provider string
	router   router.Router
	can      rollout.Capabilities
	bare     map[string]any // a Canary that sets no more than it must
	read     map[router.Ref]*unstructured.Unstructured
	fields   map[string]any
	known    map[string]*effect
}

// effect is what a set of fields leads to.
type effect struct {
	plan, routes, refused string
	remarks               string
	canary                *v1beta1.Canary
	compiled              rollout.Plan
}

// of is the effect of fields, in any order.
func (b *table) of(fields ...string) *effect {
	slices.Sort(fields)
	key := strings.Join(slices.Compact(fields), " ")
	if e, ok := b.known[key]; ok {
		return e
	}
	u := runtime.DeepCopyJSON(b.bare)
	for _, f := range fields {
		require.NoError(b.t, unstructured.SetNestedField(u, runtime.DeepCopyJSONValue(b.fields[f]), strings.Split(f, ".")...))
	}
	e := &effect{canary: &v1beta1.Canary{}}
	b.known[key] = e
	require.NoError(b.t, runtime.DefaultUnstructuredConverter.FromUnstructured(u, e.canary))
	p, err := rollout.Compile(e.canary.Spec, b.can)
	if err != nil {
		e.refused = err.Error()
		return e
	}
	e.compiled = p
	e.remarks = strings.Join(router.Ignored(b.provider, b.router, e.canary), " ")
	for _, r := range p.Remarks {
		e.remarks += " " + r.Text
	}
	// What only stands for the spec, or has to show in the routes.
	p.Hash, p.Routing, p.Remarks, p.Affinity, p.Matched, p.Preview, p.Iterations = "", "", nil, nil, false, false, 0
	e.plan = fmt.Sprintf("%+v %d", p, e.compiled.Length())
	_, e.refused = b.render(e, rollout.Traffic{})
	return e
}

// routed is what routes are like in a rollout of these fields.
func (b *table) routed(e *effect) string {
	if e.routes == "" {
		for step := range min(e.compiled.Length(), 3) + 1 {
			s := v1beta1.CanaryStatus{Phase: v1beta1.PhaseProgressing, Step: step, PrimaryReplicas: 10, LastAppliedSpec: rollout.RevisionPrefix + "b"}
			s.CanaryWeight = e.compiled.Step(step).Weight
			s.Matched = step > 0 && e.compiled.Matched && !e.compiled.Step(step).All
			s.SessionAffinityCookie, s.PrimarySessionAffinityCookie = "f=x", "g=y"
			text, _ := b.render(e, *rollout.IntentOf(e.compiled, s).Traffic)
			e.routes += text
		}
	}
	return e.routes
}

func (b *table) render(e *effect, traffic rollout.Traffic) (routes, refused string) {
	objects, err := b.router.Render(router.Input{Canary: e.canary, Traffic: traffic, Revision: "podinfo-00002", Read: b.read})
	if err != nil {
		return "", err.Error()
	}
	text, err := json.Marshal(objects)
	require.NoError(b.t, err)
	return string(text), ""
}

// silent says that a field is taken beside another, and neither does anything nor is named.
func (b *table) silent(field string, beside ...string) bool {
	without, with := b.of(slices.Clone(beside)...), b.of(append(slices.Clone(beside), field)...)
	switch {
	case without.refused != "", with.refused != "", with.plan != without.plan, named(field, with.remarks):
		return false
	}
	return b.routed(with) == b.routed(without)
}

// named says that remarks are about a field. Some are the contract's, which has no paths in its texts.
func named(field, remarks string) bool {
	words := map[string]string{
		"spec.analysis.match":      "A/B testing is not supported",
		"spec.analysis.stepWeight": "Progressive traffic is not supported", "spec.analysis.stepWeights": "Progressive traffic is not supported",
		"spec.analysis.maxWeight": "Progressive traffic is not supported",
	}
	if text, ok := words[field]; ok && strings.Contains(remarks, text) {
		return true
	}
	return strings.Contains(strings.ReplaceAll(remarks, ",", "")+" ", field+" ")
}

// TestEveryPairOfFields sets each two fields of an analysis and of a Service with every provider, in a rollout by weights and
// in one by iterations: each has an effect beside the other, or is named in a remark, or is refused. With -short only Istio is
// tried, which is enough to look for data races.
func TestEveryPairOfFields(t *testing.T) {
	t.Parallel()
	fields := map[string]any{}
	require.NoError(t, yaml.Unmarshal([]byte(judging+shaping), &fields))
	maps.DeleteFunc(fields, func(f string, _ any) bool { return strings.Count(f, ".") < 2 }) // ingressRef and the like
	requireAll(t, fields)
	for name, example := range map[string]string{
		"apisix": "", "contour": "", "gatewayapi": "", "gloo": "", "istio": "", "knative": "", "kuma": "", "linkerd": "", "nginx": "", "skipper": "",
		"smi": "", "traefik": "", "kubernetes": "kubernetes/replica-ratio.yaml",
	} {
		if testing.Short() && name != "istio" {
			continue
		}
		if example == "" {
			example = name + "/canary.yaml"
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newTable(t, example, fields)
			var silent []string
			for _, base := range []string{"spec.analysis.stepWeight", "spec.analysis.iterations"} {
				for one := range fields {
					for other := range fields {
						if one != other && other != base && b.silent(other, base, one) {
							silent = append(silent, fmt.Sprintf("%s beside %s and %s", other, base, one))
						}
					}
				}
			}
			slices.Sort(silent)
			require.Empty(t, strings.Join(slices.Compact(silent), "\n"))
		})
	}
}

// requireAll holds the table to the API: a field that is new has to have a value here, or a place elsewhere.
func requireAll(t *testing.T, fields map[string]any) {
	t.Helper()
	for prefix, of := range map[string]reflect.Type{"spec.analysis.": reflect.TypeFor[v1beta1.CanaryAnalysis](), "spec.service.": reflect.TypeFor[v1beta1.CanaryService]()} {
		for i := range of.NumField() {
			name, _, _ := strings.Cut(of.Field(i).Tag.Get("json"), ",")
			_, here := fields[prefix+name]
			_, there := elsewhere()[prefix+name]
			require.NotEqual(t, here, there, prefix+name)
		}
	}
}

func newTable(t *testing.T, file string, fields map[string]any) *table {
	t.Helper()
	example, rest := routertest.Example(t, file)
	r, can, err := router.New(example.Spec.Provider, allServed())
	require.NoError(t, err)
	b := &table{t: t, provider: example.Spec.Provider, router: r, can: can, fields: fields, known: map[string]*effect{}, read: map[router.Ref]*unstructured.Unstructured{}}
	for _, o := range rest {
		o.SetAnnotations(map[string]string{v1beta1.PrimaryRevisionAnnotation: "podinfo-00001"})
		b.read[router.Ref{GroupVersionKind: o.GroupVersionKind(), Namespace: o.GetNamespace(), Name: o.GetName()}] = o
	}
	example.Spec.Analysis = &v1beta1.CanaryAnalysis{Interval: "1m", Threshold: 5}
	example.Spec.SkipAnalysis = false
	b.bare, err = runtime.DefaultUnstructuredConverter.ToUnstructured(example)
	require.NoError(t, err)
	return b
}

// TestDocumentedIgnoredFields prints which fields each provider leaves aside, and holds the page to that.
func TestDocumentedIgnoredFields(t *testing.T) {
	t.Parallel()
	fields := map[string]any{}
	require.NoError(t, yaml.Unmarshal([]byte(shaping+judging), &fields))
	rows := "| Provider | Fields of `spec.service` that are left aside |\n|---|---|\n"
	for _, provider := range []string{"apisix", "contour", "gatewayapi", "gloo", "istio", "knative", "kuma", "linkerd", "nginx", "skipper", "smi", "traefik"} {
		b := newTable(t, provider+"/canary.yaml", fields)
		var aside []string
		for _, f := range slices.Sorted(maps.Keys(fields)) {
			if short, ok := strings.CutPrefix(f, "spec.service."); ok && strings.Contains(b.of(f, "spec.analysis.stepWeight").remarks+" ", f+" ") {
				aside = append(aside, "`"+short+"`")
			}
		}
		rows += "| " + provider + " | " + strings.Join(aside, ", ") + " |\n"
	}
	const page, begin, end = "../../docs/providers/README.md", "<!-- ignored -->\n", "<!-- /ignored -->\n"
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	before, rest, found := strings.Cut(string(text), begin)
	require.True(t, found)
	_, after, found := strings.Cut(rest, end)
	require.True(t, found)
	want := before + begin + rows + end + after
	if *update {
		require.NoError(t, os.WriteFile(page, []byte(want), 0o644))
		return
	}
	require.Equal(t, want, string(text), "`go test ./pkg/router -run TestDocumentedIgnoredFields -update` writes it")
}

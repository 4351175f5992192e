package desired_test

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/desired"
	"github.com/sluice-cd/sluice/pkg/kube"
	"github.com/sluice-cd/sluice/pkg/rollout"
	"github.com/sluice-cd/sluice/pkg/router"
	"github.com/sluice-cd/sluice/pkg/workload"
)

var update = flag.Bool("update", false, "write the golden files")

// input is the content of an `.in.yaml` file: what was read.
type input struct {
	Reason         string                                 `json:"reason"`
	Canary         *v1beta1.Canary                        `json:"canary"`
	Target         *appsv1.Deployment                     `json:"target"`
	Primary        *appsv1.Deployment                     `json:"primary"`
	DaemonTarget   *appsv1.DaemonSet                      `json:"daemonTarget"`
	DaemonPrimary  *appsv1.DaemonSet                      `json:"daemonPrimary"`
	Revision       string                                 `json:"revision"` // of the target
	Apex           *corev1.Service                        `json:"apex"`
	Autoscaler     *autoscalingv2.HorizontalPodAutoscaler `json:"autoscaler"`
	Budgets        []policyv1.PodDisruptionBudget         `json:"budgets"`
	Configs        workload.Configs                       `json:"configs"`
	ConfigMap      *corev1.ConfigMap                      `json:"configMap"` // of which the primary lacks a copy
	Previous       *corev1.PodTemplateSpec                `json:"previous"`
	RememberedSize int32                                  `json:"rememberedSize"`
}

// output is the content of an `.out.yaml` file.
type output struct {
	Apply      []any    `json:"apply,omitempty"`
	Stop       []any    `json:"stop,omitempty"`
	Delete     []string `json:"delete,omitempty"`
	Routes     []string `json:"routes,omitempty"` // names
	Chains     []string `json:"chains,omitempty"` // names, of those of several objects
	Unroutable string   `json:"unroutable,omitempty"`
	Error      string   `json:"error,omitempty"`
}

// facts are what the input says, as pkg/observe would have them.
func (in input) facts(t *testing.T, kinds workload.Kinds) *desired.Facts {
	t.Helper()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	f := &desired.Facts{
		Canary: in.Canary, Apex: in.Apex, Budgets: in.Budgets, Configs: in.Configs, Previous: in.Previous,
		RememberedSize: in.RememberedSize, CopiesReady: true,
	}
	var err error
	f.Kind, err = kinds.Of(in.Canary.Spec.TargetRef)
	require.NoError(t, err)
	// A nil of a type is no nil of an interface.
	if in.Target != nil {
		f.Target = in.Target
	}
	if in.DaemonTarget != nil {
		f.Target = in.DaemonTarget
	}
	if in.Primary != nil {
		f.Primary = in.Primary
	}
	if in.DaemonPrimary != nil {
		f.Primary = in.DaemonPrimary
	}
	if in.Autoscaler != nil {
		f.Autoscaler = in.Autoscaler
	}
	if in.ConfigMap != nil {
		sum, err := workload.Checksum(in.ConfigMap)
		require.NoError(t, err)
		f.Copies = []desired.ConfigCopy{{Source: in.ConfigMap, Name: in.ConfigMap.Name + v1beta1.PrimarySuffix, Sum: sum}}
	}
	f.Snapshot = rollout.Snapshot{Now: now, Status: in.Canary.Status, Revision: in.Revision}
	if f.Target != nil {
		f.Snapshot.Target = f.Kind.Observe(f.Target, nil, 100, now)
	}
	if f.Primary != nil {
		f.Snapshot.Primary = f.Kind.Observe(f.Primary, nil, 100, now)
	}
	route, can, err := router.New(in.Canary.Spec.Provider, router.Options{APIVersions: []string{"networking.istio.io/v1", "gateway.networking.k8s.io/v1"}})
	require.NoError(t, err)
	f.Router = route
	f.Snapshot.Plan, err = rollout.Compile(in.Canary.Spec, can)
	require.NoError(t, err)
	f.Intent = rollout.IntentOf(f.Snapshot.Plan, in.Canary.Status)
	return f
}

func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.in.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		name := strings.TrimSuffix(file, ".in.yaml")
		t.Run(filepath.Base(name), func(t *testing.T) { check(t, name) })
	}
}

// check renders twice, by another renderer and by the same: the first time must leave nothing behind that the second sees.
func check(t *testing.T, name string) {
	t.Helper()
	raw, err := os.ReadFile(name + ".in.yaml")
	require.NoError(t, err)
	var in, untouched input
	require.NoError(t, yaml.UnmarshalStrict(raw, &in))
	require.NoError(t, yaml.UnmarshalStrict(raw, &untouched))
	require.NotEmpty(t, in.Reason)
	kinds := workload.Kinds{LabelRules: workload.LabelRules{SelectorLabels: []string{"app"}}}
	facts := in.facts(t, kinds)
	r := &desired.Renderer{Kinds: kinds}
	got := render(t, r, facts)
	require.Equal(t, got, render(t, r, facts), "the same input must give the same bytes")
	require.Equal(t, got, render(t, &desired.Renderer{Kinds: kinds}, untouched.facts(t, kinds)))
	require.Equal(t, untouched, in, "rendering must not change its input")
	if *update {
		require.NoError(t, os.WriteFile(name+".out.yaml", []byte(got), 0o644))
	}
	want, err := os.ReadFile(name + ".out.yaml")
	require.NoError(t, err)
	require.Equal(t, string(want), got, in.Reason)
}

func render(t *testing.T, r *desired.Renderer, f *desired.Facts) string {
	t.Helper()
	objects, err := r.Objects(f)
	out := output{Apply: plain(t, distinct(objects.Apply...)), Stop: plain(t, distinct(objects.Stop)), Unroutable: objects.Unroutable}
	for _, chain := range objects.Apply {
		if len(chain) > 1 {
			out.Chains = append(out.Chains, strings.Join(names(t, distinct(chain)), " -> "))
		}
	}
	if err != nil {
		out.Error = err.Error()
	}
	for _, o := range objects.Delete {
		out.Delete = append(out.Delete, o.GetName())
	}
	out.Routes = names(t, objects.Routes)
	text, err := yaml.Marshal(out)
	require.NoError(t, err)
	return string(text)
}

// distinct are the objects of chains, each once.
func distinct(chains ...kube.Chain) (all []runtime.ApplyConfiguration) {
	for _, link := range slices.Concat(chains...) {
		same := func(o runtime.ApplyConfiguration) bool { return reflect.DeepEqual(o, link.Object) }
		if !slices.ContainsFunc(all, same) {
			all = append(all, link.Object)
		}
	}
	return all
}

func names(t *testing.T, objs []runtime.ApplyConfiguration) (all []string) {
	t.Helper()
	for _, one := range plain(t, objs) {
		head, _ := one.(map[string]any)
		if inner, ok := head["partial"].(map[string]any); ok {
			head = inner
		}
		meta, _ := head["metadata"].(map[string]any)
		all = append(all, head["kind"].(string)+" "+meta["name"].(string))
	}
	return all
}

// plain are objects as the API server would be sent them. One of which only some fields are ours says so.
func plain(t *testing.T, applied []runtime.ApplyConfiguration) []any {
	t.Helper()
	var all []any
	for _, a := range applied {
		raw, err := json.Marshal(a)
		require.NoError(t, err)
		one := map[string]any{}
		require.NoError(t, json.Unmarshal(raw, &one))
		if fields, ok := one["ApplyConfiguration"]; ok {
			one = map[string]any{"partial": fields}
		}
		all = append(all, one)
	}
	return all
}

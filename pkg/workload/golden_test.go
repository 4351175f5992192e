package workload_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/applyconfigurations"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/yaml"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
	"github.com/sluice-cd/sluice/pkg/workload"
)

var update = flag.Bool("update", false, "write the golden files")

// golden is the content of an `.in.yaml` file; each directory uses a part of it.
type golden struct {
	Reason   string                                 `json:"reason"`
	Canary   *v1beta1.Canary                        `json:"canary"`
	Target   *appsv1.Deployment                     `json:"target"`
	Source   *autoscalingv2.HorizontalPodAutoscaler `json:"source"`
	Adopted  *corev1.Service                        `json:"adopted"`
	Apex     string                                 `json:"apex"`
	Revision string                                 `json:"revision"`
	Replicas *int32                                 `json:"replicas"`
	Floor    int32                                  `json:"floor"`
	Prefixes []string                               `json:"prefixes"`
	Configs  workload.Configs                       `json:"configs"`
	Daemons  *appsv1.DaemonSet                      `json:"daemons"`
	Scaled   *unstructured.Unstructured             `json:"scaled"`
}

func (g golden) kind() workload.Deployment {
	return workload.Deployment{LabelRules: g.rules()}
}

func (g golden) rules() workload.LabelRules {
	return workload.LabelRules{
		SelectorLabels:       []string{"app", "name", "app.kubernetes.io/name"},
		IncludeLabelPrefixes: g.Prefixes,
	}
}

func (g golden) model() workload.PrimaryOptions {
	return workload.PrimaryOptions{Revision: g.Revision, Replicas: g.Replicas, Configs: g.Configs}
}

func TestGolden(t *testing.T) {
	kinds := map[string]func(golden) ([]runtime.ApplyConfiguration, error){
		"deployment": func(g golden) ([]runtime.ApplyConfiguration, error) {
			d, err := g.kind().Primary(g.Target, g.Canary, g.model())
			return []runtime.ApplyConfiguration{d}, err
		},
		"daemonset": func(g golden) ([]runtime.ApplyConfiguration, error) {
			d, err := workload.DaemonSet{LabelRules: g.rules()}.Primary(g.Daemons, g.Canary, g.model())
			return []runtime.ApplyConfiguration{d}, err
		},
		"scaledobject": func(g golden) ([]runtime.ApplyConfiguration, error) {
			return []runtime.ApplyConfiguration{g.rules().ScaledObject(g.Scaled, g.Canary, g.Floor)}, nil
		},
		"service": func(g golden) ([]runtime.ApplyConfiguration, error) {
			apex := map[string]rollout.Side{"target": rollout.TargetSide, "primary": rollout.PrimarySide}[g.Apex]
			return g.kind().Services(g.Canary, workload.Workloads{Target: g.Target}, apex, g.Adopted)
		},
		"autoscaler": func(g golden) ([]runtime.ApplyConfiguration, error) {
			h, err := g.kind().Autoscaler(g.Source, g.Canary, g.Floor)
			return []runtime.ApplyConfiguration{h}, err
		},
	}
	for dir, render := range kinds {
		files, err := filepath.Glob(filepath.Join("testdata", dir, "*.in.yaml"))
		require.NoError(t, err)
		require.NotEmpty(t, files)
		for _, file := range files {
			name := strings.TrimSuffix(file, ".in.yaml")
			t.Run(dir+"/"+filepath.Base(name), func(t *testing.T) { check(t, name, render) })
		}
	}
}

// check renders twice: the first time must leave nothing behind that the second one sees.
func check(t *testing.T, name string, render func(golden) ([]runtime.ApplyConfiguration, error)) {
	t.Helper()
	raw, err := os.ReadFile(name + ".in.yaml")
	require.NoError(t, err)
	var in, untouched golden
	require.NoError(t, yaml.UnmarshalStrict(raw, &in))
	require.NoError(t, yaml.UnmarshalStrict(raw, &untouched))
	require.NotEmpty(t, in.Reason)

	first, err := render(in)
	require.NoError(t, err)
	second, err := render(in)
	require.NoError(t, err)
	require.Equal(t, untouched, in, "rendering must not change its input")
	got := document(t, first)
	require.Equal(t, got, document(t, second), "the same input must give the same bytes")
	for _, o := range objects(t, first) {
		appliable(t, o)
	}
	if *update {
		require.NoError(t, os.WriteFile(name+".out.yaml", []byte(got), 0o644))
	}
	want, err := os.ReadFile(name + ".out.yaml")
	require.NoError(t, err)
	require.Equal(t, string(want), got, in.Reason)
}

// appliable merges an object as the API server would: it refuses unknown fields, wrong types and lists
// that hold a key twice.
func appliable(t *testing.T, o *unstructured.Unstructured) {
	t.Helper()
	if !scheme.Scheme.Recognizes(o.GroupVersionKind()) {
		return // the controller's tests apply it
	}
	_, err := applyconfigurations.NewTypeConverter(scheme.Scheme).ObjectToTyped(o)
	require.NoError(t, err, "%s %s cannot be applied", o.GetKind(), o.GetName())
}

func objects(t *testing.T, applied []runtime.ApplyConfiguration) []*unstructured.Unstructured {
	t.Helper()
	all := make([]*unstructured.Unstructured, len(applied))
	for i, a := range applied {
		raw, err := json.Marshal(a)
		require.NoError(t, err)
		all[i] = &unstructured.Unstructured{}
		require.NoError(t, all[i].UnmarshalJSON(raw))
	}
	return all
}

func document(t *testing.T, applied []runtime.ApplyConfiguration) string {
	t.Helper()
	var all [][]byte
	for _, o := range objects(t, applied) {
		text, err := yaml.Marshal(o.Object)
		require.NoError(t, err)
		all = append(all, text)
	}
	return string(bytes.Join(all, []byte("---\n")))
}

package workload_test

import (
	"encoding/json"
	"math/rand"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/apitesting/fuzzer"
	metafuzzer "k8s.io/apimachinery/pkg/apis/meta/fuzzer"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"

	"github.com/sluice-cd/sluice/pkg/workload"
)

// filled is a target with something in every field of its pods, whatever fields this version of
// Kubernetes has, by seed. It went through JSON, as everything does that was read.
func filled(t *testing.T, seed int64) *appsv1.Deployment {
	t.Helper()
	fill := fuzzer.FuzzerFor(metafuzzer.Funcs, rand.NewSource(seed), serializer.NewCodecFactory(runtime.NewScheme()))
	d := deployment(map[string]string{"app": "podinfo"})
	fill.NilChance(0).NumElements(1, 2).Fill(&d.Spec.Template.Spec)
	d.Spec.Template.Labels = map[string]string{"app": "podinfo"}
	for _, v := range d.Spec.Template.Spec.Volumes {
		// An API server keeps nothing else of a claim that is part of a template.
		m := v.Ephemeral.VolumeClaimTemplate.ObjectMeta
		v.Ephemeral.VolumeClaimTemplate.ObjectMeta = metav1.ObjectMeta{Labels: m.Labels, Annotations: m.Annotations}
	}
	raw, err := json.Marshal(d)
	require.NoError(t, err)
	d = &appsv1.Deployment{}
	require.NoError(t, json.Unmarshal(raw, d))
	return d
}

// A field that got lost on the way to the primary would be missing from what users are served by.
func TestPrimaryLosesNoField(t *testing.T) {
	for seed := range int64(5) {
		target := filled(t, seed)
		untouched := target.DeepCopy()
		applied := primaryOf(t, target)
		require.Equal(t, untouched, target, "rendering must not change its input")

		raw, err := json.Marshal(applied.Spec.Template)
		require.NoError(t, err)
		var primary corev1.PodTemplateSpec
		require.NoError(t, json.Unmarshal(raw, &primary))
		require.Equal(t, map[string]string{"app": "podinfo-primary"}, primary.Labels)
		primary.Labels = target.Spec.Template.Labels
		want, err := json.Marshal(target.Spec.Template)
		require.NoError(t, err)
		got, err := json.Marshal(primary)
		require.NoError(t, err)
		require.JSONEq(t, string(want), string(got), "seed %d", seed)
		require.Equal(t, workload.Revision(target.Spec.Template, nil), workload.Revision(primary, nil),
			"seed %d: but for the label both run the same", seed)
	}
}

// Every field counts: a change that no revision shows would never be rolled out.
func TestRevisionSeesEveryField(t *testing.T) {
	seen := map[string]int64{}
	for seed := range int64(10) {
		revision := workload.Revision(filled(t, seed).Spec.Template, nil)
		require.NotContains(t, seen, revision, "seed %d", seed)
		seen[revision] = seed
	}
	for path, change := range leaves(t, filled(t, 1).Spec.Template) {
		require.NotEqual(t, workload.Revision(filled(t, 1).Spec.Template, nil), workload.Revision(change, nil), path)
	}
}

// leaves are copies of a template, each without one of the fields of its pods.
func leaves(t *testing.T, spec corev1.PodTemplateSpec) map[string]corev1.PodTemplateSpec {
	t.Helper()
	raw, err := json.Marshal(spec)
	require.NoError(t, err)
	var tree map[string]map[string]any
	require.NoError(t, json.Unmarshal(raw, &tree))
	require.Greater(t, len(tree["spec"]), 30, "most fields are filled")
	changed := map[string]corev1.PodTemplateSpec{}
	for field, value := range tree["spec"] {
		delete(tree["spec"], field)
		less, err := json.Marshal(tree)
		require.NoError(t, err)
		var c corev1.PodTemplateSpec
		require.NoError(t, json.Unmarshal(less, &c))
		changed[field] = c
		tree["spec"][field] = value
	}
	return changed
}

package kube_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/kube"
	"github.com/sluice-cd/sluice/pkg/kube/kubetest"
)

// olderDefinition is a file with the definition of Canaries without some fields of the status, and all it has else.
func olderDefinition(t *testing.T, lacking ...[]string) string {
	t.Helper()
	text, err := os.ReadFile("../../artifacts/crds/flagger.app_canaries.yaml")
	require.NoError(t, err)
	crd := map[string]any{}
	require.NoError(t, yaml.Unmarshal(text, &crd))
	versions, _, err := unstructured.NestedSlice(crd, "spec", "versions")
	require.NoError(t, err)
	for _, path := range lacking {
		at := append([]string{"schema", "openAPIV3Schema", "properties", "status"}, path...)
		_, found, err := unstructured.NestedFieldNoCopy(versions[0].(map[string]any), at...)
		require.NoError(t, err)
		require.True(t, found, "%v", at)
		unstructured.RemoveNestedField(versions[0].(map[string]any), at...)
	}
	require.NoError(t, unstructured.SetNestedSlice(crd, versions, "spec", "versions"))
	text, err = yaml.Marshal(crd)
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "canaries.yaml")
	require.NoError(t, os.WriteFile(file, text, 0o600))
	return file
}

// TestPatchStatusDropped stores a status by a definition that lacks some of its fields.
func TestPatchStatusDropped(t *testing.T) {
	metric := []string{"properties", "analysis", "properties", "metrics", "items", "properties", "checks"}
	cfg := kubetest.Apart(t, olderDefinition(t, []string{"properties", "step"}, []string{"properties", "nextCheck"}, []string{"properties", "trackedConfigs"}, metric))
	s := runtime.NewScheme()
	require.NoError(t, v1beta1.AddToScheme(s))
	c, err := client.New(cfg, client.Options{Scheme: s})
	require.NoError(t, err)
	owner := &v1beta1.Canary{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "podinfo"}}
	owner.Spec.TargetRef = v1beta1.TargetRef{APIVersion: "apps/v1", Kind: "Deployment", Name: "podinfo"}
	owner.Spec.Service.Port = 80
	owner.Spec.Analysis = &v1beta1.CanaryAnalysis{Interval: "10s", StepWeight: 10}
	require.NoError(t, c.Create(t.Context(), owner))
	w := &kube.CanaryWriter{Client: c, Live: c, Now: time.Now}

	after := owner.DeepCopy()
	at := metav1.NowMicro()
	after.Status = v1beta1.CanaryStatus{
		Phase: v1beta1.PhaseProgressing, CanaryWeight: 10, Step: 1, NextCheck: &at, Since: &at, TrackedConfigs: &map[string]string{"configmap/a": "1"},
		Analysis: &v1beta1.AnalysisStatus{Started: &at, Metrics: []v1beta1.MetricStatus{{Name: "one", Checks: 1, PassesInRow: 1}}},
	}
	err = w.PatchStatus(t.Context(), owner, after)
	dropped := new(kube.DroppedError)
	require.ErrorAs(t, err, &dropped)
	require.Equal(t, []string{"analysis.metrics[].checks", "nextCheck", "step", "trackedConfigs"}, dropped.Fields)
	require.ErrorContains(t, err, `the API server has dropped analysis.metrics[].checks, nextCheck, step, trackedConfigs`)

	stored := &v1beta1.Canary{}
	require.NoError(t, c.Get(t.Context(), client.ObjectKeyFromObject(owner), stored))
	require.Equal(t, v1beta1.PhaseProgressing, stored.Status.Phase, "all else is stored")
	require.Equal(t, stored.Status, after.Status, "what came back can be built upon")
	require.Equal(t, stored.ResourceVersion, after.ResourceVersion)
	require.False(t, w.StatusSeen(owner), "it was a write like any other")
	require.True(t, w.StatusSeen(stored))

	less := after.DeepCopy()
	less.Status.CanaryWeight, less.Status.Analysis = 0, nil
	require.NoError(t, w.PatchStatus(t.Context(), after, less), "what was not sent is not missed")
}

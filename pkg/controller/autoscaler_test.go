package controller

import (
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/workload"
)

func ruled(c *v1beta1.Canary) {
	c.Spec.AutoscalerRef = &v1beta1.AutoscalerRef{APIVersion: "keda.sh/v1alpha1", Kind: "ScaledObject", Name: "podinfo"}
}

// scaledObject makes the target's.
func (w *world) scaledObject() {
	w.Helper()
	u := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{
		"scaleTargetRef":  map[string]any{"name": "podinfo"},
		"minReplicaCount": int64(1), "maxReplicaCount": int64(5),
		"triggers": []any{map[string]any{
			"type": "prometheus", "metadata": map[string]any{"query": `sum(rate(requests{app="podinfo"}[1m]))`, "threshold": "5"},
		}},
	}}}
	u.SetGroupVersionKind(workload.ScaledObjectKind())
	u.SetNamespace(w.ns)
	u.SetName("podinfo")
	require.NoError(w, w.Create(w.Context(), u))
}

func (w *world) scaled(name string) *unstructured.Unstructured {
	w.Helper()
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(workload.ScaledObjectKind())
	require.NoError(w, w.Get(w.Context(), client.ObjectKey{Namespace: w.ns, Name: name}, u))
	return u
}

// minimum is the smallest size that the primary may be scaled to.
func (w *world) minimum() int64 {
	w.Helper()
	n, _, err := unstructured.NestedInt64(w.scaled("podinfo-primary").Object, "spec", "minReplicaCount")
	require.NoError(w, err)
	return n
}

func (w *world) awaitMinimum(most int64) {
	w.Helper()
	u := w.scaled("podinfo")
	before := u.DeepCopy()
	require.NoError(w, unstructured.SetNestedField(u.Object, most, "spec", "maxReplicaCount"))
	require.NoError(w, w.Patch(w.Context(), u, client.MergeFrom(before)))
}

func TestScaledObject(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.scaledObject()
	w.begin(ruled, every("5m"))
	w.await("it keeps a stopped target at zero", func() bool { return workload.ScaledObjectPaused(w.scaled("podinfo")) })
	made := w.scaled("podinfo-primary")
	require.False(t, workload.ScaledObjectPaused(made), "the primary's is never paused")
	target, _, err := unstructured.NestedString(made.Object, "spec", "scaleTargetRef", "name")
	require.NoError(t, err)
	require.Equal(t, "podinfo-primary", target)
	require.Equal(t, int64(1), w.minimum())

	w.awaitMinimum(7)
	w.await("the copy follows at rest", func() bool {
		n, _, _ := unstructured.NestedInt64(w.scaled("podinfo-primary").Object, "spec", "maxReplicaCount")
		return n == 7
	})
	w.setImage(imageTwo)
	w.awaitWeights("50/50")
	require.False(t, workload.ScaledObjectPaused(w.scaled("podinfo")), "the canary may grow")
	require.Equal(t, int64(2), w.minimum(), "the primary keeps the size that it needs to have everybody back")
	w.editCanary(every("10s"))
	w.awaitSettled(v1beta1.PhaseSucceeded, imageTwo)
	w.await("it is paused again", func() bool { return workload.ScaledObjectPaused(w.scaled("podinfo")) })
	w.await("with everybody back the primary may shrink", func() bool { return w.minimum() == 1 })
}

func TestScaledObjectIsLetGo(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		reason string
		change []func(*v1beta1.Canary)
	}{
		"Plain":  {reason: "nobody waited for it", change: []func(*v1beta1.Canary){ruled}},
		"Revert": {reason: "before the Canary goes", change: []func(*v1beta1.Canary){ruled, revert}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.scaledObject()
			w.begin(tc.change...)
			w.garbageCollect()
			w.delete("podinfo")
			w.await(tc.reason, func() bool {
				return !workload.ScaledObjectPaused(w.scaled("podinfo")) && w.live("podinfo").Status.AvailableReplicas == 2
			})
			w.gone(&appsv1.Deployment{}, "podinfo-primary")
		})
	}
}

// TestPauseOfSomebodyElse leaves alone what keeps the target at a size of its own.
func TestPauseOfSomebodyElse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.scaledObject()
	w.begin(ruled, every("5m"))
	w.setImage(imageTwo)
	w.awaitWeights("50/50")
	u := w.scaled("podinfo")
	u.SetAnnotations(map[string]string{"autoscaling.keda.sh/paused-replicas": "4"})
	require.NoError(t, w.Update(t.Context(), u))
	w.awaitWeights("50/50")
	require.Equal(t, "4", w.scaled("podinfo").GetAnnotations()["autoscaling.keda.sh/paused-replicas"])
	require.NotContains(t, w.scaled("podinfo-primary").GetAnnotations(), "autoscaling.keda.sh/paused-replicas")
}

func TestScaledObjectMissing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.run(ruled)
	w.awaitCondition(v1beta1.ConditionValid, metav1.ConditionFalse, `spec.autoscalerRef.name: ScaledObject "podinfo" does not exist in namespace`)
	w.scaledObject()
	w.awaitSettled(v1beta1.PhaseInitialized, imageOne)
}

func TestScalerMetadataIsKeptInSync(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	source := w.createAutoscaler()
	w.begin(scaled)
	notes := func() map[string]string {
		h := &autoscalingv2.HorizontalPodAutoscaler{}
		require.NoError(t, w.Get(t.Context(), client.ObjectKey{Namespace: w.ns, Name: "podinfo-primary"}, h))
		return h.Annotations
	}
	source.Annotations = map[string]string{"note": "one"}
	require.NoError(t, w.Update(t.Context(), source))
	w.await("it is copied", func() bool { return notes()["note"] == "one" })
	source.Annotations = nil
	require.NoError(t, w.Update(t.Context(), source))
	w.await("and goes with the original's", func() bool { _, there := notes()["note"]; return !there })
}

// TestPrimaryComesBackAtItsSize deletes a primary that its autoscaler had made larger.
func TestPrimaryComesBackAtItsSize(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.begin()
	w.garbageCollect()
	primary := w.live("podinfo-primary")
	before := primary.DeepCopy()
	scale(3)(primary)
	require.NoError(t, w.Patch(t.Context(), primary, client.MergeFrom(before)))
	w.await("it is larger", func() bool { return w.live("podinfo-primary").Status.AvailableReplicas == 3 })
	require.NoError(t, w.Delete(t.Context(), primary))
	w.await("it is as large as it was", func() bool {
		again := &appsv1.Deployment{}
		err := w.Get(t.Context(), client.ObjectKey{Namespace: w.ns, Name: "podinfo-primary"}, again)
		return err == nil && again.UID != primary.UID && again.Status.AvailableReplicas == 3
	})
}

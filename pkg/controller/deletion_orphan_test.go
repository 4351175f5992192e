package controller

import (
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// left says that what was made for a Canary is still there, and belongs to nobody.
func (w *world) left() {
	w.Helper()
	for name, o := range map[string]client.Object{
		"podinfo": &corev1.Service{}, "podinfo-canary": &corev1.Service{}, "podinfo-primary": &corev1.Service{},
	} {
		require.NoError(w, w.Get(w.Context(), client.ObjectKey{Namespace: w.ns, Name: name}, o), name)
		require.Empty(w, o.GetOwnerReferences(), name)
	}
	primary := &appsv1.Deployment{}
	require.NoError(w, w.Get(w.Context(), client.ObjectKey{Namespace: w.ns, Name: "podinfo-primary"}, primary))
	require.Empty(w, primary.OwnerReferences)
	require.Nil(w, primary.DeletionTimestamp)
	require.Equal(w, int32(2), primary.Status.AvailableReplicas)
}

// TestDeletionOrphans deletes a Canary with --cascade=orphan: what it made stays, and users find the target by the same Service.
func TestDeletionOrphans(t *testing.T) {
	t.Parallel()
	for name, change := range map[string][]func(*v1beta1.Canary){"Plain": nil, "Revert": {revert}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.begin(change...)
			w.garbageCollect()
			before := w.service("podinfo")
			require.NotEmpty(t, before.OwnerReferences)
			require.NoError(t, w.Delete(t.Context(), w.named("podinfo"), client.PropagationPolicy(metav1.DeletePropagationOrphan)))
			w.gone(&v1beta1.Canary{}, "podinfo")
			w.await("the Service leads to the target", func() bool { return w.selector("podinfo") == "podinfo" && w.targetReleased(2) })
			after := w.service("podinfo")
			require.Equal(t, before.UID, after.UID)
			require.Equal(t, before.Spec.Ports, after.Spec.Ports)
			w.left()
		})
	}
}

// TestDeletionOfFailed deletes a Canary whose target cannot serve: it goes, and users stay with the primary.
func TestDeletionOfFailed(t *testing.T) {
	t.Parallel()
	w := configured(t)
	o := w.begin(revert, hasty)
	w.garbageCollect()
	w.breakPods("podinfo", imageBad)
	w.setImage(imageBad)
	w.awaitPhase(v1beta1.PhaseFailed)
	require.NoError(t, w.Delete(t.Context(), w.named("podinfo")))
	w.awaitEvent(o, "Warning Terminating Target cannot serve, podinfo."+w.ns)
	w.gone(&v1beta1.Canary{}, "podinfo")
	require.Equal(t, "podinfo-primary", w.selector("podinfo"))
	w.left()
	require.Equal(t, "blue", w.colorOf("settings-primary"), "its pods need their configs")
	require.Equal(t, int32(2), *w.live("podinfo").Spec.Replicas, "the target has its size: it serves once its image is put right")
}

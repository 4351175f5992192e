package kube_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/kube"
)

func TestPatchStatus(t *testing.T) {
	b := newBench(t)
	b.made.Reset()
	after := b.owner.DeepCopy()
	after.Status.Phase, after.Status.CanaryWeight = v1beta1.PhaseProgressing, 10
	after.Spec.Analysis.StepWeight = 50 // not PatchStatus's to store
	require.NoError(t, kube.PatchStatus(t.Context(), b.Client, b.owner, after))
	require.Equal(t, 1, b.made.Count("patch", "canaries/status"))
	require.Equal(t, 1, b.made.Writes(), "one patch and nothing else")

	stored := get(b, &v1beta1.Canary{}, b.owner.Name)
	require.Equal(t, v1beta1.PhaseProgressing, stored.Status.Phase)
	require.Equal(t, 10, stored.Status.CanaryWeight)
	require.Equal(t, 10, stored.Spec.Analysis.StepWeight)
	require.Equal(t, stored.ResourceVersion, after.ResourceVersion, "what came back can be built upon")
	require.Equal(t, stored.Status, after.Status)
}

func TestPatchStatusNothing(t *testing.T) {
	b := newBench(t)
	b.made.Reset()
	require.NoError(t, kube.PatchStatus(t.Context(), b.Client, b.owner, b.owner.DeepCopy()))
	require.Empty(t, b.made.Calls(), "an equal status costs no request")
}

func TestPatchStatusConflict(t *testing.T) {
	b := newBench(t)
	other := get(b, &v1beta1.Canary{}, b.owner.Name)
	other.Spec.SkipAnalysis = true
	require.NoError(t, b.user.Update(t.Context(), other))

	after := b.owner.DeepCopy()
	after.Status.Phase = v1beta1.PhaseSucceeded
	err := kube.PatchStatus(t.Context(), b.Client, b.owner, after)
	require.True(t, apierrors.IsConflict(err), "decided on a Canary that has changed since: %v", err)
	require.Empty(t, get(b, other, other.Name).Status.Phase, "and not stored")
	require.Equal(t, b.owner.ResourceVersion, after.ResourceVersion, "what was not stored is as it was")
}

func TestPatchStatusClears(t *testing.T) {
	b := newBench(t)
	first := b.owner.DeepCopy()
	first.Status.Phase, first.Status.Promoting = v1beta1.PhasePromoting, "abc"
	first.Status.TrackedConfigs = &map[string]string{"configmap/a": "1", "secret/b": "2"}
	require.NoError(t, kube.PatchStatus(t.Context(), b.Client, b.owner, first))

	second := first.DeepCopy()
	second.Status.Promoting = ""
	second.Status.TrackedConfigs = &map[string]string{"configmap/a": "1"}
	require.NoError(t, kube.PatchStatus(t.Context(), b.Client, first, second))
	stored := get(b, &v1beta1.Canary{}, b.owner.Name)
	require.Empty(t, stored.Status.Promoting, "what is no longer said goes")
	require.Equal(t, map[string]string{"configmap/a": "1"}, *stored.Status.TrackedConfigs)
}

func TestPatchStatusIsRemembered(t *testing.T) {
	b := newBench(t)
	require.True(t, b.canaries.StatusSeen(b.owner), "nothing was written yet")
	after := b.owner.DeepCopy()
	after.Status.Phase = v1beta1.PhaseInitializing
	require.NoError(t, b.canaries.PatchStatus(t.Context(), b.owner, after))
	require.False(t, b.canaries.StatusSeen(b.owner), "a Canary from before")
	require.True(t, b.canaries.StatusSeen(after))
	require.True(t, b.canaries.StatusSeen(get(b, &v1beta1.Canary{}, b.owner.Name)))
}

func TestSetFinalizer(t *testing.T) {
	b := newBench(t)
	held := func() []string { return get(b, &v1beta1.Canary{}, b.owner.Name).Finalizers }
	b.made.Reset()
	require.NoError(t, b.canaries.SetFinalizer(t.Context(), b.owner, false))
	require.Zero(t, b.made.Writes(), "it has none")
	require.NoError(t, b.canaries.SetFinalizer(t.Context(), b.owner, true))
	require.Equal(t, []string{v1beta1.Finalizer}, held())
	err := b.canaries.SetFinalizer(t.Context(), b.owner, true)
	require.True(t, apierrors.IsConflict(err), "it was read before it had one: %v", err)

	seen := get(b, &v1beta1.Canary{}, b.owner.Name)
	require.NoError(t, b.canaries.SetFinalizer(t.Context(), seen, true))
	require.Equal(t, 1, b.made.Writes(), "it is on")
	seen.Finalizers = append(seen.Finalizers, "example.com/audit")
	require.NoError(t, b.Client.Update(t.Context(), seen))
	require.NoError(t, b.canaries.SetFinalizer(t.Context(), seen, false))
	require.Equal(t, []string{"example.com/audit"}, held(), "somebody else's stays")

	gone := b.owner.DeepCopy()
	gone.Name = "gone"
	require.NoError(t, b.canaries.SetFinalizer(t.Context(), gone, true), "there is nothing to be held")
}

func TestDelete(t *testing.T) {
	b := newBench(t)
	b.apply(b.service())
	svc := get(b, &corev1.Service{}, "podinfo")
	b.made.Reset()
	changed, err := b.Delete(t.Context(), b.owner, svc)
	require.NoError(t, err)
	require.True(t, changed)
	require.Equal(t, 1, b.made.Count("delete", "services"))

	require.Eventually(t, func() bool {
		changed, err = b.Delete(t.Context(), b.owner, svc)
		require.NoError(t, err)
		return !changed
	}, patience, tick, "until the cache has seen it go")
	require.Equal(t, 1, b.made.Count("delete", "services"), "the server is asked once")
	err = b.user.Get(t.Context(), client.ObjectKeyFromObject(svc), svc)
	require.True(t, apierrors.IsNotFound(err))

	require.True(t, b.apply(b.service()), "it can be made again")
	changed, err = b.Delete(t.Context(), b.owner, get(b, svc, "podinfo"))
	require.NoError(t, err)
	require.True(t, changed, "and deleted again")
}

package controller

import (
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/desired"
	"github.com/sluice-cd/sluice/pkg/handback"
	"github.com/sluice-cd/sluice/pkg/workload"
)

// TestLentRouteIsLedBackUnseen has a Canary go while no operator runs that moved users by a route of theirs.
func TestLentRouteIsLedBackUnseen(t *testing.T) {
	t.Parallel()
	l := lendings()["VirtualService"]
	s, o, before := l.open(t)
	s.garbageCollect()
	s.deleteWhileDown(o)
	s.restart(0)
	s.eventually(s.home, func() string { return "users are not with their own again" }, func() any { return s.way() })
	require.Equal(t, l.weightless(s, before), l.weightless(s, s.way()), "weights are all that changed")
	s.await("nothing is left on the target", func() bool { return s.targetReleased(2) })
}

// TestHeirKeepsTheService gives a target back whose apex Service another Canary has by now.
func TestHeirKeepsTheService(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.createShopService()
	w.garbageCollect()
	o := w.begin(func(c *v1beta1.Canary) { c.Spec.Service.Name = "shop" })
	w.deleteWhileDown(o)
	other := w.deployment()
	other.Name = "two"
	for _, labels := range []map[string]string{other.Spec.Selector.MatchLabels, other.Spec.Template.Labels} {
		labels["app"] = "two"
	}
	require.NoError(t, w.Create(t.Context(), other))
	require.NoError(t, w.Create(t.Context(), w.canary(func(c *v1beta1.Canary) {
		c.Name, c.Spec.TargetRef.Name, c.Spec.Service.Name = "two", "two", "shop"
	})))
	next := w.restart(0)
	w.await("the heir is initialised", func() bool { return w.named("two").Status.Phase == v1beta1.PhaseInitialized })
	w.await("users go to its primary", func() bool { return w.selector("shop") == "two-primary" })
	w.await("the heir is at rest", func() bool { return workload.SizeOf(w.live("two")) == 0 })
	w.await("the target has its pods", func() bool { return w.targetReleased(2) })
	require.Zero(t, w.releaseOrphans(next, "podinfo"))
	require.Equal(t, "two-primary", w.selector("shop"))
}

// TestTargetIsLeftForAnother points a Canary at another workload: the one it had is its owner's again.
func TestTargetIsLeftForAnother(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := w.begin()
	two := w.deployment()
	two.Name = "two"
	two.Spec.Selector.MatchLabels["app"], two.Spec.Template.Labels["app"] = "two", "two"
	require.NoError(t, w.Create(t.Context(), two))
	w.editCanary(func(c *v1beta1.Canary) { c.Spec.TargetRef.Name = "two" })
	w.await("it serves again", func() bool { return w.targetReleased(2) })
	w.awaitEvent(o, handback.ReasonGivenBack)
	require.Equal(t, 1, count(o, handback.ReasonGivenBack))
}

// TestGoingCanaryLetsGo has somebody else keep a deleted Canary from going.
func TestGoingCanaryLetsGo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.begin(func(c *v1beta1.Canary) { c.Finalizers = []string{"example.com/audit"} })
	require.NoError(t, w.Delete(t.Context(), w.named("podinfo")))
	w.await("the target has its pods while its primary serves", func() bool { return w.targetReleased(2) })
	require.Equal(t, int32(2), w.live("podinfo-primary").Status.AvailableReplicas)
	require.False(t, w.named("podinfo").DeletionTimestamp.IsZero())
	w.editCanary(func(c *v1beta1.Canary) { c.Finalizers = nil })
	w.gone(&v1beta1.Canary{}, "podinfo")
}

// TestRefusedCanaryHadNothing deletes a Canary unseen, and then one that had been put in its place and was refused.
func TestRefusedCanaryHadNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.garbageCollect()
	w.deleteWhileDown(w.begin())
	require.NoError(t, w.Create(t.Context(), w.canary(func(c *v1beta1.Canary) {
		c.Name, c.Spec.Analysis.StepWeight = "two", 120
	})))
	next := w.restart(0)
	w.awaitConditionOf("two", v1beta1.ConditionValid, metav1.ConditionFalse, "stepWeight")
	require.Zero(t, w.releaseOrphans(next, "podinfo"), "the target has a Canary")
	w.delete("two")
	w.await("nobody has it any more", func() bool { return w.targetReleased(2) })
}

// TestStopInNamespaceThatGoes deletes a namespace with all that is in it, while no operator runs.
func TestStopInNamespaceThatGoes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.garbageCollect()
	w.deleteWhileDown(w.begin())
	require.NoError(t, w.Delete(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: w.ns}}))
	next := w.restart(0)
	w.await("what is there is given back", func() bool { return workload.SizeOf(w.live("podinfo")) == 2 && !carries(w.live("podinfo")) })
	require.NoError(t, w.Delete(t.Context(), w.live("podinfo")))
	w.gone(&appsv1.Deployment{}, "podinfo")
	require.Zero(t, w.releaseOrphans(next, "podinfo"), "nothing is waited for")
}

// TestStopIsPutBack has a tool replace the target's annotations by its own.
func TestStopIsPutBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.begin()
	d := w.live("podinfo")
	w.rewrite(d, "kubectl-replace", func() { d.Annotations = map[string]string{"team": "web"} })
	w.await("it carries its size again", func() bool { return desired.RestoreInfo(w.live("podinfo")).Size == 2 })
	require.Equal(t, "web", w.live("podinfo").Annotations["team"])
}

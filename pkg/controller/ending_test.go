package controller

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// podsOf are the pods of an app, also those that are ending.
func (w *world) podsOf(app string) []corev1.Pod {
	w.Helper()
	list := &corev1.PodList{}
	require.NoError(w, w.List(w.Context(), list, client.InNamespace(w.ns), client.MatchingLabels{"app": app}))
	return list.Items
}

// endSlowly has the pods that there are of an app go on being ready when they are deleted, until they are let go.
func (w *world) endSlowly(app string) {
	w.Helper()
	w.editPods(app, func(p *corev1.Pod) { controllerutil.AddFinalizer(p, "test/ending") })
}

func (w *world) letGo(app string) {
	w.Helper()
	w.editPods(app, func(p *corev1.Pod) { controllerutil.RemoveFinalizer(p, "test/ending") })
	w.pods.CountEnding(w, false)
}

func (w *world) editPods(app string, change func(*corev1.Pod)) {
	w.Helper()
	for _, p := range w.podsOf(app) {
		before := p.DeepCopy()
		change(&p)
		require.NoError(w, client.IgnoreNotFound(w.Patch(w.Context(), &p, client.MergeFrom(before))))
	}
}

// awaitEnding waits until there are pods of an app, and all of them are ending.
func (w *world) awaitEnding(app string) {
	w.Helper()
	w.await("all pods are ending", func() bool {
		pods := w.podsOf(app)
		return len(pods) > 0 && !slices.ContainsFunc(pods, func(p corev1.Pod) bool { return p.DeletionTimestamp == nil })
	})
}

// stays requires that something is so for longer than a decision takes.
func (w *world) stays(what string, is func() bool) {
	w.Helper()
	require.Never(w, func() bool { return !is() }, time.Second, lookout, what)
}

// promoteEnding promotes a revision, whose target counts its pods as available while they are ending.
func (w *world) promoteEnding() {
	w.Helper()
	w.judge.hold(50)
	w.setImage(imageTwo)
	w.await("the canary has its pods", func() bool { return w.weights() == "50/50" && w.live("podinfo").Status.AvailableReplicas == 2 })
	w.endSlowly("podinfo")
	w.pods.CountEnding(w, true)
	w.judge.goOn()
	w.awaitPhase(v1beta1.PhaseSucceeded)
	w.awaitTargetStopped()
	w.awaitEnding("podinfo")
}

// awaitCounted waits until the target has been started again, and its status counts pods that are ending.
func (w *world) awaitCounted() {
	w.Helper()
	w.await("pods that are ending count", func() bool {
		d := w.live("podinfo")
		return *d.Spec.Replicas == 2 && d.Status.ObservedGeneration == d.Generation && d.Status.AvailableReplicas == 2
	})
}

// A target that is started again in the moment in which it was stopped is not taken for one that serves.
func TestRollbackWhileTargetEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.editTarget(func(d *appsv1.Deployment) {
		d.Spec.Strategy = appsv1.DeploymentStrategy{Type: appsv1.RecreateDeploymentStrategyType}
	})
	w.begin()
	w.promoteEnding()
	w.request("rollback", "")
	w.awaitCounted()
	w.stays("users are with the primary, which is as it was", func() bool {
		return w.weights() == "100/0" && image(w.live("podinfo-primary")) == imageTwo
	})
	seen := w.history()
	w.letGo("podinfo")
	w.awaitSettled(v1beta1.PhaseFailed, imageOne)
	require.Contains(t, seen(), "Promoting 100", "users were with the target while the primary had no pods")
}

// The same of one that a deleted Canary gives its users back to.
func TestRevertWhileTargetEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.begin(revert)
	w.promoteEnding()
	require.NoError(t, w.Delete(t.Context(), w.named("podinfo")))
	w.awaitCounted()
	w.stays("users are with the primary", func() bool { return w.weights() == "100/0" && w.selector("podinfo") == "podinfo-primary" })
	w.letGo("podinfo")
	w.gone(&v1beta1.Canary{}, "podinfo")
}

// A DaemonSet counts pods as available until they are gone, of its target and of a primary that returns to what it had.
func TestRollbackWhileDaemonsEnd(t *testing.T) {
	t.Parallel()
	w := newNodal(t)
	w.begin()
	primary := func() string { return w.live("podinfo-primary").Spec.Template.Spec.Containers[0].Image }
	w.judge.hold(50)
	w.setImage(imageTwo)
	w.awaitWeights("50/50")
	w.endSlowly("podinfo")
	w.endSlowly("podinfo-primary")
	w.judge.goOn()
	w.awaitPhase(v1beta1.PhaseSucceeded)
	w.await("it is stopped", w.off)
	w.awaitEnding("podinfo")
	w.request("rollback", "")
	w.await("pods that are ending count", func() bool {
		d := w.live("podinfo")
		return !w.off() && d.Status.ObservedGeneration == d.Generation && d.Status.NumberAvailable == 2
	})
	w.stays("users are with the primary, which is as it was", func() bool { return w.weights() == "100/0" && primary() == imageTwo })
	w.letGo("podinfo")
	w.await("the primary returns, without users", func() bool {
		d := w.live("podinfo-primary")
		return primary() == imageOne && d.Status.ObservedGeneration == d.Generation && w.weights() == "0/100"
	})
	w.awaitEnding("podinfo-primary")
	w.stays("users are with the target", func() bool { return w.weights() == "0/100" })
	w.letGo("podinfo-primary")
	w.awaitOutcome(outcome{phase: v1beta1.PhaseFailed, primary: imageOne, weights: "100/0", selector: "podinfo-primary"})
}

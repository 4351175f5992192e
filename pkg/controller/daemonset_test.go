package controller

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/kube/kubetest"
	"github.com/sluice-cd/sluice/pkg/workload"
)

// nodal is a world whose target is a DaemonSet.
type nodal struct{ *world }

func newNodal(t *testing.T, change ...func(*appsv1.DaemonSet)) nodal {
	t.Helper()
	w := nodal{newEmptyWorld(t)}
	w.pods = kubetest.DaemonSets(t, w.ns)
	like := w.deployment()
	d := &appsv1.DaemonSet{ObjectMeta: like.ObjectMeta, Spec: appsv1.DaemonSetSpec{Selector: like.Spec.Selector, Template: like.Spec.Template}}
	for _, f := range change {
		f(d)
	}
	require.NoError(t, w.Create(t.Context(), d))
	w.await("the DaemonSet was seen", func() bool { return w.live("podinfo").Status.ObservedGeneration > 0 })
	return w
}

func daemonic(c *v1beta1.Canary) { c.Spec.TargetRef.Kind = "DaemonSet" }

func (w nodal) live(name string) *appsv1.DaemonSet {
	w.Helper()
	d := &appsv1.DaemonSet{}
	require.NoError(w, w.Get(w.Context(), client.ObjectKey{Namespace: w.ns, Name: name}, d))
	return d
}

func (w nodal) begin(change ...func(*v1beta1.Canary)) *operator {
	w.Helper()
	o := w.run(append(change, daemonic)...)
	w.awaitPhase(v1beta1.PhaseInitialized)
	w.await("the target is stopped", w.off)
	return o
}

// off says that the target is stopped.
func (w nodal) off() bool {
	w.Helper()
	return w.live("podinfo").Spec.Template.Spec.NodeSelector[workload.ScaleToZero] == "true"
}

func (w nodal) setImage(image string) {
	w.Helper()
	d := w.live("podinfo")
	before := d.DeepCopy()
	d.Spec.Template.Spec.Containers[0].Image = image
	require.NoError(w, w.Patch(w.Context(), d, client.MergeFrom(before)))
}

func (w nodal) outcome() outcome {
	running := int32(1)
	if w.off() {
		running = 0
	}
	return outcome{
		phase: w.status().Phase, primary: w.live("podinfo-primary").Spec.Template.Spec.Containers[0].Image,
		weights: w.weights(), selector: w.selector("podinfo"), replicas: running, failed: w.status().FailedChecks,
	}
}

func (w nodal) awaitOutcome(want outcome) {
	w.Helper()
	w.awaitPhase(want.phase)
	w.eventually(func() bool { return w.outcome() == want }, func() string { return "it does not settle" }, func() any { return w.outcome() })
}

func TestDaemonSet(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		reason string
		fails  int
		fault  kubetest.Fault
		want   outcome
	}{
		"Good": {
			reason: "it is rolled out like any other workload",
			want:   outcome{phase: v1beta1.PhaseSucceeded, primary: imageTwo, weights: "100/0", selector: "podinfo-primary"},
		},
		"Bad": {
			reason: "and back",
			fails:  -1,
			want:   outcome{phase: v1beta1.PhaseFailed, primary: imageOne, weights: "100/0", selector: "podinfo-primary", failed: 2},
		},
		"Broken": {
			reason: "pods that do not start are found out by themselves, a DaemonSet has no deadline",
			fault:  kubetest.ImagePull,
			want:   outcome{phase: v1beta1.PhaseFailed, primary: imageOne, weights: "100/0", selector: "podinfo-primary"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newNodal(t)
			w.begin()
			require.Equal(t, int32(2), w.live("podinfo-primary").Status.NumberAvailable)
			require.Empty(t, w.live("podinfo-primary").Spec.Template.Spec.NodeSelector, "a primary is never stopped")
			w.judge.fail(tc.fails)
			w.pods.Fault(t, imageTwo, tc.fault)
			seen := w.history()
			w.setImage(imageTwo)
			w.awaitOutcome(tc.want)
			require.NotEmpty(t, seen(), tc.reason)
			require.Equal(t, int32(2), w.live("podinfo-primary").Status.NumberAvailable, tc.reason)
		})
	}
}

// TestDaemonSetOfSomeNodes keeps what the user selects nodes by, and a target that no node takes keeps its users.
func TestDaemonSetOfSomeNodes(t *testing.T) {
	t.Parallel()
	w := newNodal(t, func(d *appsv1.DaemonSet) { d.Spec.Template.Spec.NodeSelector = map[string]string{"disk": "ssd"} })
	w.run(daemonic)
	w.awaitCondition(v1beta1.ConditionWaiting, metav1.ConditionTrue, "no node takes its pods")
	require.Equal(t, map[string]string{"disk": "ssd"}, w.live("podinfo").Spec.Template.Spec.NodeSelector)
	require.Equal(t, "podinfo", w.selector("podinfo"))
}

func TestDaemonSetOnDelete(t *testing.T) {
	t.Parallel()
	w := newNodal(t, func(d *appsv1.DaemonSet) { d.Spec.UpdateStrategy.Type = appsv1.OnDeleteDaemonSetStrategyType })
	w.run(daemonic)
	w.awaitCondition(v1beta1.ConditionValid, metav1.ConditionFalse, "spec.updateStrategy.type must be RollingUpdate")
	require.False(t, w.off(), "users are served as before")
}

func TestDaemonSetIsGivenBack(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		reason string
		change []func(*v1beta1.Canary)
	}{
		"Plain":  {reason: "it is started though nothing waited for it"},
		"Revert": {reason: "it runs before the Canary goes", change: []func(*v1beta1.Canary){revert}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newNodal(t)
			before := w.live("podinfo").Spec.Template
			w.begin(tc.change...)
			w.garbageCollect()
			w.delete("podinfo")
			w.await(tc.reason, func() bool { return !w.off() && w.live("podinfo").Status.NumberAvailable == 2 })
			require.Equal(t, before, w.live("podinfo").Spec.Template, "as it was")
			w.gone(&appsv1.DaemonSet{}, "podinfo-primary")
		})
	}
}

func TestDaemonSetGoneBeforeItsCanary(t *testing.T) {
	t.Parallel()
	w := newNodal(t)
	w.begin(revert)
	require.NoError(t, w.Delete(t.Context(), w.live("podinfo")))
	w.gone(&appsv1.DaemonSet{}, "podinfo")
	w.delete("podinfo")
}

// TestDaemonSetCrashAfterAnyWrite is TestCrashAfterAnyWrite for a target that is stopped and started by a patch.
func TestDaemonSetCrashAfterAnyWrite(t *testing.T) {
	t.Parallel()
	want := outcome{phase: v1beta1.PhaseSucceeded, primary: imageTwo, weights: "100/0", selector: "podinfo-primary"}
	crashAfterAny(t, 9, func(t *testing.T, k int) int {
		t.Helper()
		w := newNodal(t)
		require.NoError(t, w.Create(t.Context(), w.canary(daemonic)))
		return w.crashAfter(k, func() { w.setImage(imageTwo) }, func() bool { return w.outcome() == want })
	})
}

// crashAfter runs an operator that dies after its k-th write, where k is above zero, and then another. The change is made
// once the Canary is initialised. It returns how many writes the last operator made.
func (w *world) crashAfter(k int, change func(), done func() bool) int {
	w.Helper()
	return w.crashAfterJudgedBy(w.judge, k, change, done)
}

func (w *world) crashAfterJudgedBy(by Analyst, k int, change func(), done func() bool) int {
	w.Helper()
	o := start(w.T, w.ns, w.clock, by, k)
	changed := false
	tick := time.NewTicker(lookout)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); <-tick.C {
		if !changed && w.status().Phase == v1beta1.PhaseInitialized {
			change()
			changed = true
		}
		if k > 0 && died(o) {
			o.stop()
			o, k = start(w.T, w.ns, w.clock, by, 0), 0
		}
		if changed && done() {
			return o.Writes()
		}
	}
	require.FailNow(w, "it does not end as it should", "%+v", w.status())
	return 0
}

func (w nodal) pod(app string) int {
	w.Helper()
	list := &corev1.PodList{}
	require.NoError(w, w.List(w.Context(), list, client.InNamespace(w.ns), client.MatchingLabels{"app": app}))
	return len(list.Items)
}

func TestDaemonSetStopped(t *testing.T) {
	t.Parallel()
	w := newNodal(t)
	w.begin()
	w.await("its pods end", func() bool { return w.pod("podinfo") == 0 })
	require.Equal(t, 2, w.pod("podinfo-primary"))
}

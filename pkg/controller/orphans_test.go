package controller

import (
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/desired"
	"github.com/sluice-cd/sluice/pkg/handback"
	"github.com/sluice-cd/sluice/pkg/workload"
)

// deleteWhileDown deletes the Canary while no operator runs, with all that goes with it.
func (w *world) deleteWhileDown(o *operator) {
	w.Helper()
	o.stop()
	w.delete("podinfo")
	w.gone(&appsv1.Deployment{}, "podinfo-primary")
}

// restart starts the next process of the operator.
func (w *world) restart(crash int) *operator {
	w.Helper()
	return start(w.T, w.ns, w.clock, w.judge, crash)
}

// carries says that an object has a Stop.
func carries(o metav1.Object) bool {
	_, ok := o.GetAnnotations()[workload.RestoreAnnotation]
	return ok
}

// targetReleased says that the target serves at a size, and that nothing of ours is on it.
func (w *world) targetReleased(size int32) bool {
	w.Helper()
	d := w.live("podinfo")
	return !carries(d) && *d.Spec.Replicas == size && d.Status.AvailableReplicas == size
}

// releaseOrphans has an operator look once more at what is left of a Canary, and says what it wrote on that. What it writes
// meanwhile about others cannot be told apart: they have to be at rest.
func (w *world) releaseOrphans(o *operator, name string) int {
	w.Helper()
	require.True(w, o.manager.GetCache().WaitForCacheSync(w.Context()))
	before := o.Writes()
	done, err := o.reconcr.handback.ReleaseOrphans(w.Context(), types.NamespacedName{Namespace: w.ns, Name: name})
	require.NoError(w, err)
	require.True(w, done, "there is nothing left to do")
	return o.Writes() - before
}

// createShopService makes a Service of the user's that is not called as the target.
func (w *world) createShopService() {
	w.Helper()
	s := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: "shop"}}
	s.Spec = corev1.ServiceSpec{Selector: map[string]string{"app": "podinfo"}, Ports: []corev1.ServicePort{{Name: "http", Port: 9898}}}
	require.NoError(w, w.Create(w.Context(), s, client.FieldOwner("kubectl")))
}

func TestUnseenDeletion(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		reason  string
		before  func(w *world) // the Canary is made
		change  func(*v1beta1.Canary)
		between func(w *world) // while no operator runs
		size    int32
		also    func(w *world) bool
	}{
		"Plain": {reason: "the target has the size that it was stopped at", size: 2},
		"OwnService": {
			reason: "a Service of the user's selects the target again", size: 2,
			before: func(w *world) { w.createApexService() },
			also:   func(w *world) bool { return w.selector("podinfo") == "podinfo" },
		},
		"NamedService": {
			reason: "also under another name than the target's", size: 2,
			before: func(w *world) { w.createShopService() },
			change: func(c *v1beta1.Canary) { c.Spec.Service.Name = "shop" },
			also:   func(w *world) bool { return w.selector("shop") == "podinfo" },
		},
		"KEDA": {
			reason: "its ScaledObject is not kept at zero any more", size: 2,
			before: func(w *world) { w.scaledObject() },
			change: ruled,
			also:   func(w *world) bool { return !workload.ScaledObjectPaused(w.scaled("podinfo")) },
		},
		"ScaledByHand": {
			reason: "somebody has helped themselves, and is not meddled with", size: 5,
			between: func(w *world) { w.editTarget(scale(5)) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.garbageCollect()
			if tc.before != nil {
				tc.before(w)
			}
			if tc.change == nil {
				tc.change = func(*v1beta1.Canary) {}
			}
			o := w.begin(tc.change)
			w.deleteWhileDown(o)
			if tc.between != nil {
				tc.between(w)
			}
			next := w.restart(0)
			w.await(tc.reason, func() bool { return w.targetReleased(tc.size) && (tc.also == nil || tc.also(w)) })
			const said = "Normal GivenBack Canary podinfo is gone, started again at size 2"
			if tc.between == nil {
				w.awaitEvent(next, said)
			}
			require.Equal(t, tc.between == nil, count(next, said) == 1, "it is said once")
			require.Zero(t, w.releaseOrphans(next, "podinfo"), "it is over")
		})
	}
}

func TestUnseenDeletionOfDaemonSet(t *testing.T) {
	t.Parallel()
	w := newNodal(t)
	before := w.live("podinfo").Spec.Template
	w.garbageCollect()
	o := w.begin()
	require.True(t, carries(w.live("podinfo")))
	o.stop()
	w.delete("podinfo")
	w.gone(&appsv1.DaemonSet{}, "podinfo-primary")
	w.restart(0)
	w.await("it runs", func() bool { d := w.live("podinfo"); return d.Status.NumberAvailable == 2 && !carries(d) })
	require.Equal(t, before, w.live("podinfo").Spec.Template, "as it was")
}

// TestUnseenDeletionOfBoth has the target go with its Canary.
func TestUnseenDeletionOfBoth(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.garbageCollect()
	o := w.begin()
	w.deleteWhileDown(o)
	require.NoError(t, w.Delete(t.Context(), w.live("podinfo")))
	w.gone(&appsv1.Deployment{}, "podinfo")
	require.Zero(t, w.releaseOrphans(w.restart(0), "podinfo"))
}

// TestUnseenDeletionUndone makes the Canary anew before the next operator comes.
func TestUnseenDeletionUndone(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*v1beta1.Canary){
		"SameName":  func(*v1beta1.Canary) {},
		"OtherName": func(c *v1beta1.Canary) { c.Name = "podinfo-two" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.garbageCollect()
			w.deleteWhileDown(w.begin())
			c := w.canary(change)
			require.NoError(t, w.Create(t.Context(), c))
			next := w.restart(0)
			w.await("it is initialised and its target carries its name", func() bool {
				d := w.live("podinfo")
				return w.named(c.Name).Status.Phase == v1beta1.PhaseInitialized && workload.SizeOf(d) == 0 && desired.RestoreInfo(d).UID == c.UID
			})
			require.Equal(t, int32(2), workload.SizeOf(w.live("podinfo-primary")), "as large as the target was")
			require.Zero(t, count(next, handback.ReasonGivenBack), "nobody is owed anything")
			require.Zero(t, w.releaseOrphans(next, "podinfo"))
		})
	}
}

// TestGivingBackSurvivesCrashes kills the operator after its k-th write on giving back, for every k. The deletion is
// seen by it, or not.
func TestGivingBackSurvivesCrashes(t *testing.T) {
	t.Parallel()
	for name, seen := range map[string]bool{"Seen": true, "Unseen": false} {
		t.Run(name, func(t *testing.T) {
			// Scaler, size, Service and annotation.
			crashAfterAny(t, 4, func(t *testing.T, k int) int { return givenBack(t, k, seen) })
		})
	}
}

func givenBack(t *testing.T, k int, seen bool) int {
	t.Helper()
	w := newWorld(t)
	w.createApexService()
	w.scaledObject()
	w.garbageCollect()
	o := w.begin(ruled)
	o.Reset()
	if !seen {
		w.deleteWhileDown(o)
		o = w.restart(k)
	} else {
		o.CrashAfter(k)
		w.delete("podinfo")
	}
	w.await("everything is the user's again", func() bool {
		if k > 0 && died(o) {
			o.stop()
			o, k = w.restart(0), 0
		}
		return w.targetReleased(2) && w.selector("podinfo") == "podinfo" && !workload.ScaledObjectPaused(w.scaled("podinfo"))
	})
	return o.Writes()
}

// TestForeignStopIsLeftAlone has workloads around that say what only a target of ours says, and others that say nothing.
func TestForeignStopIsLeftAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.garbageCollect()
	o := w.begin()
	note := w.live("podinfo").Annotations[workload.RestoreAnnotation]
	w.deleteWhileDown(o)
	copied := w.deployment()
	copied.Name, copied.Spec.Replicas = "copied", new(int32(0))
	copied.Annotations = map[string]string{workload.RestoreAnnotation: note}
	require.NoError(t, w.Create(t.Context(), copied, client.FieldOwner("kubectl")))
	plain := w.deployment()
	plain.Name, plain.Spec.Replicas = "plain", new(int32(0))
	require.NoError(t, w.Create(t.Context(), plain))

	next := w.restart(0)
	w.await("the target has its pods", func() bool { return w.targetReleased(2) })
	require.Zero(t, w.releaseOrphans(next, "podinfo"))
	for _, name := range []string{"copied", "plain"} {
		require.Zero(t, workload.SizeOf(w.live(name)), name)
		require.Zero(t, w.live(name).Generation-1, "nobody has changed %s", name)
	}
	require.True(t, carries(w.live("copied")))
	require.Empty(t, handback.NotedFor(plain), "what says nothing wakes nobody")
}

// TestStopOfOlderVersion has a target at zero that carries nothing: it is told once what it is to come back with.
func TestStopOfOlderVersion(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.garbageCollect()
	o := w.begin()
	o.stop()
	w.editTarget(func(d *appsv1.Deployment) { delete(d.Annotations, workload.RestoreAnnotation) })
	target, primary := w.live("podinfo"), w.live("podinfo-primary")
	next := w.restart(0)
	w.await("it carries its size", func() bool { return desired.RestoreInfo(w.live("podinfo")).Size == 2 })
	require.Equal(t, 1, next.Writes(), "%v", next.Calls())
	require.Equal(t, target.Spec, w.live("podinfo").Spec, "no pod has to do with it")
	require.Equal(t, primary.ResourceVersion, w.live("podinfo-primary").ResourceVersion)
	next.stop()
	last := w.restart(0)
	w.await("the Canary was looked at", func() bool { return last.passes() > 0 })
	require.Zero(t, last.Writes(), "it is told once: %v", last.Calls())
}

// TestStopKeepsItsSize has the primary's autoscaler act, of which the target need not hear.
func TestStopKeepsItsSize(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := w.begin()
	o.Reset()
	primary := w.live("podinfo-primary")
	before := primary.DeepCopy()
	scale(3)(primary)
	require.NoError(t, w.Patch(t.Context(), primary, client.MergeFrom(before)))
	w.await("it is larger", func() bool { return w.live("podinfo-primary").Status.AvailableReplicas == 3 })
	passes := o.passes()
	w.editCanary(func(c *v1beta1.Canary) { c.Annotations = map[string]string{"look": "again"} })
	w.await("the Canary was looked at", func() bool { return o.passes() > passes })
	require.Equal(t, int32(2), desired.RestoreInfo(w.live("podinfo")).Size)
	require.Zero(t, o.Writes(), "%v", o.Calls())
}

// TestStartTakesTheStopAway follows what a target carries through a rollout.
func TestStartTakesTheStopAway(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.begin(slowly)
	require.True(t, carries(w.live("podinfo")))
	require.False(t, carries(w.live("podinfo-primary")))
	w.setImage(imageTwo)
	w.awaitWeights("50/50")
	require.False(t, carries(w.live("podinfo")), "it runs")
	w.editCanary(every("10s"))
	w.awaitSettled(v1beta1.PhaseSucceeded, imageTwo)
	w.awaitTargetStopped()
	require.Equal(t, int32(2), desired.RestoreInfo(w.live("podinfo")).Size)
}

// TestPrimaryLostUnseen deletes a primary while no operator runs: nobody remembers its size.
func TestPrimaryLostUnseen(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.editTarget(scale(3))
	o := w.begin()
	o.stop()
	require.NoError(t, w.Delete(t.Context(), w.live("podinfo-primary")))
	w.gone(&appsv1.Deployment{}, "podinfo-primary")
	w.restart(0)
	w.await("it is as large as it was", func() bool {
		d := &appsv1.Deployment{}
		err := w.Get(t.Context(), client.ObjectKey{Namespace: w.ns, Name: "podinfo-primary"}, d)
		return err == nil && d.Status.AvailableReplicas == 3
	})
	w.awaitSettled(v1beta1.PhaseInitialized, imageOne)
	require.Equal(t, int32(3), desired.RestoreInfo(w.live("podinfo")).Size, "it carries on")
}

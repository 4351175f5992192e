package controller

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// applyForEver applies the target with an image again and again, as a GitOps tool does, until the test ends.
func (w *world) applyForEver(image string) {
	w.Helper()
	ctx, cancel := context.WithCancel(w.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for n := 0; ctx.Err() == nil; n++ {
			d := &appsv1.Deployment{}
			if w.Get(ctx, client.ObjectKey{Namespace: w.ns, Name: "podinfo"}, d) == nil {
				before := d.DeepCopy()
				d.Spec.Template.Spec.Containers[0].Image = image
				metav1.SetMetaDataAnnotation(&d.ObjectMeta, "example.com/applied", fmt.Sprint(n))
				_ = w.Patch(ctx, d, client.MergeFrom(before))
			}
			select {
			case <-ctx.Done():
			case <-time.After(2 * time.Second):
			}
		}
	}()
	w.Cleanup(func() { cancel(); <-done })
}

// A revision that serves everybody is rolled back, while Git goes on asking for it.
func TestRollbackOfWhatServes(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*appsv1.Deployment){
		"RollingUpdate": func(*appsv1.Deployment) {},
		"Recreate": func(d *appsv1.Deployment) {
			d.Spec.Strategy = appsv1.DeploymentStrategy{Type: appsv1.RecreateDeploymentStrategyType}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.editTarget(change)
			o := w.begin()
			before := likeness(w.live("podinfo-primary"))
			w.setImage(imageTwo)
			w.awaitSettled(v1beta1.PhaseSucceeded, imageTwo)
			w.awaitTargetStopped()
			w.applyForEver(imageTwo)
			seen := w.history()
			to := w.status().Run.From.Revision
			says := "podinfo-primary." + w.ns + " returns to " + to
			if name == "Recreate" {
				says = "podinfo." + w.ns + " is started, and has all requests while " + says
			}
			w.act("rollback", " reason=users complain", v1beta1.ActionAccepted, says)
			w.awaitSettled(v1beta1.PhaseFailed, imageOne)
			w.awaitTargetStopped()
			require.Equal(t, before, likeness(w.live("podinfo-primary")))
			w.awaitCondition(v1beta1.ConditionPromoted, metav1.ConditionFalse, "Cause: rolled back to "+to+" by anna.")
			if name == "Recreate" {
				require.Contains(t, seen(), "Promoting 100", "users are with the target while the primary has no pods")
			}
			require.Equal(t, imageTwo, image(w.live("podinfo")), "the target keeps what Git asks for")
			rolled := w.status()
			require.Equal(t, []v1beta1.RunOutcome{v1beta1.RunReverted, v1beta1.RunPromoted}, []v1beta1.RunOutcome{rolled.History[0].Outcome, rolled.History[1].Outcome})
			require.Equal(t, "anna", rolled.History[0].By)
			// Whatever Git applies meanwhile, it is not tried again, and nothing is stored.
			require.Never(t, func() bool { return w.status().Phase != v1beta1.PhaseFailed }, 3*time.Second, 10*lookout)
			require.Equal(t, 1, count(o, "Normal ActionAccepted rollback by anna"))
			w.act("retry", "", v1beta1.ActionAccepted, "the revision is tried once more from its first step")
			w.awaitSettled(v1beta1.PhaseSucceeded, imageTwo)
			require.Equal(t, int32(3), w.status().Run.Attempt)
		})
	}
}

// What serves is rolled back whatever its target and its provider are.
func TestRollbackOfOtherKinds(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		target func(*world)
		change func(*v1beta1.Canary)
		routes string
	}{
		"Autoscaled":    {target: func(w *world) { w.createAutoscaler() }, change: scaled, routes: "100/0"},
		"ServicesAlone": {target: func(*world) {}, change: services, routes: "none"},
		"ReplicaRatio":  {target: (*world).scaleToFive, change: ratio, routes: "none"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			tc.target(w)
			w.begin(tc.change)
			before := likeness(w.live("podinfo-primary"))
			size := w.live("podinfo-primary").Spec.Replicas
			w.setImage(imageTwo)
			w.awaitPhase(v1beta1.PhaseSucceeded)
			w.awaitTargetStopped()
			w.act("rollback", "", v1beta1.ActionAccepted, "podinfo-primary."+w.ns+" returns to "+w.status().Run.From.Revision)
			w.awaitPhase(v1beta1.PhaseFailed)
			w.awaitTargetStopped()
			require.Equal(t, before, likeness(w.live("podinfo-primary")))
			require.Equal(t, size, w.live("podinfo-primary").Spec.Replicas)
			require.Equal(t, tc.routes, w.weights())
			w.await("users ask the primary", func() bool { return w.apexSelector()["app"] == "podinfo-primary" })
			require.Equal(t, imageTwo, image(w.live("podinfo")), "the target keeps what Git asks for")
			require.Equal(t, v1beta1.RunReverted, w.status().History[0].Outcome)
		})
	}
}

func TestRollbackOfDaemonSet(t *testing.T) {
	t.Parallel()
	w := newNodal(t)
	w.begin()
	before := likeness(w.live("podinfo-primary"))
	w.setImage(imageTwo)
	w.awaitOutcome(outcome{phase: v1beta1.PhaseSucceeded, primary: imageTwo, weights: "100/0", selector: "podinfo-primary"})
	w.act("rollback", "", v1beta1.ActionAccepted,
		"podinfo."+w.ns+" is started, and has all requests while podinfo-primary."+w.ns+" returns to "+w.status().Run.From.Revision)
	w.awaitOutcome(outcome{phase: v1beta1.PhaseFailed, primary: imageOne, weights: "100/0", selector: "podinfo-primary"})
	require.Equal(t, before, likeness(w.live("podinfo-primary")))
	require.Equal(t, imageTwo, w.live("podinfo").Spec.Template.Spec.Containers[0].Image, "the target keeps what Git asks for")
	require.Equal(t, v1beta1.RunReverted, w.status().History[0].Outcome)
}

// A rollback that nothing is left for is refused in words.
func TestRollbackWithoutHistory(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.editTarget(func(d *appsv1.Deployment) { d.Spec.RevisionHistoryLimit = new(int32(0)) })
	w.begin()
	w.act("rollback", "", v1beta1.ActionRefused, "rollback is not possible in phase Initialized, only in Succeeded")
	w.setImage(imageTwo)
	w.awaitSettled(v1beta1.PhaseSucceeded, imageTwo)
	to := w.status().Run.From.Revision
	w.act("rollback", "", v1beta1.ActionRefused, "podinfo-primary."+w.ns+" cannot return to "+to+
		": its history does not hold that revision (spec.revisionHistoryLimit); put podinfo."+w.ns+" back to it")
}

// A rollback is done once and as a whole, whatever write was the last of a process.
func TestCrashKeepsRollback(t *testing.T) {
	t.Parallel()
	crashAfterAny(t, 9, func(t *testing.T, k int) int {
		w := newWorld(t)
		require.NoError(t, w.Create(t.Context(), w.canary()))
		o := start(t, w.ns, w.clock, w.judge, k)
		released, asked := false, false
		w.await("it is rolled back", func() bool {
			if k > 0 && died(o) {
				o.stop()
				o, k = start(t, w.ns, w.clock, w.judge, 0), 0
			}
			s := w.status()
			switch {
			case !released && s.Phase == v1beta1.PhaseInitialized:
				w.setImage(imageTwo)
				released = true
			case released && s.Phase == v1beta1.PhaseSucceeded && (!asked || s.LastAction != nil && s.LastAction.Result != v1beta1.ActionAccepted):
				w.request("rollback", "")
				asked = true
			}
			return asked && s.Phase == v1beta1.PhaseFailed
		})
		w.awaitSettled(v1beta1.PhaseFailed, imageOne)
		require.Equal(t, v1beta1.RunReverted, w.status().History[0].Outcome)
		require.Len(t, w.status().History, 2)
		return o.Writes()
	})
}

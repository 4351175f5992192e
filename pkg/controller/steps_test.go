package controller

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/kube/kubetest"
	"github.com/sluice-cd/sluice/pkg/rollout"
)

// listed gives a Canary steps of its own.
func listed(promotion *v1beta1.AnalysisPromotion, steps ...v1beta1.AnalysisStep) func(*v1beta1.Canary) {
	return func(c *v1beta1.Canary) {
		a := c.Spec.Analysis
		a.StepWeight, a.MaxWeight, a.Steps, a.Promotion = 0, 0, steps, promotion
	}
}

// act asks for something, as anna, and waits for the answer. By the operator's clock a busy machine may be too late with it:
// then it is asked for again.
func (w *world) act(verb, more string, result v1beta1.ActionResult, message string) {
	w.Helper()
	id := w.request(verb, more)
	var last *v1beta1.ActionRecord
	w.eventually(func() bool {
		if last = w.status().LastAction; last != nil && last.ID == id && last.Result == v1beta1.ActionExpired {
			id = w.request(verb, more)
		}
		return last != nil && last.ID == id && last.Result == result
	}, func() string { return "it is not " + string(result) + ": " + message }, func() any { return last })
	require.Equal(w, message, last.Message)
}

// request asks for something, and returns the id that it did so by.
func (w *world) request(verb, more string) string {
	w.Helper()
	id := fmt.Sprint(w.clock.now().Unix())
	text := fmt.Sprintf("%s id=%s revision=%s%s", verb, id, w.status().LastAppliedSpec, more)
	w.editCanary(func(c *v1beta1.Canary) {
		metav1.SetMetaDataAnnotation(&c.ObjectMeta, v1beta1.ActionAnnotation, text)
		metav1.SetMetaDataAnnotation(&c.ObjectMeta, v1beta1.ActionByAnnotation, "anna")
	})
	return id
}

func (w *world) awaitWaiting(why rollout.Wait) {
	w.Helper()
	w.await("it waits: "+string(why), func() bool { return w.status().WaitingFor == string(why) })
}

// A rollout by steps waits for a person, bakes, and is promoted.
func TestListedSteps(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := w.begin(listed(&v1beta1.AnalysisPromotion{Bake: "30s"},
		v1beta1.AnalysisStep{Name: "some", Weight: new(20), Replicas: new(int32(2)), Pause: &v1beta1.StepPause{}},
		v1beta1.AnalysisStep{Weight: new(50), Duration: "25s"}))
	seen := w.history()
	w.setImage(imageTwo)
	w.awaitWaiting(rollout.WaitStepPaused)
	w.awaitEvent(o, "Warning Paused Canary is paused at step 1 of 3 (some) and waits for promote.")
	require.Equal(t, "80/20", w.weights())
	require.Equal(t, int32(2), *w.live("podinfo").Spec.Replicas, "as many as the step has")
	w.act("promote", " step=2", v1beta1.ActionRefused, "it is about step 2, and this is step 1")
	w.act("promote", " step=1 reason=looks good", v1beta1.ActionAccepted, "step 1 of 3 (some) goes on when one more check has passed")
	w.awaitSettled(v1beta1.PhaseSucceeded, imageTwo)
	w.awaitTargetStopped()
	require.Equal(t, "looks good", w.status().LastAction.Reason)
	require.Equal(t, "anna", w.status().LastAction.By)
	require.Contains(t, seen(), "Progressing 100", "it baked")
	require.Equal(t, 1, count(o, "Normal ActionAccepted promote by anna"))
}

// A canary whose pods begin to fail while it bakes is rolled back, without waiting for a check.
func TestBakeFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := w.begin(listed(&v1beta1.AnalysisPromotion{Bake: "24h"}, v1beta1.AnalysisStep{Weight: new(50)}), func(c *v1beta1.Canary) {
		c.Spec.Analysis.OnFailure = v1beta1.FailureKeeps
	})
	w.setImage(imageTwo)
	w.awaitWaiting(rollout.WaitBaking)
	w.awaitWeights("0/100")
	require.Equal(t, imageOne, image(w.live("podinfo-primary")), "the primary keeps the revision before")
	w.pods.Fault(t, imageTwo, kubetest.CrashLoop)
	w.awaitPhase(v1beta1.PhaseFailed)
	w.awaitEvent(o, "Warning RolledBack Rolling back podinfo."+w.ns+": a pod of podinfo."+w.ns+" failed while it baked: podinfod of ")
	w.awaitCondition(v1beta1.ConditionPromoted, metav1.ConditionFalse, "Deployment kept without traffic")
	w.awaitWeights("100/0")
	require.Equal(t, int32(2), *w.live("podinfo").Spec.Replicas, "it is kept to be looked at")
	w.act("abort", "", v1beta1.ActionAccepted, "podinfo."+w.ns+" is scaled down")
	w.awaitTargetStopped()
	w.pods.Fault(t, imageTwo, kubetest.None)
	w.act("retry", "", v1beta1.ActionAccepted, "the revision is tried once more from its first step")
	w.awaitWaiting(rollout.WaitBaking)
	w.act("promote", " skip-step=true", v1beta1.ActionAccepted, "step 2 of 2 goes on when one more check has passed")
	w.awaitSettled(v1beta1.PhaseSucceeded, imageTwo)
}

// A person holds a rollout, and ends it, also when the primary has been given the revision.
func TestHoldAndAbort(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.begin()
	w.judge.hold(50)
	w.setImage(imageTwo)
	w.awaitWeights("50/50")
	w.act("pause", " reason=lunch", v1beta1.ActionAccepted, "no next step is taken; the canary goes on being judged")
	w.judge.goOn()
	w.awaitWaiting(rollout.WaitHeld)
	w.act("promote-full", "", v1beta1.ActionRefused, "it is held by anna; resume it first")
	w.breakPods("podinfo-primary", imageTwo)
	w.act("resume", "", v1beta1.ActionAccepted, "the rollout goes on")
	w.awaitPhase(v1beta1.PhasePromoting)
	w.await("the primary was given it", func() bool { return image(w.live("podinfo-primary")) == imageTwo })
	w.act("abort", "", v1beta1.ActionAccepted, "podinfo-primary."+w.ns+" returns to the promoted revision")
	w.awaitSettled(v1beta1.PhaseFailed, imageOne)
	w.awaitCondition(v1beta1.ConditionPromoted, metav1.ConditionFalse, "Cause: aborted by anna")
	w.awaitTargetStopped()
}

// An action is done once, whatever write was the last of a process.
func TestCrashKeepsActions(t *testing.T) {
	t.Parallel()
	crashAfterAny(t, 9, func(t *testing.T, k int) int {
		w := newWorld(t)
		require.NoError(t, w.Create(t.Context(), w.canary(listed(nil,
			v1beta1.AnalysisStep{Weight: new(20), Pause: &v1beta1.StepPause{}}, v1beta1.AnalysisStep{Weight: new(50), Pause: &v1beta1.StepPause{}}))))
		o := start(t, w.ns, w.clock, w.judge, k)
		released, promoted := false, 0
		w.await("the rollout ends", func() bool {
			if k > 0 && died(o) {
				o.stop()
				o, k = start(t, w.ns, w.clock, w.judge, 0), 0
			}
			s := w.status()
			switch {
			case !released && s.Phase == v1beta1.PhaseInitialized:
				w.setImage(imageTwo)
				released = true
			// Each is asked for once: a step too far would be one that nobody has asked for.
			case s.WaitingFor == string(rollout.WaitStepPaused) && s.Step == promoted+1:
				w.request("promote", "")
				promoted++
			case s.WaitingFor == string(rollout.WaitStepPaused) && s.LastAction != nil && s.LastAction.Result == v1beta1.ActionExpired:
				w.request("promote", "")
			}
			return released && s.Phase == v1beta1.PhaseSucceeded
		})
		require.Equal(t, 2, promoted)
		w.awaitSettled(v1beta1.PhaseSucceeded, imageTwo)
		return o.Writes()
	})
}

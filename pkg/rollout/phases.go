package rollout

import (
	"strings"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// phases are what a rollout does when no guard fires.
var phases = map[v1beta1.CanaryPhase]outcome{
	"":                            initialise,
	v1beta1.PhaseInitializing:     initialise,
	v1beta1.PhaseInitialized:      idle,
	v1beta1.PhaseWaiting:          idle,
	v1beta1.PhaseSucceeded:        idle,
	v1beta1.PhaseFailed:           idle,
	v1beta1.PhaseProgressing:      progress,
	v1beta1.PhaseWaitingPromotion: progress,
	v1beta1.PhasePromoting:        promoting,
	v1beta1.PhaseFinalising:       finalising,
	v1beta1.PhaseTerminating:      terminating,
	v1beta1.PhaseTerminated:       (*transition).setSettled,
}

// initialise waits for the first primary. Users stay with the target meanwhile.
func initialise(t *transition) {
	if t.Status.Phase == "" {
		t.enter(v1beta1.PhaseInitializing)
	}
	if t.targetIs == targetMissing {
		awaitTarget(t)
		return
	}
	if t.Status.LastPromotedSpec == "" {
		// A change while there is no primary yet is no rollout: users meet it anyway, and the primary is rendered again.
		t.next.LastAppliedSpec = t.Revision // the first revision is whatever users already meet
	}
	switch {
	case !ready(t.Primary, t.next.LastAppliedSpec):
		awaitPrimary(t)
	case smallerThanReplaced(t):
		growForReplaced(t)
	// The target stood in for a primary that was made again.
	case t.Status.CanaryWeight > 0:
		t.routeNothingToCanary()
		t.setWaiting(WaitRoutes, t.untilSettled(), "Traffic is moving to %s.", t.Names.primary())
	case !t.Routed:
		awaitRoutes(t)
	// Its Service and routes are still to be made, or to lead there: it is initialised when users meet the primary.
	case t.Status.LastPromotedSpec == "":
		t.next.LastPromotedSpec = t.next.LastAppliedSpec
		awaitRoutes(t)
	case len(t.Refused) > 0:
		awaitRefused(t, 0)
	case t.answer(t.Plan.systemsQuestion()):
		initialised(t)
	}
}

func initialised(t *transition) {
	for _, f := range t.found { // nobody is judged yet, so this is only said
		if f.Verdict == v1beta1.Passed {
			t.say(ReasonMetricsReachable, "all the metrics providers are available!")
			continue
		}
		t.warn(ReasonMetricsUnreachable, "Error checking metric providers: %s", f.Message)
	}
	t.next.LastPromotedSpec = t.next.LastAppliedSpec
	t.enter(v1beta1.PhaseInitialized)
	t.setSettled()
	t.say(ReasonInitialized, "Initialization done! %s", t.Names.canary())
	t.report("New " + t.Names.Kind + " detected, initialization completed.")
}

// idle looks for a revision that was not tried yet.
func idle(t *transition) {
	switch {
	case t.targetIs == targetMissing:
		awaitTarget(t)
	// The revision that broke the primary is still wanted, and now runs there.
	case t.primaryIs == primaryRecovered && t.Revision == t.Status.Promoting:
		resumePromotion(t)
	// Put back before anybody agreed to it.
	case t.targetIs == targetUnchanged && t.Status.Phase == v1beta1.PhaseWaiting:
		callOffWaiting(t)
	// The primary was written, and its rollout called off, before the cache knew of the write.
	case t.targetIs == targetUnchanged && t.primaryIs == primaryWrong && t.Revision == t.Status.LastPromotedSpec:
		callOffPromotion(t)
	case t.targetIs == targetUnchanged:
		t.setSettled()
		releasePrimarySize(t)
	case t.targetIs == targetReverted:
		callOff(t)
	case t.targetIs == targetFailed:
		refuseFailedRevision(t)
	case len(t.Refused) > 0:
		awaitRefused(t, 0)
	// The canary of the last rollout may still be asked, so that its pods must not be replaced yet.
	case !t.Routed:
		awaitRoutes(t)
	default:
		startOrWait(t)
	}
}

// progress judges the step in effect once it is due.
func progress(t *transition) {
	// Before anything the plan says: without analysis, too, only pods that run are promoted.
	block := blocked(t)
	switch {
	case block != nil && t.servesUnready() && t.untilCheck() <= 0:
		judgeUnready(t, block)
	case block != nil:
		block(t)
	case t.Plan.Skip && t.Status.Held != nil:
		held(t)(t)
	case t.Plan.Skip && t.Status.Step < t.Plan.Length():
		advance(t)
	case t.Plan.Skip && !t.Routed:
		awaitRoutes(t)
	case t.Plan.Skip:
		promote(t)
	case !t.beforeFirstRound() && (t.Status.NextCheck == nil || t.routedLate()):
		startCheckInterval(t)
	// What was only missing its pods is looked at as soon as it has them.
	case t.untilCheck() > 0 && t.Status.NotReadySince == nil:
		awaitCheck(t)
	case t.answer(roundQuestions(&t.facts)):
		judge(t)
	}
}

// startCheckInterval gives a step that began without a route of its own the interval it is judged over.
func startCheckInterval(t *transition) {
	t.next.NextCheck = micro(t.Now.Add(t.Plan.Interval))
	awaitStep(t)
}

// advance takes the next step.
func advance(t *transition) {
	// A gate may have kept the first step for days: delays of metrics count from the first request.
	if t.Status.Step == 0 && t.next.Analysis != nil {
		t.next.Analysis.Started = micro(t.Now)
	}
	if t.Status.Phase == v1beta1.PhaseWaitingPromotion {
		t.enter(v1beta1.PhaseProgressing) // a blue/green rollout was let go on to all users
	}
	tellGatesOpen(t, v1beta1.ConfirmTrafficIncreaseHook, "Confirm-traffic-increase check %s passed")
	tellGatesOpen(t, v1beta1.ConfirmPromotionHook, "Confirm-promotion check %s passed")
	t.next.Step++
	t.next.GatesOverridden = nil
	forgetInline(t)
	step := t.Plan.Step(t.next.Step)
	t.next.CanaryWeight = step.Weight
	t.next.Matched = t.Plan.Matched && !step.All
	// The step at 100 of a blue/green rollout is no iteration, and leaves their count.
	t.next.Iterations = max(t.Plan.iteration(t.next.Step), t.next.Iterations)
	startInterval(t)
	t.say(step.reason(), "%s", strings.ReplaceAll(step.Event, "%s", t.Names.canary()))
}

// startInterval gives the step that was taken its interval.
func startInterval(t *transition) {
	t.startStep()
	t.next.NextCheck = micro(t.Now.Add(t.Plan.Interval))
	if t.Plan.Ratio {
		t.next.NextCheck = nil // the weight takes effect when the pods are there
	}
	awaitStep(t)
}

// tellAnalysisStarted tells, once, that what has to be so before the first request is so.
func tellAnalysisStarted(t *transition) {
	if !t.beforeFirstRound() || t.Status.Analysis != nil {
		return
	}
	t.next.Analysis = &v1beta1.AnalysisStatus{Started: micro(t.Now)}
	t.say(ReasonAnalysisStarted, "Starting canary analysis for %s", t.Names.target())
	tellGatesOpen(t, v1beta1.PreRolloutHook, "Pre-rollout check %s passed")
}

// beforeFirstRound says that a rollout is still before its first step, or, where it began with all users at the canary
// because nobody else can answer them, before its first round.
func (f *facts) beforeFirstRound() bool {
	return f.Status.Step == 0 || f.Status.Analysis == nil && f.canaryOnly
}

// blocked is the outcome of a canary that cannot be judged yet, or nil.
func blocked(t *transition) outcome {
	switch {
	case len(t.Refused) > 0:
		return blockedByRefusal(t)
	case !t.Routed && (t.untilCheck() <= 0 || t.Trouble != ""):
		return awaitRoutes // not before the step is due: saying so would cost two writes a step
	// At any step, not only the first: pods may be lost in mid-rollout, and few that are left answer badly.
	case t.untilCheck() > 0 && t.Status.NotReadySince == nil && t.growsForNextStep():
		return nil // saying so would cost two writes a step
	case !ready(t.Target, t.Status.LastAppliedSpec):
		return awaitCanary
	// Capacity before traffic. With weights by pods the sizes are the weight, so both sides have to have theirs.
	case t.Target.Available < t.canaryPodsNeeded(), t.Plan.Ratio && !t.sizedByWeight():
		return awaitCapacity
	}
	return nil
}

package rollout

import (
	"time"

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
	if t.Revision == "" {
		t.awaitTarget()
		return
	}
	if t.Status.LastPromotedSpec == "" {
		// A change while there is no primary yet is no rollout: users meet it anyway, and the primary is rendered again.
		t.next.LastAppliedSpec = t.Revision // the first revision is whatever users already meet
	}
	switch {
	case !t.ready(t.Primary, t.next.LastAppliedSpec):
		t.awaitPrimary()
	// The target stood in for a primary that was made again.
	case t.Status.CanaryWeight > 0:
		t.routeNothingToCanary()
		t.setWaiting(WaitRoutes, t.untilSettled(), "Traffic is moving to %s.", t.Names.primary())
	case !t.Routed:
		t.awaitRoutes()
	case len(t.found) < Ask(t.Snapshot).count():
		t.after = lookAgain
	default:
		t.initialised()
	}
}

// initialisable says that all a first primary needs is there.
// It repeats what initialise waits for, since Ask has to know before.
func (t *transition) initialisable() bool {
	first := t.Status.LastAppliedSpec
	if t.Status.LastPromotedSpec == "" {
		first = t.Revision
	}
	return t.Status.Phase == v1beta1.PhaseInitializing && t.Revision != "" && t.ready(t.Primary, first) && t.Routed && t.Status.CanaryWeight == 0
}

// releasePrimarySize lets the primary's autoscaler go below the size it had, once all traffic has come back to it.
func (t *transition) releasePrimarySize() {
	// With weights by pods the primary gave some of its own away: it has to have them back first.
	grown := !t.Plan.Ratio || t.Primary.Replicas >= t.Status.PrimaryReplicas && !canaryStillServes(t.Status)
	if t.Routed && t.Status.CanaryWeight == 0 && grown {
		t.next.PrimaryReplicas = 0
	}
}

func (t *transition) initialised() {
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
	case t.Revision == "":
		t.awaitTarget()
	// The revision that broke the primary is still wanted, and now runs there.
	case t.primaryRecovered() && t.Revision == t.Status.Promoting:
		t.resumePromotion()
	// Put back before anybody agreed to it.
	case t.Revision == t.Status.LastAppliedSpec && t.Status.Phase == v1beta1.PhaseWaiting:
		t.callOffWaiting()
	// The primary was written, and its rollout called off, before the cache knew of the write.
	case t.Revision == t.Status.LastAppliedSpec && t.primaryRevisionWrongAtRest():
		t.callOffPromotion()
	case t.Revision == t.Status.LastAppliedSpec:
		t.setSettled()
		t.releasePrimarySize()
	case t.targetReverted():
		t.callOff()
	// The canary of the last rollout may still be asked, so that its pods must not be replaced yet.
	case !t.Routed:
		t.awaitRoutes()
	default:
		t.startOrWait()
	}
}

// startRollout starts a rollout from the state the routes are in: all traffic at the primary, or, where the last
// promotion broke the primary, all of it at the canary, which is then judged right there.
func (t *transition) startRollout() {
	t.resetToStart()
	// The size that every share is a share of, and that the primary is kept at until its users are back.
	t.next.PrimaryReplicas = max(t.Primary.Replicas, 1)
	if t.Plan.Ratio { // that may still be on its way back from the rollout before
		t.next.PrimaryReplicas = max(t.next.PrimaryReplicas, t.Status.PrimaryReplicas)
	}
	t.tellGatesOpen(v1beta1.ConfirmRolloutHook, "Confirm-rollout check %s passed")
	t.enter(v1beta1.PhaseProgressing)
	t.setWaiting(WaitCanary, t.Plan.Deadline, "%s.", t.describe(t.Names.target(), t.Target))
	t.say(ReasonNewRevision, "New revision detected! Scaling up %s", t.Names.target())
	t.report("New revision detected, progressing canary analysis.")
}

// restartRollout drops what is known of the old revision and begins with the new one.
// The size stays what it was when the rollout began: that is what the primary has to have again at its end.
func (t *transition) restartRollout() {
	// The primary was not given it yet. One that a promotion broke keeps the name of what broke it, until something else
	// is promoted.
	if t.Status.Phase == v1beta1.PhasePromoting {
		t.next.Promoting = ""
	}
	t.resetToStart()
	t.enter(v1beta1.PhaseProgressing)
	t.setWaiting(WaitCanary, t.Plan.Deadline, "%s.", t.describe(t.Names.target(), t.Target))
	t.say(ReasonRestarted, "New revision detected! Restarting analysis for %s", t.Names.target())
	t.report("New revision detected, progressing canary analysis.")
}

// resetToStart goes back to before the first step, with the target's present revision.
func (t *transition) resetToStart() {
	t.next.LastAppliedSpec = t.Revision
	t.next.FailedChecks = 0
	t.next.Iterations = 0
	t.next.Step = 0
	t.next.NextCheck = nil
	t.next.CanaryWeight = 0
	t.next.Matched = false
	t.next.Analysis = nil
	// After the revision is set, which the cookies follow from.
	t.setCookies()
	// Nobody else can answer: all users are with the canary, as after the last step, and the fix is judged there.
	if t.next.Promoting != "" || t.Primary.Health == Absent && t.Target.Available > 0 {
		t.next.Step = t.Plan.Length()
		t.next.CanaryWeight = everything
	}
}

// progress judges the step in effect once it is due.
func progress(t *transition) {
	// Before anything the plan says: without analysis, too, only pods that run are promoted.
	if block := t.blocked(); block != nil {
		block(t)
		return
	}
	switch {
	case t.Plan.Skip:
		t.promote()
	case t.untilCheck() > 0:
		t.awaitCheck()
	case !t.beforeFirstRound() && t.Status.NextCheck == nil:
		t.startCheckInterval()
	case len(t.found) < Ask(t.Snapshot).count():
		t.after = time.Second // silence is no consent
	default:
		t.judge()
	}
}

// startCheckInterval gives a step that began without a route of its own the interval it is judged over.
func (t *transition) startCheckInterval() {
	t.next.NextCheck = micro(t.Now.Add(t.Plan.Interval))
	t.awaitStep()
}

// advance takes the next step.
func (t *transition) advance() {
	// A gate may have kept the first step for days: delays of metrics count from the first request.
	if t.Status.Step == 0 {
		t.next.Analysis.Started = micro(t.Now)
	}
	if t.Status.Phase == v1beta1.PhaseWaitingPromotion {
		t.enter(v1beta1.PhaseProgressing) // a blue/green rollout was let go on to all users
	}
	t.tellGatesOpen(v1beta1.ConfirmTrafficIncreaseHook, "Confirm-traffic-increase check %s passed")
	t.tellGatesOpen(v1beta1.ConfirmPromotionHook, "Confirm-promotion check %s passed")
	t.next.Step++
	step := t.Plan.Step(t.next.Step)
	t.next.CanaryWeight = step.Weight
	t.next.Matched = t.Plan.Matched
	// The step at 100 of a blue/green rollout is no iteration, and leaves their count.
	t.next.Iterations = max(t.Plan.iteration(t.next.Step), t.next.Iterations)
	t.startInterval()
	t.tellStep(step)
}

// startInterval gives the step that was taken its interval.
func (t *transition) startInterval() {
	t.next.NextCheck = micro(t.Now.Add(t.Plan.Interval))
	if t.Plan.Ratio {
		t.next.NextCheck = nil // the weight takes effect when the pods are there
	}
	t.awaitStep()
}

// tellAnalysisStarted tells, once, that what has to be so before the first request is so.
func (t *transition) tellAnalysisStarted() {
	if !t.beforeFirstRound() || t.Status.Analysis != nil {
		return
	}
	t.next.Analysis = &v1beta1.AnalysisStatus{Started: micro(t.Now)}
	t.say(ReasonAnalysisStarted, "Starting canary analysis for %s", t.Names.target())
	t.tellGatesOpen(v1beta1.PreRolloutHook, "Pre-rollout check %s passed")
}

// tellStep says which step was taken.
// Its texts are the contract's: people have alerts and scripts that look for them.
func (t *transition) tellStep(step Step) {
	before := Step{}
	if t.Status.Step > 0 && t.Status.Step <= t.Plan.Length() {
		before = t.Plan.Step(t.Status.Step)
	}
	iteration := t.Plan.iteration(t.next.Step)
	switch {
	case iteration > 0:
		t.say(ReasonAdvanced, "Advance %s canary iteration %d/%d", t.Names.canary(), iteration, t.Plan.Iterations)
	case step.Mirror > 0:
		t.say(ReasonAdvanced, "Advance %s canary mirror %d", t.Names.canary(), step.Mirror)
	case t.Plan.Strategy == BlueGreen && before.Mirror > 0:
		t.say(ReasonAdvanced, "Stop traffic mirroring and route all traffic to canary")
	case t.Plan.Strategy == BlueGreen:
		t.say(ReasonAdvanced, "Routing all traffic to canary")
	default:
		t.say(ReasonAdvanced, "Advance %s canary weight %d", t.Names.canary(), step.Weight)
	}
}

// untilSettled is how long until the routes may be trusted; zero when an event will tell.
func (t *transition) untilSettled() time.Duration {
	if t.Settles.IsZero() {
		return 0
	}
	return max(t.Settles.Sub(t.Now), 0)
}

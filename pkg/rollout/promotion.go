package rollout

import "github.com/sluice-cd/sluice/pkg/apis/v1beta1"

// The way back: the primary takes the revision that passed, then the traffic, then the canary stops.

// promote has the primary take the canary's revision. Traffic stays where it is until it runs.
func (t *transition) promote() {
	t.tellGatesOpen(v1beta1.ConfirmPromotionHook, "Confirm-promotion check %s passed")
	t.next.Promoting = t.Status.LastAppliedSpec
	t.next.PrimaryReplicas = max(t.next.PrimaryReplicas, 1)
	t.enter(v1beta1.PhasePromoting)
	t.setWaiting(WaitPrimary, t.Plan.Deadline, "%s.", t.describe(t.Names.primary(), Workload{Health: Starting}))
	t.say(ReasonPromotionStarted, "Copying %s template spec to %s", t.Names.target(), t.Names.primary())
}

// promoting brings traffic back once the primary runs the new revision at its old size.
func promoting(t *transition) {
	switch {
	case t.rollbackHooksDue():
		t.after = lookAgain // silence is no consent
	// A history that was cut off before the primary had returned.
	case t.returningToPrevious() && !t.primaryRendered() && !t.PreviousTemplateKept:
		t.continuePromotion()
	// Users stayed with what nobody wants only for want of a pod.
	case t.returningToPrevious() && t.Status.CanaryWeight > 0 && t.Primary.Available > 0:
		t.routeToReturningPrimary()
	// The target's pods are about to be others, which nobody has judged.
	case t.Revision != t.Status.Promoting && t.Status.CanaryWeight > 0 && !t.returningToPrevious():
		t.next.CanaryWeight = 0
		t.next.Matched = false
		t.warn(ReasonTargetMoved, "%s changed while it was being promoted, routing all traffic to primary", t.Names.target())
		t.awaitPrimary()
	// Without a target there is nothing to make the primary from.
	case t.Revision == "" && !t.primaryRendered() && !t.returningToPrevious():
		t.awaitTarget()
	case !t.ready(t.Primary, t.Status.Promoting), t.primaryTooSmall():
		t.awaitPrimary()
	case !t.Routed:
		t.awaitRoutes()
	// It was on its way back to what it ran before, and has arrived.
	case t.Status.Promoting == t.Status.LastPromotedSpec && t.Status.CanaryWeight == 0:
		t.finishReturn()
	default:
		t.stepBack()
	}
}

// primaryTooSmall says that the primary has fewer pods than it had. An autoscaler that may no longer give it as many is
// waited for until the deadline: from then on, as many as it asks for have to do.
func (t *transition) primaryTooSmall() bool {
	had := Share(orDefault(t.Plan.PrimaryReady, everything), t.Status.PrimaryReplicas)
	if t.Primary.Available < min(had, t.Primary.Replicas) {
		return true
	}
	return t.Primary.Available < had && !t.overdue(t.since())
}

// finishReturn ends a promotion that was called off: the primary runs what it ran before, and has the traffic.
func (t *transition) finishReturn() {
	if t.returningToPrevious() {
		t.finishReturnToPrevious()
		return
	}
	t.settleOnPromoted()
	t.say(ReasonCalledOff, "%s is back at the promoted revision", t.Names.primary())
	t.alert(v1beta1.SeverityInfo, "Rollout called off, the promoted revision is back.")
}

// stepBack takes the next step back to the primary, or the last one.
func (t *transition) stepBack() {
	// Found by the weight and not by a count: a promotion that is taken up again begins at 100, wherever it was before.
	for _, step := range t.Plan.StepsBack {
		if step.Weight >= t.Status.CanaryWeight {
			continue
		}
		if t.untilCheck() > 0 {
			t.setWaiting(WaitInterval, t.untilCheck(), "%d%% of %s still go to %s.", t.Status.CanaryWeight, t.requests(), t.Names.target())
			return
		}
		t.next.CanaryWeight = step.Weight
		t.next.NextCheck = micro(t.Now.Add(t.Plan.Interval))
		t.setWaiting(WaitInterval, t.Plan.Interval, "%d%% of %s still go to %s.", step.Weight, t.requests(), t.Names.target())
		t.say(ReasonAdvanced, "Advance %s primary weight %d", t.Names.canary(), everything-step.Weight)
		return
	}
	if t.untilCheck() > 0 {
		t.setWaiting(WaitInterval, t.untilCheck(), "%d%% of %s still go to %s.", t.Status.CanaryWeight, t.requests(), t.Names.target())
		return
	}
	t.finalise()
}

// finalise records what was seen on the primary and moves all traffic there.
func (t *transition) finalise() {
	// Seen and not assumed: the primary is ready, and its annotation says what with.
	t.next.LastPromotedSpec = t.next.Promoting
	t.next.Promoting = ""
	t.routeNothingToCanary()
	t.next.Iterations = 0
	t.next.Step = 0
	t.enter(v1beta1.PhaseFinalising)
	t.setWaiting(WaitRoutes, t.untilSettled(), "Traffic is moving to %s.", t.Names.primary())
	t.say(ReasonRoutedToPrimary, "Routing all traffic to primary")
}

// finalising ends once the routes are taken; the target is scaled to zero by then.
func finalising(t *transition) {
	if !t.Routed {
		t.awaitRoutes()
		return
	}
	// Users have arrived, so its autoscaler may go below the size that was kept for them.
	t.next.PrimaryReplicas = 0
	t.next.FailedChecks = 0
	t.enter(v1beta1.PhaseSucceeded)
	t.setSettled()
	if t.Plan.Skip {
		t.say(ReasonPromoted, "Promotion completed! Canary analysis was skipped for %s", t.Names.target())
		t.alert(v1beta1.SeverityInfo, "Canary analysis was skipped, promotion finished.")
		return
	}
	t.say(ReasonPromoted, "Promotion completed! Scaling down %s", t.Names.target())
	t.alert(v1beta1.SeverityInfo, "Canary analysis completed successfully, promotion finished.")
}

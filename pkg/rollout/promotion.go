package rollout

import (
	"fmt"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// The way back: the primary takes the revision that passed, then the traffic, then the canary stops.

// promote has the primary take the canary's revision. Traffic stays where it is until it runs.
func promote(t *transition) {
	tellGatesOpen(t, v1beta1.ConfirmPromotionHook, "Confirm-promotion check %s passed")
	t.next.Promoting = t.Status.LastAppliedSpec
	t.next.PrimaryReplicas = max(t.next.PrimaryReplicas, 1)
	t.enter(v1beta1.PhasePromoting)
	t.setWaiting(WaitPrimary, t.Plan.Deadline, "%s.", describe(t.Names.primary(), Workload{Health: Starting}))
	t.say(ReasonPromotionStarted, "Copying %s template spec to %s", t.Names.target(), t.Names.primary())
}

// promoting brings traffic back once the primary runs the new revision at its old size.
func promoting(t *transition) {
	switch {
	case rollbackPrepares(t.Status):
		prepareRollback(t)
	// A history that was cut off before the primary had returned.
	case t.returning && t.primaryIs != primaryGiven && !t.PreviousTemplateKept:
		continuePromotion(t)
	// Users stayed with what nobody wants only for want of a pod. One that stops on an update has those of before it for a moment still.
	case t.returning && t.Status.CanaryWeight > 0 && t.Primary.Available > 0 && (!t.Plan.PrimaryStops || ready(t.Primary, t.Status.Promoting)):
		routeToReturningPrimary(t)
	// The target's pods are about to be others, which nobody has judged.
	case t.Revision != t.Status.Promoting && t.Status.CanaryWeight > 0 && !t.returning && (t.Primary.Available > 0 || t.Target.Available == 0):
		t.next.CanaryWeight = 0
		t.next.Matched = false
		t.warn(ReasonTargetMoved, "%s changed while it was being promoted, routing all traffic to primary", t.Names.target())
		awaitPrimary(t)
	// Its users do not wait for a deadline: what passed has as many pods as they need.
	case primaryUnavailable(t):
		routeToPassedCanary(t)
	// Without a target there is nothing to make the primary from.
	case t.targetIs == targetMissing && t.primaryIs != primaryGiven && !t.returning:
		awaitTarget(t)
	case !ready(t.Primary, t.Status.Promoting), t.primaryTooSmall():
		awaitPrimary(t)
	case !t.Routed:
		awaitRoutes(t)
	// It was on its way back to what it ran before, and has arrived.
	case t.Status.Promoting == t.Status.LastPromotedSpec && t.Status.CanaryWeight == 0:
		finishReturn(t)
	default:
		stepBack(t)
	}
}

// primaryUnavailable says that users are with a primary which has no pods left, and that the canary can answer all of them. A
// primary with weights by pods gives its users away with them. Of a DaemonSet on one node the status says so for a moment of every
// update, also while a pod answers; one that lost its only node has nobody to serve.
func primaryUnavailable(t *transition) bool {
	s := t.Status
	if t.Names.Kind == "DaemonSet" {
		return false
	}
	passed := s.Promoting == s.LastAppliedSpec && s.Promoting != s.LastPromotedSpec && !t.returning && !t.Plan.Ratio
	able := ready(t.Target, s.Promoting) && enoughForAll(t)
	return t.Primary.Available == 0 && !allTrafficAtCanary(s) && passed && able
}

// routeToPassedCanary has the canary answer for a primary that cannot. Traffic comes back as it does after any promotion.
func routeToPassedCanary(t *transition) {
	t.next.CanaryWeight = everything
	t.next.Matched = false
	text := fmt.Sprintf("%s has no available pods, routing all traffic to %s", t.Names.primary(), t.Names.target())
	t.warn(ReasonWorkloadNotReady, "%s", text)
	t.alert(v1beta1.SeverityError, text)
	awaitPrimary(t)
}

// stepBack takes the next step back to the primary, or the last one.
func stepBack(t *transition) {
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
	finalise(t)
}

// finalise records what was seen on the primary and moves all traffic there.
func finalise(t *transition) {
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
	if !t.Routed || promotedUnsized(t) {
		awaitRoutes(t)
		return
	}
	releaseTargetSize(t)
	// Users have arrived, so its autoscaler may go below the size that was kept for them.
	t.next.PrimaryReplicas = 0
	t.next.FailedChecks = 0
	t.enter(v1beta1.PhaseSucceeded)
	t.setSettled()
	if t.Plan.Skip {
		t.say(ReasonPromoted, "Promotion completed! Canary analysis was skipped for %s%s", t.Names.target(), because(serves(t)))
		t.alert(v1beta1.SeverityInfo, "Canary analysis was skipped, promotion finished.")
		alertServes(t)
		return
	}
	t.say(ReasonPromoted, "Promotion completed! Scaling down %s%s", t.Names.target(), because(serves(t)))
	t.alert(v1beta1.SeverityInfo, "Canary analysis completed successfully, promotion finished.")
	alertServes(t)
}

// failPromotion ends a promotion whose primary does not come up. The canary passed all checks and is the healthy
// copy, so it takes all traffic and stays, unless the target has already moved on to something unproven.
func failPromotion(t *transition) {
	if t.returning {
		failReturn(t)
		return
	}
	// Users get what passed and nothing newer, and not before there are pods for all of them: rules 4 and 7 of
	// docs/concepts/machine.md.
	healthy := t.Revision == t.Status.Promoting && (t.Target.Health == Available || t.Target.Available > 0 && t.Primary.Available == 0)
	if healthy && !enoughForAll(t) {
		if t.waiting() != WaitCapacity {
			why := t.notReadyReason(t.Names.primary(), t.Primary)
			t.warn(ReasonWorkloadNotReady, "%s; %s is growing to take all traffic", why, t.Names.target())
			t.alert(v1beta1.SeverityError, "Promotion stuck, primary not ready: "+why)
		}
		t.setWaiting(WaitCapacity, 0, "%s cannot become ready; %s is growing to take all traffic.", t.Names.primary(), t.Names.target())
		return
	}
	why := t.notReadyReason(t.Names.primary(), t.Primary)
	t.cause = why
	t.next.Iterations = 0
	t.next.Step = 0
	t.routeNothingToCanary()
	if healthy {
		t.next.CanaryWeight = everything
	} else {
		// Nobody can stand in. What pods of the primary are left serve; nothing is given up that could be kept.
		t.next.Promoting = ""
	}
	t.enter(v1beta1.PhaseFailed)
	t.setSettled()
	t.warn(ReasonPromotionFailed, "Promotion of %s failed, primary not ready: %s", t.Names.target(), why)
	t.alert(v1beta1.SeverityError, "Promotion failed, primary not ready: "+why)
	alertServes(t)
}

// resumePromotion takes up a promotion again whose primary came up after it had been given up.
// The weight stays: promoting brings the traffic back as it does after any promotion.
func resumePromotion(t *transition) {
	t.enter(v1beta1.PhasePromoting)
	t.setWaiting(WaitRoutes, 0, "%s is ready after all, traffic goes back to it.", t.Names.primary())
	t.say(ReasonPromotionStarted, "%s is ready after all, going on with its promotion", t.Names.primary())
}

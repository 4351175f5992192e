package rollout

import (
	"fmt"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

func calledOff(t *transition) outcome {
	switch {
	case t.targetIs != targetReverted:
		return nil
	// Nothing was written to the primary, so there is nothing to be brought back.
	case t.Status.Phase.Analysing(), t.Status.Phase == v1beta1.PhasePromoting && t.primaryIs != primaryGiven:
		return callOff
	case t.Status.Phase == v1beta1.PhasePromoting:
		return callOffPromotion
	}
	return nil
}

// callOff ends a rollout whose target was put back to what the primary runs. Nothing failed, and there
// is nothing to promote, so it is over at once.
func callOff(t *transition) {
	// A promotion failed half-way before: at rest, the primary would keep a revision that nobody wants.
	if t.primaryIs == primaryWrong {
		callOffPromotion(t)
		return
	}
	settleOnPromoted(t, calledOffBy(t))
	t.say(ReasonCalledOff, "%s is back at the promoted revision, nothing is left to roll out", t.Names.target())
	t.alert(v1beta1.SeverityInfo, "Rollout called off, the promoted revision is back.")
	alertServes(t)
}

// calledOffBy says how far the rollout had come that ends because the target was put back.
func calledOffBy(t *transition) string {
	back := t.Names.target() + " is back at the promoted revision"
	switch {
	case t.Status.Phase == v1beta1.PhaseFailed:
		return back + ". The rollout before failed" + because(t.Status.Cause) + "."
	case t.Status.CanaryWeight > 0:
		return fmt.Sprintf("Rollout called off at %d%% of %s, %s.", t.Status.CanaryWeight, t.requests(), back)
	}
	return "Rollout called off, " + back + "."
}

// because is what a sentence is explained by at its end; empty: it is not known.
func because(text string) string {
	if text == "" {
		return ""
	}
	return ": " + text
}

// settleOnPromoted settles on the promoted revision; people are told what led there.
func settleOnPromoted(t *transition, by string) {
	t.endedBy = by
	resetRollout(t)
	t.enter(v1beta1.PhaseSucceeded)
	t.setSettled()
}

// resetRollout forgets a rollout: what was promoted is what is wanted.
func resetRollout(t *transition) {
	t.next.LastAppliedSpec = t.Status.LastPromotedSpec
	t.next.Promoting = ""
	t.next.FailedChecks = 0
	t.routeNothingToCanary()
	t.next.Iterations = 0
	t.next.Step = 0
}

// callOffPromotion has a primary that was already given the new revision return to the promoted one.
func callOffPromotion(t *transition) {
	t.next.LastAppliedSpec = t.Revision
	t.next.FailedChecks = 0
	returnPrimary(t)
	setPromotedMessage(t, t.Names.primary()+" returns to the promoted revision. Cause: "+t.Names.target()+" was put back to it.")
	t.say(ReasonCalledOff, "%s is back at the promoted revision, returning %s to it", t.Names.target(), t.Names.primary())
}

// returnPrimary sends the primary back to the promoted revision, and users to the primary: at once, unless none of its
// pods would answer them, or will once it is written.
func returnPrimary(t *transition) {
	t.next.Promoting = t.Status.LastPromotedSpec
	t.next.Iterations = 0
	t.next.Step = 0
	// From rest there is no size yet that it must come back with.
	t.next.PrimaryReplicas = max(t.next.PrimaryReplicas, t.Primary.Replicas, 1)
	if t.Primary.Available > 0 && !t.Plan.PrimaryStops || t.Target.Available == 0 {
		t.routeNothingToCanary()
	}
	t.enter(v1beta1.PhasePromoting)
	awaitPrimary(t)
}

// finishReturn ends a promotion that was called off: the primary runs what it ran before, and has the traffic.
func finishReturn(t *transition) {
	if t.returning {
		finishReturnToPrevious(t)
		return
	}
	settleOnPromoted(t, "Rollout called off, "+t.Names.primary()+" is back at the promoted revision.")
	t.say(ReasonCalledOff, "%s is back at the promoted revision", t.Names.primary())
	t.alert(v1beta1.SeverityInfo, "Rollout called off, the promoted revision is back.")
}

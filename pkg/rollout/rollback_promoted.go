package rollout

import (
	"fmt"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// A revision that serves everybody is rolled back by a person: from Succeeded, by the way that a promotion is taken back
// (promotion_rollback.go, docs/decisions/0015). The target keeps it, so that Git has nothing to undo, and it is not tried again.
//
//	Promoting = LastPromotedSpec = LastAppliedSpec    the target starts, and has all requests, while rollbackTo waits. Only where the
//	                                                  primary has no pods while it is updated
//	Promoting = LastPromotedSpec = rollbackTo         the primary returns to it
//	Failed                                            it has

// rollbackPrepares says that the target is made ready to answer while the primary is updated.
func rollbackPrepares(s v1beta1.CanaryStatus) bool {
	return s.Phase == v1beta1.PhasePromoting && s.RollbackTo != "" && s.Promoting != s.RollbackTo
}

// rollsBackWithoutTarget says that the primary has pods all the time while it returns.
func rollsBackWithoutTarget(p Plan, s v1beta1.CanaryStatus) bool {
	return s.RollbackTo != "" && s.Promoting == s.RollbackTo && s.CanaryWeight == 0 && !p.PrimaryStops
}

// HistoryAskedFor is the revision that a decision may want of a primary's history: see Snapshot.PreviousTemplateKept. Empty: none.
func HistoryAskedFor(s Snapshot) string {
	switch st := s.Status; {
	case rollbackPrepares(st):
		return st.RollbackTo
	case NeedsHistory(s.Plan, st), st.Phase == v1beta1.PhasePromoting && ActionPending(s):
		return st.LastPromotedSpec
	case st.Phase == v1beta1.PhaseSucceeded && ActionPending(s):
		a, err := parseAction(s.Requested.Text)
		if err != nil || a.verb != v1beta1.ActionRollback {
			return ""
		}
		to, _ := revisionBefore(st, a)
		return to
	}
	return ""
}

// revisionBefore is the revision that a rollback leads to, or why there is none.
func revisionBefore(s v1beta1.CanaryStatus, a action) (revision, why string) {
	past := s.History
	if a.run > 0 {
		for _, run := range past {
			switch {
			case run.Number != int64(a.run) || !run.Outcome.Promoted():
			case run.Revision == s.LastPromotedSpec:
				return "", fmt.Sprintf("run %d promoted what serves now", a.run)
			default:
				return run.Revision, ""
			}
		}
		return "", fmt.Sprintf("run %d is none of status.history that was promoted", a.run)
	}
	// What served when it was begun; the first revision of a target is in no run.
	if run := s.Run; run != nil && run.Outcome.Promoted() && run.Revision == s.LastPromotedSpec && run.From != nil {
		return run.From.Revision, ""
	}
	found := false
	for _, run := range past {
		switch {
		case !run.Outcome.Promoted():
		case run.Revision == s.LastPromotedSpec:
			found = true
		case found:
			return run.Revision, ""
		}
	}
	return "", "no run is known that promoted something before what serves now"
}

func actRollback(t *transition, a action) (doing, string) {
	switch {
	case t.Status.Phase != v1beta1.PhaseSucceeded:
		return nil, refusedIn(t, a.verb, "Succeeded")
	case t.targetIs != targetUnchanged || t.Revision != t.Status.LastPromotedSpec:
		return nil, t.Names.target() + " has another revision than the one that serves"
	case t.primaryIs != primaryAtPromoted:
		return nil, t.Names.primary() + " does not run the promoted revision"
	case len(t.SchemaMissing) > 0:
		return nil, "the custom resource definition is older than the operator, see the condition Valid"
	case !t.Routed || len(t.Refused) > 0:
		return nil, routesUnsettled
	case t.Status.Replaces != nil || t.Retargeted != nil:
		return nil, "the target takes the place of another one"
	}
	to, why := revisionBefore(t.Status, a)
	switch {
	case why != "":
		return nil, why
	case !t.PreviousTemplateKept:
		return nil, fmt.Sprintf("%s cannot return to %s: %s; put %s back to it", t.Names.primary(), to, orElse(t.NotKeptReason, "it is not kept"), t.Names.target())
	}
	return func() string {
		by := person(&t.facts)
		t.next.PrimaryReplicas = max(t.next.PrimaryReplicas, t.Primary.Replicas, 1)
		if t.Plan.PrimaryStops && t.Primary.Available > 0 {
			t.enter(v1beta1.PhasePromoting)
			t.next.Promoting = t.Status.LastPromotedSpec
			t.next.RollbackTo, t.next.RollbackBy = to, by
			setPromotedMessage(t, returnsBecause(t))
			awaitCanary(t)
			tellRollback(t)
			return t.Names.target() + " is started, and has all requests while " + t.Names.primary() + " returns to " + to
		}
		returnTo(t, to, by)
		tellRollback(t)
		return t.Names.primary() + " returns to " + to
	}, ""
}

// returnTo has the primary return to a revision that it had before. From now on that is the promoted one.
func returnTo(t *transition, to, by string) {
	t.next.LastPromotedSpec, t.next.Promoting = to, to
	t.enter(v1beta1.PhasePromoting)
	t.next.RollbackTo, t.next.RollbackBy = to, by
	setPromotedMessage(t, returnsBecause(t))
	awaitPrimary(t)
}

func returnsBecause(t *transition) string {
	return t.Names.primary() + " returns to the revision before. Cause: " + rolledBackTo(t, t.next.RollbackTo, t.next.RollbackBy) + "."
}

// rolledBackTo is why a rollback was begun.
func rolledBackTo(t *transition, to, by string) string {
	text := "rolled back to " + to
	if n := promotedBy(t.Status, to); n > 0 {
		text += fmt.Sprintf(" (run %d)", n)
	}
	return text + " by " + orElse(by, "somebody")
}

func tellRollback(t *transition) {
	why := rolledBackTo(t, t.next.RollbackTo, t.next.RollbackBy)
	t.warn(ReasonRolledBack, "Rolling back %s: %s", t.Names.canary(), why)
	t.alert(v1beta1.SeverityWarn, "Rolling back: "+why)
}

// rollbackPrepared goes on with a rollback whose target is made ready. It comes before what would take a primary for one that is
// being promoted.
func rollbackPrepared(t *transition) outcome {
	if !rollbackPrepares(t.Status) {
		return nil
	}
	return prepareRollback
}

func prepareRollback(t *transition) {
	enough := enoughForAll(t)
	switch {
	case t.targetIs != targetUnchanged:
		giveUpRollback(t, t.Names.target()+" has another revision by now")
	case t.primaryIs != primaryGiven && t.primaryIs != primaryAtPromoted:
		giveUpRollback(t, t.Names.primary()+" does not run the promoted revision")
	case !t.PreviousTemplateKept && t.NotKeptReason != "":
		giveUpRollback(t, t.Names.primary()+" cannot return to "+t.Status.RollbackTo+": "+t.NotKeptReason)
	// Nobody is with it any more.
	case t.Primary.Available == 0:
		returnTo(t, t.Status.RollbackTo, t.Status.RollbackBy)
	// Also with all requests: the primary's pods are about to end.
	case !ready(t.Target, t.Status.LastAppliedSpec) || !enough:
		if t.Target.Health == Stuck || t.overdue(later(t.since(), t.Target.Since)) {
			giveUpRollback(t, describe(t.Names.target(), t.Target))
			return
		}
		awaitCanary(t)
	case t.Status.CanaryWeight < everything:
		t.next.CanaryWeight = everything
		t.setWaiting(WaitRoutes, t.untilSettled(), "Traffic is moving to %s.", t.Names.target())
		t.say(ReasonRoutedToCanary, "Routing all traffic to canary")
	case !t.Routed:
		awaitRoutes(t)
	case !t.PreviousTemplateKept: // it is looked for by the passes that decide
		awaitPrimary(t)
	default:
		returnTo(t, t.Status.RollbackTo, t.Status.RollbackBy)
	}
}

// giveUpRollback leaves the promoted revision where it is.
func giveUpRollback(t *transition, why string) {
	t.next.Promoting = ""
	t.routeNothingToCanary()
	t.endedBy = "Not rolled back: " + why + "."
	t.enter(v1beta1.PhaseSucceeded)
	t.setSettled()
	t.warn(ReasonCalledOff, "Rollback of %s not possible: %s", t.Names.canary(), why)
	t.alert(v1beta1.SeverityInfo, "Rollback not possible: "+why)
}

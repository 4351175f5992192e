package rollout

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// Rollback hooks are asked in Promoting as well. By then the target and, most often, the primary have the revision that
// nobody wants any more: what users had before is kept by the primary's own history alone.

// primaryReturning says that a primary is on its way back to the promoted revision.
func primaryReturning(s v1beta1.CanaryStatus) bool {
	return s.Phase == v1beta1.PhasePromoting && s.Promoting != "" && s.Promoting == s.LastPromotedSpec
}

// ReturningToPrevious says that it is because a hook asked for it: the target still has something else.
func ReturningToPrevious(s v1beta1.CanaryStatus) bool {
	return primaryReturning(s) && s.LastAppliedSpec != s.Promoting
}

// NeedsHistory says that a decision may depend on what a primary's history holds: see Snapshot.PreviousTemplateKept.
func NeedsHistory(p Plan, s v1beta1.CanaryStatus) bool {
	return rollbackHooksEnabled(p, s) || ReturningToPrevious(s)
}

// rollbackHooksEnabled says that rollback hooks are asked in the course of a promotion.
func rollbackHooksEnabled(p Plan, s v1beta1.CanaryStatus) bool {
	return s.Phase == v1beta1.PhasePromoting && !p.Skip && !primaryReturning(s) && len(p.hookQuestions(v1beta1.RollbackHook)) > 0
}

func (f *facts) rollbackHooksEnabled() bool { return rollbackHooksEnabled(f.Plan, f.Status) }

// rollbackHooksDue says that they are due now: once in every interval since the phase began.
func (f *facts) rollbackHooksDue() bool {
	return f.rollbackHooksEnabled() && f.rollbackHooksAsked().Before(f.rollbackHookTime())
}

// rollbackHooksAsked is when they were asked last; the round before the promotion asked them.
func (f *facts) rollbackHooksAsked() time.Time {
	if f.Status.RollbackHooksAsked == nil {
		return f.since()
	}
	return later(f.since(), f.Status.RollbackHooksAsked.Time)
}

// rollbackHookTime is when rollback hooks were due last.
func (f *facts) rollbackHookTime() time.Time {
	// A status without since, or with one that no clock has shown, is older than a duration can be.
	began := later(f.since(), time.Unix(0, 0))
	return began.Add(f.Now.Sub(began) / f.rollbackHookInterval() * f.rollbackHookInterval())
}

func (f *facts) rollbackHookInterval() time.Duration { return max(f.Plan.Interval, time.Second) }

// requeueForRollbackHooks sees to it that there is a pass when rollback hooks are due next.
func (t *transition) requeueForRollbackHooks() {
	// A halt has no next look at all: taking it back is an event.
	if !t.rollbackHooksEnabled() || t.Paused || t.next.Phase != v1beta1.PhasePromoting {
		return
	}
	if left := t.rollbackHookTime().Add(t.rollbackHookInterval()).Sub(t.Now); t.after == 0 || left < t.after {
		t.after = left
	}
}

// rollbackRequestedInPromotion asks rollback hooks in the course of a promotion, and notices one that wants it.
func rollbackRequestedInPromotion(t *transition) outcome {
	if !t.rollbackHooksDue() {
		return nil
	}
	switch {
	case t.answer(t.Plan.hookQuestions(v1beta1.RollbackHook)):
	// A hook that does not answer keeps no primary from being given up.
	case t.primaryIs == primaryGiven && t.overdue(later(t.waitBegan(), t.Primary.Since).Add(t.Plan.Interval)) && t.Primary.Health != Available:
		t.questions = Questions{}
		return nil
	default:
		return func(*transition) {} // asked first
	}
	t.next.RollbackHooksAsked = micro(t.rollbackHookTime())
	switch {
	case rollbackRequested(t) == nil:
		return nil
	case t.primaryIs == primaryAtPromoted:
		return rollBackByHook // the primary was not given anything else yet
	case t.PreviousTemplateKept:
		return returnToPrevious
	}
	tellRollbackImpossible(t)
	return nil
}

// returnToPrevious has the primary return to the promoted revision, while the target keeps the one that was rolled back.
func returnToPrevious(t *transition) {
	hook, _ := t.hookWantsRollback()
	returnPrimary(t)
	t.next.RollbackHook = hook
	order := rollbackCause(t)
	setPromotedMessage(t, t.Names.primary()+" returns to the promoted revision. Cause: "+order+".")
	tellRollbackHooks(t)
	t.warn(ReasonRolledBack, "Rolling back %s manual webhook invoked, returning %s to the promoted revision", t.Names.canary(), t.Names.primary())
	t.alert(v1beta1.SeverityWarn, "Rolling back manual webhook invoked")
}

// setPromotedMessage has the condition Promoted tell more of a promotion than that it is under way.
func setPromotedMessage(t *transition, text string) {
	t.condition(v1beta1.ConditionPromoted, metav1.ConditionUnknown, string(v1beta1.PhasePromoting), text)
}

// hookWantsRollback is the hook that asks for a rollback in this decision.
func (t *transition) hookWantsRollback() (name string, found bool) {
	for _, f := range t.found {
		if f.moment() == v1beta1.RollbackHook && f.Verdict == v1beta1.Passed {
			return f.name(), true
		}
	}
	return "", false
}

// rollbackCause is who asked for a rollback: in this decision, or, as the status has it, in an earlier one.
func rollbackCause(t *transition) string {
	hook, found := t.hookWantsRollback()
	if !found {
		hook = t.Status.RollbackHook
	}
	if t.Status.RollbackTo != "" {
		return rolledBackTo(t, t.Status.RollbackTo, t.Status.RollbackBy)
	}
	if by := t.Status.RollbackBy; !found && by != "" {
		return "aborted by " + by
	}
	return wantedBy(hook) + closeCommand(t, hook)
}

// closeCommand says how the switch is closed by which a rollback was asked for; empty: that is not known.
func closeCommand(t *transition, hook string) string {
	for _, h := range t.Plan.Hooks {
		if command := turnCommand(h, t.Names, "rollback", "close"); h.Type == v1beta1.RollbackHook && h.Name == hook && command != "" {
			return "; close its switch: " + command
		}
	}
	return ""
}

func wantedBy(hook string) string {
	if hook == "" {
		return "a rollback hook asked for it"
	}
	return "the rollback hook " + hook + " asked for it"
}

// tellRollbackImpossible says that a promotion goes on although a hook asked for a rollback. What has been said is kept
// in the condition: the hook may well go on asking.
func tellRollbackImpossible(t *transition) {
	if t.Status.RollbackImpossible {
		return
	}
	t.next.RollbackImpossible = true
	order := rollbackCause(t)
	text := cannotReturn(t)
	_, usual := t.promoted(v1beta1.PhasePromoting)
	setPromotedMessage(t, usual+" "+text+". Cause: "+order+".")
	t.warn(ReasonHookPassed, "Rollback not possible, %s: %s", order, text)
	t.alert(v1beta1.SeverityError, "Rollback not possible: "+text)
}

// cannotReturn says why the primary has nothing left to return to, and what leads back all the same.
func cannotReturn(t *transition) string {
	return t.Names.primary() + " cannot return to the promoted revision: " + orElse(t.NotKeptReason, "it is not kept") +
		"; put " + t.Names.target() + " back to it"
}

// continuePromotion gives the way back up, because what it leads to is gone: the promotion goes on.
func continuePromotion(t *transition) {
	t.next.Promoting = t.Status.LastAppliedSpec
	t.setWaiting(WaitPrimary, 0, "%s.", describe(t.Names.primary(), Workload{Health: Starting}))
	tellRollbackImpossible(t)
}

// finishReturnToPrevious ends a rollout whose primary has returned because a hook asked for it.
func finishReturnToPrevious(t *transition) {
	// The primary is whole, so that the failure must not be worded as a broken promotion.
	t.cause, t.rolledBackByHook = rollbackCause(t), true
	t.say(ReasonRolledBack, "%s is back at the promoted revision", t.Names.primary())
	endFailed(t)
	t.alert(v1beta1.SeverityWarn, "Rolled back, the promoted revision is back.")
}

// routeToReturningPrimary sends users to a primary that is on its way back, now that it has a pod to answer them.
func routeToReturningPrimary(t *transition) {
	t.routeNothingToCanary()
	awaitPrimary(t)
}

// failReturn is about a primary that does not come up with what it returned to. Where none of its pods answers, users
// stay with the canary, for as long as that takes.
func failReturn(t *transition) {
	why := t.notReadyReason(t.Names.primary(), t.Primary)
	switch {
	case t.Status.CanaryWeight > 0 && t.Primary.Available > 0:
		routeToReturningPrimary(t)
		return
	case t.Status.CanaryWeight > 0:
		text := why + "; until it has a pod " + t.Names.target() + " keeps its requests"
		t.setWaiting(WaitPrimary, lookAgain, "%s.", text)
		if t.waitingNews("rollback stuck: " + t.Primary.Reason) {
			t.warn(ReasonWorkloadNotReady, "%s", text)
			t.alert(v1beta1.SeverityError, "Rollback stuck, primary not ready: "+text)
		}
		return
	}
	t.cause = rollbackCause(t) + ", and " + why
	endFailed(t)
	t.warn(ReasonPromotionFailed, "Rollback of %s failed, primary not ready: %s", t.Names.canary(), why)
	t.alert(v1beta1.SeverityError, "Rollback failed, primary not ready: "+why)
}

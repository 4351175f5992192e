package rollout

import (
	"strings"
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
	return s.Phase == v1beta1.PhasePromoting && !p.Skip && !primaryReturning(s) && len(p.hooks(v1beta1.RollbackHook)) > 0
}

func (t *transition) returningToPrevious() bool  { return ReturningToPrevious(t.Status) }
func (t *transition) rollbackHooksEnabled() bool { return rollbackHooksEnabled(t.Plan, t.Status) }

// rollbackHooksDue says that they are due now. A status remembers that they were asked by when it was stored last:
// nextCheck is that of steps back, and the deadline of a primary counts from it.
func (t *transition) rollbackHooksDue() bool {
	// With answers at hand this is the pass that decides by them, and asks nothing more.
	if !t.rollbackHooksEnabled() || len(t.found) > 0 {
		return false
	}
	due, _ := t.rollbackHookTimes()
	return t.Status.LastTransitionTime.Truncate(time.Second).Before(due.Truncate(time.Second))
}

// rollbackHookTimes are when rollback hooks were due last, and how long it is until they are again. It counts whole
// intervals from the beginning of the phase, in the seconds that a status is stored with.
func (t *transition) rollbackHookTimes() (due time.Time, left time.Duration) {
	// A status without since, or with one that no clock has shown, is older than a duration can be.
	began, interval := later(t.since(), time.Unix(0, 0)).Truncate(time.Second), max(t.Plan.Interval, time.Second)
	due = began.Add(t.Now.Sub(began) / interval * interval)
	return due, due.Add(interval).Sub(t.Now)
}

// requeueForRollbackHooks sees to it that there is a pass when rollback hooks are due next.
func (t *transition) requeueForRollbackHooks() {
	// A halt has no next look at all: taking it back is an event.
	if !t.rollbackHooksEnabled() || t.Paused || t.next.Phase != v1beta1.PhasePromoting {
		return
	}
	if _, left := t.rollbackHookTimes(); t.after == 0 || left < t.after {
		t.after = left
	}
}

// noteRollbackHooks takes note of what rollback hooks said to a promotion, and says once if one of them cannot be
// followed.
func (t *transition) noteRollbackHooks() {
	t.rollbackHooksAsked = t.rollbackHooksEnabled() && len(t.found) > 0
	// Once: the hook is asked again every interval, and may go on agreeing.
	if t.rollbackHooksAsked && rollbackRequested(t) != nil && !t.primaryAtPromoted() && !t.PreviousTemplateKept {
		t.tellRollbackImpossible(t.rollbackCause())
	}
}

// primaryAtPromoted says that the primary runs what was promoted last.
func (t *transition) primaryAtPromoted() bool { return t.Primary.Revision == t.Status.LastPromotedSpec }

// rollbackRequestedInPromotion notices a hook that asks for a rollback in the course of a promotion.
func rollbackRequestedInPromotion(t *transition) outcome {
	switch {
	case !t.rollbackHooksEnabled() || rollbackRequested(t) == nil:
		return nil
	case t.primaryAtPromoted():
		return (*transition).rollBackByHook // the primary was not given anything else yet
	case t.PreviousTemplateKept:
		return (*transition).returnToPrevious
	}
	return nil
}

// returnToPrevious has the primary return to the promoted revision, while the target keeps the one that was rolled back.
func (t *transition) returnToPrevious() {
	order := t.rollbackCause()
	t.returnPrimary()
	t.setPromotedMessage(t.Names.primary() + " returns to the promoted revision. Cause: " + order + ".")
	t.tellRollbackHooks()
	t.warn(ReasonRolledBack, "Rolling back %s manual webhook invoked, returning %s to the promoted revision", t.Names.canary(), t.Names.primary())
	t.alert(v1beta1.SeverityWarn, "Rolling back manual webhook invoked")
}

// setPromotedMessage has the condition Promoted tell more of a promotion than that it is under way.
func (t *transition) setPromotedMessage(text string) {
	t.condition(v1beta1.ConditionPromoted, metav1.ConditionUnknown, string(v1beta1.PhasePromoting), text)
}

// rollbackCause is who asked for a rollback: in this decision, or, as the status has it, in an earlier one.
func (t *transition) rollbackCause() string {
	for _, f := range t.found {
		if f.Moment == v1beta1.RollbackHook && f.Verdict == v1beta1.Passed {
			return "the rollback hook " + f.Name + " asked for it"
		}
	}
	if _, order, found := strings.Cut(message(t.Status, v1beta1.ConditionPromoted), "Cause: "); found {
		return strings.TrimSuffix(order, ".")
	}
	return "a rollback hook asked for it"
}

// tellRollbackImpossible says that a promotion goes on although a hook asked for a rollback. What has been said is kept
// in the condition: the hook may well go on asking.
func (t *transition) tellRollbackImpossible(order string) {
	text := t.Names.primary() + " cannot return to the promoted revision: " + orElse(t.NotKeptReason, "it is not kept") +
		"; put " + t.Names.target() + " back to it"
	said := message(t.Status, v1beta1.ConditionPromoted)
	if strings.Contains(said, text) {
		return
	}
	_, usual := t.promoted(v1beta1.PhasePromoting)
	t.setPromotedMessage(usual + " " + text + ". Cause: " + order + ".")
	t.warn(ReasonHookPassed, "Rollback not possible, %s: %s", order, text)
	t.alert(v1beta1.SeverityError, "Rollback not possible: "+text)
}

// continuePromotion gives the way back up, because what it leads to is gone: the promotion goes on.
func (t *transition) continuePromotion() {
	t.next.Promoting = t.Status.LastAppliedSpec
	t.setWaiting(WaitPrimary, 0, "%s.", t.describe(t.Names.primary(), Workload{Health: Starting}))
	t.tellRollbackImpossible(t.rollbackCause())
}

// finishReturnToPrevious ends a rollout whose primary has returned because a hook asked for it.
func (t *transition) finishReturnToPrevious() {
	// The primary is whole, so that the failure must not be worded as a broken promotion.
	t.cause, t.rolledBackByHook = t.rollbackCause(), true
	t.say(ReasonRolledBack, "%s is back at the promoted revision", t.Names.primary())
	t.endFailed()
	t.alert(v1beta1.SeverityWarn, "Rolled back, the promoted revision is back.")
}

// routeToReturningPrimary sends users to a primary that is on its way back, now that it has a pod to answer them.
func (t *transition) routeToReturningPrimary() {
	t.routeNothingToCanary()
	t.awaitPrimary()
}

// failReturn is about a primary that does not come up with what it returned to. Where none of its pods answers, users
// stay with the canary, for as long as that takes.
func (t *transition) failReturn() {
	why := t.notReadyReason(t.Names.primary(), t.Primary)
	switch {
	case t.Status.CanaryWeight > 0 && t.Primary.Available > 0:
		t.routeToReturningPrimary()
		return
	case t.Status.CanaryWeight > 0:
		text := why + "; until it has a pod " + t.Names.target() + " keeps its requests"
		if message(t.Status, v1beta1.ConditionWaiting) != text+"." {
			t.warn(ReasonWorkloadNotReady, "%s", text)
			t.alert(v1beta1.SeverityError, "Rollback stuck, primary not ready: "+text)
		}
		t.setWaiting(WaitPrimary, lookAgain, "%s.", text)
		return
	}
	t.cause = t.rollbackCause() + ", and " + why
	t.endFailed()
	t.warn(ReasonPromotionFailed, "Rollback of %s failed, primary not ready: %s", t.Names.canary(), why)
	t.alert(v1beta1.SeverityError, "Rollback failed, primary not ready: "+why)
}

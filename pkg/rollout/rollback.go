package rollout

import (
	"fmt"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// rollBack ends a rollout whose canary failed too many checks.
func rollBack(t *transition) {
	t.warn(ReasonRolledBack, "Rolling back %s failed checks threshold reached %d", t.Names.canary(), t.next.FailedChecks)
	t.alert(v1beta1.SeverityError, "Failed checks threshold reached "+itoa(t.next.FailedChecks))
	t.cause = fmt.Sprintf("%d failed checks of %s, the last: %s", t.next.FailedChecks, t.Names.target(), lastFailure(t))
	keepCanary(t)
	endFailed(t)
}

// rollBackKept ends one for what was seen of the canary, which a person may want to look at.
func rollBackKept(t *transition, why string) {
	keepCanary(t)
	rollBackFor(t, why)
}

// keepCanary leaves a canary that ran and failed its pods, if that is wanted.
func keepCanary(t *transition) {
	t.next.CanaryKept = t.Plan.OnFailure == v1beta1.FailureKeeps && t.Status.Step > 0 && !t.canaryOnly
}

// rollBackFor ends a rollout for a reason of its own.
func rollBackFor(t *transition, why string) {
	t.warn(ReasonRolledBack, "Rolling back %s: %s", t.Names.canary(), why)
	t.alert(v1beta1.SeverityError, "Rolling back: "+why)
	t.cause = why
	endFailed(t)
}

// failNotReady ends a rollout whose canary does not become ready, or whose routes are not taken.
func failNotReady(t *transition) {
	why := t.notReadyReason(t.Names.target(), t.Target)
	event, alert := "progress deadline exceeded ", "Progress deadline exceeded "
	if t.Target.Health == Stuck {
		event, alert = "canary cannot become ready ", "Canary cannot become ready "
	}
	t.warn(ReasonRolledBack, "Rolling back %s %s", t.Names.canary(), event+why)
	t.alert(v1beta1.SeverityError, alert+why)
	t.cause = event + why
	keepCanary(t)
	endFailed(t)
}

// endFailed leaves the canary: to the primary where that is whole, else the canary keeps what it has.
func endFailed(t *transition) {
	t.next.Iterations = 0
	t.next.Step = 0
	// What the primary came up with while a newer revision was judged is what users are left with.
	if t.primaryIs == primaryRecovered {
		t.next.LastPromotedSpec = t.Status.Promoting
	}
	// Else the canary is the only one that answers: bad pods are better than none.
	if !t.canaryOnly || t.primaryIs == primaryRecovered {
		t.routeNothingToCanary()
		t.next.Promoting = ""
	}
	t.enter(v1beta1.PhaseFailed)
	t.setSettled()
	alertServes(t)
	// A canary that goes on serving is not scaled down, whatever its rollout came to.
	switch {
	case t.next.CanaryWeight > 0:
	case t.next.CanaryKept:
		t.warn(ReasonFailed, "Canary failed! Its pods are kept, without requests; to scale it down: %s", actionHint(t, v1beta1.ActionAbort))
	default:
		t.warn(ReasonFailed, "Canary failed! Scaling down %s%s", t.Names.canary(), because(serves(t)))
	}
}

// routeNothingToCanary ends all that leads requests to the canary.
func (t *transition) routeNothingToCanary() {
	t.next.CanaryWeight = 0
	t.next.Matched = false
	t.expireCookies()
}

// thresholdReached is about a threshold that was lowered: the failure that reaches it ends the rollout by itself, see
// failCheck.
func thresholdReached(t *transition) outcome {
	if !t.Status.Phase.Analysing() || t.Status.FailedChecks < t.Plan.Threshold {
		return nil
	}
	return rollBack
}

// lastFailure is what the last failed check found, in this decision or in an earlier one.
func lastFailure(t *transition) string {
	if why := t.why(); why != "" {
		return why
	}
	if t.Target.Available == 0 {
		return "no pod of it was available"
	}
	return t.Status.LastFailure
}

// rollbackRequested notices a hook that asks for a rollback.
func rollbackRequested(t *transition) outcome {
	for _, f := range t.found {
		if f.moment() == v1beta1.RollbackHook && f.Verdict == v1beta1.Passed {
			return rollBackByHook
		}
	}
	return nil
}

// rollBackByHook rolls back because a person, or a program in their place, wants it.
func rollBackByHook(t *transition) {
	tellRollbackHooks(t)
	// In Promoting this is reached only while the primary is still as it was, so that nobody may blame it.
	t.cause, t.rolledBackByHook = rollbackCause(t), t.Status.Phase == v1beta1.PhasePromoting
	t.warn(ReasonRolledBack, "Rolling back %s manual webhook invoked", t.Names.canary())
	t.alert(v1beta1.SeverityWarn, "Rolling back manual webhook invoked")
	endFailed(t)
}

// tellRollbackHooks tells of the hooks that asked for a rollback.
func tellRollbackHooks(t *transition) {
	for _, f := range t.found {
		if f.moment() == v1beta1.RollbackHook && f.Verdict == v1beta1.Passed {
			t.warn(ReasonHookPassed, "Rollback check %s passed", f.name())
		}
	}
}

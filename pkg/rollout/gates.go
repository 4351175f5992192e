package rollout

import (
	"strings"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// Gates are hooks that hold a rollout up without failing it. A closed one is a state with a name: it is told once,
// with its answer, and asked again every interval.

// newRevision says that the target has a revision that may be rolled out next.
func (t *transition) newRevision() bool {
	// targetReverted has a way of its own, callOff. Routes that still lead to the canary of the last rollout are waited for.
	return t.Status.Phase.AtRest() && t.Revision != "" && t.Revision != t.Status.LastAppliedSpec && !t.targetReverted() && t.Routed
}

// startOrWait begins with a new revision as soon as all who are to be asked agree.
func (t *transition) startOrWait() {
	switch {
	// A closed gate is asked again after an interval, however often events wake us.
	case t.untilCheck() > 0:
		t.after = t.untilCheck()
	// Whatever kept the answers away: silence is no consent.
	case len(t.found) < Ask(t.Snapshot).count():
		t.after = lookAgain
	case rollbackRequested(t) != nil:
		t.next.LastAppliedSpec = t.Revision // tried as far as anybody wanted it to be
		t.rollBackByHook()
	case t.closedGate(v1beta1.ConfirmRolloutHook) != nil:
		t.awaitApproval(*t.closedGate(v1beta1.ConfirmRolloutHook))
	default:
		t.startRollout()
	}
}

// awaitApproval keeps a new revision from starting. What runs goes on as it was.
func (t *transition) awaitApproval(gate Finding) {
	if t.Status.Phase != v1beta1.PhaseWaiting {
		t.enter(v1beta1.PhaseWaiting)
	}
	t.waitAtGate(WaitRolloutApproval, gate, "Canary is waiting for approval.")
}

// callOffWaiting ends the wait for approval: the target is back at what was tried last.
func (t *transition) callOffWaiting() {
	if t.Status.LastAppliedSpec == t.Status.LastPromotedSpec {
		t.settleOnPromoted()
		t.say(ReasonCalledOff, "%s is back at the promoted revision, nothing is left to roll out", t.Names.target())
		t.alert(v1beta1.SeverityInfo, "Rollout called off, the promoted revision is back.")
		return
	}
	// What has failed stays failed; it is not tried again by itself.
	t.cause = t.Names.target() + " is back at the revision that failed before"
	t.enter(v1beta1.PhaseFailed)
	t.setSettled()
	t.warn(ReasonCalledOff, "%s", t.cause)
	t.alert(v1beta1.SeverityWarn, "Rollout called off, the revision that failed before is back.")
}

// gateClosed finds the gate that keeps the next step from being taken.
// At the last step of a rollout by weight both are asked. The phase changes only when the promotion alone is missing.
func gateClosed(t *transition) outcome {
	if gate := t.closedGate(v1beta1.ConfirmTrafficIncreaseHook); gate != nil {
		return func(t *transition) {
			t.waitAtGate(WaitTrafficIncreaseApproval, *gate, "Canary traffic increase is waiting for approval.")
		}
	}
	if gate := t.closedGate(v1beta1.ConfirmPromotionHook); gate != nil {
		return func(t *transition) {
			// Once: entering it every interval would have deadlines begin anew.
			if t.Status.Phase != v1beta1.PhaseWaitingPromotion {
				t.enter(v1beta1.PhaseWaitingPromotion)
			}
			t.waitAtGate(WaitPromotionApproval, *gate, "Canary promotion is waiting for approval.")
		}
	}
	return nil
}

// closedGate is the first hook of a moment that does not agree, or nil.
func (t *transition) closedGate(moment v1beta1.HookType) *Finding {
	for i := range t.found {
		if f := &t.found[i]; f.Moment == moment && f.Verdict != v1beta1.Passed {
			return f
		}
	}
	return nil
}

// waitAtGate waits in front of a closed gate until it is asked again. People hear of it when it closes, and once more
// when its answer becomes another one.
func (t *transition) waitAtGate(why Wait, gate Finding, alert string) {
	text := strings.TrimSuffix(gate.Message, ".")
	// What was said last is in the condition, which a restart does not forget.
	if message(t.Status, v1beta1.ConditionWaiting) != text+"." {
		t.warn(ReasonGateClosed, "%s", text)
		if t.waiting() != why && !t.muted(gate.Name) {
			t.alert(v1beta1.SeverityWarn, alert)
		}
	}
	// A gate is asked, it does not call: opening it takes effect within an interval (docs/decisions/0009).
	t.next.NextCheck = micro(t.Now.Add(t.Plan.Interval))
	t.setWaiting(why, t.Plan.Interval, "%s.", text)
}

// muted says that nobody wants an alert about a hook.
func (t *transition) muted(name string) bool {
	for _, h := range t.Plan.Hooks {
		if h.Name == name {
			return h.MuteAlert
		}
	}
	return false
}

// tellGatesOpen tells of the gates that agreed.
func (t *transition) tellGatesOpen(moment v1beta1.HookType, text string) {
	for _, f := range t.found {
		if f.Moment == moment && f.Verdict == v1beta1.Passed {
			t.say(ReasonHookPassed, text, f.Name)
		}
	}
}

// rollbackRequested notices a hook that asks for a rollback.
func rollbackRequested(t *transition) outcome {
	for _, f := range t.found {
		if f.Moment == v1beta1.RollbackHook && f.Verdict == v1beta1.Passed {
			return (*transition).rollBackByHook
		}
	}
	return nil
}

// rollBackByHook rolls back because a person, or a program in their place, wants it.
func (t *transition) rollBackByHook() {
	t.tellRollbackHooks()
	// In Promoting this is reached only while the primary is still as it was, so that nobody may blame it.
	t.cause, t.rolledBackByHook = t.rollbackCause(), t.Status.Phase == v1beta1.PhasePromoting
	t.warn(ReasonRolledBack, "Rolling back %s manual webhook invoked", t.Names.canary())
	t.alert(v1beta1.SeverityWarn, "Rolling back manual webhook invoked")
	t.endFailed()
}

// tellRollbackHooks tells of the hooks that asked for a rollback.
func (t *transition) tellRollbackHooks() {
	for _, f := range t.found {
		if f.Moment == v1beta1.RollbackHook && f.Verdict == v1beta1.Passed {
			t.warn(ReasonHookPassed, "Rollback check %s passed", f.Name)
		}
	}
}

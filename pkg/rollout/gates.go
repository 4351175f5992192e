package rollout

import (
	"slices"
	"strings"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// Gates are hooks that hold a rollout up without failing it. A closed one is a state with a name: it is told once,
// with its answer, and asked again every interval.

// startOrWait begins with a new revision as soon as all who are to be asked agree.
func startOrWait(t *transition) {
	switch {
	// A closed gate is asked again after an interval, however often events wake us.
	case t.untilCheck() > 0:
		t.after = t.untilCheck()
	case !t.answer(approvalQuestions(&t.facts)):
	case rollbackRequested(t) != nil:
		t.next.LastAppliedSpec = t.Revision // tried as far as anybody wanted it to be
		rollBackByHook(t)
	case t.closedGate(v1beta1.ConfirmRolloutHook) != nil:
		awaitApproval(t, *t.closedGate(v1beta1.ConfirmRolloutHook))
	case t.Status.Held != nil:
		held(t)(t)
	default:
		startRollout(t)
	}
}

// awaitApproval keeps a new revision from starting. What runs goes on as it was.
func awaitApproval(t *transition, gate answered) {
	if t.Status.Phase != v1beta1.PhaseWaiting {
		t.enter(v1beta1.PhaseWaiting)
	}
	waitAtGate(t, WaitRolloutApproval, gate, "Canary is waiting for approval.")
}

// callOffWaiting ends the wait for approval: the target is back at what was tried last.
func callOffWaiting(t *transition) {
	if t.Status.LastAppliedSpec == t.Status.LastPromotedSpec {
		settleOnPromoted(t, "Rollout called off before it began, "+t.Names.target()+" is back at the promoted revision.")
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
			waitAtGate(t, WaitTrafficIncreaseApproval, *gate, "Canary traffic increase is waiting for approval.")
		}
	}
	if gate := t.closedGate(v1beta1.ConfirmPromotionHook); gate != nil {
		return func(t *transition) {
			// Once: entering it every interval would have deadlines begin anew.
			if t.Status.Phase != v1beta1.PhaseWaitingPromotion {
				t.enter(v1beta1.PhaseWaitingPromotion)
			}
			waitAtGate(t, WaitPromotionApproval, *gate, "Canary promotion is waiting for approval.")
		}
	}
	return nil
}

// closedGate is the first hook of a moment that does not agree, or nil.
func (t *transition) closedGate(moment v1beta1.HookType) *answered {
	for i := range t.found {
		if f := &t.found[i]; f.moment() == moment && f.Verdict != v1beta1.Passed {
			return f
		}
	}
	return nil
}

// waitAtGate waits in front of a closed gate until it is asked again. People hear of it when it closes, and once more
// when its answer becomes another one.
func waitAtGate(t *transition, why Wait, gate answered, alert string) {
	text := strings.TrimSuffix(gate.Message, ".")
	// A gate is asked, it does not call: opening it takes effect within an interval (docs/decisions/0009).
	t.next.NextCheck = micro(t.Now.Add(t.Plan.Interval))
	t.setWaiting(why, t.Plan.Interval, "%s.%s Asked again at %s.", text, sentence(openCommand(t, gate)), clockTime(t.next.NextCheck.Time))
	if !t.waitingNews(text) {
		return
	}
	t.warn(ReasonGateClosed, "%s", text)
	if t.waiting() != why && !gate.Hook.MuteAlert {
		t.alert(v1beta1.SeverityWarn, alert)
		asksFor(t, v1beta1.ActionOverride)
	}
}

// openCommand says how a gate is opened; empty: that is not known.
func openCommand(t *transition, gate answered) string {
	if command := turnCommand(*gate.Hook, t.Names, "gate", "open"); command != "" {
		return "Open it: " + command
	}
	return ""
}

// tellGatesOpen tells of the gates that agreed.
func tellGatesOpen(t *transition, moment v1beta1.HookType, text string) {
	for _, f := range t.found {
		if f.moment() == moment && f.Verdict == v1beta1.Passed {
			t.say(ReasonHookPassed, text, f.name())
		}
	}
}

// gatesDue are the moments whose hooks have to agree to what comes next.
func (f *facts) gatesDue() []v1beta1.HookType {
	var due []v1beta1.HookType
	step := f.step()
	// A gate is about what comes next, once it can come.
	if _, pause := f.pause(); pause != nil || f.lasts() {
		return nil
	}
	for _, gate := range step.Gates {
		// In WaitingPromotion the increase was agreed to before, unless that began with a pause.
		agreed := gate == v1beta1.ConfirmTrafficIncreaseHook && f.Status.Phase != v1beta1.PhaseProgressing && len(step.Until.Pauses) == 0
		if !agreed {
			due = append(due, gate)
		}
	}
	// A canary that alone can answer has all users already, so that only its promotion is left to agree to.
	if f.canaryOnly && f.Status.Step == f.Plan.Length() && !slices.Contains(due, v1beta1.ConfirmPromotionHook) {
		due = append(due, v1beta1.ConfirmPromotionHook)
	}
	return slices.DeleteFunc(due, func(gate v1beta1.HookType) bool { return slices.Contains(f.Status.GatesOverridden, gate) })
}

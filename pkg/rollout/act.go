package rollout

import (
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// doing carries an action out, and says in one line what it did.
type doing func() string

// doingOf is what an action does now, or why it is refused. No action leads past a check that failed or pods that are missing: what
// it takes away is the wait for a person.
func doingOf(t *transition, a action) (doing, string) {
	if why := cannotAct(t, a); why != "" {
		return nil, why
	}
	switch a.verb {
	case v1beta1.ActionPromote:
		return actPromote(t, a)
	case v1beta1.ActionPromoteFull:
		return actPromoteFull(t, a)
	case v1beta1.ActionOverride:
		return actOverride(t)
	case v1beta1.ActionAbort:
		return actAbort(t)
	case v1beta1.ActionRetry:
		return actRetry(t)
	case v1beta1.ActionPause:
		return actPause(t, a)
	case v1beta1.ActionRollback:
		return actRollback(t, a)
	default:
		return actResume(t)
	}
}

// cannotAct says why no action is possible, or not this one any more.
func cannotAct(t *transition, a action) string {
	last := t.Status.LastAction
	switch {
	case t.Deleting:
		return "the Canary is being deleted"
	case t.Paused:
		return "the Canary is suspended: set spec.suspend to false first"
	case last != nil && last.Verb == string(a.verb) && last.By == requestedBy(&t.facts) && last.Result != v1beta1.ActionExpired && answeredSince(last.ID, a):
		return fmt.Sprintf("an action %s of the same person with the id %s was answered already; a newer one needs a later id", a.verb, last.ID)
	}
	if a.revision != "" && a.revision != inQuestion(t) {
		return fmt.Sprintf("it is about %s, and this is about %s", a.revision, inQuestion(t))
	}
	if t.Status.Phase.Analysing() && t.targetIs != targetUnchanged {
		return t.Names.target() + " has another revision by now"
	}
	if a.ofOneStep() && a.step >= 0 && a.step != t.Status.Step {
		return fmt.Sprintf("it is about step %d, and this is step %d", a.step, t.Status.Step)
	}
	return ""
}

// ofOneStep is whether the action leaves one pause or gate: later it would leave another one. Who calls a revision off means all of it.
func (a action) ofOneStep() bool {
	return a.verb == v1beta1.ActionPromote || a.verb == v1beta1.ActionOverride
}

func answeredSince(id string, a action) bool {
	at, err := timeOf(id)
	return err == nil && !a.at.After(at)
}

// inQuestion is the revision that an action can be about.
func inQuestion(t *transition) string {
	if t.Status.Phase == v1beta1.PhaseWaiting {
		return t.Revision
	}
	return t.Status.LastAppliedSpec
}

func refusedIn(t *transition, verb v1beta1.ActionVerb, possible string) string {
	return fmt.Sprintf("%s is not possible in phase %s, only in %s", verb, orElse(string(t.Status.Phase), "Initializing"), possible)
}

// checkNow has a round made now: what it finds decides whether the rollout goes on.
func checkNow(t *transition, by string) {
	t.next.NextCheck = micro(t.Now)
	t.setWaiting(WaitInterval, 0, "Step %s of %s is checked, for %s.", stepName(t), t.Names.target(), by)
}

func actPromote(t *transition, a action) (doing, string) {
	switch {
	case !t.Status.Phase.Analysing():
		return nil, refusedIn(t, a.verb, "Progressing and WaitingPromotion")
	case t.Status.StepStarted == nil:
		return nil, "no step was taken yet"
	}
	over, p := t.pause()
	waits := p != nil && t.Status.StepStarted.Paused != nil
	unclear := t.waiting() == WaitClarity
	if !waits && !unclear && !a.skipStep {
		return nil, fmt.Sprintf("step %s is no pause; skip-step=true ends it before its time", stepName(t))
	}
	return func() string {
		started := t.next.StepStarted
		switch {
		case a.skipStep:
			started.Skipped = true
		case waits:
			started.PausesOver, started.Paused = over+1, nil
		case unclear:
			started.AcceptInconclusive = true
		}
		checkNow(t, person(&t.facts))
		return fmt.Sprintf("step %s goes on when one more check has passed%s", stepName(t), stillHeld(t))
	}, ""
}

// holder is who holds the rollout, for people.
func holder(t *transition) string { return orElse(t.Status.Held.By, "somebody") }

// stillHeld says that a hold is left.
func stillHeld(t *transition) string {
	if t.Status.Held == nil {
		return ""
	}
	return ", and when it is resumed: it is held by " + holder(t)
}

func actPromoteFull(t *transition, a action) (doing, string) {
	switch {
	case !t.Status.Phase.Analysing():
		return nil, refusedIn(t, a.verb, "Progressing and WaitingPromotion")
	case t.Status.Held != nil:
		return nil, "it is held by " + holder(t) + "; resume it first"
	case t.waiting() == WaitRetry:
		return nil, "the last check failed: " + t.Status.LastFailure
	case !ready(t.Target, t.Status.LastAppliedSpec):
		return nil, describe(t.Names.target(), t.Target)
	case !a.override && slices.Contains(gateWaits, t.waiting()):
		return nil, "a gate is closed; override-gates=true passes it"
	case len(t.Refused) > 0:
		return nil, "the API server refuses what the rollout needs, see the condition Reconciled"
	}
	return func() string {
		// A primary without pods can only be updated while the canary has all requests.
		if last := t.Plan.Length(); t.Plan.PrimaryStops && t.Status.Step < last {
			t.next.Step = last - 1
			advance(t)
			return "all requests go to the canary, and it is promoted after that step"
		}
		promote(t)
		return "the steps that are left are not taken"
	}, ""
}

// routesUnsettled is why no rollout begins yet.
const routesUnsettled = "the routes of the last rollout are not settled yet, try it again in a moment"

// gateWaits are the waits for gates.
var gateWaits = []Wait{WaitRolloutApproval, WaitTrafficIncreaseApproval, WaitPromotionApproval}

func actOverride(t *transition) (doing, string) {
	gate := map[Wait]v1beta1.HookType{
		WaitTrafficIncreaseApproval: v1beta1.ConfirmTrafficIncreaseHook, WaitPromotionApproval: v1beta1.ConfirmPromotionHook,
	}[t.waiting()]
	switch {
	case t.Status.Phase == v1beta1.PhaseWaiting && t.waiting() == WaitRolloutApproval:
		if !t.Routed || len(t.Refused) > 0 || t.targetIs != targetChanged {
			return nil, routesUnsettled
		}
		return func() string {
			startRollout(t)
			return "the rollout begins without " + string(v1beta1.ConfirmRolloutHook)
		}, ""
	case !t.Status.Phase.Analysing() || gate == "":
		return nil, "no gate is closed"
	}
	return func() string {
		t.next.GatesOverridden = append(slices.Clip(t.next.GatesOverridden), gate)
		checkNow(t, person(&t.facts))
		return fmt.Sprintf("step %s goes on without %s when one more check has passed%s", stepName(t), gate, stillHeld(t))
	}, ""
}

func actAbort(t *transition) (doing, string) {
	why := "aborted by " + person(&t.facts)
	switch phase := t.Status.Phase; {
	case phase == v1beta1.PhaseWaiting && t.targetIs != targetMissing:
		return func() string {
			t.next.LastAppliedSpec = t.Revision // tried as far as anybody wanted it to be
			rollBackByPerson(t, why)
			return "the revision is not rolled out"
		}, ""
	case phase.Analysing(), phase == v1beta1.PhasePromoting && t.primaryIs == primaryAtPromoted:
		return func() string {
			t.rolledBackByHook = phase == v1beta1.PhasePromoting
			rollBackByPerson(t, why)
			return "the canary is rolled back"
		}, ""
	case phase == v1beta1.PhaseFailed && t.Status.CanaryKept:
		return func() string {
			t.next.CanaryKept = false
			t.condition(v1beta1.ConditionPromoted, metav1.ConditionFalse, string(v1beta1.PhaseFailed), t.failure())
			return t.Names.target() + " is scaled down"
		}, ""
	case phase == v1beta1.PhasePromoting && t.returning:
		return nil, t.Names.primary() + " is on its way back already"
	case phase == v1beta1.PhasePromoting && !t.PreviousTemplateKept:
		return nil, cannotReturn(t)
	case phase == v1beta1.PhasePromoting:
		return func() string {
			returnPrimary(t)
			t.next.RollbackBy = person(&t.facts)
			setPromotedMessage(t, t.Names.primary()+" returns to the promoted revision. Cause: "+why+".")
			t.warn(ReasonRolledBack, "Rolling back %s %s, returning %s to the promoted revision", t.Names.canary(), why, t.Names.primary())
			return t.Names.primary() + " returns to the promoted revision"
		}, ""
	}
	return nil, refusedIn(t, v1beta1.ActionAbort, "Waiting, Progressing, WaitingPromotion and Promoting, and in Failed where the canary is kept")
}

// rollBackByPerson rolls back because a person wants it: nothing is wrong with the canary.
func rollBackByPerson(t *transition, why string) {
	t.warn(ReasonRolledBack, "Rolling back %s: %s", t.Names.canary(), why)
	t.alert(v1beta1.SeverityWarn, "Rolling back: "+why)
	t.cause, t.aborted = why, true
	endFailed(t)
}

func actRetry(t *transition) (doing, string) {
	switch {
	case t.Status.Phase != v1beta1.PhaseFailed:
		return nil, refusedIn(t, v1beta1.ActionRetry, "Failed")
	case t.targetIs == targetMissing:
		return nil, t.Names.target() + " does not exist"
	case t.targetIs != targetUnchanged || t.Revision == t.Status.LastPromotedSpec:
		return nil, t.Names.target() + " has another revision than the one that failed"
	case t.primaryIs == primaryWrong || t.primaryIs == primaryGone:
		return nil, t.Names.primary() + " does not run the promoted revision"
	case !t.Routed || len(t.Refused) > 0:
		return nil, routesUnsettled
	case len(t.SchemaMissing) > 0:
		return nil, "the custom resource definition is older than the operator, see the condition Valid"
	}
	return func() string {
		startRollout(t)
		return "the revision is tried once more from its first step"
	}, ""
}

func actPause(t *transition, a action) (doing, string) {
	switch {
	case t.Status.Phase != v1beta1.PhaseWaiting && !t.Status.Phase.Analysing():
		return nil, refusedIn(t, a.verb, "Waiting, Progressing and WaitingPromotion")
	case t.Status.Held != nil:
		return nil, "it is held by " + holder(t) + " already"
	}
	return func() string {
		t.next.Held = &v1beta1.Hold{Since: *micro(t.Now), By: requestedBy(&t.facts), Reason: a.reason}
		if t.Status.Phase == v1beta1.PhaseWaiting {
			return "the rollout does not begin"
		}
		return "no next step is taken; the canary goes on being judged"
	}, ""
}

func actResume(t *transition) (doing, string) {
	if t.Status.Held == nil {
		return nil, "nothing is held"
	}
	return func() string {
		t.next.Held = nil
		if t.Status.Phase.Analysing() && t.waiting() == WaitHeld {
			checkNow(t, person(&t.facts))
		}
		return "the rollout goes on"
	}, ""
}

// held keeps a step, or a revision that waits to begin, for as long as a person holds it.
func held(t *transition) outcome {
	if t.Status.Held == nil {
		return nil
	}
	return func(t *transition) {
		repeat(t, WaitHeld, heldText(t)+"; to go on: "+actionHint(t, v1beta1.ActionResume))
	}
}

func heldText(t *transition) string {
	text := fmt.Sprintf("The rollout of %s is held by %s", t.Names.target(), holder(t))
	if t.Status.Held.Reason != "" {
		text += " (" + t.Status.Held.Reason + ")"
	}
	return text
}

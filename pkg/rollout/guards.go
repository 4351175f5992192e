package rollout

import (
	"time"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// guard looks for a situation that decides whatever the phase would do.
type guard func(*transition) outcome

// guards run before the phase, in this order; the first that fires decides.
var guards = []guard{
	deleted,                      // nothing is rolled out any more: give the target back
	suspended,                    // a person asked for a halt: nothing else counts
	resumed,                      // a halt is over: it did not use up any deadline
	foreignStatus,                // the status is another controller's: it is read as what it means before anything follows from it
	canaryUnavailable,            // the canary answers requests and has no pods left: traffic first, reasons later
	primaryMissing,               // the primary was deleted: it is made again where that is possible, or the canary serves everybody
	superseded,                   // the target moved on: what was found about the old revision is void
	calledOff,                    // the target is back at what the primary runs: there is nothing left to roll out
	rollbackRequestedInPromotion, // a hook wants back what the primary ran before
	primaryGrown,                 // the primary is larger than the canary was sized for
	stuck,                        // a side will not become ready
	stepsChanged,                 // the spec has other steps now
	thresholdReached,             // too many checks have failed
}

// suspended gives way to a deletion: a suspended Canary could otherwise not be deleted, nor its target be given back.
func suspended(t *transition) outcome {
	if !t.Paused || t.Deleting {
		return nil
	}
	return (*transition).suspend
}

func canaryUnavailable(t *transition) outcome {
	// A Canary that goes gives its traffic to the target whatever its pods do: see terminating.
	if t.Status.CanaryWeight == 0 || t.Target.Available > 0 || t.Deleting {
		return nil
	}
	// A canary that serves because nobody else can is left only for a primary that answers.
	if t.Primary.Available == 0 && (t.primaryBroken() || t.Primary.Health == Absent) {
		return nil
	}
	return (*transition).routeToPrimary
}

// primaryMissing knows these situations of a primary that is not there:
//
//	first time, Initializing     it was never made: initialise waits for it
//	made again, Initializing     goes on, or despairs once the target has moved on
//	in a rollout                 the canary takes all users; the promotion makes it anew
//	in a rollout, put back       made again from the target, which has the users meanwhile
//	Failed, target put back      called off first; at rest again, it is made again. At once where the canary has the users
//	at rest otherwise            made again from the promoted revision, or nothing can be done
//	its promotion broke it       the canary serves, and the primary was of no use anyway
func primaryMissing(t *transition) outcome {
	if t.Primary.Health != Absent || t.Revision == "" || t.primaryBroken() {
		return nil
	}
	again := t.Status.Phase == v1beta1.PhaseInitializing && t.Status.LastPromotedSpec != ""
	switch {
	case again && t.Revision != t.Status.LastAppliedSpec:
		return (*transition).tellPrimaryUnrecoverable
	case t.Status.Phase.UnderWay() && t.targetReverted():
		return (*transition).recreatePrimary
	case t.Status.Phase.Analysing() && t.Revision == t.Status.LastAppliedSpec && !t.allTrafficAtCanary() && t.Target.Available > 0:
		return (*transition).routeAllToCanary
	case !t.Status.Phase.AtRest() || t.targetReverted() && t.Status.Phase == v1beta1.PhaseFailed && t.Status.CanaryWeight == 0:
		return nil
	case t.Revision == t.Status.LastPromotedSpec:
		return (*transition).recreatePrimary
	}
	return (*transition).tellPrimaryUnrecoverable
}

func superseded(t *transition) outcome {
	if t.Revision == "" || t.Revision == t.Status.LastAppliedSpec || t.targetReverted() {
		return nil
	}
	// A primary that was given a revision comes up with it first; promoting takes users off the unproven target
	// meanwhile. One that returns, too, gets there before anything new begins.
	if t.Status.Phase.Analysing() || t.Status.Phase == v1beta1.PhasePromoting && !t.primaryRendered() && !t.returningToPrevious() {
		return (*transition).restartRollout
	}
	return nil
}

func calledOff(t *transition) outcome {
	switch {
	case !t.targetReverted():
		return nil
	// Nothing was written to the primary, so there is nothing to be brought back.
	case t.Status.Phase.Analysing(), t.Status.Phase == v1beta1.PhasePromoting && !t.primaryRendered():
		return (*transition).callOff
	case t.Status.Phase == v1beta1.PhasePromoting:
		return (*transition).callOffPromotion
	}
	return nil
}

// stuck does not blame a primary for what it had before: until it is rendered, its trouble is that of another revision.
func stuck(t *transition) outcome {
	switch {
	case t.Status.Phase.Analysing() && (t.Target.Health == Stuck || t.deadlinePassed(t.Target) || t.canaryTooSmall()):
		return (*transition).failNotReady
	case t.rollbackHooksDue(): // somebody may want back what there was before
		return nil
	case t.Status.Phase == v1beta1.PhasePromoting && t.primaryRendered() && (t.Primary.Health == Stuck || t.deadlinePassed(t.Primary)):
		return (*transition).failPromotion
	}
	return nil
}

// thresholdReached is about a threshold that was lowered: the failure that reaches it ends the rollout by itself, see
// fail.
func thresholdReached(t *transition) outcome {
	if !t.Status.Phase.Analysing() || t.Status.FailedChecks < t.Plan.Threshold {
		return nil
	}
	return (*transition).rollBack
}

// primaryBroken says that the primary was given a revision it never came up with, so that only the canary
// can serve. Promoting then still names that revision.
func (t *transition) primaryBroken() bool {
	return t.Status.Promoting != "" && t.Status.Phase != v1beta1.PhasePromoting
}

// canaryOnly says that a canary is being judged that has all users because nobody else could answer them.
func (t *transition) canaryOnly() bool {
	return t.primaryBroken() || t.Status.Phase.Analysing() && t.Primary.Health == Absent && t.allTrafficAtCanary()
}

// allTrafficAtCanary says that all users are with the canary. Of those who fit a match it may have all from the beginning.
func (t *transition) allTrafficAtCanary() bool {
	return t.Status.CanaryWeight == everything && !t.Status.Matched
}

// primaryRecovered says that a primary that was given up came up after all, at its full size.
// Where its autoscaler has made it smaller meanwhile, what that asks for is full.
func (t *transition) primaryRecovered() bool {
	return t.primaryBroken() && t.ready(t.Primary, t.Status.Promoting) && t.Primary.Available >= min(t.Status.PrimaryReplicas, t.Primary.Replicas)
}

// targetReverted says that the target was put back to the revision the primary runs. A primary that a promotion broke
// does not run that one any more: putting the target back to it is a rollout like any other.
func (t *transition) targetReverted() bool {
	return t.Revision == t.Status.LastPromotedSpec && t.Revision != t.Status.LastAppliedSpec && !t.primaryBroken()
}

// primaryRendered says that the primary has been given the revision it is being promoted to. One that another
// controller promotes names none.
func (t *transition) primaryRendered() bool {
	return t.Status.Promoting != "" && t.Primary.Revision == t.Status.Promoting
}

// primaryRevisionWrong says that the primary was left with a revision whose promotion did not end well.
func (t *transition) primaryRevisionWrong() bool {
	return t.Primary.Revision != "" && t.Primary.Revision != t.Status.LastPromotedSpec
}

// primaryRevisionWrongAtRest says that a primary at rest runs something else than it should, and that its target could
// give it that: it was written, and called off before anybody knew.
func (t *transition) primaryRevisionWrongAtRest() bool {
	return t.primaryRevisionWrong() && !t.primaryBroken() && t.Revision == t.Status.LastPromotedSpec && t.Primary.Health != Absent
}

// deadlinePassed says that a side, or its routes, had the whole deadline and are still not there.
func (t *transition) deadlinePassed(w Workload) bool {
	if w.Health != Available {
		// A pod that restarts late in a long interval has the deadline from then on, not from when the step began.
		return t.overdue(later(t.waitBegan(), w.Since))
	}
	return !t.Routed && t.overdue(t.checkDue())
}

// canaryTooSmall says that the canary had the whole deadline to grow to what its next step needs.
func (t *transition) canaryTooSmall() bool {
	return t.Target.Health == Available && t.Target.Available < t.canaryPodsNeeded() && t.overdue(later(t.checkDue(), t.Target.Since))
}

func (t *transition) overdue(since time.Time) bool { return t.Now.Sub(since) > t.Plan.Deadline }

// waitBegan is when the wait that a deadline limits began: with the phase, or with the step in effect.
func (t *transition) waitBegan() time.Time {
	if t.Status.NextCheck == nil {
		return t.since()
	}
	return later(t.since(), t.Status.NextCheck.Add(-t.Plan.Interval))
}

// checkDue is when the step in effect is, or was, to be judged: before that nobody waits for its routes.
func (t *transition) checkDue() time.Time {
	if t.Status.NextCheck == nil {
		return t.since()
	}
	return later(t.since(), t.Status.NextCheck.Time)
}

func (t *transition) since() time.Time {
	if t.Status.Since == nil {
		return time.Time{}
	}
	return t.Status.Since.Time
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

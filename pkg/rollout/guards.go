package rollout

import (
	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// guard looks for a situation that decides whatever the phase would do.
type guard func(*transition) outcome

// guards run before the phase, in this order; the first that fires decides.
var guards = []guard{
	actionRequested,              // a person asks for something: it is answered whatever else is so
	deleted,                      // nothing is rolled out any more: give the target back
	suspended,                    // a person asked for a halt: nothing else counts
	resumed,                      // a halt is over: it did not use up any deadline
	retargeted,                   // the spec names another target than the status is about
	foreignStatus,                // the status is another controller's: it is read as what it means before anything follows from it
	bakeFailed,                   // a pod failed while the canary baked: traffic goes back at once
	canaryUnavailable,            // the canary answers requests and has no pods left: traffic first, reasons later
	primaryMissing,               // the primary was deleted: it is made again where that is possible, or the canary serves everybody
	schemaOutdated,               // what a rollout writes down would be lost: none begins
	rollbackPrepared,             // a person has a promoted revision rolled back: before anything else is begun
	superseded,                   // the target moved on: what was found about the old revision is void
	failedRevisionBack,           // the target is at a revision that failed before: it is not tried again by itself
	calledOff,                    // the target is back at what the primary runs: there is nothing left to roll out
	primaryGrown,                 // the primary is larger than the canary was sized for
	rollbackRequestedInPromotion, // a hook wants back what the primary ran before
	stuck,                        // a side will not become ready
	stepsChanged,                 // the spec has other steps now
	pauseAborts,                  // nobody has ended a pause in time
	thresholdReached,             // too many checks have failed
}

// stuck does not blame a primary for what it had before: until it is rendered, its trouble is that of another revision.
func stuck(t *transition) outcome {
	switch {
	case t.Status.Phase.Analysing() && (t.Target.Health == Stuck || t.deadlinePassed(t.Target) || t.canaryTooSmall() || t.neverReady()):
		return failNotReady
	case t.Status.Phase == v1beta1.PhasePromoting && t.primaryIs == primaryGiven && (t.Primary.Health == Stuck || t.deadlinePassed(t.Primary)):
		return failPromotion
	}
	return nil
}

package rollout

import (
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// What changes around a rollout that is under way, and does not end it.

// primaryGrown notices a primary that became larger since the rollout began: the canary needs pods for its share of that.
// One that became smaller is not followed: what it had is what it needs when its users come back.
func primaryGrown(t *transition) outcome {
	switch {
	case t.Primary.Replicas <= t.Status.PrimaryReplicas, t.Status.Phase == v1beta1.PhaseFinalising: // users have left the canary
		return nil
	case t.Status.Phase.UnderWay(), t.Status.Phase == v1beta1.PhaseTerminating:
		return (*transition).followPrimarySize
	}
	return nil
}

func (t *transition) followPrimarySize() { t.next.PrimaryReplicas = t.Primary.Replicas }

// resumed notices that a halt is over, by suspend or by a spec that could not be followed. No deadline ran meanwhile.
func resumed(t *transition) outcome {
	// A plan is there, so this is about the spec before.
	refused := meta.IsStatusConditionPresentAndEqual(t.Status.Conditions, v1beta1.ConditionValid, metav1.ConditionFalse)
	if !t.Status.Phase.UnderWay() || t.waiting() != WaitResume && !refused {
		return nil
	}
	return (*transition).resume
}

func (t *transition) resume() {
	t.next.Since = micro(t.Now)
	t.setWaiting(WaitInterval, 0, "The rollout of %s goes on.", t.Names.target())
}

// stepsChanged notices a spec whose steps are no longer those that were taken.
// Users may be at a weight that is no step any more, as 30 between 20 and 40. Once their place is found this must not
// fire again, or the rollout would never get on.
func stepsChanged(t *transition) outcome {
	switch {
	case !t.Status.Phase.Analysing() || t.Plan.Skip || t.Status.Step == 0:
		return nil
	case t.unmatched():
		return (*transition).findStep
	case t.onStep() && !t.canaryOnly() || t.stepsTaken() == t.Status.Step:
		return nil
	}
	return (*transition).findStep
}

// unmatched says that the canary gets requests, or copies, that do not fit the match which the spec has by now.
func (t *transition) unmatched() bool {
	if !t.Plan.Matched || t.Status.Matched || t.canaryOnly() || t.Primary.Available == 0 {
		return false
	}
	return t.Status.CanaryWeight > 0 || mirrored(t.Plan, t.Status) > 0
}

// onStep says that the last step taken is one of the spec's, with the weight that users are at.
func (t *transition) onStep() bool {
	taken := t.Status.Step
	return t.Status.Matched == t.Plan.Matched && taken <= t.Plan.Length() && t.Plan.Step(taken).Weight == t.Status.CanaryWeight
}

// findStep finds the place among the new steps that users are at: no step that they have not met is passed over.
func (t *transition) findStep() {
	t.next.Step = t.stepsTaken()
	switch {
	case t.Status.Matched && !t.Plan.Matched:
		t.routeNothingToCanary() // those who fit are known no more
	case t.unmatched():
		t.next.Matched = true
	}
	t.setWaiting(WaitInterval, 0, "The steps of %s were changed at %d%% of requests.", t.Names.target(), t.Status.CanaryWeight)
}

// stepsTaken is how many of the spec's steps count as taken.
//
//	nobody else can answer  all of them: no step leads back to fewer users
//	A/B, or blue/green      by the checks that were made, which is what both count
//	had a match, has none   none: the weight was one of those who fit only
//	blue/green at 100       all of them
//	weights                 up to the first that is above what users are at
func (t *transition) stepsTaken() int {
	last := t.Plan.Length()
	switch {
	case t.canaryOnly():
		return last
	case t.Plan.Strategy == ABTesting:
		return min(t.Status.Iterations, last)
	case t.Status.Matched && !t.Plan.Matched:
		return 0
	case t.Plan.Strategy == BlueGreen && t.Status.CanaryWeight == everything:
		return last
	case t.Plan.Strategy == BlueGreen:
		// The last step moves all users: it has to be taken, not found.
		return min(t.Status.Iterations, last-1)
	case t.Status.CanaryWeight == 0:
		return 0
	}
	for i, s := range t.Plan.Steps {
		if s.Weight > t.Status.CanaryWeight {
			return i
		}
	}
	return last
}

package rollout

import "github.com/sluice-cd/sluice/pkg/apis/v1beta1"

// facts are what a decision is taken on: a Snapshot whose status is within bounds, filled and clamped, and what situation
// the rollout is in by it.
type facts struct {
	Snapshot
	situation
}

// situation is what the two workloads have to do with each other. It follows from three revisions and two healths, and is
// looked at once for each decision.
type situation struct {
	targetIs  targetState
	primaryIs primaryState
	// returning says that the primary is on its way back because a hook asked for it.
	returning bool
	// canaryOnly says that the canary has all users because nobody else could answer them.
	canaryOnly bool
}

// targetState is what revision the target has.
type targetState int

const (
	targetMissing   targetState = iota
	targetUnchanged             // the one that was tried last
	targetReverted              // the promoted one, which the primary runs, and not the one that was tried last
	targetFailed                // another one, whose rollout failed before
	targetChanged               // another one
)

// primaryState is what the primary runs, and whether it can.
type primaryState int

const (
	primaryGone       primaryState = iota // there is none
	primaryUnrendered                     // nobody here has rendered what it runs
	primaryAtPromoted                     // it runs the promoted revision
	primaryGiven                          // in a promotion: it was given the revision that it is to come up with
	primaryWrong                          // it runs another one: a promotion did not end well, or has not reached it
	primaryBroken                         // it was given a revision that it never came up with; only the canary can serve
	primaryRecovered                      // it came up with that after all, at its full size
)

// broken says that a promotion to what the primary was given was given up. Promoting still names that revision.
func (p primaryState) broken() bool { return p == primaryBroken || p == primaryRecovered }

func situationOf(s Snapshot) situation {
	now := situation{primaryIs: primaryStateOf(s), returning: ReturningToPrevious(s.Status)}
	now.targetIs = targetStateOf(s, now.primaryIs)
	now.canaryOnly = now.primaryIs.broken() || s.Status.Phase.Analysing() && now.primaryIs == primaryGone && allTrafficAtCanary(s.Status)
	return now
}

func targetStateOf(s Snapshot, primary primaryState) targetState {
	switch {
	case s.Revision == "":
		return targetMissing
	case s.Revision == s.Status.LastAppliedSpec:
		return targetUnchanged
	// A primary that a promotion broke does not run the promoted revision any more: putting the target back to that is a
	// rollout like any other.
	case s.Revision == s.Status.LastPromotedSpec && !primary.broken():
		return targetReverted
	// Where nobody else can answer, the target serves whatever it has, and is judged.
	case failedBefore(s.Status, s.Revision) != nil && !primary.broken() && s.Primary.Available > 0:
		return targetFailed
	}
	return targetChanged
}

func primaryStateOf(s Snapshot) primaryState {
	p := s.Primary
	switch promoting := s.Status.Phase == v1beta1.PhasePromoting; {
	case s.Status.Promoting != "" && !promoting:
		// Where its autoscaler has made it smaller meanwhile, what that asks for is full.
		if ready(p, s.Status.Promoting) && p.Available >= min(s.Status.PrimaryReplicas, p.Replicas) {
			return primaryRecovered
		}
		return primaryBroken
	case p.Health == Absent:
		return primaryGone
	// One that another controller promotes names none.
	case promoting && s.Status.Promoting != "" && p.Revision == s.Status.Promoting:
		return primaryGiven
	case p.Revision == s.Status.LastPromotedSpec:
		return primaryAtPromoted
	case p.Revision == "":
		return primaryUnrendered
	}
	return primaryWrong
}

// ready says that a side serves the revision it should.
// Health alone would not do: until the primary is given a revision, it is Available with the one before.
func ready(w Workload, revision string) bool { return w.Health == Available && w.Revision == revision }

// allTrafficAtCanary says that all users are with the canary. Of those who fit a match it may have all from the beginning.
func allTrafficAtCanary(s v1beta1.CanaryStatus) bool {
	return s.CanaryWeight == everything && !s.Matched
}

package rollout

import "slices"

// What changes around a rollout that is under way, and does not end it.

// stepsChanged notices a spec whose steps are no longer those that were taken.
// Users may be at a weight that is no step any more, as 30 between 20 and 40. Once their place is found this must not
// fire again, or the rollout would never get on.
func stepsChanged(t *transition) outcome {
	switch {
	case !t.Status.Phase.Analysing() || t.Plan.Length() == 0 || t.Status.Step == 0:
		return nil
	case t.unmatched():
		return findStep
	case t.Plan.Hash != "" && t.Plan.Hash == t.Status.PlanHash:
		return nil
	case t.placeLost():
		return findStep
	}
	t.next.PlanHash = t.Plan.Hash
	return nil
}

// placeLost says that the number of the step is not that of a step with what users have.
func (f *facts) placeLost() bool {
	if n := stepOfName(f); n > 0 {
		return n != f.Status.Step
	}
	return (!f.onStep() || f.canaryOnly) && f.stepsTaken() != f.Status.Step
}

// stepOfName is the step with the name of the one in effect, unless users would meet more by it, or a step was put before it
// that they have not met; zero: there is none.
func stepOfName(f *facts) int {
	if f.Status.StepStarted == nil || f.Status.StepStarted.Name == "" || f.canaryOnly {
		return 0
	}
	i := slices.IndexFunc(f.Plan.Steps, func(s Step) bool { return s.Name == f.Status.StepStarted.Name })
	if i < 0 || i >= f.Status.Step || f.Plan.Steps[i].Weight > f.Status.CanaryWeight {
		return 0
	}
	return i + 1
}

// unmatched says that the canary gets requests, or copies, that do not fit the match which the spec has by now.
func (f *facts) unmatched() bool {
	if !f.Plan.Matched || f.Status.Matched || f.onStep() || f.canaryOnly || f.Primary.Available == 0 {
		return false
	}
	return f.Status.CanaryWeight > 0 || mirrored(f.Plan, f.Status) > 0
}

// onStep says that the last step taken is one of the spec's, with the weight that users are at.
func (f *facts) onStep() bool {
	if f.Status.Step > f.Plan.Length() {
		return false
	}
	step := f.step()
	return f.Status.Matched == (f.Plan.Matched && !step.All) && step.Weight == f.Status.CanaryWeight
}

// findStep finds the place among the new steps that users are at: no step that they have not met is passed over.
func findStep(t *transition) {
	named := stepOfName(&t.facts)
	t.next.Step = orDefault(named, t.stepsTaken())
	t.next.PlanHash = t.Plan.Hash
	// Of another step it is not known how long it lasted, or who has ended its pauses.
	if t.Plan.Listed && named == 0 && t.next.Step > 0 {
		t.startStep()
	}
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
//	had a match, has none   none: the weight was one of those who fit only
//	iterations, users at 100 of what comes after them   all of them
//	iterations              by the checks that were made, which is what they count
//	weights                 up to the first that is above what users are at
func (f *facts) stepsTaken() int {
	last := f.Plan.Length()
	switch {
	case f.canaryOnly:
		return last
	case f.Status.Matched && !f.Plan.Matched:
		return 0
	case f.Plan.Iterations > 0 && last > f.Plan.Iterations && f.Status.CanaryWeight == everything &&
		f.Status.Matched == (f.Plan.Matched && !f.Plan.Step(last).All):
		return last
	// What comes after the iterations moves all users: it has to be taken, not found.
	case f.Plan.Iterations > 0:
		return min(f.Status.Iterations, f.Plan.Iterations)
	case f.Status.CanaryWeight == 0:
		return 0
	}
	for i, s := range f.Plan.Steps {
		if s.Weight > f.Status.CanaryWeight {
			return i
		}
	}
	return last
}

package rollout

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// recordPlan forgets what was about another step.
func (t *transition) recordPlan() {
	if t.refused {
		return
	}
	recordCheckInterval(t)
	s := &t.next
	if !s.Phase.Analysing() || s.Step == 0 {
		s.StepStarted, s.NotReadySince = nil, nil
	}
	if !s.Phase.Analysing() {
		s.PlanHash, s.GatesOverridden = "", nil
	}
	if !s.Phase.Analysing() && s.Phase != v1beta1.PhaseWaiting {
		s.Held = nil
	}
	s.CanaryKept = s.CanaryKept && s.Phase == v1beta1.PhaseFailed
	if started := s.StepStarted; started != nil {
		started.Revision, started.Step = s.LastAppliedSpec, s.Step // a step may have got another number
	}
	recordStepUntil(t)
}

// startStep notes that a step was taken.
func (t *transition) startStep() {
	t.next.PlanHash = t.Plan.Hash
	t.next.StepStarted = &v1beta1.StepStart{Revision: t.next.LastAppliedSpec, Step: t.next.Step, Name: nextStep(t).Name, Bake: nextStep(t).Bake, Time: *micro(t.Now)}
}

// recordCheckInterval notes the interval that this decision has begun. It ends later than nextCheck where that was brought forward.
func recordCheckInterval(t *transition) {
	s := &t.next
	switch {
	case s.NextCheck == nil:
		s.CheckInterval = nil
	case s.NextCheck.Equal(t.Status.NextCheck): // begun before, and counted anew where the spec has another one by now
	default:
		end := s.NextCheck.Time
		if end.After(t.Now) {
			end = t.Now.Add(t.Plan.Interval)
		}
		s.CheckInterval = checkInterval(end, t.Plan)
	}
}

func checkInterval(end time.Time, p Plan) *v1beta1.CheckInterval {
	return &v1beta1.CheckInterval{End: *micro(end), Length: metav1.Duration{Duration: p.Interval}}
}

// recountInterval has an interval that is not over yet be as long as the spec says by now, from when it began. What does not run
// for an interval, but is asked again after one, is asked now: its answer is said with the time of the next.
func recountInterval(f *facts) {
	s, counted := &f.Status, f.Status.CheckInterval
	if counted == nil || s.NextCheck == nil || f.Plan.Interval == 0 {
		return
	}
	began := counted.End.Add(-counted.Length.Duration)
	if s.NextCheck.After(counted.End.Time) || !s.NextCheck.After(began) {
		s.CheckInterval = nil // another version has begun another one since
		return
	}
	if counted.Length.Duration == f.Plan.Interval {
		return
	}
	ends, due := began.Add(f.Plan.Interval), nextRound(f.Plan, s, began, began)
	if s.NextCheck.Before(&counted.End) && due.After(s.NextCheck.Time) {
		due = s.NextCheck.Time // it was brought forward
	}
	switch f.waiting() {
	case WaitRolloutApproval, WaitTrafficIncreaseApproval, WaitPromotionApproval, WaitValue, WaitClarity, WaitProof, WaitEvidence, WaitWebhook:
		due, ends = f.Now, f.Now
	case WaitRetry: // it has the whole interval
		due = ends
	default: // a step, or a step back
	}
	s.NextCheck, s.CheckInterval = micro(due), checkInterval(ends, f.Plan)
}

// recounted says that the next check is at another time than was known before this decision.
func (t *transition) recounted() bool { return !t.next.NextCheck.Equal(t.base.NextCheck) }

// untilCheck is how long the step in effect has still to run; zero or less when it is due.
// Steps back, a closed gate and a round that is repeated are timed by the same field of the status.
func (f *facts) untilCheck() time.Duration {
	if f.Status.NextCheck == nil {
		return 0
	}
	due := f.Status.NextCheck.Time
	// A step is judged over an interval in which its weight was in effect, whenever that was decided.
	skipped := f.Status.StepStarted != nil && f.Status.StepStarted.Skipped
	if f.Status.Step > 0 && !f.Effective.IsZero() && !skipped {
		due = later(due, f.Effective.Add(f.Plan.Interval))
	}
	return due.Sub(f.Now)
}

// deadlinePassed says that a side, or its routes, had the whole deadline and are still not there.
func (f *facts) deadlinePassed(w Workload) bool {
	if w.Health != Available {
		// A pod that restarts late in a long interval has the deadline from then on, not from when the step began.
		return f.overdue(later(f.waitBegan(), w.Since))
	}
	return !f.Routed && f.overdue(f.routesDue())
}

func (f *facts) overdue(since time.Time) bool { return f.Now.Sub(since) > f.Plan.Deadline }

// waitBegan is when the wait that a deadline limits began: with the phase, or with the step in effect.
func (f *facts) waitBegan() time.Time {
	began := f.since()
	if started := f.Status.StepStarted; started != nil && f.Status.Phase.Analysing() {
		began = later(began, started.Time.Time)
	}
	switch {
	case f.Status.NotReadySince != nil:
		return later(began, f.Status.NotReadySince.Time)
	case f.Status.NextCheck == nil:
		return began
	case f.Status.CheckInterval != nil:
		return later(began, f.Status.CheckInterval.End.Add(-f.Status.CheckInterval.Length.Duration))
	}
	return later(began, f.Status.NextCheck.Add(-f.Plan.Interval))
}

// untilRoutesLate is how long until routes that are not taken end the rollout; zero: they never do. That a deadline has passed
// is no event.
func (f *facts) untilRoutesLate() time.Duration {
	if !f.Status.Phase.Analysing() && f.Status.Phase != v1beta1.PhasePromoting {
		return 0
	}
	left := f.Plan.Deadline - f.Now.Sub(f.routesDue())
	if left < 0 {
		return lookAgain // what it is to end with may still be missing
	}
	return left + time.Millisecond
}

// Sooner is the earlier of two times to look again; zero: there is none.
func Sooner(a, b time.Duration) time.Duration {
	if a == 0 || b == 0 {
		return max(a, b)
	}
	return min(a, b)
}

// checkDue is when the step in effect is, or was, to be judged: before that nobody waits for its routes.
func (f *facts) checkDue() time.Time {
	switch {
	case f.Status.NotReadySince != nil:
		return later(f.since(), f.Status.NotReadySince.Add(f.Plan.Interval))
	case f.Status.NextCheck == nil:
		return f.since()
	}
	return later(f.since(), f.Status.NextCheck.Time)
}

func (f *facts) since() time.Time {
	if f.Status.Since == nil {
		return time.Time{}
	}
	return f.Status.Since.Time
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// remaining is when to look again at something that does not become ready: at the deadline or earlier.
// Past the deadline, too: what does not end the rollout, as a primary that nobody can stand in for, is still looked at.
func (f *facts) remaining() time.Duration {
	left := f.Plan.Deadline - f.Now.Sub(f.waitBegan())
	if left <= 0 {
		return lookAgain
	}
	return min(max(left, time.Second), lookAgain)
}

// untilSettled is how long until the routes may be trusted; zero when an event will tell.
func (f *facts) untilSettled() time.Duration {
	if f.Settles.IsZero() {
		return 0
	}
	return max(f.Settles.Sub(f.Now), 0)
}

// routedLate says that a step whose routes were waited for has them now: it is judged over an interval in which they
// were in effect. Not for ever: a provider may take them and give them up in turns.
func (f *facts) routedLate() bool {
	return f.waiting() == WaitRoutes && f.Routed && f.Status.StepStarted != nil && !f.overdue(f.Status.StepStarted.Time.Add(f.Plan.Interval))
}

func micro(at time.Time) *metav1.MicroTime {
	m := metav1.NewMicroTime(at)
	return &m
}

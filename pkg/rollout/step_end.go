package rollout

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// A step that lasts for a time, a bake, and a pause that ends by itself end with a round that was made at that moment or later. The
// next round is brought forward to it, so that it does not come up to an interval late.

// mostBetweenRounds is the most that a round is put off so as not to follow another one too closely.
const mostBetweenRounds = 10 * time.Second

// stepEnd is when the step in effect by a status, or the pause that it waits in, ends by itself, and whether it is rolled back then; zero:
// it ends with the round after an interval, or a person ends it.
func stepEnd(p Plan, s *v1beta1.CanaryStatus) (end time.Time, aborts bool) {
	started := s.StepStarted
	if started == nil || started.Skipped || !s.Phase.Analysing() || s.Step < 1 || s.Step > p.Length() {
		return time.Time{}, false
	}
	until := p.Step(s.Step).Until
	switch {
	case started.Paused == nil || started.PausesOver >= len(until.Pauses):
		if until.Duration == 0 {
			return time.Time{}, false
		}
		return started.Time.Add(max(until.Duration, p.Interval)), false
	case until.Pauses[started.PausesOver].After == 0:
		return time.Time{}, false
	}
	pause := until.Pauses[started.PausesOver]
	return started.Paused.Add(pause.After), pause.Abort
}

// nextRound is when the round after another one is made that was due at a moment and judged at a later one: after an interval, or at the
// end of the step or pause where the round before was too early for that.
func nextRound(p Plan, s *v1beta1.CanaryStatus, due, judged time.Time) time.Time {
	regular := judged.Add(p.Interval)
	end, aborts := stepEnd(p, s)
	if aborts || !due.Before(end) {
		return regular
	}
	early := later(end, judged.Add(min(p.Interval/10, mostBetweenRounds)))
	if early.Before(regular) {
		return early
	}
	return regular
}

// keepStep has the step in effect be judged in another round. What failed is given a whole interval.
func keepStep(t *transition, why Wait) {
	t.next.NextCheck = micro(t.Now.Add(t.Plan.Interval))
	if why != WaitRetry {
		t.next.NextCheck = micro(nextRound(t.Plan, &t.next, roundAt(&t.facts), t.Now))
	}
}

// untilNextRound is how long until the round that a decision has set.
func untilNextRound(t *transition) time.Duration {
	if next := t.next.NextCheck; next != nil && next.After(t.Now) {
		return next.Sub(t.Now)
	}
	return t.Plan.Interval
}

// recordStepUntil notes when the step in effect, or its pause, ends by itself at the earliest.
func recordStepUntil(t *transition) {
	t.next.StepUntil = nil
	end, aborts := stepEnd(t.Plan, &t.next)
	wait := Wait(t.next.WaitingFor)
	switch {
	case end.IsZero(), wait == WaitResume:
		return
	case aborts: // no round is waited for
		t.after = Sooner(t.after, max(end.Sub(t.Now), time.Millisecond))
	case wait.ForPeople() && wait != WaitStepPaused && wait != WaitPromotionPaused:
		return
	case t.next.NextCheck != nil:
		end = later(end, t.next.NextCheck.Time)
	}
	until := metav1.NewTime(end.Truncate(time.Second)) // as it is stored
	t.next.StepUntil = &until
}

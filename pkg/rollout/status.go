package rollout

import (
	"math"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// A status is not trusted: its numbers are read within their bounds, its times no later than they can be, and what an
// older version has not written is filled in as far as it can be known.

// bounded is a status whose numbers are within their bounds, and whether they were. Nobody but a person, or another program, writes others;
// the next decision that is stored puts them right. The schema has no such bounds: one that was stored beyond them
// could not be patched any more.
func bounded(s v1beta1.CanaryStatus) (kept v1beta1.CanaryStatus, within bool) {
	within = true
	put := func(n *int, to int) { within, *n = within && *n == to, to }
	put(&s.CanaryWeight, min(max(s.CanaryWeight, 0), everything))
	for _, n := range []*int{&s.Step, &s.Iterations, &s.FailedChecks} {
		put(n, atLeastZero(*n))
	}
	if s.PrimaryReplicas < 0 {
		s.PrimaryReplicas, within = 0, false
	}
	if s.ActualWeight != nil && !percent(*s.ActualWeight) {
		actual := min(max(*s.ActualWeight, 0), everything)
		s.ActualWeight, within = &actual, false
	}
	// Copied only where something is wrong: every look at every Canary comes by here.
	if s.Analysis != nil && slices.ContainsFunc(s.Analysis.Metrics, outOfBounds) {
		s.Analysis, within = s.Analysis.DeepCopy(), false
		for i := range s.Analysis.Metrics {
			m := &s.Analysis.Metrics[i]
			m.Checks, m.Failures, m.PassesInRow = atLeastZero(m.Checks), atLeastZero(m.Failures), atLeastZero(m.PassesInRow)
		}
	}
	return s, within
}

func outOfBounds(m v1beta1.MetricStatus) bool {
	return m.Checks != atLeastZero(m.Checks) || m.Failures != atLeastZero(m.Failures) || m.PassesInRow != atLeastZero(m.PassesInRow)
}

// atLeastZero is a number of things, to which one can be added.
func atLeastZero(n int) int { return min(max(n, 0), math.MaxInt32) }

// filled is a status that has the fields which an older version does not write, as far as they can be known.
func filled(s v1beta1.CanaryStatus) v1beta1.CanaryStatus {
	if s.TargetSize != nil && WantedSize(s) == 0 {
		s.TargetSize = nil // of before the last promotion
	}
	waiting, waits := olderReason(s, v1beta1.ConditionWaiting)
	valid, checked := olderReason(s, v1beta1.ConditionValid)
	switch {
	// What an older version does not know it leaves behind: by the reasons, which it writes, the halt was over long ago.
	case Wait(waiting) != WaitResume && Reason(valid) != ReasonInvalid:
		s.HaltedSince = nil
	case s.HaltedSince != nil:
	case Wait(waiting) == WaitResume && s.WaitingFor != waiting:
		s.HaltedSince = micro(waits)
	case Reason(valid) == ReasonInvalid && s.SpecTold == "":
		s.HaltedSince = micro(checked)
	}
	if waiting != "" && s.WaitingFor != waiting {
		s.WaitingFor, s.WaitingTold = waiting, unknownTold // a version has written it that does not note it
	}
	if valid != "" && s.SpecTold == "" {
		s.SpecTold = unknownTold
	}
	if why, _ := olderReason(s, v1beta1.ConditionReconciled); s.Unreconciled == "" && why != "" && Reason(why) != ReasonReconciled {
		s.Unreconciled = why
	}
	if a := s.Analysis; a != nil && a.WaitingSince != nil && !slices.ContainsFunc(a.Metrics, waitsSince) {
		s.Analysis = a.DeepCopy()
		for i := range s.Analysis.Metrics {
			m := &s.Analysis.Metrics[i]
			if len(m.Measurements) > 0 && m.Measurements[0].Verdict == v1beta1.Waiting {
				m.WaitingSince = a.WaitingSince.DeepCopy()
			}
		}
	}
	return s
}

func waitsSince(m v1beta1.MetricStatus) bool { return m.WaitingSince != nil }

// olderReason is the reason of a condition, and since when it is there: all that an older version has noted.
func olderReason(s v1beta1.CanaryStatus, kind string) (why string, since time.Time) {
	c := meta.FindStatusCondition(s.Conditions, kind)
	if c == nil {
		return "", time.Time{}
	}
	return c.Reason, c.LastTransitionTime.Time //nolint:forbidigo // reasons stay what they are, whatever the message becomes
}

// fillFromPlan has a status of an older version say when its step was taken, and of which steps it is one.
func fillFromPlan(f *facts) {
	s := &f.Status
	if !s.Phase.Analysing() || f.Plan.Interval == 0 {
		return
	}
	if started := s.StepStarted; started != nil && (started.Revision != s.LastAppliedSpec || started.Step != s.Step) {
		s.StepStarted = nil // another version has taken a step since
	}
	if s.StepStarted == nil && s.Step > 0 && s.NextCheck != nil {
		s.StepStarted = &v1beta1.StepStart{Revision: s.LastAppliedSpec, Step: s.Step, Time: *micro(s.NextCheck.Add(-f.Plan.Interval))}
	}
	if s.NotReadySince != nil && (s.StepStarted == nil || s.NotReadySince.Before(&s.StepStarted.Time)) {
		s.NotReadySince = nil // that was in another step
	}
	if s.PlanHash == "" && !f.placeLost() {
		s.PlanHash = f.Plan.Hash
	}
}

// clampTimes sees to it that no clock which went back, and no other one that is ahead, holds a rollout up: what has begun
// has begun by now, and what is judged next is judged an interval from now.
func clampTimes(f *facts) {
	s, now := &f.Status, f.Now
	for _, at := range []**metav1.MicroTime{&s.Since, &s.RollbackHooksAsked, &s.HaltedSince, &s.RoutesRefused, &s.NotReadySince} {
		*at = notAfter(*at, now)
	}
	// Without a plan it is not known how far ahead it may be.
	if latest := now.Add(f.Plan.Interval); f.Plan.Interval > 0 && s.NextCheck != nil && s.NextCheck.After(latest) {
		s.NextCheck, s.CheckInterval = micro(latest), checkInterval(latest, f.Plan)
	}
	if started := s.StepStarted; started != nil && started.Time.After(now) {
		started = started.DeepCopy()
		started.Time = *micro(now)
		s.StepStarted = started
	}
	if started := s.StepStarted; started != nil && started.Paused != nil && started.Paused.After(now) {
		started = started.DeepCopy()
		started.Paused = micro(now)
		s.StepStarted = started
	}
	if s.Analysis != nil {
		s.Analysis = clampAnalysis(s.Analysis, now)
	}
	for _, w := range []*Workload{&f.Target, &f.Primary} {
		if w.Since.After(now) {
			w.Since = now
		}
	}
	if f.Effective.After(now) {
		f.Effective = now
	}
}

// clampAnalysis is an analysis without times that are ahead. As bounded does, it copies only where there are some.
func clampAnalysis(a *v1beta1.AnalysisStatus, now time.Time) *v1beta1.AnalysisStatus {
	ahead := func(at *metav1.MicroTime) bool { return at != nil && at.After(now) }
	if !ahead(a.Started) && !ahead(a.WaitingSince) &&
		!slices.ContainsFunc(a.Metrics, func(m v1beta1.MetricStatus) bool { return ahead(m.WaitingSince) }) {
		return a
	}
	a = a.DeepCopy()
	a.Started, a.WaitingSince = notAfter(a.Started, now), notAfter(a.WaitingSince, now)
	for i := range a.Metrics {
		a.Metrics[i].WaitingSince = notAfter(a.Metrics[i].WaitingSince, now)
	}
	return a
}

// notAfter is a time, or the latest that it may be; nil stays nil.
func notAfter(at *metav1.MicroTime, latest time.Time) *metav1.MicroTime {
	if at == nil || !at.After(latest) {
		return at
	}
	return micro(latest)
}

// unknownTold is what was told by a version that has not noted it: nothing of it is told again.
const unknownTold = "unknown"

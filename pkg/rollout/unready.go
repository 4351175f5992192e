package rollout

import "github.com/sluice-cd/sluice/pkg/apis/v1beta1"

// A canary that lacks pods goes no further. While it has some, and users are with them, it is judged all the same; and pods
// that come and go do not use up one deadline after the other.

// servesUnready says that a canary which does not go on for want of pods has requests, and pods that answer them.
func (f *facts) servesUnready() bool {
	return f.Routed && !f.Plan.Skip && !f.beforeFirstRound() && f.Status.NextCheck != nil && f.Status.CanaryWeight > 0 &&
		f.Target.Available > 0 && f.Target.Revision == f.Status.LastAppliedSpec
}

// judgeUnready judges the step in effect, and holds it whatever the checks say but for a failure.
func judgeUnready(t *transition, block outcome) {
	if !t.answer(checkQuestions(&t.facts)) {
		return
	}
	recordMeasurements(t)
	if t.next.NotReadySince == nil {
		t.next.NotReadySince = micro(t.waitBegan())
	}
	for _, r := range []guard{rollbackRequested, failing, pending} {
		if do := r(t); do != nil {
			do(t)
			return
		}
	}
	t.next.NextCheck = micro(t.Now.Add(t.Plan.Interval))
	block(t)
}

// checkQuestions ask what judges the step in effect, and nobody who agrees to the next one.
func checkQuestions(f *facts) []Question {
	due := f.Plan.hookQuestions(v1beta1.RolloutHook, v1beta1.RollbackHook)
	return append(due, metricQuestions(f)...)
}

// neverReady says that the canary lacked pods at each check for longer than the deadline, however often it had them in
// between.
func (f *facts) neverReady() bool {
	if f.Status.NotReadySince == nil || !f.overdue(f.Status.NotReadySince.Add(f.Plan.Interval)) {
		return false
	}
	return f.Target.Health != Available || f.Target.Available < f.canaryPodsNeeded()
}

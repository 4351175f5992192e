package rollout

import (
	"fmt"
	"strings"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// roundRules are what a round of checks can lead to short of the next step, in this order; the first that finds something
// decides.
var roundRules = []guard{
	rollbackRequested, // somebody wants the old revision back: nothing else counts
	failing,           // a check failed
	pending,           // a value is not there yet
	inconclusive,      // a value says neither
	unproven,          // a metric has not passed often enough in a row
	gateClosed,        // everything is well, and somebody has to agree first
}

// judge concludes a round.
func (t *transition) judge() {
	// First, for limits are about what has been counted with this round.
	t.recordMeasurements()
	// Before the gates: what agreed is not asked again while one of them is closed.
	if len(t.failures()) == 0 && rollbackRequested(t) == nil {
		t.tellAnalysisStarted()
	}
	for _, r := range roundRules {
		if do := r(t); do != nil {
			do(t)
			return
		}
	}
	switch {
	case t.Status.Step < t.Plan.Length():
		t.advance()
	case t.beforeFirstRound():
		t.startCheckInterval()
	default:
		t.promote()
	}
}

// failures are the answers that count against the canary. A gate that is closed and a rollback hook that wants none
// are no failures, and a dry run decides nothing.
func (t *transition) failures() Findings { return t.metric(v1beta1.Failed) }

// metric returns the answers of checks with a verdict. A hook knows two of them only.
func (t *transition) metric(verdict v1beta1.Verdict) Findings {
	var all Findings
	for _, f := range t.found {
		switch f.Moment {
		case v1beta1.PreRolloutHook, v1beta1.RolloutHook:
			if f.Verdict != v1beta1.Passed && verdict == v1beta1.Failed {
				all = append(all, f)
			}
		case "":
			if f.Verdict == verdict && !f.DryRun {
				all = append(all, f)
			}
		default: // gates hold, and what is told of an end judges nobody
		}
	}
	return all
}

func failing(t *transition) outcome {
	if len(t.failures()) == 0 {
		return nil
	}
	return (*transition).fail
}

// fail counts one failed round. The one that was one too many ends the rollout here, not a round later.
func (t *transition) fail() {
	counted := false
	for _, f := range t.failures() {
		t.warn(ReasonCheckFailed, "%s", f.Message)
		counted = counted || f.Limit == nil
	}
	// A round is one failed check, however many of its metrics and hooks failed.
	if counted {
		t.next.FailedChecks++
	}
	if name, n := t.exceeded(); name != "" {
		t.rollBackFor(fmt.Sprintf("metric %s failed %d times, the last: %s", name, n, t.why()))
		return
	}
	if t.next.FailedChecks >= t.Plan.Threshold {
		t.rollBack()
		return
	}
	// They do not use up what is left to the others.
	if !counted {
		t.repeat(WaitRetry, fmt.Sprintf("Metrics of %s with a failureLimit of their own failed. The last: %s", t.Names.target(), t.why()))
		return
	}
	t.repeat(WaitRetry, fmt.Sprintf("Failed checks of %s: %d; at %d it is rolled back. The last: %s",
		t.Names.target(), t.next.FailedChecks, t.Plan.Threshold, t.why()))
}

// exceeded is the metric that failed more often than its own limit allows, and how often; empty: none.
// It is looked at before the common threshold, since it says more.
func (t *transition) exceeded() (name string, failed int) {
	for i, m := range t.Plan.Metrics {
		found := t.next.Analysis.Metric(t.Plan.metricKey(i))
		if m.FailureLimit != nil && !m.DryRun && found != nil && found.Failures > *m.FailureLimit {
			return m.Name, found.Failures
		}
	}
	return "", 0
}

// why is the first failed finding.
func (t *transition) why() string {
	for _, f := range t.failures() {
		return strings.TrimSuffix(f.Message, ".")
	}
	return ""
}

// last is what the last failed check found, in this decision or in an earlier one.
func (t *transition) last() string {
	if why := t.why(); why != "" {
		return why
	}
	if t.Target.Available == 0 {
		return "no pod of it was available"
	}
	return strings.TrimSuffix(message(t.Status, v1beta1.ConditionWaiting), ".")
}

// pending waits for a value, no longer than the deadline.
func pending(t *transition) outcome {
	waits := t.metric(v1beta1.Waiting)
	if len(waits) == 0 {
		return nil
	}
	why := strings.TrimSuffix(waits[0].Message, ".")
	if since := t.next.Analysis.WaitingSince; since != nil && t.overdue(since.Time) {
		return func(t *transition) {
			t.rollBackFor(fmt.Sprintf("no value of metric %s within %s: %s", waits[0].Name, t.Plan.Deadline, why))
		}
	}
	return func(t *transition) {
		t.repeat(WaitValue, "Metric "+waits[0].Name+" of "+t.Names.target()+" has no value yet: "+why)
	}
}

// inconclusive follows the spec's policy.
func inconclusive(t *transition) outcome {
	found := t.metric(v1beta1.Inconclusive)
	if len(found) == 0 || t.Plan.OnInconclusive == v1beta1.InconclusiveContinue {
		return nil
	}
	text := "Metric " + found[0].Name + " of " + t.Names.target() + " is inconclusive: " + strings.TrimSuffix(found[0].Message, ".")
	if t.Plan.OnInconclusive == v1beta1.InconclusiveAbort {
		return func(t *transition) { t.rollBackFor(text) }
	}
	return func(t *transition) {
		t.repeat(WaitClarity, text)
		if t.waiting() != WaitClarity {
			t.warn(ReasonInconclusive, "%s", text)
			t.alert(v1beta1.SeverityWarn, text)
		}
	}
}

// unproven keeps a step until its metrics passed often enough in a row, and the last step until each of them was asked.
// One that is no longer asked for has.
func unproven(t *transition) outcome {
	if t.beforeFirstRound() {
		return nil
	}
	for i, m := range t.Plan.Metrics {
		found := t.next.Analysis.Metric(t.Plan.metricKey(i))
		switch {
		case m.DryRun:
			continue
		case found == nil && t.Status.Step >= t.Plan.Length():
			text := fmt.Sprintf("Metric %s of %s was not asked yet, its initialDelay is %s", m.Name, t.Names.target(), m.InitialDelay)
			return func(t *transition) { t.repeat(WaitProof, text) }
		case found == nil, found.PassesInRow >= m.ConsecutiveSuccessLimit, countReached(m, found):
			continue
		}
		text := fmt.Sprintf("Metric %s of %s passed %d times in a row, %d are needed", m.Name, t.Names.target(), found.PassesInRow, m.ConsecutiveSuccessLimit)
		return func(t *transition) { t.repeat(WaitProof, text) }
	}
	return nil
}

// repeat keeps the step for another round.
// Users stay where they are: neither more of them meet the canary nor fewer.
func (t *transition) repeat(why Wait, text string) {
	t.next.NextCheck = micro(t.Now.Add(t.Plan.Interval))
	t.setWaiting(why, t.Plan.Interval, "%s.", text)
}

// rollBackFor ends a rollout for a reason of its own.
func (t *transition) rollBackFor(why string) {
	t.warn(ReasonRolledBack, "Rolling back %s: %s", t.Names.canary(), why)
	t.alert(v1beta1.SeverityError, "Rolling back: "+why)
	t.cause = why
	t.endFailed()
}

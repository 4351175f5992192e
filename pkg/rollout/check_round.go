package rollout

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// roundRules are what a round of checks can lead to short of the next step, in this order; the first that finds something
// decides.
var roundRules = []guard{
	rollbackRequested,  // somebody wants the old revision back: nothing else counts
	failing,            // a check failed
	stepWebhookPending, // the step's webhook is not done yet
	pending,            // a value is not there yet
	inconclusive,       // a value says neither
	gathering,          // a comparison needs more requests
	unproven,           // a metric has not passed often enough in a row
	lasting,            // the step lasts longer
	paused,             // it has, and waits for a person or a time
	gateClosed,         // everything is well, and somebody has to agree first
	held,               // a person holds the rollout
	heldByRefusal,      // the next step would build on what could not be made so
}

// judge concludes a round.
func judge(t *transition) {
	t.next.NotReadySince = nil
	// First, for limits are about what has been counted with this round.
	recordMeasurements(t)
	recordStepWebhook(t)
	// Before the gates: what agreed is not asked again while one of them is closed.
	if len(t.failures()) == 0 && rollbackRequested(t) == nil {
		tellAnalysisStarted(t)
	}
	for _, r := range roundRules {
		if do := r(t); do != nil {
			do(t)
			return
		}
	}
	// A load test has to run before there is anything to judge: docs/decisions/0004. What it says does not count.
	if t.beforeFirstRound() {
		if _, told := t.answers(t.Plan.hookQuestions(v1beta1.RolloutHook)); !told {
			return
		}
	}
	switch {
	case t.Status.Step < t.Plan.Length():
		advance(t)
	case t.beforeFirstRound():
		startCheckInterval(t)
	default:
		promote(t)
	}
}

// failures are the answers that count against the canary. A gate that is closed and a rollback hook that wants none
// are no failures, and a dry run decides nothing.
func (t *transition) failures() []answered { return t.metric(v1beta1.Failed) }

// metric returns the answers of checks with a verdict. Hooks know two of them only, and that of a step what stepWebhookPending
// looks at.
func (t *transition) metric(verdict v1beta1.Verdict) []answered {
	var all []answered
	for _, f := range t.found {
		switch f.moment() {
		case v1beta1.PreRolloutHook, v1beta1.RolloutHook:
			if f.Verdict != v1beta1.Passed && verdict == v1beta1.Failed {
				all = append(all, f)
			}
		case v1beta1.StepHook:
			if f.Verdict == v1beta1.Failed && verdict == v1beta1.Failed {
				all = append(all, f)
			}
		case "":
			if f.Verdict == verdict && !f.Metric.DryRun {
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
	return failCheck
}

// failCheck counts one failed round. The one that was one too many ends the rollout here, not a round later.
func failCheck(t *transition) {
	counted := false
	for _, f := range t.failures() {
		t.warn(ReasonCheckFailed, "%s", f.Message)
		counted = counted || f.Metric == nil || f.Metric.FailureLimit == nil
	}
	t.next.LastFailure = t.why()
	// A round is one failed check, however many of its metrics and hooks failed.
	if counted {
		t.next.FailedChecks++
	}
	for _, f := range t.failures() {
		if f.Final { // it stands, whatever is found later
			rollBackKept(t, "metric "+f.name()+" failed for good: "+strings.TrimSuffix(f.Message, "."))
			return
		}
	}
	if name, n := exceeded(t); name != "" {
		rollBackKept(t, fmt.Sprintf("metric %s failed %d times, the last: %s", name, n, t.why()))
		return
	}
	if t.next.FailedChecks >= t.Plan.Threshold {
		rollBack(t)
		return
	}
	// They do not use up what is left to the others.
	if !counted {
		repeat(t, WaitRetry, fmt.Sprintf("Metrics of %s with a failureLimit of their own failed. The last: %s", t.Names.target(), t.why()))
		return
	}
	repeat(t, WaitRetry, retryText(t))
}

// awaitRetry says anew that a failed check is made again, since that is at another time by now.
func awaitRetry(t *transition) {
	t.setWaiting(WaitRetry, 0, "%s. %s.", retryText(t), checkedAgain(t))
}

func retryText(t *transition) string {
	return fmt.Sprintf("Failed checks of %s: %d; at %d it is rolled back. The last: %s",
		t.Names.target(), t.next.FailedChecks, t.Plan.Threshold, orElse(t.next.LastFailure, "not known"))
}

// checkedAgain says when a round that is repeated is due.
func checkedAgain(t *transition) string {
	return "Checked again at " + clockTime(t.next.NextCheck.Time)
}

// exceeded is the metric that failed more often than its own limit allows, and how often; empty: none.
// It is looked at before the common threshold, since it says more.
func exceeded(t *transition) (name string, failed int) {
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

// pending waits for a value, no longer than the deadline.
func pending(t *transition) outcome {
	waits := t.metric(v1beta1.Waiting)
	if len(waits) == 0 {
		return nil
	}
	for _, f := range waits {
		if t.overdue(t.measured(f).WaitingSince.Time) {
			return func(t *transition) {
				rollBackKept(t, fmt.Sprintf("no value of metric %s within %s: %s", f.name(), t.Plan.Deadline, strings.TrimSuffix(f.Message, ".")))
			}
		}
	}
	why := strings.TrimSuffix(waits[0].Message, ".")
	return func(t *transition) {
		repeat(t, WaitValue, "Metric "+waits[0].name()+" of "+t.Names.target()+" has no value yet: "+why)
	}
}

// inconclusive follows the spec's policy.
func inconclusive(t *transition) outcome {
	found := slices.DeleteFunc(t.metric(v1beta1.Inconclusive), func(f answered) bool { return f.held })
	if len(found) == 0 || t.Plan.OnInconclusive == v1beta1.InconclusiveContinue || inconclusiveAccepted(&t.facts) {
		return nil
	}
	text := "Metric " + found[0].name() + " of " + t.Names.target() + " is inconclusive: " + strings.TrimSuffix(found[0].Message, ".")
	if t.Plan.OnInconclusive == v1beta1.InconclusiveAbort {
		return func(t *transition) { rollBackKept(t, text) }
	}
	return func(t *transition) {
		repeat(t, WaitClarity, text)
		if t.waiting() != WaitClarity {
			t.warn(ReasonInconclusive, "%s", text)
			t.alert(v1beta1.SeverityWarn, text)
			asksFor(t, v1beta1.ActionPromote)
		}
	}
}

func inconclusiveAccepted(f *facts) bool {
	return f.Status.StepStarted != nil && f.Status.StepStarted.AcceptInconclusive
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
		case m.DryRun, !t.step().judgedBy(m):
			continue
		case found == nil && t.Status.Step >= t.Plan.Length(), m.Inline && (found == nil || found.Checks == 0):
			text := fmt.Sprintf("Metric %s of %s was not asked yet, its initialDelay is %s", m.Name, t.Names.target(), m.InitialDelay)
			return func(t *transition) { repeat(t, WaitProof, text) }
		case found == nil, found.PassesInRow >= m.ConsecutiveSuccessLimit, countReached(m, found):
			continue
		}
		text := fmt.Sprintf("Metric %s of %s passed %d times in a row, %d are needed", m.Name, t.Names.target(), found.PassesInRow, m.ConsecutiveSuccessLimit)
		return func(t *transition) { repeat(t, WaitProof, text) }
	}
	return nil
}

// proveAnew has metrics pass in a row once more in another step: how often they have to is about one step. One whose count
// is reached holds no step up any more.
func proveAnew(t *transition) {
	if t.next.Analysis == nil || !t.next.Phase.Analysing() || t.next.Step == t.Status.Step {
		return
	}
	for i, m := range t.Plan.Metrics {
		if found := t.next.Analysis.Metric(t.Plan.metricKey(i)); found != nil && !countReached(m, found) {
			found.PassesInRow = 0
		}
	}
}

// lasting keeps a step that lasts longer than an interval.
func lasting(t *transition) outcome {
	if !t.lasts() {
		return nil
	}
	return func(t *transition) {
		keepStep(t, WaitInterval)
		awaitStep(t)
	}
}

// repeat keeps the step for another round.
// Users stay where they are: neither more of them meet the canary nor fewer.
func repeat(t *transition, why Wait, text string) {
	keepStep(t, why)
	t.setWaiting(why, untilNextRound(t), "%s. %s.", text, checkedAgain(t))
}

package rollout

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// Questions are what has to be known before a decision can be taken; empty means nothing.
type Questions struct {
	// Round names what they are about: the same spec, revision, step and check. The same round has the same questions, so
	// that an answer counts in its own round alone.
	Round string
	// Asked are those that no answer is there to, all to be asked at once.
	Asked []Question
}

// Empty says that nothing has to be asked.
func (q Questions) Empty() bool { return len(q.Asked) == 0 }

// Question is one of them: about a hook, about a metric, or, with neither, whether the monitoring systems can be reached.
// What an answer means follows from the hook's type.
type Question struct {
	Key    string // unique within its round: `hook/NAME`, `metric/NAME`
	Hook   *v1beta1.CanaryWebhook
	Metric *v1beta1.CanaryMetric
	Window *Window // whose events a comparison counts; nil: the metric is none
}

// Findings are the answers that are there to the questions of a round, by their keys.
type Findings struct {
	Round   string
	Answers map[string]Finding
}

// Finding is one answer.
type Finding struct {
	Verdict v1beta1.Verdict // of a rollback hook: Passed means that it asks for one
	Message string          // when it did not pass: one line that says what was found and what is allowed
	// Measurement is what a metric was found to be.
	Measurement *v1beta1.Measurement
	// Stratum is what a comparison counted. With it the verdict is about what was not: that nobody asked the canary.
	Stratum *Stratum
	// Final says that the verdict is that of the one look that a comparison of single values has.
	Final bool
}

// The keys of questions; step_webhook.go has that of a step's webhook.
const (
	hookPrefix   = "hook/"
	metricPrefix = "metric/"
	systemsKey   = "systems"
)

// answered is a question with its answer.
type answered struct {
	Question
	Finding
	evidence *v1beta1.Evidence // of a comparison, with what this answer adds
	held     bool              // a comparison that needs more requests, and may still wait for them
}

// moment is when a hook is asked; empty: this is about a metric, or about all of them.
func (a answered) moment() v1beta1.HookType {
	if a.Hook == nil {
		return ""
	}
	return a.Hook.Moment()
}

// metricKey is what a metric is known by in the status.
func (q Question) metricKey() string { return strings.TrimPrefix(q.Key, metricPrefix) }

// name is that of the hook or the metric.
func (a answered) name() string {
	switch {
	case a.Hook != nil:
		return a.Hook.Name
	case a.Metric != nil:
		return a.Metric.Name
	}
	return ""
}

// answers returns the answers to questions, in their order. Where some are missing the decision is to ask for those,
// and false is returned: silence is no consent.
func (t *transition) answers(asked []Question) ([]answered, bool) {
	round, all := t.round(), make([]answered, 0, len(asked))
	var missing []Question
	for _, q := range asked {
		f, there := t.known.Answers[q.Key]
		if !there || t.known.Round != round {
			missing = append(missing, q)
			continue
		}
		all = append(all, answered{Question: q, Finding: f})
	}
	if len(missing) > 0 {
		t.questions = Questions{Round: round, Asked: missing}
		return nil, false
	}
	return all, true
}

// answer has the decision be taken on the answers to questions; false: they have to be asked first.
func (t *transition) answer(asked []Question) bool {
	all, there := t.answers(asked)
	t.found = all
	return there
}

// round names what questions are about now. All that makes an answer another one's is part of it: a new spec or revision,
// another step, the same step's next check, or that check once more.
func (f *facts) round() string {
	return fmt.Sprintf("%d %s %s %d step %d, check %d after %d failed",
		f.Generation, f.Revision, f.Status.Phase, f.since().UnixNano(), f.Status.Step, f.checkTime().UnixNano(), f.Status.FailedChecks)
}

// checkTime is when the check that is due was to be made; of hooks asked in the course of a promotion, when they were
// asked before.
func (f *facts) checkTime() time.Time {
	switch {
	case f.rollbackHooksEnabled():
		return f.rollbackHooksAsked()
	case f.Status.NextCheck != nil:
		return f.Status.NextCheck.Time
	}
	return time.Time{}
}

// hookQuestions are those about the hooks of some moments, in the spec's order.
func (p *Plan) hookQuestions(moments ...v1beta1.HookType) []Question {
	var due []Question
	for i := range p.Hooks {
		if h := &p.Hooks[i]; slices.Contains(moments, h.Moment()) {
			due = append(due, Question{Key: hookPrefix + p.hookKey(i), Hook: h})
		}
	}
	return due
}

// systemsQuestion asks whether the monitoring systems can be reached, long before it matters, while there is time to mend
// an address or a secret.
func (p *Plan) systemsQuestion() []Question {
	if len(p.Metrics) == 0 || p.Skip {
		return nil
	}
	return []Question{{Key: systemsKey}}
}

// approvalQuestions ask whether a new revision may be started at all.
func approvalQuestions(f *facts) []Question {
	moments := []v1beta1.HookType{v1beta1.ConfirmRolloutHook}
	if f.Status.Phase == v1beta1.PhaseWaiting {
		moments = append(moments, v1beta1.RollbackHook)
	}
	return f.Plan.hookQuestions(moments...)
}

// openingQuestions ask what must be so before the canary receives its first request. Hooks that agreed are not asked
// again while a gate is closed: an acceptance test is no cheap thing.
func openingQuestions(f *facts) []Question {
	moments := []v1beta1.HookType{v1beta1.RollbackHook}
	// It is there as soon as they have agreed: see tellAnalysisStarted.
	if f.Status.Analysis == nil {
		moments = append(moments, v1beta1.PreRolloutHook)
	}
	// At 100 no step comes next that anybody could agree to.
	if f.Status.Step == 0 {
		moments = append(moments, f.gatesDue()...)
	}
	return f.Plan.hookQuestions(moments...)
}

// roundQuestions ask what judges the step in effect, and whether the next one may be taken.
func roundQuestions(f *facts) []Question {
	if f.beforeFirstRound() {
		return openingQuestions(f)
	}
	moments := append([]v1beta1.HookType{v1beta1.RolloutHook, v1beta1.RollbackHook}, f.gatesDue()...)
	due := f.Plan.hookQuestions(moments...)
	return slices.Concat(due, stepWebhookQuestion(f), metricQuestions(f))
}

// metricQuestions are those about the metrics that take part in the round that is due.
func metricQuestions(f *facts) []Question {
	var due []Question
	for i := range f.Plan.Metrics {
		m := &f.Plan.Metrics[i]
		if !f.asked(i, *m) {
			continue
		}
		q := Question{Key: metricPrefix + f.Plan.metricKey(i), Metric: m}
		if compared(*m) {
			q.Window = windowOf(f, q)
		}
		due = append(due, q)
	}
	return due
}

// asked says that a metric takes part in the round that is due. When that was to begin counts, not the present: the
// answer must be the same when the round is judged.
func (f *facts) asked(i int, m v1beta1.CanaryMetric) bool {
	if !f.step().judgedBy(m) {
		return false
	}
	// Since what a metric has answered is in the status, its count outlives a restart of the operator.
	a := f.Status.Analysis
	if countReached(m, a.Metric(f.Plan.metricKey(i))) {
		return false
	}
	delay, _ := time.ParseDuration(m.InitialDelay) // compiled before
	if m.Inline {
		return f.Status.StepStarted == nil || !f.Status.NextCheck.Time.Before(f.Status.StepStarted.Time.Add(delay))
	}
	return a == nil || a.Started == nil || !f.Status.NextCheck.Time.Before(a.Started.Add(delay))
}

// countReached says that a metric took part as often as its count says. A check that failed is repeated, the last one too.
func countReached(m v1beta1.CanaryMetric, found *v1beta1.MetricStatus) bool {
	return m.Count > 0 && !compared(m) && found != nil && found.Checks >= m.Count && (found.PassesInRow > 0 || m.DryRun)
}

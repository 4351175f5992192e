package rollout

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// measurementsKept is how many measurements of a metric the status holds: enough to see a trend, and no burden on the
// object.
const measurementsKept = 5

// metricKey names a metric, in the status as well.
func (p *Plan) metricKey(i int) string {
	return unique(p.Metrics[i].Name, p.Metrics[:i], func(m v1beta1.CanaryMetric) string { return m.Name })
}

// hookKey names a hook.
func (p *Plan) hookKey(i int) string {
	return unique(p.Hooks[i].Name, p.Hooks[:i], func(h v1beta1.CanaryWebhook) string { return h.Name })
}

// unique is a name by which one of several is known: names may be used twice in a spec.
func unique[T any](name string, before []T, nameOf func(T) string) string {
	same := 0
	for _, other := range before {
		if nameOf(other) == name {
			same++
		}
	}
	if same == 0 {
		return name
	}
	return fmt.Sprintf("%s#%d", name, same+1)
}

// recordMeasurements writes what a round found into the status, so that a count outlives the operator and people can
// see why a rollout stands.
func recordMeasurements(t *transition) {
	for i := range t.found {
		f := &t.found[i]
		if f.Metric == nil {
			continue
		}
		if f.Window != nil {
			judgeComparison(t, f)
		}
		recordMeasurement(t, f.metricKey(), *f)
	}
	if a := t.next.Analysis; a != nil {
		a.WaitingSince = nil
		for _, f := range t.metric(v1beta1.Waiting) {
			a.WaitingSince = earlier(a.WaitingSince, t.measured(f).WaitingSince)
		}
	}
}

// measured is what is known of a metric that was asked.
func (t *transition) measured(f answered) *v1beta1.MetricStatus {
	return t.next.Analysis.Metric(f.metricKey())
}

// forgetInline has metrics that judge single steps begin to count anew.
func forgetInline(t *transition) {
	for i, m := range t.Plan.Metrics {
		if found := t.next.Analysis.Metric(t.Plan.metricKey(i)); m.Inline && found != nil {
			found.Checks, found.Failures, found.PassesInRow, found.WaitingSince = 0, 0, 0, nil
		}
	}
}

// earlier is the earlier of two times, of which either may be missing.
func earlier(a, b *metav1.MicroTime) *metav1.MicroTime {
	if a == nil || b != nil && b.Before(a) {
		return b
	}
	return a
}

// recordMeasurement adds one finding to what is known of its metric.
func recordMeasurement(t *transition, key string, f answered) {
	if t.next.Analysis == nil {
		t.next.Analysis = &v1beta1.AnalysisStatus{Started: micro(t.Now)}
	}
	a := t.next.Analysis
	m := a.Metric(key)
	if m == nil {
		a.Metrics = append(a.Metrics, v1beta1.MetricStatus{Name: key})
		m = &a.Metrics[len(a.Metrics)-1]
	}
	m.WaitingSince = waitingSince(t, m.WaitingSince, f.Verdict)
	switch {
	case f.Verdict == v1beta1.Passed, f.Verdict == v1beta1.Inconclusive && t.Plan.OnInconclusive == v1beta1.InconclusiveContinue && !f.held:
		m.Checks++
		m.PassesInRow++
	case f.Verdict == v1beta1.Failed:
		m.Checks++
		m.Failures++
		m.PassesInRow = 0
	// A value that is missing or unclear is no failure, and proves nothing either.
	default:
		m.PassesInRow = 0
	}
	if f.evidence != nil {
		m.Evidence = f.evidence
	}
	if f.Measurement == nil {
		return
	}
	for i := range m.Measurements {
		m.Measurements[i].Query = "" // it is the newest one's, too
	}
	now := *f.Measurement
	if now.Time.IsZero() {
		now.Time = metav1.NewTime(t.Now)
	}
	m.Measurements = append([]v1beta1.Measurement{now}, m.Measurements[:min(len(m.Measurements), measurementsKept-1)]...)
}

// waitingSince is since when a metric has had no value, after one more round. A value that says neither ends no wait: those
// that come in turns with none would have the deadline begin anew for ever. The time until the next round is no part of it.
func waitingSince(t *transition, before *metav1.MicroTime, found v1beta1.Verdict) *metav1.MicroTime {
	switch {
	case found == v1beta1.Waiting && before == nil:
		return micro(t.Now)
	case found == v1beta1.Waiting:
		return before
	case found == v1beta1.Inconclusive && before != nil && t.Plan.OnInconclusive != v1beta1.InconclusiveContinue:
		return notAfter(postponed(before, t.Plan.Interval), t.Now)
	}
	return nil
}

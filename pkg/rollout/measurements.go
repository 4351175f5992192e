package rollout

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// measurementsKept is how many measurements of a metric the status holds: enough to see a trend, and no burden on the
// object.
const measurementsKept = 5

// metricKey names a metric in the status. Names may be used twice in a spec.
func (p *Plan) metricKey(i int) string {
	name, before := p.Metrics[i].Name, 0
	for _, m := range p.Metrics[:i] {
		if m.Name == name {
			before++
		}
	}
	if before == 0 {
		return name
	}
	return fmt.Sprintf("%s#%d", name, before+1)
}

// recordMeasurements writes what a round found into the status, so that a count outlives the operator and people can
// see why a rollout stands.
func (t *transition) recordMeasurements() {
	// Answers to hooks come first, those of metrics after them: see Findings.
	waits := len(t.metric(v1beta1.Waiting)) > 0
	first, asked := len(t.found)-len(Ask(t.Snapshot).Metrics), 0
	for i, m := range t.Plan.Metrics {
		if t.beforeFirstRound() || !t.asked(i, m) {
			continue
		}
		f := &t.found[first+asked]
		asked++
		// An answer does not know how it counts, nor does its name tell; what judges the round looks for it here.
		f.DryRun, f.Limit = m.DryRun, m.FailureLimit
		t.recordMeasurement(t.Plan.metricKey(i), *f)
	}
	switch a := t.next.Analysis; {
	case a == nil:
	case !waits:
		a.WaitingSince = nil
	case a.WaitingSince == nil:
		a.WaitingSince = micro(t.Now)
	}
}

// recordMeasurement adds one finding to what is known of its metric.
func (t *transition) recordMeasurement(key string, f Finding) {
	if t.next.Analysis == nil {
		t.next.Analysis = &v1beta1.AnalysisStatus{Started: micro(t.Now)}
	}
	a := t.next.Analysis
	m := a.Metric(key)
	if m == nil {
		a.Metrics = append(a.Metrics, v1beta1.MetricStatus{Name: key})
		m = &a.Metrics[len(a.Metrics)-1]
	}
	switch {
	case f.Verdict == v1beta1.Passed, f.Verdict == v1beta1.Inconclusive && t.Plan.OnInconclusive == v1beta1.InconclusiveContinue:
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

package announce

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/require"
)

// valuesOf are all series, by name and labels: `flagger_canary_total namespace=test`. Of a histogram it is the count.
func valuesOf(t *testing.T, from prometheus.Gatherer) map[string]float64 {
	t.Helper()
	families, err := from.Gather()
	require.NoError(t, err)
	values := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, l := range m.GetLabel() {
				name += " " + l.GetName() + "=" + l.GetValue()
			}
			values[name] = m.GetGauge().GetValue() + m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return values
}

// family is one metric of an exposition; nil where it is not there.
func family(t *testing.T, from prometheus.Gatherer, name string) *dto.MetricFamily {
	t.Helper()
	families, err := from.Gather()
	require.NoError(t, err)
	for _, f := range families {
		if f.GetName() == name {
			return f
		}
	}
	return nil
}

func sumOf(t *testing.T, from prometheus.Gatherer, name string) float64 {
	t.Helper()
	sum := 0.0
	for _, m := range family(t, from, name).GetMetric() {
		sum += m.GetHistogram().GetSampleSum()
	}
	return sum
}

// labelOf is the value of a label of the first series of a metric.
func labelOf(t *testing.T, from prometheus.Gatherer, name, label string) string {
	t.Helper()
	for _, m := range family(t, from, name).GetMetric() {
		for _, l := range m.GetLabel() {
			if l.GetName() == label {
				return l.GetValue()
			}
		}
	}
	return ""
}

func TestContractsMetrics(t *testing.T) {
	c := *newsOf(stands("", "", 0), stands("Progressing", "r1-b", 1)).Canary
	told, into := newTelemetry(t, c)
	told.Observe(&c, "request-success-rate", 99.5)
	told.Took(&c, 1)
	told.successes.WithLabelValues("podinfo", "test", "canary", "completed").Inc()
	told.failures.WithLabelValues("podinfo", "test", "blue-green", "skipped").Inc()
	cases := map[string]struct {
		reason string
		kind   dto.MetricType
		labels []string
	}{
		"flagger_info":                    {reason: "Which operator runs.", kind: dto.MetricType_GAUGE, labels: []string{"mesh_provider", "version"}},
		"flagger_canary_total":            {reason: "How many there are.", kind: dto.MetricType_GAUGE, labels: []string{"namespace"}},
		"flagger_canary_status":           {reason: "How they are.", kind: dto.MetricType_GAUGE, labels: []string{"name", "namespace"}},
		"flagger_canary_weight":           {reason: "Where requests go.", kind: dto.MetricType_GAUGE, labels: []string{"namespace", "workload"}},
		"flagger_canary_metric_analysis":  {reason: "What they are judged by.", kind: dto.MetricType_GAUGE, labels: []string{"metric", "name", "namespace"}},
		"flagger_canary_duration_seconds": {reason: "What a pass takes.", kind: dto.MetricType_HISTOGRAM, labels: []string{"name", "namespace"}},
		"flagger_canary_successes_total":  {reason: "What went well.", kind: dto.MetricType_COUNTER, labels: []string{"analysis_status", "deployment_strategy", "name", "namespace"}},
		"flagger_canary_failures_total":   {reason: "And what did not.", kind: dto.MetricType_COUNTER, labels: []string{"analysis_status", "deployment_strategy", "name", "namespace"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			f := family(t, into, name)
			require.NotNil(t, f, tc.reason)
			require.Equal(t, tc.kind, f.GetType(), tc.reason)
			var labels []string
			for _, l := range f.GetMetric()[0].GetLabel() {
				labels = append(labels, l.GetName())
			}
			require.Equal(t, tc.labels, labels, tc.reason)
		})
	}
}

package analysis

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/metric/metrictest"
)

// TestVerdictsOfSeries goes all the way from series in a Prometheus to what a rollout is told.
func TestVerdictsOfSeries(t *testing.T) {
	requests := func(workload, code, values string) string {
		return fmt.Sprintf(`istio_requests_total{reporter="destination",destination_workload_namespace="test",destination_workload=%q,response_code=%q} %s`, workload, code, values)
	}
	bucket := func(le, values string) string {
		return fmt.Sprintf(`istio_request_duration_milliseconds_bucket{reporter="destination",destination_workload_namespace="test",destination_workload="podinfo",le=%q} %s`, le, values)
	}
	rate := v1beta1.CanaryMetric{Name: "request-success-rate", ThresholdRange: &v1beta1.ThresholdRange{Min: new(99.0)}}
	duration := v1beta1.CanaryMetric{Name: "request-duration", ThresholdRange: &v1beta1.ThresholdRange{Max: new(20_000.0)}}
	compared := v1beta1.CanaryMetric{Name: "request-success-rate", Baseline: "primary"}
	own := v1beta1.CanaryMetric{Name: "lag", Query: "lag", ThresholdRange: &v1beta1.ThresholdRange{Max: new(5.0)}}
	const silent = "Halt advancement no values found for istio metric request-success-rate probably podinfo.test is not receiving traffic"
	cases := map[string]struct {
		reason  string
		metric  v1beta1.CanaryMetric
		series  []string
		verdict v1beta1.Verdict
		message string // part of it
		at      int64  // end of the window of a comparison
		value   string // of a comparison
	}{
		"AllFail":   {reason: "0 % is a rate.", metric: rate, series: []string{requests("podinfo", "500", "0+15x20")}, verdict: v1beta1.Failed, message: "Halt podinfo.test advancement success rate 0.00% < 99%"},
		"AllGood":   {reason: "There are no failures.", metric: rate, series: []string{requests("podinfo", "200", "0+15x20")}, verdict: v1beta1.Passed},
		"FirstFail": {reason: "The first failures of a pod count.", metric: rate, series: []string{requests("podinfo", "200", "0+15x20"), requests("podinfo", "500", "_x20 10")}, verdict: v1beta1.Failed, message: "success rate 85.71% < 99%"},
		"Idle":      {reason: "Nobody asks.", metric: rate, series: []string{requests("podinfo", "200", "9x20")}, verdict: v1beta1.Failed, message: silent},
		"Slow":      {reason: "How slow they are nobody knows.", metric: duration, series: []string{bucket("10000", "0x20"), bucket("+Inf", "0+15x20")}, verdict: v1beta1.Failed, message: "request duration above the last bucket > 20s"},
		"Several":   {reason: "Each series counts.", metric: own, series: []string{`lag{pod="a"} 100x20`, `lag{pod="b"} 3x20`}, verdict: v1beta1.Failed, message: "lag 100.00 > 5"},
		"Worse": {
			reason: "Ten pods that fail once each, of 100 requests, beside a primary that never does.", metric: compared,
			series:  []string{requests("podinfo", "200", "0x16 90"), requests("podinfo", "500", "_x17 10"), requests("podinfo-primary", "200", "0+250x17")},
			verdict: v1beta1.Passed, at: 255, value: "100 of the canary, 1000 of the primary",
		},
		"Same":         {reason: "As good as the primary.", metric: compared, series: []string{requests("podinfo", "200", "0+30x20"), requests("podinfo-primary", "200", "0+250x20")}, at: 300, verdict: v1beta1.Passed, value: "120 of the canary, 1000 of the primary"},
		"ComparedIdle": {reason: "A canary that nobody asks has no data.", metric: compared, series: []string{requests("podinfo", "200", "9x20"), requests("podinfo-primary", "200", "0+250x20")}, at: 300, verdict: v1beta1.Failed, message: silent},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			all := checks{Metrics: []v1beta1.CanaryMetric{tc.metric}, at: time.Unix(tc.at, 0)}
			f := ask(t.Context(), impatient(metrictest.Serve(t, tc.series...)), podinfo(), all)[0]
			require.Equal(t, tc.verdict, f.Verdict, "%s %v", tc.reason, f.Measurement)
			require.Contains(t, f.Message, tc.message, tc.reason)
			require.True(t, tc.value == "" || tc.value == f.Measurement.Value, f.Measurement.Value)
		})
	}
}

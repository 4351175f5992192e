package rollout

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

func TestLikelyMistakes(t *testing.T) {
	limits := func(least, most *float64) *v1beta1.ThresholdRange {
		return &v1beta1.ThresholdRange{Min: least, Max: most}
	}
	cases := map[string]struct {
		reason string
		metric v1beta1.CanaryMetric
		want   string // empty: there is none
	}{
		"Percent":        {reason: "What is meant.", metric: v1beta1.CanaryMetric{Name: "request-success-rate", ThresholdRange: limits(ptr(99.0), nil)}},
		"Share":          {reason: "A share instead of a percentage.", metric: v1beta1.CanaryMetric{Name: "request-success-rate", ThresholdRange: limits(ptr(0.99), nil)}, want: "accepts 0.99 of a hundred requests; its unit is percent"},
		"OldShare":       {reason: "By the older field as well.", metric: v1beta1.CanaryMetric{Name: "request-success-rate", Threshold: 0.99}, want: "accepts 0.99 of a hundred requests; its unit is percent"},
		"OnlyMax":        {reason: "The wrong end.", metric: v1beta1.CanaryMetric{Name: "request-success-rate", ThresholdRange: limits(nil, ptr(99.0))}, want: "has no min, so that no request has to succeed"},
		"NothingGiven":   {reason: "As many manifests have it that only watch.", metric: v1beta1.CanaryMetric{Name: "request-success-rate"}},
		"Milliseconds":   {reason: "What is meant.", metric: v1beta1.CanaryMetric{Name: "request-duration", ThresholdRange: limits(nil, ptr(500.0))}},
		"Seconds":        {reason: "Seconds instead of milliseconds.", metric: v1beta1.CanaryMetric{Name: "request-duration", ThresholdRange: limits(nil, ptr(0.5))}, want: "accepts 0.5 milliseconds at most; its unit is milliseconds"},
		"OnlyMin":        {reason: "The wrong end.", metric: v1beta1.CanaryMetric{Name: "request-duration", ThresholdRange: limits(ptr(500.0), nil)}, want: "has no max, so that no request is too slow"},
		"DryRun":         {reason: "One that is only watched lets nothing through.", metric: v1beta1.CanaryMetric{Name: "request-duration", DryRun: true, ThresholdRange: limits(ptr(0.0), nil)}},
		"OwnQuery":       {reason: "A query has a unit of its own.", metric: v1beta1.CanaryMetric{Name: "request-success-rate", Query: "q", ThresholdRange: limits(ptr(0.99), nil)}},
		"Condition":      {reason: "A condition says the rest.", metric: v1beta1.CanaryMetric{Name: "request-duration", SuccessCondition: "result < 500"}},
		"Delay":          {reason: "Asked at the third of five steps.", metric: v1beta1.CanaryMetric{Name: "x", Query: "q", InitialDelay: "3m"}},
		"DelayToTheEnd":  {reason: "Asked at the last.", metric: v1beta1.CanaryMetric{Name: "x", Query: "q", InitialDelay: "5m"}},
		"DelayBeyond":    {reason: "Five steps of a minute are over by then.", metric: v1beta1.CanaryMetric{Name: "x", Query: "q", InitialDelay: "301s"}, want: "keeps the last step until its initialDelay of 301s is over: all steps take 5m0s"},
		"DelayOfDryRun":  {reason: "Nobody waits for it.", metric: v1beta1.CanaryMetric{Name: "x", Query: "q", InitialDelay: "1h", DryRun: true}, want: "is never asked: its initialDelay is 1h, and all steps take 5m0s"},
		"Overlap":        {reason: "Each request is compared five times.", metric: v1beta1.CanaryMetric{Name: "request-duration", Baseline: "primary", Interval: "5m"}, want: "compares the same requests more than once: it looks 5m0s back every 1m0s"},
		"NoOverlap":      {reason: "Each is compared once.", metric: v1beta1.CanaryMetric{Name: "request-duration", Baseline: "primary", Interval: "1m"}},
		"OverlapOfALine": {reason: "A mean over five minutes is a mean.", metric: v1beta1.CanaryMetric{Name: "x", Query: "q", Interval: "5m"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			p, err := Compile(specOf(analysis(func(a *v1beta1.CanaryAnalysis) { a.Interval, a.Metrics = "1m", []v1beta1.CanaryMetric{c.metric} })), weighted)
			require.NoError(t, err, c.reason)
			if c.want == "" {
				require.Empty(t, p.Remarks, c.reason)
				return
			}
			require.Equal(t, []Remark{{ReasonLikelyMistake, "Metric " + c.metric.Name + " (spec.analysis.metrics[0]) " + c.want}}, p.Remarks, c.reason)
		})
	}
}

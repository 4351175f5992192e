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
	const (
		begins = "does not see errors with which a series begins: to rate and increase it begins with its second value, so that nothing " +
			"has failed where each pod failed once; ((X - X offset 1m) >= 0 or X) counts them, and so does baseline"
		counts = "compares what is no count of the time since the check before; ask for increase(X[{{ interval }}])"
	)
	query := func(text string) v1beta1.CanaryMetric { return v1beta1.CanaryMetric{Name: "x", Query: text} }
	comparison := func(test, text string) v1beta1.CanaryMetric {
		return v1beta1.CanaryMetric{Name: "x", Query: text, Test: test, Baseline: "primary"}
	}
	cases := map[string]struct {
		reason string
		metric v1beta1.CanaryMetric
		steps  []int  // weights; nil: five of them below 100
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
		"NeverCompared":  {reason: "The primary has no requests.", metric: v1beta1.CanaryMetric{Name: "request-duration", Baseline: "primary"}, steps: []int{100}, want: "compares with a primary that has no requests: all of them go to the canary in every step"},
		"Compared":       {reason: "It has some before.", metric: v1beta1.CanaryMetric{Name: "request-duration", Baseline: "primary"}, steps: []int{50, 100}},
		"ErrorsOfRate":   {reason: "The first of a series is not counted.", metric: query(`sum(rate(requests_total{status=~"5.."}[1m]))`), want: begins},
		"ErrorsLeftOut":  {reason: "What did not fail is a share of all, where the same are missing.", metric: query(`sum(rate(requests_total{app="a", code!~"5.*"}[1m])) / sum(rate(requests_total{app="a"}[1m]))`), want: begins},
		"ErrorsByName":   {reason: "A counter of errors.", metric: query("increase(order_errors_total[{{ interval }}])"), want: begins},
		"ErrorsByWord":   {reason: "A label of another kind.", metric: query(`irate(orders_total{result="failed"}[1m])`), want: begins},
		"ErrorsWatched":  {reason: "They decide nothing.", metric: v1beta1.CanaryMetric{Name: "x", Query: "rate(errors_total[1m])", DryRun: true}},
		"ErrorsExactly":  {reason: "What is asked for instead.", metric: query(`sum((requests_total{status=~"5.."} - requests_total{status=~"5.."} offset 1m) >= 0 or requests_total{status=~"5.."})`)},
		"RateOfWork":     {reason: "Of what goes on all the time the first value is soon nothing.", metric: query(`sum(rate(orders_total{app="a", zone="eu-5"}[1m]))`)},
		"ErrorsOfTheLog": {reason: "A word in a comment.", metric: query("sum(rate(orders_total[1m])) # rate(errors_total[1m])")},
		"CountedExactly": {reason: "What a comparison counts once.", metric: comparison("proportions", `sum(increase(orders_total{status="done"}[{{ interval }}])) or sum(increase (orders_total[{{interval}}]))`)},
		"CountedByRate":  {reason: "Three in a second are no three events.", metric: comparison("proportions", "sum(rate(orders_total[{{ interval }}]))"), want: counts},
		"CountedTwice":   {reason: "A minute is longer than from check to check.", metric: comparison("proportions", "sum(increase(orders_total[1m]))"), want: counts},
		"BucketsOfRate":  {reason: "Buckets are counts as well.", metric: comparison("", "sum(rate(order_seconds_bucket[1m])) by (le)"), want: counts},
		"ValuesOfRate":   {reason: "Single values may be rates.", metric: comparison("", "rate(order_seconds_sum[1m])")},
		"OverlapOfALine": {reason: "A mean over five minutes is a mean.", metric: v1beta1.CanaryMetric{Name: "x", Query: "q", Interval: "5m"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			p, err := Compile(specOf(analysis(func(a *v1beta1.CanaryAnalysis) {
				a.Interval, a.Metrics = "1m", []v1beta1.CanaryMetric{c.metric}
				if c.steps != nil {
					a.StepWeight, a.StepWeights = 0, c.steps
				}
			})), weighted)
			require.NoError(t, err, c.reason)
			if c.want == "" {
				require.Empty(t, p.Remarks, c.reason)
				return
			}
			require.Equal(t, []Remark{{ReasonLikelyMistake, "Metric " + c.metric.Name + " (spec.analysis.metrics[0]) " + c.want}}, p.Remarks, c.reason)
		})
	}
}

func TestIgnoredByComparisons(t *testing.T) {
	success := v1beta1.CanaryMetric{Name: "request-success-rate", Baseline: "primary", Interval: "2m", MinSamples: 50, Count: 3}
	lag := v1beta1.CanaryMetric{Name: "lag", Query: "q", Baseline: "primary", MinSamples: 50}
	other := v1beta1.CanaryMetric{Name: "x", Query: "q", Interval: "1m", Count: 3}
	p, err := Compile(specOf(analysis(func(a *v1beta1.CanaryAnalysis) { a.Metrics = []v1beta1.CanaryMetric{other, success, lag} })), weighted)
	require.NoError(t, err)
	require.Equal(t, []Remark{
		{ReasonFieldIgnored, "Metric request-success-rate (spec.analysis.metrics[1]) has no use for interval: what is new since the check before is compared"},
		{ReasonFieldIgnored, "Metric request-success-rate (spec.analysis.metrics[1]) has no use for minSamples: a comparison of counts needs no least number"},
		{ReasonFieldIgnored, "Metric request-success-rate (spec.analysis.metrics[1]) has no use for count: a comparison is made at every check"},
	}, p.Remarks, "A manifest from before is followed, by the comparison over the whole rollout.")
}

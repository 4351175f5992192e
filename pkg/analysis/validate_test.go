package analysis

import (
	"cmp"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
)

func TestValidate(t *testing.T) {
	fine := v1beta1.CanaryMetric{Name: "request-success-rate", ThresholdRange: &v1beta1.ThresholdRange{Min: new(99.0)}}
	cases := map[string]struct {
		reason  string
		metric  v1beta1.CanaryMetric
		hook    v1beta1.CanaryWebhook
		meter   string // whose series tell of the traffic; empty: Istio's
		field   string // empty: nothing is wrong
		problem string // part of it
	}{
		"Builtin":   {reason: "Nothing to find.", metric: v1beta1.CanaryMetric{Name: "request-duration", Threshold: 500}},
		"Condition": {reason: "A condition that compiles.", metric: v1beta1.CanaryMetric{Name: "x", Query: "q", SuccessCondition: "result < 5", FailureCondition: "result.exists(r, r > 9)"}},
		"Success": {
			reason: "The place is named.", metric: v1beta1.CanaryMetric{Name: "x", Query: "q", SuccessCondition: "result < limit"},
			field: "spec.analysis.metrics[1].successCondition", problem: "does not compile: line 1, column 10: undeclared reference to 'limit'",
		},
		"Failure": {
			reason: "Of either.", metric: v1beta1.CanaryMetric{Name: "x", Query: "q", SuccessCondition: "true", FailureCondition: "result >"},
			field: "spec.analysis.metrics[1].failureCondition", problem: "does not compile: line 1, column 9: ",
		},
		"NotACondition": {
			reason: "Of a value nobody knows what it means.", metric: v1beta1.CanaryMetric{Name: "x", Query: "q", SuccessCondition: "result"},
			field: "spec.analysis.metrics[1].successCondition", problem: "it has to be true or false",
		},
		"Compared": {reason: "A comparison.", metric: v1beta1.CanaryMetric{Name: "request-success-rate", Baseline: "primary"}},
		"ComparedByService": {
			reason: "Series of each side's Service.", metric: v1beta1.CanaryMetric{Name: "request-duration", Baseline: "primary"}, meter: "contour",
		},
		"ComparedByRoute": {
			reason: "Series of both sides together.", metric: v1beta1.CanaryMetric{Name: "request-success-rate", Baseline: "primary"}, meter: "apisix",
			field: "spec.analysis.metrics[1].baseline", problem: `cannot compare: the series of provider "apisix" do not tell the canary from the primary`,
		},
		"ComparedByOwnQuery": {
			reason: "A query of the user's own may.", metric: v1beta1.CanaryMetric{Name: "request-success-rate", Query: "q", Baseline: "primary"}, meter: "apisix",
		},
		"JudgedByRoute": {reason: "A number of them can be judged.", metric: v1beta1.CanaryMetric{Name: "request-success-rate"}, meter: "apisix"},
		"ComparedLower": {
			reason: "A distribution of which the lower values are worse.",
			metric: v1beta1.CanaryMetric{Name: "x", Query: "q", Baseline: "primary", Test: "distribution", Worse: "lower"},
		},
		"ComparedWithRange": {
			reason: "A range that would be left out is refused.",
			metric: v1beta1.CanaryMetric{Name: "x", Query: "q", Baseline: "primary", ThresholdRange: &v1beta1.ThresholdRange{Max: new(5.0)}},
			field:  "spec.analysis.metrics[1].thresholdRange", problem: "does nothing beside baseline",
		},
		"ComparedWithThreshold": {
			reason: "So is a threshold.", metric: v1beta1.CanaryMetric{Name: "x", Query: "q", Baseline: "primary", Threshold: 5},
			field: "spec.analysis.metrics[1].threshold", problem: "does nothing beside baseline",
		},
		"ComparedWithCondition": {
			reason: "So are conditions.", metric: v1beta1.CanaryMetric{Name: "x", Query: "q", Baseline: "primary", FailureCondition: "result > 1"},
			field: "spec.analysis.metrics[1].failureCondition", problem: "does nothing beside baseline",
		},
		"RateAsValues": {
			reason: "Of requests that succeed there are no values.", metric: v1beta1.CanaryMetric{Name: "request-success-rate", Baseline: "primary", Test: "distribution"},
			field: "spec.analysis.metrics[1].test", problem: "has to be proportions",
		},
		"DurationAsCounts": {
			reason: "Of durations there are no successes.", metric: v1beta1.CanaryMetric{Name: "request-duration", Baseline: "primary", Test: "proportions"},
			field: "spec.analysis.metrics[1].test", problem: "has to be distribution",
		},
		"WorseProportions": {
			reason: "What is worse about successes is clear.",
			metric: v1beta1.CanaryMetric{Name: "x", Query: "q", Baseline: "primary", Test: "proportions", Worse: "lower"},
			field:  "spec.analysis.metrics[1].worse", problem: "is about a distribution",
		},
		"Variable":        {reason: "A query with all its words.", metric: v1beta1.CanaryMetric{Name: "x", Query: "{{ variables.a }}", TemplateVariables: map[string]string{"a": "b"}}},
		"TemplateIsOther": {reason: "A template is read when it is used.", metric: v1beta1.CanaryMetric{Name: "x", Query: "{{ nonsense }}", TemplateRef: &v1beta1.CrossNamespaceRef{Name: "x"}}},
		"MissingVariable": {
			reason: "A query that lacks a word lacks it at every check.", metric: v1beta1.CanaryMetric{Name: "x", Query: "{{ variables.a }}"},
			field: "spec.analysis.metrics[1].query", problem: `map has no entry for key "a"`,
		},
		"UnknownFunction": {
			reason: "So does one with a word that nobody knows.", metric: v1beta1.CanaryMetric{Name: "x", Query: "{{ pod }}"},
			field: "spec.analysis.metrics[1].query", problem: `function "pod" not defined`,
		},
		"UnreadableCA": {
			reason: "Certificates that are none.", metric: v1beta1.CanaryMetric{Name: "request-duration"}, hook: v1beta1.CanaryWebhook{CABundle: []byte("nonsense")},
			field: "spec.analysis.webhooks[0].caBundle", problem: "has no certificate in PEM",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			spec := v1beta1.CanarySpec{Analysis: &v1beta1.CanaryAnalysis{
				Metrics: []v1beta1.CanaryMetric{fine, tc.metric}, Webhooks: []v1beta1.CanaryWebhook{tc.hook},
			}}
			tc.meter = cmp.Or(tc.meter, "istio")
			err := Validate(&v1beta1.Canary{Spec: spec}, tc.meter)
			if tc.field == "" {
				require.NoError(t, err, tc.reason)
				return
			}
			var invalid *rollout.InvalidError
			require.ErrorAs(t, err, &invalid, tc.reason)
			require.Equal(t, tc.field, invalid.Field, tc.reason)
			require.Contains(t, invalid.Problem, tc.problem, tc.reason)
			require.NotContains(t, invalid.Problem, "\n", "It ends in a condition.")
			require.EqualError(t, Validate(&v1beta1.Canary{Spec: spec}, tc.meter), err.Error(), "And says the same each time.")
		})
	}
	require.NoError(t, Validate(&v1beta1.Canary{}, "istio"), "Without an analysis there is nothing to judge.")
}

// BenchmarkValidate is what every look at a Canary with ten conditions costs.
func BenchmarkValidate(b *testing.B) {
	spec := v1beta1.CanarySpec{Analysis: &v1beta1.CanaryAnalysis{}}
	for range 10 {
		spec.Analysis.Metrics = append(spec.Analysis.Metrics, v1beta1.CanaryMetric{Name: "request-duration", SuccessCondition: "result < 500.0"})
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := Validate(&v1beta1.Canary{Spec: spec}, "istio"); err != nil {
			b.Fatal(err)
		}
	}
}

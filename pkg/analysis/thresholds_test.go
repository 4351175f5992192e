package analysis

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/utils/ptr"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

func between(least, most float64) v1beta1.ThresholdRange {
	return v1beta1.ThresholdRange{Min: &least, Max: &most}
}

func TestViolation(t *testing.T) {
	atLeast := func(v float64) v1beta1.ThresholdRange { return v1beta1.ThresholdRange{Min: &v} }
	atMost := func(v float64) v1beta1.ThresholdRange { return v1beta1.ThresholdRange{Max: &v} }
	cases := map[string]struct {
		reason  string
		value   float64
		allowed v1beta1.ThresholdRange
		unit    unit
		want    string
	}{
		"RateAbove":           {reason: "Above the least is in range.", value: 99.5, allowed: atLeast(99), unit: percent},
		"RateAtTheEnd":        {reason: "The ends are in range.", value: 99, allowed: atLeast(99), unit: percent},
		"RateBelow":           {reason: "Two digits of what was found.", value: 97.5, allowed: atLeast(99), unit: percent, want: "97.50% < 99%"},
		"RateJustBelow":       {reason: "Values are compared before they are rounded.", value: 98.9999, allowed: atLeast(99), unit: percent, want: "99.00% < 99%"},
		"RateFraction":        {reason: "Limits are shown as they were written.", value: 99, allowed: atLeast(99.95), unit: percent, want: "99.00% < 99.95%"},
		"RateAboveMost":       {reason: "A rate can have an upper limit.", value: 60, allowed: atMost(50), unit: percent, want: "60.00% > 50%"},
		"DurationFast":        {reason: "Below the most is in range.", value: 499, allowed: atMost(500), unit: milliseconds},
		"DurationAtTheEnd":    {reason: "The ends are in range.", value: 500, allowed: atMost(500), unit: milliseconds},
		"DurationPart":        {reason: "Durations are whole milliseconds.", value: 500.9, allowed: atMost(500), unit: milliseconds},
		"DurationSlow":        {reason: "Durations are written as durations.", value: 1515.2, allowed: atMost(500), unit: milliseconds, want: "1.515s > 500ms"},
		"DurationTooFast":     {reason: "An answer can come too fast.", value: 2, allowed: atLeast(10), unit: milliseconds, want: "2ms < 10ms"},
		"DurationInfinite":    {reason: "Beyond the last bucket is too slow.", value: math.Inf(1), allowed: atMost(500), unit: milliseconds, want: "above the last bucket > 500ms"},
		"DurationInfiniteMin": {reason: "How slow it is nobody knows.", value: math.Inf(1), allowed: atLeast(10), unit: milliseconds, want: "above the last bucket is not a finite number"},
		"DurationBeyondInt64": {reason: "No number may wrap around into range.", value: 1e18, allowed: atMost(500), unit: milliseconds, want: "1e+18ms > 500ms"},
		"NumberInside":        {reason: "Both ends may be given.", value: 5, allowed: between(1, 10), unit: number},
		"NumberBelow":         {reason: "Either may be crossed.", value: 0.125, allowed: between(1, 10), unit: number, want: "0.12 < 1"},
		"NumberAbove":         {reason: "Either may be crossed.", value: 10.5, allowed: between(1, 10), unit: number, want: "10.50 > 10"},
		"NumberNegative":      {reason: "Numbers may be below zero.", value: -3, allowed: atLeast(-2), unit: number, want: "-3.00 < -2"},
		"Unlimited":           {reason: "A range without ends holds every number.", value: 1e9, allowed: v1beta1.ThresholdRange{}, unit: number},
		"InfiniteMin":         {reason: "A division by nothing is not a high rate.", value: math.Inf(1), allowed: atLeast(99), unit: percent, want: "+Inf% is not a finite number"},
		"InfiniteMax":         {reason: "It is above all limits, too.", value: math.Inf(1), allowed: atMost(99), unit: number, want: "+Inf > 99"},
		"InfinitelyLow":       {reason: "Nor is one a low value.", value: math.Inf(-1), allowed: atMost(99), unit: number, want: "-Inf is not a finite number"},
		"InfiniteUnlimited":   {reason: "A range without ends holds every number, and this is none.", value: math.Inf(1), allowed: v1beta1.ThresholdRange{}, unit: number, want: "+Inf is not a finite number"},
		"NaN":                 {reason: "What compares with nothing has not passed.", value: math.NaN(), allowed: v1beta1.ThresholdRange{}, unit: number, want: "is not a number"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tc.want, violation(tc.value, tc.allowed, tc.unit), tc.reason)
		})
	}
}

func TestLimits(t *testing.T) {
	cases := map[string]struct {
		reason string
		metric v1beta1.CanaryMetric
		want   v1beta1.ThresholdRange
	}{
		"Range": {
			reason: "A range is taken as it is.",
			metric: v1beta1.CanaryMetric{Name: "x", Query: "q", ThresholdRange: ptr.To(between(1, 2))},
			want:   between(1, 2),
		},
		"RangeAndThreshold": {
			reason: "A range goes before the older threshold.",
			metric: v1beta1.CanaryMetric{Name: "request-success-rate", Threshold: 50, ThresholdRange: ptr.To(between(1, 2))},
			want:   between(1, 2),
		},
		"SuccessRate": {
			reason: "A rate of success is threatened from below.",
			metric: v1beta1.CanaryMetric{Name: "request-success-rate", Threshold: 99},
			want:   v1beta1.ThresholdRange{Min: ptr.To(99.0)},
		},
		"Duration": {
			reason: "A duration is threatened from above.",
			metric: v1beta1.CanaryMetric{Name: "request-duration", Threshold: 500},
			want:   v1beta1.ThresholdRange{Max: ptr.To(500.0)},
		},
		"Query": {
			reason: "So is anything else.",
			metric: v1beta1.CanaryMetric{Name: "errors", Query: "q", Threshold: 5},
			want:   v1beta1.ThresholdRange{Max: ptr.To(5.0)},
		},
		"Nothing": {
			reason: "A threshold left out is zero, as old manifests mean it: no errors at all.",
			metric: v1beta1.CanaryMetric{Name: "errors", Query: "q"},
			want:   v1beta1.ThresholdRange{Max: ptr.To(0.0)},
		},
		"QueryOfABuiltinName": {
			reason: "The user's own query is judged as one, whatever it is called.",
			metric: v1beta1.CanaryMetric{Name: "request-success-rate", Query: "q", Threshold: 5},
			want:   v1beta1.ThresholdRange{Max: ptr.To(5.0)},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tc.want, kindOf(tc.metric).limits(tc.metric), tc.reason)
		})
	}
}

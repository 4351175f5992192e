package analysis

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-cd/sluice/pkg/metric"
	"github.com/sluice-cd/sluice/pkg/sequential"
)

func counted(name string, v float64) metric.Sample {
	return metric.Sample{Labels: map[string]string{"count": name}, Value: v}
}

func upTo(le string, v float64) metric.Sample {
	return metric.Sample{Labels: map[string]string{"le": le}, Value: v}
}

func plain(values ...float64) []metric.Sample {
	var all []metric.Sample
	for _, v := range values {
		all = append(all, metric.Sample{Value: v})
	}
	return all
}

func TestTally(t *testing.T) {
	cases := map[string]struct {
		reason  string
		samples []metric.Sample
		want    sequential.Counts
		err     string
	}{
		"Counts":      {reason: "Successes among all.", samples: []metric.Sample{counted("success", 98), counted("total", 100)}, want: sequential.Counts{Events: 100, Bad: []int64{2}}},
		"AnyOrder":    {reason: "Labels tell them apart, not places.", samples: []metric.Sample{counted("total", 100), counted("success", 98)}, want: sequential.Counts{Events: 100, Bad: []int64{2}}},
		"Fractions":   {reason: "What was extrapolated is rounded.", samples: []metric.Sample{counted("success", 97.6), counted("total", 100.4)}, want: sequential.Counts{Events: 100, Bad: []int64{2}}},
		"Crossed":     {reason: "Extrapolation can put more successes than events.", samples: []metric.Sample{counted("success", 100.7), counted("total", 100.2)}, want: sequential.Counts{Events: 100, Bad: []int64{0}}},
		"AllFailed":   {reason: "Without a success there is no series of them.", samples: []metric.Sample{counted("total", 40)}, want: sequential.Counts{Events: 40, Bad: []int64{40}}},
		"Nothing":     {reason: "A side may have no events.", want: sequential.Counts{Bad: []int64{0}}},
		"NoTotal":     {reason: "Successes among nobody knows how many.", samples: []metric.Sample{counted("success", 98)}, err: `there is no element with count "total"`},
		"OtherLabel":  {reason: "Any other word is a mistake.", samples: []metric.Sample{counted("failure", 2), counted("total", 100)}, err: `the label count of an element is "failure", neither success nor total`},
		"NoLabel":     {reason: "So is none.", samples: plain(5), err: `the label count of an element is "", neither success nor total`},
		"Twice":       {reason: "Series that were not added up.", samples: []metric.Sample{counted("total", 1), counted("total", 2)}, err: `there are several elements with count "total"; add them up in the query`},
		"Negative":    {reason: "Nothing is counted below zero.", samples: []metric.Sample{counted("total", -1)}, err: `count "total": -1 is not a count`},
		"Infinite":    {reason: "Nor without end.", samples: []metric.Sample{counted("total", math.Inf(1))}, err: `count "total": +Inf is not a count`},
		"NotANumber":  {reason: "Nor by what is no number.", samples: []metric.Sample{counted("total", math.NaN())}, err: `count "total": query returned no data: the result is not a number`},
		"ManyOfThem2": {reason: "Great counts are kept as they are.", samples: []metric.Sample{counted("success", 1e9), counted("total", 2e9)}, want: sequential.Counts{Events: 2e9, Bad: []int64{1e9}}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := tally(tc.samples)
			if tc.err != "" {
				require.EqualError(t, err, tc.err, tc.reason)
				return
			}
			require.NoError(t, err, tc.reason)
			require.Equal(t, tc.want, got, tc.reason)
		})
	}
}

func TestBuckets(t *testing.T) {
	cases := map[string]struct {
		reason  string
		samples []metric.Sample
		want    map[float64]int64
		err     string
	}{
		"Buckets":       {reason: "In any order, and their bounds are numbers, however they are written.", samples: []metric.Sample{upTo("+Inf", 10), upTo("0.10", 4), upTo("5e-1", 9)}, want: map[float64]int64{0.1: 4, 0.5: 9, math.Inf(1): 10}},
		"Decreasing":    {reason: "Each bucket is extrapolated by itself, so that a larger one can come out smaller.", samples: []metric.Sample{upTo("0.1", 5.6), upTo("0.5", 5.2), upTo("+Inf", 7)}, want: map[float64]int64{0.1: 6, 0.5: 6, math.Inf(1): 7}},
		"NoInfinity":    {reason: "Then nobody knows how many there are.", samples: []metric.Sample{upTo("0.1", 4)}, err: `there is no bucket with le "+Inf"`},
		"NotABound":     {reason: "A bound is a number.", samples: []metric.Sample{upTo("fast", 4)}, err: `the label le of an element is "fast", not a number`},
		"NoBound":       {reason: "Buckets and values do not mix.", samples: []metric.Sample{upTo("+Inf", 4), {Value: 3}}, err: `the label le of an element is "", not a number`},
		"TwiceTheBound": {reason: "Series that were not added up.", samples: []metric.Sample{upTo("1", 4), upTo("1.0", 4)}, err: `there are several buckets with le "1.0"; add them up in the query, by (le)`},
		"NotACount":     {reason: "Buckets hold counts.", samples: []metric.Sample{upTo("+Inf", -4)}, err: `bucket "+Inf": -4 is not a count`},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := buckets(tc.samples)
			if tc.err != "" {
				require.EqualError(t, err, tc.err, tc.reason)
				return
			}
			require.NoError(t, err, tc.reason)
			require.Equal(t, tc.want, ascending(got), tc.reason)
		})
	}
}

func TestGrouped(t *testing.T) {
	require.Equal(t, []group{{1, 0}, {1, 1}, {1, 0}, {0, 1}}, grouped([]float64{3, 1, 2}, []float64{2, 9}), "Values are sorted, equal ones grouped.")
}

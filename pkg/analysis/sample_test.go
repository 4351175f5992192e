package analysis

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-cd/sluice/pkg/metric"
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
		want    proportion
		err     string
	}{
		"Counts":      {reason: "Successes among all.", samples: []metric.Sample{counted("success", 98), counted("total", 100)}, want: proportion{98, 100}},
		"AnyOrder":    {reason: "Labels tell them apart, not places.", samples: []metric.Sample{counted("total", 100), counted("success", 98)}, want: proportion{98, 100}},
		"Fractions":   {reason: "What was extrapolated is rounded.", samples: []metric.Sample{counted("success", 97.6), counted("total", 100.4)}, want: proportion{98, 100}},
		"Crossed":     {reason: "Extrapolation can put more successes than events.", samples: []metric.Sample{counted("success", 100.7), counted("total", 100.2)}, want: proportion{100, 100}},
		"AllFailed":   {reason: "Without a success there is no series of them.", samples: []metric.Sample{counted("total", 40)}, want: proportion{0, 40}},
		"Nothing":     {reason: "A side may have no events.", want: proportion{}},
		"NoTotal":     {reason: "Successes among nobody knows how many.", samples: []metric.Sample{counted("success", 98)}, err: `there is no element with count "total"`},
		"OtherLabel":  {reason: "Any other word is a mistake.", samples: []metric.Sample{counted("failure", 2), counted("total", 100)}, err: `the label count of an element is "failure", neither success nor total`},
		"NoLabel":     {reason: "So is none.", samples: plain(5), err: `the label count of an element is "", neither success nor total`},
		"Twice":       {reason: "Series that were not added up.", samples: []metric.Sample{counted("total", 1), counted("total", 2)}, err: `there are several elements with count "total"; add them up in the query`},
		"Negative":    {reason: "Nothing is counted below zero.", samples: []metric.Sample{counted("total", -1)}, err: `count "total": -1 is not a count`},
		"Infinite":    {reason: "Nor without end.", samples: []metric.Sample{counted("total", math.Inf(1))}, err: `count "total": +Inf is not a count`},
		"NotANumber":  {reason: "Nor by what is no number.", samples: []metric.Sample{counted("total", math.NaN())}, err: `count "total": query returned no data: the result is not a number`},
		"ManyOfThem2": {reason: "Great counts are kept as they are.", samples: []metric.Sample{counted("success", 1e12), counted("total", 2e12)}, want: proportion{1e12, 2e12}},
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

func TestArrange(t *testing.T) {
	cases := map[string]struct {
		reason          string
		canary, primary []metric.Sample
		want            []group
		err             string
	}{
		"Values": {
			reason: "Values are sorted, equal ones grouped.", canary: plain(3, 1, 2), primary: plain(2, 9),
			want: []group{{1, 0}, {1, 1}, {1, 0}, {0, 1}},
		},
		"Buckets": {
			reason:  "Buckets count up; groups are what is between them. Order means nothing.",
			canary:  []metric.Sample{upTo("+Inf", 10), upTo("0.1", 4), upTo("0.5", 9)},
			primary: []metric.Sample{upTo("0.1", 40), upTo("0.5", 60), upTo("+Inf", 60)},
			want:    []group{{4, 40}, {5, 20}, {1, 0}},
		},
		"OtherBuckets": {
			reason:  "Only bounds of both sides can be compared; they are numbers, however they are written.",
			canary:  []metric.Sample{upTo("0.10", 4), upTo("0.3", 5), upTo("0.5", 9), upTo("+Inf", 10)},
			primary: []metric.Sample{upTo("0.1", 40), upTo("5e-1", 60), upTo("1", 65), upTo("+Inf", 70)},
			want:    []group{{4, 40}, {5, 20}, {1, 10}},
		},
		"Decreasing": {
			reason:  "Each bucket is extrapolated by itself, so that a larger one can come out smaller.",
			canary:  []metric.Sample{upTo("0.1", 5.6), upTo("0.5", 5.2), upTo("+Inf", 7)},
			primary: []metric.Sample{upTo("0.1", 1), upTo("0.5", 2), upTo("+Inf", 3)},
			want:    []group{{6, 1}, {0, 1}, {1, 1}},
		},
		"NoPrimary": {
			reason: "A side without requests leaves nothing to compare with.",
			canary: []metric.Sample{upTo("0.1", 4), upTo("+Inf", 10)}, want: []group{{10, 0}},
		},
		"NoBucketInCommon": {
			reason:  "Where everything is in one bucket there is no order.",
			canary:  []metric.Sample{upTo("0.1", 4), upTo("+Inf", 10)},
			primary: []metric.Sample{upTo("0.2", 4), upTo("+Inf", 10)},
			err:     "canary and primary have no bucket in common but +Inf, in which everything is",
		},
		"NoInfinity": {
			reason: "Then nobody knows how many there are.", canary: []metric.Sample{upTo("0.1", 4)}, primary: []metric.Sample{upTo("+Inf", 4)},
			err: `canary: there is no bucket with le "+Inf"`,
		},
		"NotABound": {
			reason: "A bound is a number.", canary: []metric.Sample{upTo("+Inf", 4)}, primary: []metric.Sample{upTo("fast", 4)},
			err: `primary: the label le of an element is "fast", not a number`,
		},
		"NoBound": {
			reason: "Buckets and values do not mix.", canary: []metric.Sample{upTo("+Inf", 4), {Value: 3}}, primary: []metric.Sample{upTo("+Inf", 4)},
			err: `canary: the label le of an element is "", not a number`,
		},
		"TwiceTheBound": {
			reason: "Series that were not added up.", canary: []metric.Sample{upTo("1", 4), upTo("1.0", 4)}, primary: []metric.Sample{upTo("+Inf", 4)},
			err: `canary: there are several buckets with le "1.0"; add them up in the query, by (le)`,
		},
		"NotACount": {
			reason: "Buckets hold counts.", canary: []metric.Sample{upTo("+Inf", -4)}, primary: []metric.Sample{upTo("+Inf", 4)},
			err: `canary: bucket "+Inf": -4 is not a count`,
		},
		"NotANumber": {
			reason: "What is no number has no place in an order.", canary: plain(1), primary: plain(math.NaN()),
			err: "primary: query returned no data: the result is not a number",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := arrange(tc.canary, tc.primary)
			if tc.err != "" {
				require.EqualError(t, err, tc.err, tc.reason)
				return
			}
			require.NoError(t, err, tc.reason)
			require.Equal(t, tc.want, got, tc.reason)
		})
	}
}

package analysis

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// element is one of a Prometheus' vector.
func element(label, value string, n float64) string {
	return fmt.Sprintf(`{"metric":{%q:%q},"value":[1,"%v"]}`, label, value, n)
}

func counts(success, total float64) string {
	return element("count", "success", success) + "," + element("count", "total", total)
}

// histogram has buckets that hold so many each.
func histogram(each ...float64) string {
	var all []string
	sum := 0.0
	for i, n := range each {
		le := fmt.Sprint((i + 1) * 100)
		if sum += n; i == len(each)-1 {
			le = "+Inf"
		}
		all = append(all, element("le", le, sum))
	}
	return strings.Join(all, ",")
}

func many(label string, values ...float64) string {
	var all []string
	for i, v := range values {
		all = append(all, element(label, fmt.Sprint(i), v))
	}
	return strings.Join(all, ",")
}

// duel is a Prometheus that tells the primary's workload from the canary's.
func duel(canary, primary string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		result := canary
		if strings.Contains(r.FormValue("query"), "podinfo-primary") {
			result = primary
		}
		saying(200, `{"status":"success","data":{"resultType":"vector","result":[`+result+`]}}`)(w, r)
	}
}

func TestCompare(t *testing.T) {
	const halt = "Halt podinfo.test advancement "
	success := v1beta1.CanaryMetric{Name: "request-success-rate", Baseline: "primary"}
	duration := v1beta1.CanaryMetric{Name: "request-duration", Baseline: "primary"}
	lag := v1beta1.CanaryMetric{Name: "lag", Query: `lag{app="{{ target }}"}`, Baseline: "primary"}
	with := func(m v1beta1.CanaryMetric, change func(m *v1beta1.CanaryMetric)) v1beta1.CanaryMetric {
		change(&m)
		return m
	}
	low := []float64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20}
	high := []float64{21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40}
	cases := map[string]struct {
		reason  string
		server  http.HandlerFunc
		metric  v1beta1.CanaryMetric
		verdict v1beta1.Verdict
		value   string // part of it
		message string // part of it
	}{
		"SameRate": {
			reason: "No difference.", server: duel(counts(990, 1000), counts(9900, 10000)), metric: success,
			verdict: v1beta1.Passed, value: "99.00% (990 of 1000), primary 99.00% (9900 of 10000), p = 0.",
		},
		"BetterRate": {
			reason: "Better is not worse.", server: duel(counts(1000, 1000), counts(9000, 10000)), metric: success,
			verdict: v1beta1.Passed, value: "100.00% (1000 of 1000), primary 90.00% (9000 of 10000), p = 1",
		},
		"WorseRate": {
			reason: "Five percent against one is no chance at a thousand.", server: duel(counts(950, 1000), counts(9900, 10000)), metric: success,
			verdict: v1beta1.Failed, message: halt + "success rate 95.00% (950 of 1000), primary 99.00% (9900 of 10000), p = ",
		},
		"SlightlyWorseRate": {
			reason: "Two failures among a hundred are chance.", server: duel(counts(98, 100), counts(990, 1000)), metric: success, verdict: v1beta1.Passed,
		},
		"BothAreBad": {
			reason: "What is as bad as before is not the canary's fault.", server: duel(counts(500, 1000), counts(5000, 10000)), metric: success, verdict: v1beta1.Passed,
		},
		"FewRequests": {
			reason: "Ninety-nine events are too few for a difference that may be chance.", server: duel(counts(95, 99), counts(990, 1000)), metric: success,
			verdict: v1beta1.Inconclusive, message: halt + "success rate cannot be compared yet: 99 of the canary and 1000 of the primary, 100 of each are needed",
		},
		"FewThatFail": {
			reason: "What can't be chance needs no number of requests.", server: duel(counts(0, 50), counts(990, 1000)), metric: success,
			verdict: v1beta1.Failed, message: halt + "success rate 0.00% (0 of 50), primary 99.00% (990 of 1000), p = 6.54e-76 <= 0.001",
		},
		"FewThatFailLittle": {
			reason: "Chance is held to a fiftieth there: p = 0.0022.", server: duel(counts(46, 50), counts(990, 1000)), metric: success,
			verdict: v1beta1.Inconclusive, message: "50 of the canary",
		},
		"FewSlow": {
			reason: "Of durations too.", server: duel(histogram(0, 0, 19), histogram(500, 400, 0)), metric: duration,
			verdict: v1beta1.Failed, message: halt + "request duration higher in 100.0% of pairs (19 values, primary 900)",
		},
		"FewOfThePrimary": {
			reason: "The primary counts too.", server: duel(counts(980, 1000), counts(99, 99)), metric: success,
			verdict: v1beta1.Inconclusive, message: "1000 of the canary and 99 of the primary",
		},
		"FewAreEnough": {
			reason: "The number is the user's.", server: duel(counts(1, 10), counts(10, 10)), metric: with(success, func(m *v1beta1.CanaryMetric) { m.MinSamples = 10 }),
			verdict: v1beta1.Failed, message: "success rate 10.00% (1 of 10)",
		},
		"MoreConfidence": {
			reason: "What is enough for 0.95 is not for 0.999.", server: duel(counts(970, 1000), counts(9820, 10000)),
			metric: with(success, func(m *v1beta1.CanaryMetric) { m.Confidence = new(0.999) }), verdict: v1beta1.Passed, value: "p = 0.0",
		},
		"LessConfidence": {
			reason: "The same at 0.95.", server: duel(counts(970, 1000), counts(9820, 10000)), metric: success, verdict: v1beta1.Failed,
		},
		"NoCanary": {
			reason: "A canary without requests has no data, as without a comparison.", server: duel("", counts(990, 1000)), metric: success,
			verdict: v1beta1.Failed, message: "Halt advancement no values found for istio metric request-success-rate probably podinfo.test is not receiving traffic",
		},
		"NoCanaryWait": {
			reason: "Which has its policy.", server: duel("", counts(990, 1000)), metric: with(success, func(m *v1beta1.CanaryMetric) { m.OnNoData = "wait" }),
			verdict: v1beta1.Waiting,
		},
		"IdleCanary": {
			reason: "Series that stand still tell as little as none.", server: duel(counts(0, 0), counts(990, 1000)), metric: success,
			verdict: v1beta1.Failed, message: "Halt advancement no values found for istio metric request-success-rate probably podinfo.test is not receiving traffic",
		},
		"IdleCanaryWait": {
			reason: "And have the same policy.", server: duel(counts(0, 0), counts(990, 1000)), metric: with(success, func(m *v1beta1.CanaryMetric) { m.OnNoData = "wait" }),
			verdict: v1beta1.Waiting,
		},
		"IdleDurations": {
			reason: "So have empty buckets.", server: duel(histogram(0, 0, 0), histogram(500, 400, 100)), metric: duration,
			verdict: v1beta1.Failed, message: "podinfo.test is not receiving traffic",
		},
		"IdlePrimary": {
			reason: "A primary that stands still is nobody's fault.", server: duel(counts(990, 1000), counts(0, 0)), metric: success,
			verdict: v1beta1.Inconclusive, value: "990 of 1000", message: "1000 of the canary and 0 of the primary",
		},
		"BothIdle": {
			reason: "The canary is looked at first.", server: duel(counts(0, 0), counts(0, 0)), metric: success,
			verdict: v1beta1.Failed, message: "podinfo.test is not receiving traffic",
		},
		"NoPrimary": {
			reason: "A primary without requests is nobody's fault.", server: duel(counts(990, 1000), ""), metric: success,
			verdict: v1beta1.Inconclusive, value: "990 of 1000", message: "1000 of the canary and 0 of the primary",
		},
		"AllFailed": {
			reason: "Then there is no series of successes.", server: duel(element("count", "total", 200), counts(990, 1000)), metric: success,
			verdict: v1beta1.Failed, message: "success rate 0.00% (0 of 200)",
		},
		"NaN": {
			reason: "What is no number has its policy.", server: duel(`{"metric":{"count":"total"},"value":[1,"NaN"]}`, counts(9, 10)),
			metric: with(success, func(m *v1beta1.CanaryMetric) { m.OnNaN = "inconclusive" }), verdict: v1beta1.Inconclusive,
		},
		"ServerFails": {
			reason: "So has a server that fails.", server: saying(500, ""), metric: with(success, func(m *v1beta1.CanaryMetric) { m.OnError = "wait" }), verdict: v1beta1.Waiting,
			message: "Prometheus query failed: ",
		},
		"WrongLabels": {
			reason: "An answer that cannot be read is an error.", server: duel(element("code", "200", 5), counts(9, 10)), metric: success,
			verdict: v1beta1.Failed, message: `Prometheus query failed: canary: the label count of an element is "", neither success nor total`,
		},
		"SameDuration": {
			reason: "The same histogram.", server: duel(histogram(50, 40, 10), histogram(500, 400, 100)), metric: duration,
			verdict: v1beta1.Passed, value: "higher in 50.0% of pairs (100 values, primary 1000), p = 0.5",
		},
		"Slower": {
			reason: "More in the upper buckets.", server: duel(histogram(20, 40, 40), histogram(500, 400, 100)), metric: duration,
			verdict: v1beta1.Failed, message: halt + "request duration higher in 71.0% of pairs (100 values, primary 1000), p = ",
		},
		"Faster": {
			reason: "Faster is not worse.", server: duel(histogram(90, 9, 1), histogram(500, 400, 100)), metric: duration, verdict: v1beta1.Passed,
		},
		"FewDurations": {
			reason: "Nineteen are too few.", server: duel(histogram(10, 5, 4), histogram(500, 400, 100)), metric: duration,
			verdict: v1beta1.Inconclusive, message: "19 of the canary and 1000 of the primary, 20 of each are needed",
		},
		"HigherValues": {
			reason: "One element each, and higher is worse.", server: duel(many("pod", high...), many("pod", low...)), metric: lag,
			verdict: v1beta1.Failed, message: halt + "lag higher in 100.0% of pairs (20 values, primary 20), p = 7.25e-12 <= 0.05",
		},
		"LowerValues": {
			reason: "Lower is not.", server: duel(many("pod", low...), many("pod", high...)), metric: lag, verdict: v1beta1.Passed,
		},
		"OnePodWithoutValue": {
			reason: "A pod that measured nothing says nothing of the others.", server: duel(many("pod", append([]float64{math.NaN()}, high...)...), many("pod", low...)), metric: lag,
			verdict: v1beta1.Failed, message: halt + "lag higher in 100.0% of pairs (20 values, primary 20)",
		},
		"PrimaryPodWithoutValue": {
			reason: "On either side.", server: duel(many("pod", high...), many("pod", append(low[:19:19], math.NaN(), 20)...)), metric: lag,
			verdict: v1beta1.Failed, message: "(20 values, primary 20)",
		},
		"NoPodWithValue": {
			reason: "Where none measured anything it is no data.", server: duel(many("pod", math.NaN(), math.NaN()), many("pod", low...)),
			metric: with(lag, func(m *v1beta1.CanaryMetric) { m.OnNaN = "inconclusive" }), verdict: v1beta1.Inconclusive, message: "no values found",
		},
		"LowerIsWorse": {
			reason: "Unless the user says so.", server: duel(many("pod", low...), many("pod", high...)),
			metric: with(lag, func(m *v1beta1.CanaryMetric) { m.Worse = "lower" }), verdict: v1beta1.Failed, message: halt + "lag lower in 100.0% of pairs",
		},
		"HigherIsBetter": {
			reason: "Then higher is fine.", server: duel(many("pod", high...), many("pod", low...)),
			metric: with(lag, func(m *v1beta1.CanaryMetric) { m.Worse = "lower" }), verdict: v1beta1.Passed,
		},
		"OwnCounts": {
			reason: "A query of the user's may count as well.", server: duel(counts(90, 100), counts(995, 1000)),
			metric: with(lag, func(m *v1beta1.CanaryMetric) { m.Test = "proportions" }), verdict: v1beta1.Failed, message: halt + "lag 90.00% (90 of 100)",
		},
		"BadWord": {
			reason: "A query that cannot be rendered is one for neither side.", server: duel(counts(1, 2), counts(1, 2)),
			metric: with(lag, func(m *v1beta1.CanaryMetric) { m.Query = "{{ variables.x }}" }), verdict: v1beta1.Failed, message: "Prometheus query failed for lag: rendering the query",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			f := one(t, impatient(serve(t, tc.server)), tc.metric)
			require.Equal(t, tc.verdict, f.Verdict, "%s %v", tc.reason, f.Measurement)
			require.Contains(t, f.Measurement.Value, tc.value, tc.reason)
			require.Contains(t, f.Message, tc.message, tc.reason)
		})
	}
}

// TestCompareWithAllTraffic has the primary get no requests any more.
func TestCompareWithAllTraffic(t *testing.T) {
	passed, unclear := v1beta1.Passed, v1beta1.Inconclusive
	cases := map[string]struct {
		reason  string
		weight  int
		match   bool              // only requests that match meet the canary
		before  []v1beta1.Verdict // of the last checks of metrics of the name, one each
		canary  string
		primary string
		verdict v1beta1.Verdict
		message string // part of it
	}{
		"Passed":        {reason: "The last verdict stands.", weight: 100, before: []v1beta1.Verdict{passed}, canary: counts(990, 1000), verdict: passed},
		"Remnant":       {reason: "Requests of a moment before are too few.", weight: 100, before: []v1beta1.Verdict{passed}, canary: counts(990, 1000), primary: counts(7, 7), verdict: passed},
		"StandStill":    {reason: "Series that stand still are of no requests.", weight: 100, before: []v1beta1.Verdict{passed}, canary: counts(990, 1000), primary: counts(0, 0), verdict: passed},
		"Unclear":       {reason: "Also where it was none.", weight: 100, before: []v1beta1.Verdict{unclear}, canary: counts(990, 1000), verdict: unclear, message: "1000 of the canary and 0 of the primary"},
		"NeverCompared": {reason: "What was never compared has not passed.", weight: 100, canary: counts(990, 1000), verdict: unclear, message: "1000 of the canary and 0 of the primary"},
		"OneOfTwo":      {reason: "Of two metrics of one name both count.", weight: 100, before: []v1beta1.Verdict{passed, unclear}, canary: counts(990, 1000), verdict: unclear},
		"Matched":       {reason: "All that match, and the primary should have the others.", weight: 100, match: true, before: []v1beta1.Verdict{passed}, canary: counts(990, 1000), verdict: unclear},
		"BelowAll":      {reason: "Below that the primary should have requests.", weight: 90, before: []v1beta1.Verdict{passed}, canary: counts(990, 1000), verdict: unclear},
		"FewOfItsOwn":   {reason: "A canary with too few requests is another matter.", weight: 100, before: []v1beta1.Verdict{passed}, canary: counts(10, 10), primary: counts(990, 1000), verdict: unclear},
		"Worse":         {reason: "What is left may still tell.", weight: 100, before: []v1beta1.Verdict{passed}, canary: counts(0, 1000), primary: counts(60, 60), verdict: v1beta1.Failed},
		"NoRequests":    {reason: "A canary without requests has no data.", weight: 100, before: []v1beta1.Verdict{passed}, verdict: v1beta1.Failed, message: "is not receiving traffic"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			c := podinfo()
			c.Status.CanaryWeight, c.Spec.Analysis = tc.weight, &v1beta1.CanaryAnalysis{}
			if tc.match {
				c.Spec.Analysis.Match = []v1beta1.HTTPMatchRequest{{}}
			}
			c.Status.Analysis = &v1beta1.AnalysisStatus{}
			for i, v := range tc.before {
				key := "request-success-rate"
				if i > 0 {
					key = "request-success-rate#2"
				}
				c.Status.Analysis.Metrics = append(c.Status.Analysis.Metrics, v1beta1.MetricStatus{
					Name: key, Measurements: []v1beta1.Measurement{{Verdict: v}, {Verdict: v1beta1.Waiting}},
				})
			}
			found := impatient(serve(t, duel(tc.canary, tc.primary))).Answer(t.Context(), c, asking(v1beta1.CanaryMetric{Name: "request-success-rate", Baseline: "primary"})(""))
			require.Equal(t, tc.verdict, found[0].Verdict, "%s %v", tc.reason, found[0].Measurement)
			require.Contains(t, found[0].Message, tc.message, tc.reason)
		})
	}
}

func TestCompareAsksBothSides(t *testing.T) {
	var mu sync.Mutex
	asked := map[string]bool{}
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		asked[r.FormValue("query")] = true
		mu.Unlock()
		duel(counts(99, 100), counts(990, 1000))(w, r)
	})
	seen := 0.0
	a := impatient(server)
	a.Observe = func(_ *v1beta1.Canary, _ string, v float64) { seen = v }
	f := one(t, a, v1beta1.CanaryMetric{Name: "mine", Interval: "2m", Query: `q{app="{{ target }}"}[{{ interval }}]`, Baseline: "primary", Test: "proportions"})
	require.Equal(t, v1beta1.Passed, f.Verdict)
	require.Equal(t, map[string]bool{`q{app="podinfo"}[2m]`: true, `q{app="podinfo-primary"}[2m]`: true}, asked,
		"The same query over the same time, about one workload and about the other.")
	require.Equal(t, `q{app="podinfo"}[2m]`, f.Measurement.Query, "The canary's is kept; the primary's follows from it.")
	require.Equal(t, "not worse than the primary, confidence 0.95", f.Measurement.Limit)
	require.Equal(t, 99.0, seen, "The canary's own percentage is what the operator's metrics show.")
}

func TestCompareNeedsSamples(t *testing.T) {
	s := &source{
		canary: podinfo(), metric: v1beta1.CanaryMetric{Name: "x", Baseline: "primary"}, kind: &custom, system: lonely{}, template: "q",
	}
	o := impatient("").compare(t.Context(), s, outcome{})
	require.Equal(t, v1beta1.Failed, o.verdict)
	require.Equal(t, "Metric query failed for x: this monitoring system returns one number, and a comparison needs counts, buckets or values", o.message)
}

// lonely is a system that only knows single numbers.
type lonely struct{}

func (lonely) Query(context.Context, string) (float64, error) { return 1, nil }

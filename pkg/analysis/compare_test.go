package analysis

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/metric/metrictest"
	"github.com/sluice-cd/sluice/pkg/rollout"
	"github.com/sluice-cd/sluice/pkg/sequential"
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

func TestCompareCounts(t *testing.T) {
	success := v1beta1.CanaryMetric{Name: "request-success-rate", Baseline: "primary"}
	duration := v1beta1.CanaryMetric{Name: "request-duration", Baseline: "primary"}
	lag := v1beta1.CanaryMetric{Name: "lag", Query: `lag{app="{{ target }}"}`, Baseline: "primary"}
	with := func(m v1beta1.CanaryMetric, change func(m *v1beta1.CanaryMetric)) v1beta1.CanaryMetric {
		change(&m)
		return m
	}
	of := func(events int64, bad ...int64) sequential.Counts { return sequential.Counts{Events: events, Bad: bad} }
	bounds := []float64{100, 200}
	const silent = "Halt advancement no values found for istio metric request-success-rate probably podinfo.test is not receiving traffic"
	cases := map[string]struct {
		reason          string
		server          http.HandlerFunc
		metric          v1beta1.CanaryMetric
		verdict         v1beta1.Verdict
		bounds          []float64
		canary, primary *sequential.Counts // nil: there is no stratum
		bad             string
		message         string // part of it
	}{
		"Rate": {
			reason: "What is bad is counted, of both.", server: duel(counts(990, 1000), counts(9900, 10000)), metric: success,
			verdict: v1beta1.Passed, canary: new(of(1000, 10)), primary: new(of(10000, 100)), bad: "requests failed",
		},
		"AllFailed": {
			reason: "Then there is no series of successes.", server: duel(element("count", "total", 200), counts(990, 1000)), metric: success,
			verdict: v1beta1.Passed, canary: new(of(200, 200)), primary: new(of(1000, 10)), bad: "requests failed",
		},
		"OwnCounts": {
			reason: "A query of the user's may count as well.", server: duel(counts(90, 100), counts(995, 1000)), metric: with(lag, func(m *v1beta1.CanaryMetric) { m.Test = "proportions" }),
			verdict: v1beta1.Passed, canary: new(of(100, 10)), primary: new(of(1000, 5)), bad: "events bad",
		},
		"Durations": {
			reason: "Those above each bound.", server: duel(histogram(50, 40, 10), histogram(500, 400, 100)), metric: duration,
			verdict: v1beta1.Passed, bounds: bounds, canary: new(of(100, 50, 10)), primary: new(of(1000, 500, 100)), bad: "requests slower than %s",
		},
		"OwnDurations": {
			reason: "Of what nobody knows the unit of.", server: duel(histogram(50, 40, 10), histogram(500, 400, 100)), metric: lag,
			verdict: v1beta1.Passed, bounds: bounds, canary: new(of(100, 50, 10)), primary: new(of(1000, 500, 100)), bad: "values above %s",
		},
		"LowerIsWorse": {
			reason: "Those up to each bound.", server: duel(histogram(50, 40, 10), histogram(500, 400, 100)), metric: with(lag, func(m *v1beta1.CanaryMetric) { m.Worse = "lower" }),
			verdict: v1beta1.Passed, bounds: bounds, canary: new(of(100, 50, 90)), primary: new(of(1000, 500, 900)), bad: "values up to %s",
		},
		"OtherBuckets": {
			reason: "Bounds of both sides.", server: duel(element("le", "100", 5)+","+element("le", "300", 6)+","+element("le", "+Inf", 9), histogram(500, 400, 100)), metric: duration,
			verdict: v1beta1.Passed, bounds: []float64{100}, canary: new(of(9, 4)), primary: new(of(1000, 500)), bad: "requests slower than %s",
		},
		"NoBucketInCommon": {
			reason: "Without any nothing can be told.", server: duel(element("le", "150", 5)+","+element("le", "+Inf", 9), histogram(500, 400, 100)), metric: duration,
			verdict: v1beta1.Failed, message: "canary and primary have no bucket in common but +Inf",
		},
		"NoCanary": {
			reason: "A canary without requests has no data, as without a comparison; the primary's count.", server: duel("", counts(990, 1000)), metric: success,
			verdict: v1beta1.Failed, canary: new(of(0, 0)), primary: new(of(1000, 10)), bad: "requests failed", message: silent,
		},
		"IdleCanary": {
			reason: "Series that stand still tell as little as none.", server: duel(counts(0, 0), counts(990, 1000)), metric: success,
			verdict: v1beta1.Failed, canary: new(of(0, 0)), primary: new(of(1000, 10)), bad: "requests failed", message: silent,
		},
		"IdleCanaryWait": {
			reason: "And have the same policy.", server: duel(counts(0, 0), counts(990, 1000)), metric: with(success, func(m *v1beta1.CanaryMetric) { m.OnNoData = "wait" }),
			verdict: v1beta1.Waiting, canary: new(of(0, 0)), primary: new(of(1000, 10)), bad: "requests failed",
		},
		"NoDurations": {
			reason: "So have durations of nobody.", server: duel("", histogram(500, 400, 100)), metric: duration,
			verdict: v1beta1.Failed, bounds: bounds, canary: new(sequential.Counts{}), primary: new(of(1000, 500, 100)), bad: "requests slower than %s", message: "podinfo.test is not receiving traffic",
		},
		"NoPrimary": {
			reason: "A primary without requests is nobody's fault.", server: duel(counts(990, 1000), ""), metric: success,
			verdict: v1beta1.Passed, canary: new(of(1000, 10)), primary: new(of(0, 0)), bad: "requests failed",
		},
		"BothIdle": {
			reason: "Nothing is counted then.", server: duel(counts(0, 0), counts(0, 0)), metric: success, verdict: v1beta1.Failed, message: "podinfo.test is not receiving traffic",
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
		"BadWord": {
			reason: "A query that cannot be rendered is one for neither side.", server: duel(counts(1, 2), counts(1, 2)),
			metric: with(lag, func(m *v1beta1.CanaryMetric) { m.Query = "{{ variables.x }}" }), verdict: v1beta1.Failed, message: "Prometheus query failed for lag: rendering the query",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			f := one(t, impatient(serve(t, tc.server)), tc.metric)
			require.Equal(t, tc.verdict, f.Verdict, "%s %v", tc.reason, f.Measurement)
			require.Contains(t, f.Message, tc.message, tc.reason)
			require.False(t, f.Final, "What was counted is judged by the rollout.")
			if tc.canary == nil {
				require.Nil(t, f.Stratum, tc.reason)
				return
			}
			require.NotNil(t, f.Stratum, tc.reason)
			require.Equal(t, int64(60), f.Stratum.End-f.Stratum.Begin)
			require.Equal(t, []any{tc.bounds, *tc.canary, *tc.primary, tc.bad}, []any{f.Stratum.Bounds, f.Stratum.Canary, f.Stratum.Primary, f.Stratum.Bad}, tc.reason)
		})
	}
}

func TestCompareValues(t *testing.T) {
	const halt = "Halt podinfo.test advancement "
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
		early   bool
		verdict v1beta1.Verdict
		final   bool
		message string // part of it
	}{
		"Higher": {
			reason: "One element each, and higher is worse.", server: duel(many("pod", high...), many("pod", low...)), metric: lag,
			verdict: v1beta1.Failed, final: true, message: halt + "lag higher in 100.0% of pairs (20 values, primary 20), p = 7.25e-12 <= 0.01",
		},
		"Early":          {reason: "They have one look, at the end.", server: duel(many("pod", high...), many("pod", low...)), metric: lag, early: true, verdict: v1beta1.Passed},
		"Lower":          {reason: "Lower is not worse.", server: duel(many("pod", low...), many("pod", high...)), metric: lag, verdict: v1beta1.Passed, final: true},
		"LowerIsWorse":   {reason: "Unless the user says so.", server: duel(many("pod", low...), many("pod", high...)), metric: with(lag, func(m *v1beta1.CanaryMetric) { m.Worse = "lower" }), verdict: v1beta1.Failed, final: true, message: halt + "lag lower in 100.0% of pairs"},
		"HigherIsBetter": {reason: "Then higher is fine.", server: duel(many("pod", high...), many("pod", low...)), metric: with(lag, func(m *v1beta1.CanaryMetric) { m.Worse = "lower" }), verdict: v1beta1.Passed, final: true},
		"Few": {
			reason: "Fewer values than it takes.", server: duel(many("pod", low[:4]...), many("pod", low...)), metric: lag,
			verdict: v1beta1.Inconclusive, message: "cannot be compared yet: 4 values of the canary and 20 of the primary, 20 of each are needed",
		},
		"FewAreEnough": {reason: "The number is the user's.", server: duel(many("pod", low[:4]...), many("pod", low...)), metric: with(lag, func(m *v1beta1.CanaryMetric) { m.MinSamples = 4 }), verdict: v1beta1.Passed, final: true},
		"FewThatAreHigh": {
			reason: "What can't be chance needs no number of values.", server: duel(many("pod", high[:10]...), many("pod", low...)), metric: lag,
			verdict: v1beta1.Failed, final: true, message: "<= 0.0002",
		},
		"OnePodWithoutValue": {
			reason: "A pod that measured nothing says nothing of the others.", server: duel(many("pod", append([]float64{math.NaN()}, high...)...), many("pod", low...)), metric: lag,
			verdict: v1beta1.Failed, final: true, message: halt + "lag higher in 100.0% of pairs (20 values, primary 20)",
		},
		"PrimaryPodWithoutValue": {
			reason: "On either side.", server: duel(many("pod", high...), many("pod", append(low[:19:19], math.NaN(), 20)...)), metric: lag,
			verdict: v1beta1.Failed, final: true, message: "(20 values, primary 20)",
		},
		"NoPodWithValue": {
			reason: "Where none measured anything it is no data.", server: duel(many("pod", math.NaN(), math.NaN()), many("pod", low...)),
			metric: with(lag, func(m *v1beta1.CanaryMetric) { m.OnNaN = "inconclusive" }), verdict: v1beta1.Inconclusive, message: "no values found",
		},
		"NoCanary":  {reason: "Nor is none at all.", server: duel("", many("pod", low...)), metric: lag, verdict: v1beta1.Failed, message: "no values found for metric: lag"},
		"NoPrimary": {reason: "A primary without values is nobody's fault.", server: duel(many("pod", high...), ""), metric: lag, verdict: v1beta1.Inconclusive, message: "20 values of the canary and 0 of the primary"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			f := ask(t.Context(), impatient(serve(t, tc.server)), podinfo(), checks{Metrics: []v1beta1.CanaryMetric{tc.metric}, early: tc.early})[0]
			require.Equal(t, tc.verdict, f.Verdict, "%s %v", tc.reason, f.Measurement)
			require.Equal(t, tc.final, f.Final, tc.reason)
			require.Contains(t, f.Message, tc.message, tc.reason)
			require.Nil(t, f.Stratum)
		})
	}
}

// TestAlphaIsShared has several metrics of one rollout share what they may be wrong by.
func TestAlphaIsShared(t *testing.T) {
	c, lag := podinfo(), v1beta1.CanaryMetric{Name: "lag", Query: `lag{app="{{ target }}"}`, Baseline: "primary"}
	c.Spec.Analysis = &v1beta1.CanaryAnalysis{Metrics: []v1beta1.CanaryMetric{lag, lag, lag, {Name: "lag", Query: "lag"}, {Name: "lag", Query: "q", Baseline: "primary", DryRun: true}}}
	low, high := []float64{1, 2, 3, 4, 5}, []float64{6, 7, 8, 9, 10}
	lag.MinSamples = 5
	f := ask(t.Context(), impatient(serve(t, duel(many("pod", high...), many("pod", low...)))), c, checks{Metrics: []v1beta1.CanaryMetric{lag}})[0]
	require.Equal(t, v1beta1.Passed, f.Verdict, "p = 0.004 is not below a third of 0.01.")
	c.Spec.Analysis.Metrics = c.Spec.Analysis.Metrics[2:]
	f = ask(t.Context(), impatient(serve(t, duel(many("pod", high...), many("pod", low...)))), c, checks{Metrics: []v1beta1.CanaryMetric{lag}})[0]
	require.Equal(t, v1beta1.Failed, f.Verdict, "It is below 0.01.")
}

// TestWindowsAddUp counts by windows in a real Prometheus, one beginning where the other ends, and compares their sum with
// what there was: new series, one that counts anew, and one without a sample of its own at the windows' ends.
func TestWindowsAddUp(t *testing.T) {
	requests := func(workload, pod, code, values string) string {
		return fmt.Sprintf(`istio_requests_total{reporter="destination",destination_workload_namespace="test",destination_workload=%q,pod=%q,response_code=%q} %s`, workload, pod, code, values)
	}
	own := func(workload, pod, code, values string) string {
		return fmt.Sprintf(`orders_total{app=%q,pod=%q,code=%q} %s`, workload, pod, code, values)
	}
	series := func(s func(workload, pod, code, values string) string) []string {
		return []string{
			s("podinfo", "a", "200", "0+15x40"), s("podinfo", "b", "200", "_x10 7+3x30"), s("podinfo", "b", "503", "_x11 1x29"),
			s("podinfo", "c", "200", "100+10x20 5+10x20"), s("podinfo-primary", "d", "200", "1000+100x40"), s("podinfo-primary", "d", "503", "_x25 3+1x15"),
		}
	}
	query := `label_replace(sum(increase(orders_total{app="{{ target }}",code!~"5.."}[{{ interval }}])), "count", "success", "", "")
or label_replace(sum(increase(orders_total{app="{{ target }}"}[{{interval}}])), "count", "total", "", "")`
	for name, tc := range map[string]struct {
		series []string
		metric v1beta1.CanaryMetric
	}{
		"BuiltIn": {series(requests), v1beta1.CanaryMetric{Name: "request-success-rate", Baseline: "primary"}},
		"Own":     {series(own), v1beta1.CanaryMetric{Name: "orders", Query: query, Baseline: "primary", Test: "proportions"}},
	} {
		t.Run(name, func(t *testing.T) {
			a := impatient(metrictest.Serve(t, tc.series...))
			var canary, primary, bad, worse int64
			for begin, end := int64(0), int64(0); end < 600; begin = end {
				end = min(begin+67, 600) // no scrape is at its end
				q := rollout.Question{Metric: &tc.metric, Window: &rollout.Window{Begin: time.Unix(begin, 0), End: time.Unix(end, 0)}}
				f := a.Round(podinfo())(t.Context(), q)
				require.NotNil(t, f.Stratum, f.Message)
				canary, primary = canary+f.Stratum.Canary.Events, primary+f.Stratum.Primary.Events
				bad, worse = bad+f.Stratum.Canary.Bad[0], worse+f.Stratum.Primary.Bad[0]
			}
			// a counts 600; b 97 and one failure, from its first values on; c 170 up to the window in which it begins anew, and
			// 195 since then.
			require.Equal(t, []int64{600 + 97 + 1 + 170 + 195, 1}, []int64{canary, bad})
			require.Equal(t, []int64{4000 + 18, 18}, []int64{primary, worse})
		})
	}
}

// TestPrimaryBefore has the first window count the primary in an equal time before it.
func TestPrimaryBefore(t *testing.T) {
	var mu sync.Mutex
	asked := map[string]bool{}
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		asked[r.FormValue("query")+" at "+r.FormValue("time")] = true
		mu.Unlock()
		duel(counts(99, 100), counts(990, 1000))(w, r)
	})
	m := v1beta1.CanaryMetric{Name: "mine", Interval: "2m", Query: `q{app="{{ target }}"}[{{ interval }}]`, Baseline: "primary", Test: "proportions"}
	w := &rollout.Window{Begin: time.Unix(1000, 0), End: time.Unix(1045, 0), First: true}
	f := impatient(server).Round(podinfo())(t.Context(), rollout.Question{Metric: &m, Window: w})
	require.Equal(t, sequential.Counts{Events: 1000, Bad: []int64{10}}, f.Stratum.Before)
	require.Equal(t, map[string]bool{`q{app="podinfo"}[45s] at 1045`: true, `q{app="podinfo-primary"}[45s] at 1045`: true, `q{app="podinfo-primary"}[45s] at 1000`: true}, asked)
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
	require.Equal(t, map[string]bool{`q{app="podinfo"}[60s]`: true, `q{app="podinfo-primary"}[60s]`: true}, asked,
		"The same query over the same window, about one workload and about the other.")
	require.Equal(t, `q{app="podinfo"}[60s]`, f.Measurement.Query, "The canary's is kept; the primary's follows from it.")
	require.Equal(t, "not worse than the primary, confidence 0.99, margin 0.01", f.Measurement.Limit)
	require.Equal(t, 99.0, seen, "The canary's own percentage is what the operator's metrics show.")
}

func TestCompareNeedsSamples(t *testing.T) {
	s := &source{
		canary: podinfo(), metric: v1beta1.CanaryMetric{Name: "x", Baseline: "primary"}, kind: &custom, system: lonely{}, template: "q", window: &rollout.Window{},
	}
	o := impatient("").compare(t.Context(), s, outcome{})
	require.Equal(t, v1beta1.Failed, o.verdict)
	require.Equal(t, "Metric query failed for x: this monitoring system returns one number, and a comparison needs counts, buckets or values", o.message)
}

// lonely is a system that only knows single numbers.
type lonely struct{}

func (lonely) Query(context.Context, string) (float64, error) { return 1, nil }

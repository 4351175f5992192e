package suite

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/api"
	promv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/sluice-cd/sluice/e2e/internal/walk"
)

// port80 is a way to the canary by the port at which most Services are.
const port80 = `
apiVersion: v1
kind: Service
metadata: {name: web, namespace: NAMESPACE}
spec:
  selector: {app: podinfo}
  ports: [{port: 80, targetPort: http}]
`

// observed is a rollout that asks for all built-in metrics and is judged by none.
const observed = `
  analysis:
    interval: 10s
    threshold: 1
    iterations: 1000
    match: [{headers: {x-insider: {exact: "true"}}}]
    metrics:
    - {name: request-success-rate, interval: 60s, thresholdRange: {min: 0}, dryRun: true}
    - {name: request-duration, interval: 60s, thresholdRange: {min: 0}, dryRun: true}
    - {name: request-success-rate, baseline: primary, dryRun: true}
    - {name: request-duration, baseline: primary, dryRun: true}
`

// builtins sends known requests to both sides: to the primary from outside, through the gateway, and to the canary
// from a pod, through the mesh. Then Prometheus is asked by the text that the operator sent it.
//
// A rate counts nothing of a series' first sample, and extrapolates each series to the ends of its time alone: less
// far where the series would have begun at zero within it. So everything is sent twice. After the first time all
// series are there, and high enough for that rule not to matter; the second, after so long a rest that the first is
// out of sight, is what is measured. Series of one process have their samples at the same moments, and are
// extrapolated alike: shares come out exactly, and counts too high by what is added at both ends.
func builtins(s *scene) {
	s.apply(strings.ReplaceAll(port80, "NAMESPACE", s.namespace))
	s.begin(observed)
	s.reach("Progressing 100", s.release("3.1.1"))
	parties := []*party{s.primaryAsked(), s.canaryAsked()}
	for _, p := range parties {
		s.eventually("a way to "+p.workload, p.reached)
		p.ask()
	}
	for _, p := range parties {
		s.rested(p)
	}
	since := time.Now()
	at := s.counted(parties)
	for _, p := range parties {
		s.checkRate(p, at)
		s.checkCounts(p, at)
		s.checkDurations(p, at)
	}
	share := 100 * parties[1].good() / parties[1].total()
	s.recorded(since, "request-success-rate", func(v float64) bool { return math.Abs(v-share) < exact })
	s.recorded(since, "request-duration", func(v float64) bool { return v > 1000 && v <= 2500 })
}

const (
	// lookback is the interval of the metrics that are observed.
	lookback = time.Minute
	// exact is how far off two ways of computing the same may be: floating point.
	exact = 1e-9
	// slack is how much later than its user a proxy may think that an answer was over.
	slack = 200 * time.Millisecond
)

// ours selects a workload's series, as its own side reports them.
func (s *scene) ours(p *party) string {
	return fmt.Sprintf(`{reporter="destination",destination_workload_namespace=%q,destination_workload=%q}`, s.namespace, p.workload)
}

// rested waits until all that was sent has been counted, and then nothing for longer than a metric looks back.
func (s *scene) rested(p *party) {
	s.t.Helper()
	query := fmt.Sprintf(`sum(changes(istio_requests_total%[1]s[%[3]s])) == 0
		and min(count_over_time(istio_requests_total%[1]s[%[3]s])) > 10
		and sum(istio_request_duration_milliseconds_count%[1]s) >= %[2]v`, s.ours(p), p.total(), lookback+10*time.Second)
	s.eventually("a rest of "+p.workload, func() bool { return len(s.prometheus(query, time.Time{})) == 1 })
}

// counted sends everything, and returns the moment from which on Prometheus has counted just that.
func (s *scene) counted(parties []*party) time.Time {
	s.t.Helper()
	var began time.Time
	var done []string
	for _, p := range parties {
		before := s.prometheus("sum(istio_requests_total"+s.ours(p)+")", time.Time{})
		require.Len(s.t, before, 1)
		began = before[0].Timestamp.Time()
		for _, name := range []string{"istio_requests_total", "istio_request_duration_milliseconds_count"} {
			done = append(done, fmt.Sprintf("sum(%s%s) == %v", name, s.ours(p), float64(before[0].Value)+sum(p.orders)))
		}
	}
	for _, p := range parties {
		p.ask()
	}
	var found model.Vector
	s.eventually("all requests to be counted, and no others", func() bool {
		found = s.prometheus(strings.Join(done, " and "), time.Time{})
		return len(found) == 1
	})
	at := found[0].Timestamp.Time()
	s.t.Logf("sent and counted within %.1f s", at.Sub(began).Seconds())
	require.Less(s.t, at.Sub(began), lookback, "a metric does not look back that far")
	return at
}

// text is what the operator asks Prometheus for by a metric, with one workload in the place of the canary: the
// operator asks by the same words about both sides.
func (s *scene) text(metric string, p *party) string {
	s.t.Helper()
	const target = `destination_workload=~"podinfo"`
	found := measurements(s.t, s.own(), metric)
	require.NotEmpty(s.t, found, metric)
	query := found[0].Query
	require.Contains(s.t, query, target)
	require.NotContains(s.t, query, "…", "the status holds all of it")
	return strings.ReplaceAll(query, target, fmt.Sprintf("destination_workload=~%q", p.workload))
}

// checkRate wants the share of requests that succeeded.
func (s *scene) checkRate(p *party, at time.Time) {
	s.t.Helper()
	found := s.prometheus(s.text("request-success-rate", p), at)
	require.Len(s.t, found, 1)
	s.t.Logf("MEASURED success rate of %s: %v %%", p.workload, found[0].Value)
	require.InDelta(s.t, 100*p.good()/p.total(), float64(found[0].Value), exact)
}

// checkCounts wants what a comparison of success rates begins with.
func (s *scene) checkCounts(p *party, at time.Time) {
	s.t.Helper()
	counts := map[string]float64{}
	for _, f := range s.prometheus(s.compared("request-success-rate#2", p), at) {
		counts[string(f.Metric["count"])] = float64(f.Value)
	}
	require.Len(s.t, counts, 2)
	s.t.Logf("MEASURED counts of %s: %v, of %v and %v", p.workload, counts, p.good(), p.total())
	most := s.extrapolation(p, at)
	for name, sent := range map[string]float64{"success": p.good(), "total": p.total()} {
		require.GreaterOrEqual(s.t, counts[name], sent-exact, name)
		require.LessOrEqual(s.t, counts[name], sent*most+exact, name)
	}
	require.InDelta(s.t, p.good()/p.total(), counts["success"]/counts["total"], exact)
}

// compared is the text of a comparison, which counts what is new since the check before, looking back as far as the others.
func (s *scene) compared(metric string, p *party) string {
	s.t.Helper()
	return regexp.MustCompile(`offset \d+s`).ReplaceAllString(s.text(metric, p), fmt.Sprintf("offset %.0fs", lookback.Seconds()))
}

// extrapolation is the most by which a count is multiplied: at each end of its time Prometheus adds less than 1.1
// times the average distance of its samples.
func (s *scene) extrapolation(p *party, at time.Time) float64 {
	s.t.Helper()
	found := s.prometheus(fmt.Sprintf("min(count_over_time(istio_requests_total%s[%s]))", s.ours(p), lookback), at)
	require.Len(s.t, found, 1)
	return 1 + 2*1.1/(float64(found[0].Value)-1)
}

// checkDurations wants as many answers within each bound as there can have been, and the 99th percentile in the
// bucket of the answer that it falls upon.
func (s *scene) checkDurations(p *party, at time.Time) {
	s.t.Helper()
	buckets, most := s.prometheus(s.compared("request-duration#2", p), at), s.extrapolation(p, at)
	var bounds []float64
	for _, b := range buckets {
		bound, err := strconv.ParseFloat(string(b.Metric[model.BucketLabel]), 64)
		require.NoError(s.t, err)
		bounds = append(bounds, bound)
		from, to := p.within(bound)
		require.GreaterOrEqual(s.t, float64(b.Value), from-exact, "up to %v ms", bound)
		require.LessOrEqual(s.t, float64(b.Value), to*most+exact, "up to %v ms", bound)
	}
	slices.Sort(bounds)
	found := s.prometheus(s.text("request-duration", p), at)
	require.Len(s.t, found, 1)
	from, to := p.slowest(bounds)
	s.t.Logf("MEASURED 99th percentile of %s: %.0f ms, between %v and %v", p.workload, found[0].Value, from, to)
	require.GreaterOrEqual(s.t, float64(found[0].Value), from)
	require.LessOrEqual(s.t, float64(found[0].Value), to)
}

// recorded waits until the operator has measured a number since a moment.
func (s *scene) recorded(since time.Time, metric string, fits func(float64) bool) {
	s.t.Helper()
	var seen []string
	err := s.canaries.Wait(within(s.t, patience), func(entries []walk.Entry) bool {
		seen = nil
		for _, e := range entries {
			canary, ok := e.Object.(*unstructured.Unstructured)
			if !ok {
				continue
			}
			for _, m := range measurements(s.t, canary, metric) {
				if m.Time.After(since) {
					seen = append(seen, m.Value)
				}
			}
		}
		return slices.ContainsFunc(seen, func(text string) bool {
			v, err := strconv.ParseFloat(text, 64)
			return err == nil && fits(v)
		})
	})
	require.NoError(s.t, err, "%s was %v", metric, seen)
}

// prometheus runs a query as of a moment; zero: now, by the server's clock.
func (s *scene) prometheus(query string, at time.Time) model.Vector {
	s.t.Helper()
	c, err := api.NewClient(api.Config{Address: s.metrics})
	require.NoError(s.t, err)
	v, _, err := promv1.NewAPI(c).Query(within(s.t, patience), query, at)
	require.NoError(s.t, err, query)
	found, ok := v.(model.Vector)
	require.True(s.t, ok, "%s is a %s", query, v.Type())
	return found
}

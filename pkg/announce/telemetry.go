package announce

import (
	"context"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/notify"
	"github.com/sluice-cd/sluice/pkg/rollout"
)

// Telemetry is what the operator tells Prometheus. What describes a Canary as it is gets read off the cache
// whenever it is scraped, so that a series ends with its Canary; what counts is counted as it happens.
type Telemetry struct {
	canaries client.Reader
	queues   map[string]*notify.Queue

	// Made for each scrape.
	total, status, weight *prometheus.Desc
	since, expected       *prometheus.Desc
	waiting               *prometheus.Desc
	depth, dropped        *prometheus.Desc
	// Kept from one scrape to the next. The second half has no counterpart with other operators of this API.
	info                *prometheus.GaugeVec
	analysis            *prometheus.GaugeVec
	duration            *prometheus.HistogramVec
	successes, failures *prometheus.CounterVec

	rollouts *prometheus.HistogramVec
	phases   *prometheus.CounterVec
	people   *prometheus.CounterVec
	rounds   prometheus.Histogram
	errors   *prometheus.CounterVec
}

// The values of flagger_canary_status.
const (
	statusRunning = 0
	statusOther   = 1
	statusFailed  = 2
)

// NewTelemetry registers the operator's metrics. Those of other operators of this API have the names and labels that
// dashboards know; what is our own begins with sluice_.
// An error is the registry's, which has the name of one of them already.
func NewTelemetry(into prometheus.Registerer, canaries client.Reader, version, provider string) (*Telemetry, error) {
	t := &Telemetry{canaries: canaries, queues: map[string]*notify.Queue{}}
	t.shared()
	t.own()
	t.info.WithLabelValues(version, provider).Set(1)
	for _, c := range t.collectors() {
		if err := into.Register(c); err != nil {
			return nil, err
		}
	}
	return t, nil
}

func (t *Telemetry) collectors() []prometheus.Collector {
	return []prometheus.Collector{
		t, t.info, t.analysis, t.duration, t.successes, t.failures, t.rollouts, t.phases, t.people, t.rounds, t.errors,
	}
}

// shared are the metrics that every operator of this API has.
func (t *Telemetry) shared() {
	// A Canary goes by the name of its target in these, as with other operators of this API.
	target := []string{"name", "namespace"}
	outcome := []string{"name", "namespace", "deployment_strategy", "analysis_status"}
	t.total = prometheus.NewDesc("flagger_canary_total", "Number of Canary objects.", []string{"namespace"}, nil)
	t.status = prometheus.NewDesc("flagger_canary_status",
		"State of the last rollout: 0 running, 1 ended well or not begun, 2 failed.", target, nil)
	t.weight = prometheus.NewDesc("flagger_canary_weight",
		"Percent of requests that a workload answers.", []string{"workload", "namespace"}, nil)
	t.info = prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "flagger_info",
		Help: "Version of the operator and its default traffic provider."}, []string{"version", "mesh_provider"})
	t.analysis = prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "flagger_canary_metric_analysis",
		Help: "Last value of a metric that judges a canary, in the metric's own unit; of the built-in duration in seconds."}, append(target[:2:2], "metric"))
	t.duration = prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "flagger_canary_duration_seconds",
		Help: "Seconds that one pass over a Canary took.", Buckets: prometheus.DefBuckets}, target)
	t.successes = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "flagger_canary_successes_total",
		Help: "Rollouts that were promoted."}, outcome)
	t.failures = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "flagger_canary_failures_total",
		Help: "Rollouts that failed."}, outcome)
}

// Describe implements prometheus.Collector.
func (t *Telemetry) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{t.total, t.status, t.weight, t.since, t.expected, t.waiting, t.depth, t.dropped} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (t *Telemetry) Collect(ch chan<- prometheus.Metric) {
	// First: they are of use when the cache cannot be read, too.
	t.collectQueues(ch)
	all := &v1beta1.CanaryList{}
	if err := t.canaries.List(context.Background(), all); err != nil { //nolint:forbidigo // the interface hands over no context
		// The scrape fails as a whole. A gap is better than a cluster that seems to have no Canaries.
		ch <- prometheus.NewInvalidMetric(t.total, err)
		return
	}
	// Labels name workloads, not Canaries, and a series that is there twice would fail the whole scrape. Of two Canaries on
	// one name the older is told of: the younger is refused, unless its target is of another kind.
	slices.SortFunc(all.Items, func(a, b v1beta1.Canary) int {
		if a.OlderThan(&b) {
			return -1
		}
		return 1
	})
	total, told := map[string]int{}, map[client.ObjectKey]bool{}
	for i := range all.Items {
		c := &all.Items[i]
		total[c.Namespace]++
		target := client.ObjectKey{Namespace: c.Namespace, Name: c.Spec.TargetRef.Name}
		primary := client.ObjectKey{Namespace: c.Namespace, Name: c.PrimaryWorkload()}
		if !told[target] && !told[primary] {
			told[target], told[primary] = true, true
			t.collectOne(ch, c)
		}
	}
	for namespace, n := range total {
		ch <- prometheus.MustNewConstMetric(t.total, prometheus.GaugeValue, float64(n), namespace)
	}
}

// collectOne tells of one Canary.
func (t *Telemetry) collectOne(ch chan<- prometheus.Metric, c *v1beta1.Canary) {
	target, weight := c.Spec.TargetRef.Name, float64(c.Status.CanaryWeight)
	ch <- prometheus.MustNewConstMetric(t.status, prometheus.GaugeValue, statusOf(c.Status.Phase), target, c.Namespace)
	// Of a workload that does not exist there is no series: users meet the target until there is a primary.
	first := c.Status.Phase == "" || c.Status.Phase == v1beta1.PhaseInitializing && c.Status.LastPromotedSpec == ""
	if first {
		weight = 100
	}
	if rollout.Wait(c.Status.WaitingFor) != rollout.WaitTarget {
		ch <- prometheus.MustNewConstMetric(t.weight, prometheus.GaugeValue, weight, target, c.Namespace)
	}
	if !first {
		ch <- prometheus.MustNewConstMetric(t.weight, prometheus.GaugeValue, 100-weight, c.PrimaryWorkload(), c.Namespace)
	}
	t.collectSince(ch, c)
	t.collectExpected(ch, c)
	t.collectWaiting(ch, c)
}

func statusOf(phase v1beta1.CanaryPhase) float64 {
	switch {
	case phase.UnderWay():
		return statusRunning
	case phase == v1beta1.PhaseFailed:
		return statusFailed
	}
	return statusOther
}

// Observe notes the value of a metric that judges a canary.
// The last value stays until the next, also between rollouts.
func (t *Telemetry) Observe(c *v1beta1.Canary, metric string, value float64) {
	t.analysis.WithLabelValues(c.Spec.TargetRef.Name, c.Namespace, metric).Set(value)
}

// Took notes how long a pass was.
func (t *Telemetry) Took(c *v1beta1.Canary, d time.Duration) {
	t.duration.WithLabelValues(c.Spec.TargetRef.Name, c.Namespace).Observe(d.Seconds())
}

// count notes how far a rollout came, and how it ended.
func (t *Telemetry) count(n News, was rolloutRecord) {
	t.spent(n)
	t.waited(n)
	t.ended(n, was)
	how := "completed"
	if n.Plan.Skip {
		how = "skipped"
	}
	c := n.Canary
	labels := []string{c.Spec.TargetRef.Name, c.Namespace, string(n.Plan.Strategy), how}
	switch was.outcome {
	case succeeded:
		t.successes.WithLabelValues(labels...).Inc()
	case failed:
		t.failures.WithLabelValues(labels...).Inc()
	default: // nothing ended, or nothing that was judged
	}
}

// Forget ends the series of a Canary that is gone.
func (t *Telemetry) Forget(c *v1beta1.Canary) {
	// What was counted stays in memory else, for every Canary that ever was.
	labels := prometheus.Labels{"name": c.Spec.TargetRef.Name, "namespace": c.Namespace}
	for _, v := range []interface {
		DeletePartialMatch(labels prometheus.Labels) int
	}{t.analysis, t.duration, t.successes, t.failures, t.rollouts, t.phases, t.people} {
		v.DeletePartialMatch(labels)
	}
}

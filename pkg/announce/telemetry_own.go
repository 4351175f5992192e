package announce

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/notify"
	"github.com/sluice-cd/sluice/pkg/rollout"
)

// What others have no metric for: how long rollouts take and where, and whether the operator can do its work.

// own are our own metrics. Labels have few values: names of Canaries, which end with them, and fixed words.
func (t *Telemetry) own() {
	target := []string{"name", "namespace"}
	t.since = prometheus.NewDesc("sluice_canary_phase_start_timestamp_seconds",
		"Unix time at which the present phase of a Canary began.", append(target[:2:2], "phase"), nil)
	t.expected = prometheus.NewDesc("sluice_canary_phase_expected_seconds",
		"Seconds that the present phase of a rollout takes at most if nothing is wrong; of phases that wait for nobody.", append(target[:2:2], "phase"), nil)
	t.waiting = prometheus.NewDesc("sluice_canary_waiting",
		"What a Canary waits for, as in its condition Waiting; always 1.", append(target[:2:2], "reason"), nil)
	t.depth = prometheus.NewDesc("sluice_queue_depth", "Messages and calls that wait.", []string{"queue"}, nil)
	t.dropped = prometheus.NewDesc("sluice_queue_dropped_total", "Messages and calls that were lost.", []string{"queue"}, nil)
	t.rollouts = prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "sluice_rollout_duration_seconds",
		Help: "Seconds from the detection of a revision to the end of its rollout.",
		// From half a minute to a day: a rollout takes its intervals, and a gate may wait for a person.
		Buckets: []float64{30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 21600, 86400}}, append(target[:2:2], "outcome", "result"))
	t.phases = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "sluice_rollout_phase_seconds_total",
		Help: "Seconds that rollouts spent in a phase, counted when it ends."}, append(target[:2:2], "phase"))
	t.people = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "sluice_rollout_waiting_for_people_seconds_total",
		Help: "Seconds that rollouts waited for people, by what the condition Waiting said."}, append(target[:2:2], "reason"))
	t.rounds = prometheus.NewHistogram(prometheus.HistogramOpts{Name: "sluice_analysis_round_duration_seconds",
		Help: "Seconds that the checks of one round took: all its webhooks and metrics.",
		// Up to a minute: a query has 5 s, a hook 10 s unless it asks for more.
		Buckets: []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}})
	t.errors = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "sluice_provider_errors_total",
		Help: "Queries, messages and calls that failed, by what they went to."}, []string{"kind", "provider"})
}

// Watch tells of a queue under a name, before the first scrape.
func (t *Telemetry) Watch(name string, q *notify.Queue) { t.queues[name] = q }

func (t *Telemetry) collectQueues(ch chan<- prometheus.Metric) {
	for name, q := range t.queues {
		ch <- prometheus.MustNewConstMetric(t.depth, prometheus.GaugeValue, float64(q.Waiting()), name)
		ch <- prometheus.MustNewConstMetric(t.dropped, prometheus.CounterValue, float64(q.Dropped()), name)
	}
}

func (t *Telemetry) collectSince(ch chan<- prometheus.Metric, c *v1beta1.Canary) {
	since := sinceOf(c.Status)
	if since.IsZero() {
		return // adopted, and nothing has happened since
	}
	at := float64(since.UnixMilli()) / 1000
	ch <- prometheus.MustNewConstMetric(t.since, prometheus.GaugeValue, at, c.Spec.TargetRef.Name, c.Namespace, string(c.Status.Phase))
}

func (t *Telemetry) collectWaiting(ch chan<- prometheus.Metric, c *v1beta1.Canary) {
	if why := c.Status.WaitingFor; why != "" && rollout.Wait(why) != rollout.WaitNothing {
		ch <- prometheus.MustNewConstMetric(t.waiting, prometheus.GaugeValue, 1, c.Spec.TargetRef.Name, c.Namespace, why)
	}
}

func (t *Telemetry) collectExpected(ch chan<- prometheus.Metric, c *v1beta1.Canary) {
	if d := expected(c); d > 0 {
		ch <- prometheus.MustNewConstMetric(t.expected, prometheus.GaugeValue, d.Seconds(), c.Spec.TargetRef.Name, c.Namespace, string(c.Status.Phase))
	}
}

// expected is how long the present phase takes at most if nothing is wrong. Zero: it is none of a rollout, waits for a person, or
// the spec cannot be followed, which is told otherwise.
func expected(c *v1beta1.Canary) time.Duration {
	can := rollout.Weighted | rollout.Mirrored | rollout.Matched | rollout.MatchedWeighted | rollout.Sticky
	if c.Spec.Provider == "kubernetes" {
		can = 0
	}
	plan, err := rollout.Compile(c.Spec, can)
	if err != nil {
		return 0
	}
	switch c.Status.Phase {
	case v1beta1.PhaseProgressing:
		// Each check may be repeated until the threshold is reached.
		return time.Duration(plan.Length()+plan.Threshold)*plan.Interval + plan.Deadline
	case v1beta1.PhasePromoting:
		return time.Duration(len(plan.StepsBack))*plan.Interval + plan.Deadline
	case v1beta1.PhaseInitializing, v1beta1.PhaseFinalising, v1beta1.PhaseTerminating:
		return plan.Deadline
	default:
		return 0
	}
}

// spent counts the time in a phase that ended, or whose clock was set back.
func (t *Telemetry) spent(n News) {
	from, to := sinceOf(n.Before), sinceOf(n.Canary.Status)
	// What rests is in no phase of a rollout, however long. A status without times is another controller's.
	if n.Before.Phase.Unfinished() && !from.IsZero() && to.After(from) {
		t.phases.WithLabelValues(n.Canary.Spec.TargetRef.Name, n.Canary.Namespace, string(n.Before.Phase)).Add(to.Sub(from).Seconds())
	}
}

// ended notes how long a rollout took.
func (t *Telemetry) ended(n News, was rolloutRecord) {
	if was.outcome == "" || was.outcome == initialised || was.began.IsZero() {
		return
	}
	// By the times of the statuses, not of this process, which may not have been there when it began.
	took := sinceOf(n.Canary.Status).Sub(was.began)
	t.rollouts.WithLabelValues(n.Canary.Spec.TargetRef.Name, n.Canary.Namespace, string(was.outcome), resultOf(n, was)).Observe(max(took, 0).Seconds())
}

// results are what a rollout came to where its status has no run, as the API server does not store it.
var results = map[outcome]v1beta1.RunOutcome{
	succeeded: v1beta1.RunPromoted, failed: v1beta1.RunRolledBack, calledOff: v1beta1.RunCalledOff, superseded: v1beta1.RunSuperseded,
	terminated: v1beta1.RunTerminated,
}

// resultOf is how the status says that a rollout ended which a decision has ended.
func resultOf(n News, was rolloutRecord) string {
	after := n.Canary.Status
	number := int64(0)
	switch before := n.Before.Run; {
	case before != nil && before.Finished == nil:
		number = before.Number
	case after.Run != nil: // it was noted with its end
		number = after.Run.Number
	}
	if run := after.Run; run != nil && run.Number == number && run.Outcome != "" {
		return string(run.Outcome)
	}
	for _, past := range after.History {
		if past.Number == number {
			return string(past.Outcome)
		}
	}
	return string(results[was.outcome])
}

// waited counts the time for which people were waited for, whenever a rollout gets on or begins to wait for something else.
func (t *Telemetry) waited(n News) {
	why := n.Before.WaitingFor
	if took := n.Canary.Status.LastTransitionTime.Sub(n.Before.LastTransitionTime.Time); rollout.Wait(why).ForPeople() && !n.Before.LastTransitionTime.IsZero() && took > 0 {
		t.people.WithLabelValues(n.Canary.Spec.TargetRef.Name, n.Canary.Namespace, why).Add(took.Seconds())
	}
}

// The kinds of what can fail.
const (
	asAlert  = "alert"
	asHook   = "hook"
	asMetric = "metric"
)

// QueryFailed counts a query that a monitoring system did not answer, by the type of its MetricTemplate.
func (t *Telemetry) QueryFailed(provider string) { t.failed(asMetric, provider) }

// failed counts what went wrong with a provider. Types are checked by the API server, so there are few of them.
func (t *Telemetry) failed(kind, provider string) { t.errors.WithLabelValues(kind, provider).Inc() }

// RoundTook notes how long the checks of one round took.
func (t *Telemetry) RoundTook(d time.Duration) { t.rounds.Observe(d.Seconds()) }

package announce

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/notify"
	"github.com/sluice-cd/sluice/pkg/rollout"
)

// cached is a cache that holds some Canaries.
type cached struct {
	client.Reader
	all []v1beta1.Canary
}

func (c cached) List(_ context.Context, list client.ObjectList, _ ...client.ListOption) error {
	list.(*v1beta1.CanaryList).Items = c.all
	return nil
}

func newTelemetry(t testing.TB, all ...v1beta1.Canary) (*Telemetry, *prometheus.Registry) {
	t.Helper()
	into := prometheus.NewRegistry()
	told, err := NewTelemetry(into, cached{all: all}, "1.2.3", "istio")
	require.NoError(t, err)
	return told, into
}

// exposes holds that a registry has these series of a metric, and no others.
func exposes(t *testing.T, from prometheus.Gatherer, name string, want map[string]float64) {
	t.Helper()
	got := map[string]float64{}
	for series, value := range valuesOf(t, from) {
		if of, labels, _ := strings.Cut(series, " "); of == name {
			got[labels] = value
		}
	}
	require.Equal(t, want, got)
}

func TestRolloutsAreTimed(t *testing.T) {
	told, into := newTelemetry(t)
	var p rolloutHistory
	seen := journey()
	var c *v1beta1.Canary
	for i := range seen[1:] {
		n := newsOf(seen[i], seen[i+1])
		c = n.Canary
		was, _ := p.recordDecision(n)
		told.count(n, was)
	}
	exposes(t, into, "sluice_rollout_phase_seconds_total", map[string]float64{
		"name=podinfo namespace=test phase=Finalising":  120,
		"name=podinfo namespace=test phase=Progressing": 300,
		"name=podinfo namespace=test phase=Promoting":   240,
	})
	require.Equal(t, 1, testutil.CollectAndCount(told.rollouts))
	require.InDelta(t, 660, sumOf(t, into, "sluice_rollout_duration_seconds"), 0.001, "Eleven minutes.")
	require.InDelta(t, 1, testutil.ToFloat64(told.successes), 0)

	told.Forget(c)
	for _, gone := range []prometheus.Collector{told.rollouts, told.phases, told.successes} {
		require.Zero(t, testutil.CollectAndCount(gone), "The series of a Canary end with it.")
	}
}

func TestOutcomesAreCounted(t *testing.T) {
	cases := map[string]struct {
		reason        string
		before, after v1beta1.CanaryStatus
		failures      int
		outcome       string
	}{
		"Failed":     {reason: "A failure is one.", before: stands(v1beta1.PhaseProgressing, "r1-b", 0), after: stands(v1beta1.PhaseFailed, "r1-b", 1), failures: 1, outcome: "failed"},
		"Withdrawn":  {reason: "What never began did not fail.", before: stands(v1beta1.PhaseWaiting, "r1-a", 0), after: stands(v1beta1.PhaseFailed, "r1-a", 1), outcome: "called-off"},
		"CalledOff":  {reason: "Nor did what was put back.", before: stands(v1beta1.PhaseProgressing, "r1-b", 0), after: stands(v1beta1.PhaseSucceeded, "r1-a", 1), outcome: "called-off"},
		"Superseded": {reason: "Nor what a newer revision replaced.", before: stands(v1beta1.PhaseProgressing, "r1-b", 0), after: stands(v1beta1.PhaseProgressing, "r1-c", 1), outcome: "superseded"},
		"First":      {reason: "The first revision is not rolled out.", before: stands(v1beta1.PhaseInitializing, "r1-a", 0), after: stands(v1beta1.PhaseInitialized, "r1-a", 1)},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			told, into := newTelemetry(t)
			n := newsOf(tc.before, tc.after)
			was, _ := new(rolloutHistory).recordDecision(n)
			told.count(n, was)
			require.Equal(t, tc.failures, testutil.CollectAndCount(told.failures), tc.reason)
			require.Equal(t, tc.outcome, labelOf(t, into, "sluice_rollout_duration_seconds", "outcome"), tc.reason)
		})
	}
}

// What the status says of an end is told more exactly than by the phases before and after.
func TestResultsAreCounted(t *testing.T) {
	run := func(number int64, outcome v1beta1.RunOutcome) *v1beta1.Run {
		r := &v1beta1.Run{Number: number, Outcome: outcome}
		if outcome != "" {
			r.Finished = new(metav1.NewTime(noon))
		}
		return r
	}
	with := func(s v1beta1.CanaryStatus, r *v1beta1.Run, past ...v1beta1.PastRun) v1beta1.CanaryStatus {
		s.Run, s.History = r, past
		return s
	}
	progressing, failed := stands(v1beta1.PhaseProgressing, "r1-b", 0), stands(v1beta1.PhaseFailed, "r1-b", 1)
	again := failed
	again.FailedRevisions = []v1beta1.FailedRevision{{Revision: "r1-b"}}
	for name, tc := range map[string]struct {
		reason          string
		before, after   v1beta1.CanaryStatus
		result, outcome string
	}{
		"Aborted":    {"a person ended it", with(progressing, run(3, "")), with(failed, run(3, v1beta1.RunAborted)), "Aborted", "failed"},
		"Superseded": {"the run is another one by now", with(progressing, run(3, "")), with(stands(v1beta1.PhaseProgressing, "r1-c", 1), run(4, ""), v1beta1.PastRun{Number: 3, Outcome: v1beta1.RunSuperseded}), "Superseded", "superseded"},
		"Unseen":     {"it was noted with its end", progressing, with(failed, run(1, v1beta1.RunPromotionFailed)), "PromotionFailed", "failed"},
		"Unknown":    {"the API server does not store runs", progressing, failed, "RolledBack", "failed"},
		"Retried": {"what has failed before and fails again has failed", func() v1beta1.CanaryStatus {
			s := progressing
			s.FailedRevisions = again.FailedRevisions
			return s
		}(), again, "RolledBack", "failed"},
	} {
		t.Run(name, func(t *testing.T) {
			told, into := newTelemetry(t)
			n := newsOf(tc.before, tc.after)
			was, _ := new(rolloutHistory).recordDecision(n)
			told.count(n, was)
			require.Equal(t, tc.result, labelOf(t, into, "sluice_rollout_duration_seconds", "result"), tc.reason)
			require.Equal(t, tc.outcome, labelOf(t, into, "sluice_rollout_duration_seconds", "outcome"), tc.reason)
		})
	}
}

func TestWaitingForPeopleIsCounted(t *testing.T) {
	at := func(why rollout.Wait, second int) v1beta1.CanaryStatus {
		s := stands(v1beta1.PhaseProgressing, "r1-b", 0)
		s.WaitingFor, s.LastTransitionTime = string(why), metav1.NewTime(noon.Add(time.Duration(second)*time.Second))
		return s
	}
	told, into := newTelemetry(t)
	seen := []v1beta1.CanaryStatus{at(rollout.WaitInterval, 0), at(rollout.WaitStepPaused, 60), at(rollout.WaitStepPaused, 60), at(rollout.WaitRetry, 100), at(rollout.WaitHeld, 130), at(rollout.WaitInterval, 131)}
	var c *v1beta1.Canary
	for i := range seen[1:] {
		n := newsOf(seen[i], seen[i+1])
		c = n.Canary
		told.count(n, rolloutRecord{})
	}
	exposes(t, into, "sluice_rollout_waiting_for_people_seconds_total", map[string]float64{
		"name=podinfo namespace=test reason=StepPaused": 40,
		"name=podinfo namespace=test reason=Held":       1,
	})
	told.Forget(c)
	require.Zero(t, testutil.CollectAndCount(told.people))
}

func TestQueuesAreTold(t *testing.T) {
	told, into := newTelemetry(t)
	q := notify.NewQueue(notify.Limits{OwnRoom: 1, SharedRoom: 1}, logr.Discard())
	told.Watch("alerts", q)
	told.Watch("hooks", notify.NewQueue(notify.Limits{}, logr.Discard()))
	for range 5 {
		q.Enqueue(notify.Job{})
	}
	exposes(t, into, "sluice_queue_depth", map[string]float64{
		"queue=alerts": 2,
		"queue=hooks":  0,
	})
	exposes(t, into, "sluice_queue_dropped_total", map[string]float64{
		"queue=alerts": 3,
		"queue=hooks":  0,
	})
}

func TestPhaseIsReadOffTheCache(t *testing.T) {
	c := *newsOf(v1beta1.CanaryStatus{}, stands(v1beta1.PhasePromoting, "r1-b", 0)).Canary
	_, into := newTelemetry(t, c, v1beta1.Canary{})
	exposes(t, into, "sluice_canary_phase_start_timestamp_seconds", map[string]float64{
		"name=podinfo namespace=test phase=Promoting": 1795348800,
	})
}

func TestCanariesOnOneNameAreToldOnce(t *testing.T) {
	older, younger := v1beta1.Canary{}, v1beta1.Canary{}
	older.Namespace, older.Name, older.CreationTimestamp = "test", "b", metav1.Unix(100, 0)
	younger.Namespace, younger.Name, younger.CreationTimestamp = "test", "a", metav1.Unix(200, 0)
	older.Spec.TargetRef.Name, younger.Spec.TargetRef.Name = "podinfo", "podinfo"
	older.Status.Phase, older.Status.CanaryWeight = v1beta1.PhaseProgressing, 30
	_, into := newTelemetry(t, younger, older)
	exposes(t, into, "flagger_canary_total", map[string]float64{"namespace=test": 2})
	exposes(t, into, "flagger_canary_status", map[string]float64{"name=podinfo namespace=test": statusRunning})
	exposes(t, into, "flagger_canary_weight", map[string]float64{
		"namespace=test workload=podinfo":         30,
		"namespace=test workload=podinfo-primary": 70,
	})
}

func TestRoundsAreTimed(t *testing.T) {
	told, into := newTelemetry(t)
	told.RoundTook(20 * time.Millisecond)
	require.InDelta(t, 0.02, sumOf(t, into, "sluice_analysis_round_duration_seconds"), 1e-9)
}

func TestProviderErrorsAreCounted(t *testing.T) {
	told, into := newTelemetry(t)
	told.QueryFailed("datadog")
	told.QueryFailed("datadog")
	told.failed(asAlert, "slack")
	exposes(t, into, "sluice_provider_errors_total", map[string]float64{
		"kind=alert provider=slack":    1,
		"kind=metric provider=datadog": 2,
	})
}

package rollout

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// TestRoutesAreLookedAtWhenTheyAreLate has routes that are not taken end a rollout though no event tells.
func TestRoutesAreLookedAtWhenTheyAreLate(t *testing.T) {
	s := snap(func(s *Snapshot) { s.Routed, s.Trouble = false, "gateway podinfo does not exist" })
	waits := Decide(s, Findings{})
	require.Equal(t, string(WaitRoutes), reason(waits.Status, v1beta1.ConditionWaiting))
	require.Greater(t, waits.After, s.Plan.Deadline)
	s.Status, s.Now = waits.Status, s.Now.Add(waits.After)
	require.Equal(t, v1beta1.PhaseFailed, Decide(s, Findings{}).Status.Phase)
}

func TestStepIsJudgedAnIntervalAfterItsWeight(t *testing.T) {
	s := snap(func(s *Snapshot) { s.Effective = noon.Add(-7 * time.Second) })
	d := Decide(s, Findings{})
	require.Empty(t, d.Questions, "three seconds of its interval were without its weight")
	require.Equal(t, 3*time.Second, d.After)
	s.Now = noon.Add(3 * time.Second)
	require.NotEmpty(t, Decide(s, Findings{}).Questions)
}

// TestStepWhoseRoutesAreLate is about a provider that takes routes long after they were stored.
func TestStepWhoseRoutesAreLate(t *testing.T) {
	s := snap(func(s *Snapshot) { s.Routed, s.Trouble = false, "the gateway does not accept it" })
	s.Status = Decide(s, Findings{}).Status
	s.Routed, s.Trouble, s.Now = true, "", noon.Add(4*time.Second)
	s.Status = Decide(s, Findings{}).Status
	require.Equal(t, s.Now.Add(10*time.Second), s.Status.NextCheck.Time, "it is judged over an interval with them")
	require.Equal(t, string(WaitInterval), s.Status.WaitingFor)
}

func TestClocksThatGoBack(t *testing.T) {
	back := noon.Add(-time.Hour)
	cases := map[string]struct {
		reason string
		given  func(*Snapshot)
		holds  func(*testing.T, v1beta1.CanaryStatus)
	}{
		"Step": {"A step of ten seconds does not last an hour.", func(*Snapshot) {}, func(t *testing.T, s v1beta1.CanaryStatus) {
			require.Equal(t, back.Add(10*time.Second), s.NextCheck.Time)
			require.Equal(t, back, s.Since.Time)
			require.Equal(t, back, s.StepStarted.Time.Time)
		}},
		"Gate": {"Nor is a gate asked an hour later.", func(s *Snapshot) {
			in(v1beta1.PhaseWaiting)(s)
			s.Revision, s.Status.NextCheck = "r1-v3", micro(noon.Add(10*time.Second))
		}, func(t *testing.T, s v1beta1.CanaryStatus) {
			require.Equal(t, back.Add(10*time.Second), s.NextCheck.Time)
		}},
		"Metric": {"A metric that waits has waited from now on.", func(s *Snapshot) {
			s.Status.Analysis = &v1beta1.AnalysisStatus{Started: micro(noon), WaitingSince: micro(noon), Metrics: []v1beta1.MetricStatus{{Name: "a", WaitingSince: micro(noon)}}}
		}, func(t *testing.T, s v1beta1.CanaryStatus) {
			require.Equal(t, back, s.Analysis.WaitingSince.Time)
			require.Equal(t, back, s.Analysis.Metrics[0].WaitingSince.Time)
			require.Equal(t, back, s.Analysis.Started.Time)
		}},
		"Promotion": {"Rollback hooks are asked within an interval.", func(s *Snapshot) {
			*s = inPromotion()
			s.Status.RollbackHooksAsked = micro(noon)
		}, func(t *testing.T, s v1beta1.CanaryStatus) { require.Equal(t, back, s.RollbackHooksAsked.Time) }},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s := snap(c.given)
			s.Now = back
			d := Decide(s, Findings{})
			c.holds(t, d.Status)
			require.LessOrEqual(t, d.After, 10*time.Second, c.reason)
			s.Status = d.Status
			require.Equal(t, d.Status, Decide(s, Findings{}).Status, "once")
		})
	}
}

// TestPodsOfTheFuture holds that what a node's clock says gives no pod more than the deadline.
func TestPodsOfTheFuture(t *testing.T) {
	s := snap(func(s *Snapshot) { s.Target.Health, s.Target.Since = Starting, noon.Add(time.Hour) })
	s.Status = decide(s, []told{{"request-success-rate", v1beta1.Passed, ""}}).Status
	require.Equal(t, string(WaitCanary), s.Status.WaitingFor)
}

func TestStepStarted(t *testing.T) {
	s := snap()
	s.Status.StepStarted = &v1beta1.StepStart{Revision: "r1-v1", Step: 1, Time: *micro(noon.Add(-time.Hour))}
	require.Equal(t, noon.Add(-10*time.Second), newTransition(s).Status.StepStarted.Time.Time, "that of another revision counts for nothing")
	d := decide(s, []told{{"request-success-rate", v1beta1.Passed, ""}})
	require.Equal(t, &v1beta1.StepStart{Revision: "r1-v2", Step: 2, Time: *micro(noon)}, d.Status.StepStarted)

	s.Status, s.Paused = d.Status, true
	s.Status = Decide(s, Findings{}).Status
	s.Paused, s.Now = false, noon.Add(time.Minute)
	s.Status = Decide(s, Findings{}).Status
	require.Equal(t, noon.Add(time.Minute), s.Status.StepStarted.Time.Time, "a halt is no part of it")
}

func TestPlanHash(t *testing.T) {
	steps := func(s *Snapshot) { s.Plan.Hash = "1" }
	other := func(s *Snapshot) {
		steps(s)
		s.Status.PlanHash, s.Plan.Hash = "1", "2"
		s.Plan.Steps = []Step{{Weight: 5}, {Weight: 10}, {Weight: 50}}
	}
	require.Equal(t, "1", newTransition(snap(steps)).base.PlanHash, "an older version's step is one of these")
	require.Empty(t, newTransition(snap(steps, func(s *Snapshot) { s.Status.CanaryWeight = 60 })).base.PlanHash, "or not")
	d := Decide(snap(other), Findings{})
	require.Equal(t, 2, d.Status.Step, "the step with what users have")
	require.Equal(t, "2", d.Status.PlanHash)
	same := Decide(snap(other, func(s *Snapshot) { s.Plan.Hash = "1" }), Findings{})
	require.NotEmpty(t, same.Questions, "the same steps are not looked for")
}

func TestCompleteSteps(t *testing.T) {
	s := snap(func(s *Snapshot) {
		s.Plan.Metrics = []v1beta1.CanaryMetric{{Name: "a"}, {Name: "b"}}
		s.Plan.Steps[0].Metrics = []string{"b"}
		s.Plan.Steps[0].Until.Duration = 25 * time.Second
		s.Plan.Steps[1].Scale = ptr(300)
		s.Status.PrimaryReplicas, s.Target.Available, s.Target.Replicas = 2, 6, 6
		s.Status.StepUntil = &metav1.Time{Time: noon.Add(15 * time.Second)}
	})
	require.Equal(t, []string{"b"}, asked(Decide(s, Findings{})))
	passed := []told{{"b", v1beta1.Passed, ""}}
	d := decide(s, passed)
	require.Equal(t, 1, d.Status.Step, "ten of its seconds are over")
	require.Equal(t, string(WaitInterval), d.Status.WaitingFor)
	s.Status, s.Now = d.Status, noon.Add(16*time.Second)
	d = decide(s, passed)
	require.Equal(t, 1, d.Status.Step, "this check was to be made before they were over")
	s.Status, s.Now = d.Status, noon.Add(26*time.Second)
	require.Equal(t, 2, decide(s, passed).Status.Step)
	require.Equal(t, int32(6), IntentOf(s.Plan, s.Status).TargetMinimum, "three times the primary's pods")
}

// TestDeadlineOfAStep has a step that waits for its pods, as weights by pods do, have a deadline of its own, however long the steps
// before took.
func TestDeadlineOfAStep(t *testing.T) {
	s := snap(func(s *Snapshot) {
		s.Plan.Ratio, s.Status.Since, s.Status.NextCheck = true, micro(noon.Add(-time.Hour)), nil
		s.Status.Step, s.Status.CanaryWeight, s.Status.ActualWeight, s.Status.PrimaryReplicas = 2, 50, ptr(10), 4
		s.Status.StepStarted = &v1beta1.StepStart{Revision: "r1-v2", Step: 2, Time: *micro(noon)}
		s.Target.Health, s.Target.Reason = Starting, "the Deployment controller has not seen its newest version"
	})
	s.Now = noon.Add(s.Plan.Deadline)
	d := Decide(s, Findings{})
	require.Equal(t, v1beta1.PhaseProgressing, d.Status.Phase, d.Status.Cause)
	s.Status, s.Now = d.Status, s.Now.Add(time.Second)
	require.Equal(t, v1beta1.PhaseFailed, Decide(s, Findings{}).Status.Phase)
}

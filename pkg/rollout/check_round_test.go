package rollout

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

func TestLimitsOfMetricsWithOneName(t *testing.T) {
	passed, failed := told{"errors", v1beta1.Passed, ""}, told{"errors", v1beta1.Failed, "too many"}
	cases := map[string]struct {
		reason        string
		first, second *int
		found         []told
		counted       int
	}{
		"OwnLimitFirst":   {reason: "The second has none, so that its failure counts for all.", first: ptr(3), found: []told{passed, failed}, counted: 1},
		"OwnLimitSecond":  {reason: "The second counts by itself.", second: ptr(3), found: []told{passed, failed}},
		"FirstBySelf":     {reason: "So does the first, whatever the second does.", first: ptr(3), found: []told{failed, passed}},
		"FirstForAll":     {reason: "The first has none.", second: ptr(3), found: []told{failed, passed}, counted: 1},
		"EachByItsOwnWay": {reason: "One round is one failed check at the most.", second: ptr(3), found: []told{failed, failed}, counted: 1},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := snap(func(s *Snapshot) {
				s.Plan.Metrics = []v1beta1.CanaryMetric{{Name: "errors", FailureLimit: tc.first}, {Name: "errors", FailureLimit: tc.second}}
			})
			require.Equal(t, tc.counted, decide(s, tc.found).Status.FailedChecks, tc.reason)
		})
	}
}

func TestFailureAfterThePrimaryRecovered(t *testing.T) {
	// The promotion to v2 was given up; v2 came up on the primary after all while v3 is judged at 100, and v3 fails.
	s := snap(func(s *Snapshot) {
		s.Revision, s.Target.Revision, s.Primary.Revision = "r1-v3", "r1-v3", "r1-v2"
		s.Status.LastAppliedSpec, s.Status.Promoting, s.Status.CanaryWeight, s.Status.Step = "r1-v3", "r1-v2", 100, 2
		s.Status.FailedChecks, s.Status.Analysis = 1, &v1beta1.AnalysisStatus{Started: micro(noon)}
	})
	d := decide(s, []told{{"request-success-rate", v1beta1.Failed, "success rate 41% < 99%"}})
	require.Equal(t, v1beta1.PhaseFailed, d.Status.Phase)
	require.Equal(t, 0, d.Status.CanaryWeight)
	require.Equal(t, "r1-v2", d.Status.LastPromotedSpec)
	require.Equal(t, "Canary analysis failed, Deployment scaled to zero. Cause: 2 failed checks of podinfo.test, the last: success rate 41% < 99%.",
		message(d.Status, v1beta1.ConditionPromoted), "the primary serves, and what failed is the canary")
}

// passing judges a canary at its last step round by round, each asked metric having the next of the verdicts, and returns
// the phase that this comes to and in which of the rounds the metric was asked.
func passing(t *testing.T, s Snapshot, verdicts ...v1beta1.Verdict) (phase v1beta1.CanaryPhase, rounds []int) {
	t.Helper()
	for round := 1; s.Status.Phase == v1beta1.PhaseProgressing; round++ {
		require.LessOrEqual(t, round, 20, "it comes to an end")
		var found []told
		for _, q := range decide(s, nil).Questions.Asked {
			require.NotEmpty(t, verdicts, "asked more often than expected, after rounds %v", rounds)
			found = append(found, told{q.Metric.Name, verdicts[0], "as it is"})
			rounds, verdicts = append(rounds, round), verdicts[1:]
		}
		s.Status = decide(s, found).Status
		if s.Status.NextCheck != nil {
			s.Now = s.Status.NextCheck.Time
		}
	}
	return s.Status.Phase, rounds
}

func TestNothingIsPromotedUnjudged(t *testing.T) {
	const (
		P, F, W, I = v1beta1.Passed, v1beta1.Failed, v1beta1.Waiting, v1beta1.Inconclusive
	)
	began := func(s *Snapshot) { // at the last step, ten seconds ago
		s.Status.Step, s.Status.CanaryWeight, s.Plan.Threshold = 2, 50, 5
		s.Status.Analysis = &v1beta1.AnalysisStatus{Started: micro(noon.Add(-10 * time.Second))}
	}
	fixed := func(s *Snapshot) { // v2 broke the primary; v3 has all users
		s.Revision, s.Target.Revision, s.Primary.Revision, s.Primary.Health = "r1-v3", "r1-v3", "r1-v2", Stuck
		s.Status.LastAppliedSpec, s.Status.Promoting, s.Status.Step, s.Status.CanaryWeight, s.Status.NextCheck = "r1-v3", "r1-v2", 2, 100, nil
	}
	continues := func(s *Snapshot) { s.Plan.OnInconclusive = v1beta1.InconclusiveContinue }
	cases := map[string]struct {
		reason   string
		given    func(*Snapshot)
		change   func(*Snapshot)
		metric   v1beta1.CanaryMetric
		verdicts []v1beta1.Verdict
		asked    []int
		phase    v1beta1.CanaryPhase
	}{
		"CountThatPassed": {reason: "What has passed as often as asked is not asked again.", given: began, metric: v1beta1.CanaryMetric{Count: 1},
			verdicts: []v1beta1.Verdict{P}, asked: []int{1}, phase: v1beta1.PhasePromoting},
		"CountWaiting": {reason: "A round without a value is none of the count.", given: began, metric: v1beta1.CanaryMetric{Count: 1},
			verdicts: []v1beta1.Verdict{W, W, P}, asked: []int{1, 2, 3}, phase: v1beta1.PhasePromoting},
		"CountInconclusive": {reason: "Nor is one that says neither.", given: began, metric: v1beta1.CanaryMetric{Count: 1},
			verdicts: []v1beta1.Verdict{I, P}, asked: []int{1, 2}, phase: v1beta1.PhasePromoting},
		"CountContinues": {reason: "Unless the spec takes that for passed.", given: began, change: continues, metric: v1beta1.CanaryMetric{Count: 1},
			verdicts: []v1beta1.Verdict{I}, asked: []int{1}, phase: v1beta1.PhasePromoting},
		"CountFailing": {reason: "Failing as often as it is counted is not passing.", given: began, metric: v1beta1.CanaryMetric{Count: 3},
			verdicts: []v1beta1.Verdict{F, F, F, F, F}, asked: []int{1, 2, 3, 4, 5}, phase: v1beta1.PhaseFailed},
		"CountFailingAtLast": {reason: "A check that failed is repeated, the last one too.", given: began, metric: v1beta1.CanaryMetric{Count: 2},
			verdicts: []v1beta1.Verdict{F, F, P}, asked: []int{1, 2, 3}, phase: v1beta1.PhasePromoting},
		"CountOfOwnLimit": {reason: "Its own limit does not let it through either.", given: began, metric: v1beta1.CanaryMetric{Count: 1, FailureLimit: ptr(2)},
			verdicts: []v1beta1.Verdict{F, F, F}, asked: []int{1, 2, 3}, phase: v1beta1.PhaseFailed},
		"CountOfDryRun": {reason: "What decides nothing is measured as often as asked.", given: began,
			metric: v1beta1.CanaryMetric{Count: 1, DryRun: true}, verdicts: []v1beta1.Verdict{F}, asked: []int{1}, phase: v1beta1.PhasePromoting},
		"InARow": {reason: "How often in a row is about each step.", metric: v1beta1.CanaryMetric{ConsecutiveSuccessLimit: 2},
			verdicts: []v1beta1.Verdict{P, P, P, P}, asked: []int{1, 2, 3, 4}, phase: v1beta1.PhasePromoting},
		"InARowBroken": {reason: "One that says neither begins it anew.", metric: v1beta1.CanaryMetric{ConsecutiveSuccessLimit: 2},
			verdicts: []v1beta1.Verdict{P, P, P, W, P, P}, asked: []int{1, 2, 3, 4, 5, 6}, phase: v1beta1.PhasePromoting},
		"InARowCounted": {reason: "After its last check a metric holds no step up.", metric: v1beta1.CanaryMetric{ConsecutiveSuccessLimit: 2, Count: 3},
			verdicts: []v1beta1.Verdict{P, P, P}, asked: []int{1, 2, 3}, phase: v1beta1.PhasePromoting},
		"CountInTheFirstStep": {reason: "Its passes are not forgotten.", metric: v1beta1.CanaryMetric{ConsecutiveSuccessLimit: 2, Count: 2},
			verdicts: []v1beta1.Verdict{P, P}, asked: []int{1, 2}, phase: v1beta1.PhasePromoting},
		"DelayBeyondTheSteps": {reason: "A rollout does not end before its metrics were asked.", given: began,
			metric: v1beta1.CanaryMetric{InitialDelay: "30s"}, verdicts: []v1beta1.Verdict{P}, asked: []int{3}, phase: v1beta1.PhasePromoting},
		"DelayOfDryRun": {reason: "What decides nothing is not waited for.", given: began,
			metric: v1beta1.CanaryMetric{InitialDelay: "30s", DryRun: true}, phase: v1beta1.PhasePromoting},
		"Fix": {reason: "A fix that begins at 100 is judged there.", given: fixed, verdicts: []v1beta1.Verdict{P}, asked: []int{2}, phase: v1beta1.PhasePromoting},
		"FixWithDelay": {reason: "Also by metrics that are asked late.", given: fixed, metric: v1beta1.CanaryMetric{InitialDelay: "20s"},
			verdicts: []v1beta1.Verdict{P}, asked: []int{3}, phase: v1beta1.PhasePromoting},
		"BadFixWithDelay": {reason: "Which may find it no better.", given: fixed, metric: v1beta1.CanaryMetric{InitialDelay: "10s"},
			verdicts: []v1beta1.Verdict{F, F}, asked: []int{2, 3}, phase: v1beta1.PhaseFailed},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			c.metric.Name = "request-success-rate"
			s := snap(func(s *Snapshot) { s.Plan.Metrics = []v1beta1.CanaryMetric{c.metric} })
			if c.given != nil {
				c.given(&s)
			}
			if c.change != nil {
				c.change(&s)
			}
			phase, asked := passing(t, s, c.verdicts...)
			require.Equal(t, c.phase, phase, c.reason)
			require.Equal(t, c.asked, asked, c.reason)
		})
	}
}

func TestFixIsAcceptedBeforeItIsJudged(t *testing.T) {
	smoke := v1beta1.CanaryWebhook{Name: "smoke", Type: v1beta1.PreRolloutHook}
	load := v1beta1.CanaryWebhook{Name: "load", Type: v1beta1.RolloutHook}
	s := snap(func(s *Snapshot) {
		s.Revision, s.Target.Revision, s.Primary.Revision, s.Primary.Health = "r1-v3", "r1-v3", "r1-v2", Stuck
		s.Status.LastAppliedSpec, s.Status.Promoting, s.Status.Step, s.Status.CanaryWeight, s.Status.NextCheck = "r1-v3", "r1-v2", 2, 100, nil
		s.Plan.Hooks = []v1beta1.CanaryWebhook{smoke, load}
	})
	require.Equal(t, []string{"smoke"}, asked(decide(s, nil)))
	refused := decide(s, []told{{"smoke", v1beta1.Failed, "no"}})
	require.Equal(t, 1, refused.Status.FailedChecks)
	s.Status, s.Now = refused.Status, refused.Status.NextCheck.Time
	require.Equal(t, []string{"smoke"}, asked(decide(s, nil)), "it is asked again")
	require.Equal(t, []string{"load"}, asked(decide(s, []told{{"smoke", v1beta1.Passed, ""}})), "what is told of the beginning")
	agreed := decide(s, []told{{"smoke", v1beta1.Passed, ""}, {"load", v1beta1.Failed, "whatever it says"}})
	require.Equal(t, v1beta1.PhaseProgressing, agreed.Status.Phase)
	require.Equal(t, string(WaitInterval), reason(agreed.Status, v1beta1.ConditionWaiting))
	s.Status, s.Now = agreed.Status, agreed.Status.NextCheck.Time
	require.Equal(t, []string{"load", "request-success-rate"}, asked(decide(s, nil)))
}

// rounds judges a canary at its last step round by round, whose two metrics have these verdicts, and returns the status
// it comes to.
func rounds(s Snapshot, verdicts ...[2]v1beta1.Verdict) v1beta1.CanaryStatus {
	for _, v := range verdicts {
		s.Status = decide(s, []told{{"a", v[0], "as it is"}, {"b", v[1], "as it is"}}).Status
		if s.Status.NextCheck != nil {
			s.Now = s.Status.NextCheck.Time
		}
	}
	return s.Status
}

func TestEachMetricWaitsForItself(t *testing.T) {
	const P, W, I = v1beta1.Passed, v1beta1.Waiting, v1beta1.Inconclusive
	cases := map[string]struct {
		reason   string
		dry      bool
		verdicts [][2]v1beta1.Verdict
		phase    v1beta1.CanaryPhase
	}{
		"DryRun": {reason: "What decides nothing starts no clock for others.", dry: true,
			verdicts: [][2]v1beta1.Verdict{{W, P}, {W, P}, {W, P}, {W, P}, {W, W}}, phase: v1beta1.PhaseProgressing},
		"InTurns": {reason: "One that waits for the first time has waited for nothing yet.",
			verdicts: [][2]v1beta1.Verdict{{W, P}, {W, P}, {W, P}, {P, W}}, phase: v1beta1.PhaseProgressing},
		"Alone": {reason: "Nobody waits longer than the deadline.",
			verdicts: [][2]v1beta1.Verdict{{W, P}, {W, P}, {W, P}, {W, P}}, phase: v1beta1.PhaseFailed},
		"WithUnclear": {reason: "A value that says neither ends no wait.",
			verdicts: [][2]v1beta1.Verdict{{W, P}, {I, P}, {W, P}, {I, P}, {W, P}, {I, P}, {W, P}}, phase: v1beta1.PhaseFailed},
		"WithManyUnclear": {reason: "Nor is it part of one: somebody may be looking at it for hours.",
			verdicts: [][2]v1beta1.Verdict{{W, P}, {I, P}, {I, P}, {I, P}, {I, P}, {I, P}, {I, P}, {W, P}}, phase: v1beta1.PhaseProgressing},
		"WithClear": {reason: "One that is clear does.",
			verdicts: [][2]v1beta1.Verdict{{W, P}, {P, P}, {W, P}, {P, P}, {W, P}, {P, P}, {W, P}, {P, P}, {W, P}}, phase: v1beta1.PhaseProgressing},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s := snap(func(s *Snapshot) {
				s.Plan.Metrics = []v1beta1.CanaryMetric{{Name: "a", DryRun: c.dry}, {Name: "b", ConsecutiveSuccessLimit: 100}}
				s.Plan.Deadline = 25 * time.Second
			})
			require.Equal(t, c.phase, rounds(s, c.verdicts...).Phase, c.reason)
		})
	}
}

// TestHaltIsNoWaiting holds that a halt uses up no deadline of a metric.
func TestHaltIsNoWaiting(t *testing.T) {
	s := snap()
	wait := []told{{"request-success-rate", v1beta1.Waiting, "no values"}}
	s.Status = decide(s, wait).Status
	s.Paused, s.Now = true, s.Now.Add(5*time.Second)
	s.Status = Decide(s, Findings{}).Status
	s.Paused, s.Now = false, s.Now.Add(time.Hour)
	s.Status = Decide(s, Findings{}).Status
	s.Status = decide(s, wait).Status
	require.Equal(t, v1beta1.PhaseProgressing, s.Status.Phase)
	require.Equal(t, s.Now.Add(-5*time.Second), s.Status.Analysis.WaitingSince.Time)
}

package rollout

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// begun is a rollout that has just taken its second step, at noon, with an interval of ten minutes.
func begun(t *testing.T, change ...func(*Snapshot)) Snapshot {
	t.Helper()
	s := snap(func(s *Snapshot) { s.Plan.Interval = 10 * time.Minute })
	s.Status = decide(s, []told{{"request-success-rate", v1beta1.Passed, ""}}).Status
	require.Equal(t, 2, s.Status.Step)
	require.Equal(t, noon.Add(10*time.Minute), s.Status.NextCheck.Time)
	for _, c := range change {
		c(&s)
	}
	return s
}

// TestIntervalOfAStepThatRuns has an interval that is changed in mid-rollout be that of the step in effect.
func TestIntervalOfAStepThatRuns(t *testing.T) {
	failed := func(s *Snapshot) {
		s.Now = noon.Add(10 * time.Minute)
		s.Status = decide(*s, []told{{"request-success-rate", v1beta1.Failed, "success rate 41.00% < 99%"}}).Status
		s.Now = noon
	}
	cases := map[string]struct {
		reason   string
		given    []func(*Snapshot)
		interval time.Duration
		after    time.Duration // since noon, when the step began
		due      time.Duration // likewise
		says     string
	}{
		"Shorter": {"It counts from the beginning of the step.", nil, 2 * time.Minute, time.Minute, 2 * time.Minute,
			"Step 2 of 2: 50% of requests go to podinfo.test, judged after 2m0s, at 12:02:00 UTC."},
		"Longer": {"The other way, too.", nil, time.Hour, time.Minute, time.Hour,
			"Step 2 of 2: 50% of requests go to podinfo.test, judged after 1h0m0s, at 13:00:00 UTC."},
		"Same": {"Nothing is changed by that.", nil, 10 * time.Minute, time.Minute, 10 * time.Minute,
			"Step 2 of 2: 50% of requests go to podinfo.test, judged after 10m0s, at 12:10:00 UTC."},
		"Failed": {"What failed is checked again after the interval that the spec has by now.", []func(*Snapshot){failed}, 2 * time.Minute, 11 * time.Minute, 12 * time.Minute,
			"Failed checks of podinfo.test: 1; at 2 it is rolled back. The last: success rate 41.00% < 99%. Checked again at 12:12:00 UTC."},
		"ByAnother": {"Of a check that another version has set nothing is known.", []func(*Snapshot){func(s *Snapshot) {
			s.Status.NextCheck = micro(noon.Add(90 * time.Second))
		}}, 2 * time.Minute, time.Minute, 90 * time.Second,
			"Step 2 of 2: 50% of requests go to podinfo.test, judged after 2m0s, at 12:01:30 UTC."},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s := begun(t, c.given...)
			s.Plan.Interval, s.Now = c.interval, noon.Add(c.after)
			s.Status = decide(s, nil).Status
			require.Equal(t, noon.Add(c.due), s.Status.NextCheck.Time, c.reason)
			require.Equal(t, c.says, message(s.Status, v1beta1.ConditionWaiting), c.reason)
			require.Equal(t, s.Status, decide(s, nil).Status, "once")
		})
	}
}

// TestIntervalAtAClosedGate has a gate asked at once, since what the condition says of the next time is not so any more.
func TestIntervalAtAClosedGate(t *testing.T) {
	s := begun(t, func(s *Snapshot) {
		s.Plan.Hooks = []v1beta1.CanaryWebhook{{Name: "go", Type: v1beta1.ConfirmPromotionHook}}
		s.Now = noon.Add(10 * time.Minute)
	})
	closed := []told{{"request-success-rate", v1beta1.Passed, ""}, {"go", v1beta1.Failed, "go is closed"}}
	s.Status = decide(s, closed).Status
	require.Equal(t, "go is closed. Asked again at 12:20:00 UTC.", message(s.Status, v1beta1.ConditionWaiting))
	s.Plan.Interval, s.Now = 2*time.Minute, s.Now.Add(time.Second)
	s.Status = decide(s, nil).Status
	require.Contains(t, asked(decide(s, nil)), "go")
	s.Status = decide(s, closed).Status
	require.Equal(t, "go is closed. Asked again at 12:12:01 UTC.", message(s.Status, v1beta1.ConditionWaiting))
}

// TestResumedStepIsNamed has the condition say after a halt which step goes on, and until when.
func TestResumedStepIsNamed(t *testing.T) {
	s := begun(t)
	before := message(s.Status, v1beta1.ConditionWaiting)
	s.Paused, s.Now = true, noon.Add(time.Minute)
	s.Status = decide(s, nil).Status
	s.Paused, s.Now = false, noon.Add(2*time.Minute)
	s.Status = decide(s, nil).Status
	require.Equal(t, before, message(s.Status, v1beta1.ConditionWaiting))
}

package rollout

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// flap lets an hour pass for a canary at 50 % of which two pods of four are available, with another one lost and back every
// few seconds, and returns when its rollout ended, and how often it was judged.
func flap(t *testing.T, verdict v1beta1.Verdict, ready func(after time.Duration) bool) (end Snapshot, checks int) {
	t.Helper()
	s := snap(func(s *Snapshot) {
		s.Status.Step, s.Status.CanaryWeight, s.Status.PrimaryReplicas = 2, 50, 4
		s.Plan.Deadline, s.Plan.Threshold = 10*time.Minute, 5
	})
	for ; s.Status.Phase == v1beta1.PhaseProgressing && s.Now.Sub(noon) < time.Hour; s.Now = s.Now.Add(5 * time.Second) {
		s.Target = Workload{Revision: "r1-v2", Health: Starting, Since: s.Now, Replicas: 4, Available: 2}
		if ready(s.Now.Sub(noon)) {
			s.Target.Health, s.Target.Available = Available, 4
		}
		d := Decide(s, Findings{})
		if !d.Questions.Empty() {
			checks++
			d = decide(s, []told{{"request-success-rate", verdict, "as it is"}})
		}
		s.Status = d.Status
	}
	return s, checks
}

func TestFlappingCanary(t *testing.T) {
	never := func(time.Duration) bool { return false }
	end, checks := flap(t, v1beta1.Passed, never)
	require.Equal(t, v1beta1.PhaseFailed, end.Status.Phase, "it is given up")
	require.InDelta(t, 10*time.Minute, end.Now.Sub(noon), float64(20*time.Second), "at the deadline, counted from the step")
	require.Greater(t, checks, 50, "and judged until then")

	end, checks = flap(t, v1beta1.Failed, never)
	require.Equal(t, v1beta1.PhaseFailed, end.Status.Phase)
	require.Equal(t, 5, checks, "what fails is rolled back while it lacks pods")

	end, _ = flap(t, v1beta1.Passed, func(after time.Duration) bool { return after == time.Minute+5*time.Second })
	require.Equal(t, v1beta1.PhasePromoting, end.Status.Phase, "what has its pods goes on")
	require.Equal(t, time.Minute+10*time.Second, end.Now.Sub(noon), "at once")
}

package rollout

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// TestEndIsNamed holds the condition Promoted to what has happened: nothing is promoted by putting a target back, and
// nobody has analysed what skipped the analysis.
func TestEndIsNamed(t *testing.T) {
	back := func(s *Snapshot) { s.Revision = "r1-v1" }
	cases := map[string]struct {
		reason string
		given  Snapshot
		phase  v1beta1.CanaryPhase
		want   string
	}{
		"AtTwenty": {"Put back at 20 %.", snap(back, func(s *Snapshot) { s.Status.CanaryWeight = 20 }), v1beta1.PhaseSucceeded,
			"Rollout called off at 20% of requests, podinfo.test is back at the promoted revision."},
		"Resumed": {"Put back during a suspension, which is over.", afterHalt(back), v1beta1.PhaseSucceeded,
			"Rollout called off at 10% of requests, podinfo.test is back at the promoted revision."},
		"BeforeTraffic": {"Put back before the first step.", snap(in(v1beta1.PhaseProgressing), back), v1beta1.PhaseSucceeded,
			"Rollout called off, podinfo.test is back at the promoted revision."},
		"AfterFailure": {"Put back after a failure, whose cause is all that is left to read.",
			snap(in(v1beta1.PhaseFailed), back, func(s *Snapshot) { s.Status.Cause = "too many 500s" }), v1beta1.PhaseSucceeded,
			"podinfo.test is back at the promoted revision. The rollout before failed: too many 500s."},
		"AfterFailureOfAnother": {"A version that notes no cause.", snap(in(v1beta1.PhaseFailed), back), v1beta1.PhaseSucceeded,
			"podinfo.test is back at the promoted revision. The rollout before failed."},
		"InPromotion": {"The primary was given the revision already.", snap(promotion, back), v1beta1.PhasePromoting,
			"podinfo-primary.test returns to the promoted revision. Cause: podinfo.test was put back to it."},
		"Returned": {"And is back.", snap(promotion, back, func(s *Snapshot) {
			s.Status.LastAppliedSpec, s.Status.Promoting, s.Primary.Revision, s.Status.CanaryWeight = "r1-v1", "r1-v1", "r1-v1", 0
		}), v1beta1.PhaseSucceeded, "Rollout called off, podinfo-primary.test is back at the promoted revision."},
		"Skipped": {"Nothing was analysed.", snap(in(v1beta1.PhaseFinalising), func(s *Snapshot) { s.Plan.Skip, s.Plan.Steps = true, nil }),
			v1beta1.PhaseSucceeded, "Canary analysis was skipped, promotion finished."},
		"Skipping": {"Nothing is analysed.", snap(in(v1beta1.PhaseProgressing), func(s *Snapshot) { s.Plan.Skip, s.Plan.Steps = true, nil }),
			v1beta1.PhasePromoting, "Canary analysis was skipped, starting primary rolling update."},
		"Promoted": {"The text that scripts look for.", snap(in(v1beta1.PhaseFinalising)), v1beta1.PhaseSucceeded,
			"Canary analysis completed successfully, promotion finished."},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			d := decide(c.given, nil)
			require.Equal(t, c.phase, d.Status.Phase, c.reason)
			require.Equal(t, c.want, message(d.Status, v1beta1.ConditionPromoted), c.reason)
		})
	}
}

// afterHalt is a rollout that was suspended, changed meanwhile, and resumed.
func afterHalt(change func(*Snapshot)) Snapshot {
	s := snap(func(s *Snapshot) { s.Paused = true })
	s.Status = decide(s, nil).Status
	change(&s)
	s.Status = decide(s, nil).Status
	s.Paused = false
	s.Status = decide(s, nil).Status
	return s
}

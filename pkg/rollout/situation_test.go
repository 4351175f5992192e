package rollout

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

func TestSituation(t *testing.T) {
	given := func(s *Snapshot) { s.Status.Phase, s.Status.Promoting = v1beta1.PhaseFailed, "r1-v2" }
	cases := map[string]struct {
		reason  string
		given   Snapshot
		target  targetState
		primary primaryState
		alone   bool
	}{
		"Judged":    {"The target has what is judged, the primary what passed.", snap(), targetUnchanged, primaryAtPromoted, false},
		"Moved":     {"The target has a newer one.", snap(func(s *Snapshot) { s.Revision = "r1-v3" }), targetChanged, primaryAtPromoted, false},
		"Reverted":  {"It is back.", snap(func(s *Snapshot) { s.Revision = "r1-v1" }), targetReverted, primaryAtPromoted, false},
		"Missing":   {"There is none.", snap(func(s *Snapshot) { s.Revision = "" }), targetMissing, primaryAtPromoted, false},
		"Given":     {"The primary was given it.", snap(promotion), targetUnchanged, primaryGiven, false},
		"NotGiven":  {"Or is about to be.", snap(promotion, func(s *Snapshot) { s.Primary.Revision = "r1-v1" }), targetUnchanged, primaryAtPromoted, false},
		"Wrong":     {"It was left with another one.", snap(in(v1beta1.PhaseFailed), func(s *Snapshot) { s.Primary.Revision = "r1-v0" }), targetUnchanged, primaryWrong, false},
		"Foreign":   {"Somebody else made it.", snap(func(s *Snapshot) { s.Primary.Revision = "" }), targetUnchanged, primaryUnrendered, false},
		"Gone":      {"Somebody deleted it.", snap(func(s *Snapshot) { s.Primary = Workload{} }), targetUnchanged, primaryGone, false},
		"Alone":     {"And the canary has everybody.", snap(func(s *Snapshot) { s.Primary, s.Status.CanaryWeight = Workload{}, 100 }), targetUnchanged, primaryGone, true},
		"Broken":    {"It never came up with what it was given.", snap(given, func(s *Snapshot) { s.Primary.Revision = "r1-v2"; broken(&s.Primary) }), targetUnchanged, primaryBroken, true},
		"PutBack":   {"It does not run the promoted one any more.", snap(given, func(s *Snapshot) { s.Revision = "r1-v1"; broken(&s.Primary) }), targetChanged, primaryBroken, true},
		"Recovered": {"It did after all.", snap(given, func(s *Snapshot) { s.Primary.Revision = "r1-v2" }), targetUnchanged, primaryRecovered, true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s := situationOf(c.given)
			require.Equal(t, c.target, s.targetIs, c.reason)
			require.Equal(t, c.primary, s.primaryIs, c.reason)
			require.Equal(t, c.alone, s.canaryOnly, c.reason)
		})
	}
}

// TestDrainedWithABrokenPrimary holds what the primary is said to run once it has the users of a canary that has none left:
// what it came up with, though with fewer pods.
func TestDrainedWithABrokenPrimary(t *testing.T) {
	s := snap(in(v1beta1.PhaseFailed), func(s *Snapshot) {
		s.Status.Promoting, s.Status.CanaryWeight = "r1-v2", 100
		s.Primary = Workload{Revision: "r1-v2", Health: Starting, Replicas: 2, Available: 1}
		s.Target.Health, s.Target.Available = Starting, 0
	})
	d := Decide(s, Findings{})
	require.Zero(t, d.Status.CanaryWeight)
	require.Equal(t, "r1-v2", d.Status.LastPromotedSpec)
	require.Empty(t, d.Status.Promoting)
}

package rollout

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// Users may grow in number while the primary's autoscaler sees none of them.
func TestPrimaryKeepsSizeForUsersBack(t *testing.T) {
	grown := func(weight int, change ...func(*Snapshot)) Snapshot {
		return snap(append([]func(*Snapshot){func(s *Snapshot) {
			s.Plan.Autoscaled, s.Plan.Steps = true, []Step{{Weight: weight}, {Weight: 100}}
			s.Status.CanaryWeight, s.Status.PrimaryReplicas = weight, 4
			s.Target.Replicas, s.Target.Available, s.Target.Most = 7, 7, 20
			s.Primary.Replicas, s.Primary.Available, s.Primary.Most = 4, 4, 10
		}}, change...)...)
	}
	for name, tc := range map[string]struct {
		reason string
		facts  Snapshot
		want   int32
	}{
		"Most":     {"most users are with the canary, which has grown", grown(60), 7},
		"All":      {"all of them are", grown(100), 7},
		"Half":     {"the primary sees as many as the canary, and grows by itself", grown(50), 4},
		"Few":      {"it sees most of them", grown(10), 4},
		"Shrunk":   {"it is never less than the size at the start", grown(60, func(s *Snapshot) { s.Target.Replicas = 3 }), 4},
		"Maximum":  {"up to the maximum of its autoscaler", grown(60, func(s *Snapshot) { s.Target.Replicas = 14 }), 10},
		"Matched":  {"the weight is one of those who fit, who may be few", grown(100, func(s *Snapshot) { s.Plan.Matched, s.Status.Matched = true, true }), 4},
		"Unscaled": {"a size without an autoscaler is its user's wish, for after the promotion", grown(60, func(s *Snapshot) { s.Plan.Autoscaled, s.Primary.Most = false, 0 }), 4},
		"Promoting": {"until they have come back", grown(100, func(s *Snapshot) {
			s.Status.Phase, s.Status.Promoting, s.Status.NextCheck = v1beta1.PhasePromoting, "r1-v2", nil
		}), 7},
		"Failed": {"nobody is with the canary any more", grown(60, in(v1beta1.PhaseFailed)), 4},
	} {
		t.Run(name, func(t *testing.T) {
			s := tc.facts
			d := Decide(s, Findings{})
			if d.Questions.Empty() {
				s.Status = d.Status
			}
			if tc.want > 4 {
				require.Equal(t, tc.want, s.Status.PrimaryReplicas, tc.reason)
				require.Equal(t, tc.want, IntentOf(s.Plan, s.Status).AutoscalerMinimum, "its autoscaler keeps as many")
				return
			}
			require.LessOrEqual(t, s.Status.PrimaryReplicas, tc.want, tc.reason)
		})
	}
}

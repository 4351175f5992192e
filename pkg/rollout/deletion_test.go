package rollout

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// TestDeletionOfAnother goes on with a deletion that another controller has begun: it has noted no size, and may have stopped
// the target.
func TestDeletionOfAnother(t *testing.T) {
	begun := func(s *Snapshot) {
		in(v1beta1.PhaseTerminating)(s)
		s.Deleting, s.Status.LastAppliedSpec, s.Status.LastPromotedSpec, s.Status.PrimaryReplicas = true, "7c96dd5f8", "7c96dd5f8", 0
		s.Primary.Replicas, s.Primary.Available = 3, 3
	}
	for name, target := range map[string]Workload{
		"Stopped": {Health: Stopped}, "Small": {Health: Available, Replicas: 1, Available: 1},
	} {
		t.Run(name, func(t *testing.T) {
			s := snap(begun, func(s *Snapshot) { s.Target = target })
			d := decide(s, nil)
			require.Equal(t, v1beta1.PhaseTerminating, d.Status.Phase)
			require.Zero(t, d.Status.CanaryWeight, "nobody is sent to a target that has too few pods")
			require.Equal(t, int32(3), IntentOf(s.Plan, d.Status).TargetMinimum, "it has to have those of the primary")
		})
	}
}

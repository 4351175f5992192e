package rollout

import (
	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// What changes around a rollout that is under way, and does not end it.

// underWay says that a rollout has begun and its traffic has not come back.
func (t *turn) underWay() bool {
	return t.analysing() || t.Status.Phase == v1beta1.PhasePromoting
}

// outgrown notices a primary that became larger since the rollout began: the canary needs pods for its share of that.
func outgrown(t *turn) move {
	if !t.underWay() || t.Primary.Replicas <= t.Status.PrimaryReplicas {
		return nil
	}
	return (*turn).grow
}

func (t *turn) grow() { t.next.PrimaryReplicas = t.Primary.Replicas }

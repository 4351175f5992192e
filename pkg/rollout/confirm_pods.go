package rollout

import "github.com/sluice-cd/sluice/pkg/apis/v1beta1"

// What a workload's status says of its pods may be true of those before, which are ending. Where users are led to pods that
// were started a moment ago, these are looked at themselves.

// MustConfirmTarget says that the target's pods have to be looked at: it has been started, and is about to have its first
// request, or the primary's pods end because it has all of them.
func MustConfirmTarget(s v1beta1.CanaryStatus) bool {
	return s.Phase == v1beta1.PhaseProgressing && s.Step == 0 || s.Phase == v1beta1.PhaseTerminating && s.CanaryWeight < everything || rollbackPrepares(s)
}

// MustConfirmPrimary says that the primary's pods have to be looked at: it returns to what it ran a moment ago, and users are
// still with the target.
func MustConfirmPrimary(s v1beta1.CanaryStatus) bool {
	return primaryReturning(s) && s.CanaryWeight > 0 && !rollbackPrepares(s)
}

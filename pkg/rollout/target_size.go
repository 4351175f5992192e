package rollout

import (
	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// Without an autoscaler the size of a target is its user's wish, and Sluice's own means at the same time: it stops the target, and
// starts it at its share. So a size that somebody else has given it is noted before it is changed, and is the primary's with
// the next promotion. A smaller one waits until that primary has the traffic back: until then it needs the pods that it has.

// SizeUnnoted says that somebody has given the target another size, and that no status has it yet.
func SizeUnnoted(s Snapshot) bool {
	st := s.Status
	if !s.Target.SizedByUser || s.Target.Replicas == 0 || s.Plan.Autoscaled || st.LastPromotedSpec == "" || st.Phase.Leaving() || Foreign(st) {
		return false
	}
	if !s.stores("targetSize") {
		return false
	}
	has := WantedSize(st)
	// Without any wish it is to be as large as it is.
	if has == 0 {
		has = st.PrimaryReplicas
	}
	if has == 0 {
		has = s.Primary.Replicas
	}
	return s.Target.Replicas != has
}

// WantedSize is what the primary is to have after the next promotion; zero: nobody wants another size.
func WantedSize(s v1beta1.CanaryStatus) int32 {
	// A version that does not know the field has promoted something since.
	if s.TargetSize == nil || s.TargetSize.Promoted != s.LastPromotedSpec {
		return 0
	}
	return max(s.TargetSize.Replicas, 0)
}

// recordTargetSize notes what the user wants.
func recordTargetSize(t *transition) {
	switch {
	case t.refused:
	case SizeUnnoted(t.Snapshot):
		t.next.TargetSize = &v1beta1.TargetSize{Replicas: t.Target.Replicas, Promoted: t.next.LastPromotedSpec}
	case t.next.TargetSize != nil:
		t.next.TargetSize.Promoted = t.next.LastPromotedSpec
	}
}

// sizePromoted gives a primary that was promoted the size that the user wants, once the canary has left.
func sizePromoted(p Plan, i Intent, s v1beta1.CanaryStatus) Intent {
	if wanted := WantedSize(s); s.Phase == v1beta1.PhaseFinalising && wanted > 0 && !p.Autoscaled && !i.Canary {
		i.PrimaryMinimum, i.PrimaryMaximum = wanted, wanted
	}
	return i
}

// promotedUnsized says that the primary is still to get that size.
func promotedUnsized(t *transition) bool {
	wanted := WantedSize(t.Status)
	return wanted > 0 && !t.Plan.Autoscaled && t.Primary.Replicas != wanted && t.targetIs != targetMissing && len(t.Refused) == 0
}

// releaseTargetSize forgets a wish that has come true.
func releaseTargetSize(t *transition) {
	if t.Primary.Replicas == WantedSize(t.Status) {
		t.next.TargetSize = nil
	}
}

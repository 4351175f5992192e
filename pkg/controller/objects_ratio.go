package controller

import (
	"context"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/kube"
	"github.com/sluice-cd/sluice/pkg/workload"
)

// Weights that are reached by numbers of pods: see rollout.Plan.Ratio.

// readRatio refuses pods that no Service could find.
func (r *Reconciler) readRatio(_ context.Context, v *view, _ client.Reader) error {
	if !v.snapshot.Plan.Ratio || v.target == nil {
		return nil
	}
	return workload.Mixable(v.target, v.canary)
}

// proportion brings both sides to the sizes of the intent. Whatever grows does so at once; the other side shrinks when
// its counterpart has the pods, so that there are never fewer than before.
func (v *view) proportion() {
	i := v.intent
	// Merged: an apply of the size alone would take away the rest of the primary, which is ours.
	if v.primary != nil && i.Size > 0 && replicas(v.primary) < i.Size {
		v.add = append(v.add, kube.PartialMerge(workload.Sized(v.primary, i.Size)))
	}
	// Not exact: sizes are the least that is needed, and whoever wants more may have it.
	if !i.Exact || v.primary == nil || v.target == nil {
		return
	}
	// Both in remove, which is applied only once the apex Service is known to lead to both sides.
	if replicas(v.primary) > i.Size && v.snapshot.Target.Available >= i.Floor {
		v.remove = append(v.remove, kube.PartialMerge(workload.Sized(v.primary, i.Size)))
	}
	if replicas(v.target) > i.Floor && v.snapshot.Primary.Available >= i.Size {
		v.remove = append(v.remove, v.sized(i.Floor))
	}
}

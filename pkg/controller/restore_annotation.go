package controller

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/workload"
)

// A stopped target carries what it takes to give it back (workload.RestoreInfo), in the same write that stops it: a Canary
// that nobody asked to wait can be deleted while no operator is there to see it.

// ReasonGivenBack is that of the event on a workload which has its pods again after its Canary has gone.
const ReasonGivenBack = "GivenBack"

// restoreInfo is what a target carries; empty: nothing.
func restoreInfo(target client.Object) workload.RestoreInfo {
	if target == nil {
		return workload.RestoreInfo{}
	}
	s, _ := workload.RestoreInfoOf(target)
	return s
}

// stop stops the target. One that is at zero already, as another controller or an older version has left it, is told
// what it is to come back with, once: the size that it carries stays, whatever its primary's becomes.
func (v *view) stop(have int32) {
	now := restoreInfo(v.target)
	if have == 0 && now.Size == 0 && v.primary == nil {
		return // nobody knows its size
	}
	size := v.fullSize()
	if have == 0 && now.Size > 0 {
		size = now.Size
	}
	next := workload.RestoreInfoFor(v.canary, size)
	// At zero already, it is told again only what has changed: its Canary was made anew, or names other routes by now.
	if have == 0 && next.String() == now.String() {
		return
	}
	v.remove = append(v.remove, touched(v.kind.Scale(v.target, 0, &next)))
}

// fullSize is the size at which the target serves everybody: that of the primary, as long as there is one.
func (v *view) fullSize() int32 {
	// One at least, since nothing that is given back can be of use at zero.
	size := max(v.canary.Status.PrimaryReplicas, 1)
	if v.primary != nil {
		return max(size, replicas(v.primary))
	}
	// The primary is gone, and with it what an autoscaler made of it: the most that anything remembers.
	return max(size, replicas(v.target), restoreInfo(v.target).Size)
}

// carriedRestoreInfo is what the target is to carry on; nil: nothing.
func (v *view) carriedRestoreInfo() *workload.RestoreInfo {
	// Nil takes the annotation away: a workload that was never stopped gets none by being started.
	if s := restoreInfo(v.target); s.Size > 0 {
		return &s
	}
	return nil
}

// stoppedForAnother says that the target was stopped for stoppedForAnother Canary than the one that is gone: it is that one's now.
func (v *view) stoppedForAnother() bool {
	s := restoreInfo(v.target)
	return s.Size > 0 && s.UID != v.canary.UID
}

// servicesTaken says that a Canary which lives has the Services, and with them the routes, of one that is gone.
func (r *Reconciler) servicesTaken(ctx context.Context, c *v1beta1.Canary) (bool, error) {
	return r.anyCanary(ctx, r.Client, c.Namespace, func(o *v1beta1.Canary) bool {
		// The same Canary with another target is an heir as well: it kept its Services and left its workload.
		return o.ApexName() == c.ApexName() && (o.UID != c.UID || o.Spec.TargetRef != c.Spec.TargetRef)
	})
}

// anyCanary says whether one that lives, or has still to be followed, is so.
func (r *Reconciler) anyCanary(ctx context.Context, from client.Reader, namespace string, is func(*v1beta1.Canary) bool) (bool, error) {
	all := &v1beta1.CanaryList{}
	if err := from.List(ctx, all, client.InNamespace(namespace), client.UnsafeDisableDeepCopy); err != nil {
		return false, fmt.Errorf("list canaries: %w", err)
	}
	for i := range all.Items {
		// One that only waits for somebody else's finalizer takes care of nothing any more.
		if !gone(&all.Items[i]) && is(&all.Items[i]) {
			return true, nil
		}
	}
	return false, nil
}

// clearRestoreInfo takes away what the target carries. It is done when there is nothing.
func (r *Reconciler) clearRestoreInfo(ctx context.Context, v *view) (done bool, err error) {
	// Looked for by its name, whatever it says: nothing of ours is to stay.
	if _, ok := v.target.GetAnnotations()[workload.RestoreAnnotation]; !ok {
		return true, nil
	}
	changed, err := r.Applier.Apply(ctx, v.canary, touched(workload.ClearRestoreInfo(v.target)))
	if err != nil {
		return false, fmt.Errorf("clear %s %q: %w", v.lowerKind(), v.target.GetName(), err)
	}
	return !changed, nil
}

// tellReturn says, on the workload itself, that it has its pods back: its Canary is not there to say it on.
func (r *Reconciler) tellReturn(ctx context.Context, v *view, changed bool) {
	if !changed {
		return
	}
	log.FromContext(ctx).Info("gave a target back whose Canary is gone", "kind", v.canary.Spec.TargetRef.Kind,
		"name", v.target.GetName(), "size", v.fullSize(), "canary", v.canary.Name)
	r.Announcer.Events.Eventf(v.target, corev1.EventTypeNormal, ReasonGivenBack,
		"Canary %s is gone, started again at size %d", v.canary.Name, v.fullSize())
}

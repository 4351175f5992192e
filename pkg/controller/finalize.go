package controller

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/kube"
	"github.com/sluice-cd/sluice/pkg/rollout"
	"github.com/sluice-cd/sluice/pkg/workload"
)

// A Canary that is deleted goes one of these ways:
//
//	revertOnDeletion       held, until the machine is at Terminated: target up, routes and apex back, nothing lost
//	… and refused          held, until its target can answer: nobody can render the routes that it would take
//	… its namespace too    let go at once: nothing can be made there any more
//	without                gone at once; Release then does what can still be done for its target
//	cluster-scoped routes  held, until these are deleted, whatever else it asks for

// clear deletes what we have made and nothing calls for any more.
func (r *Reconciler) clear(ctx context.Context, v *view) (changed bool, err error) {
	for _, o := range v.strays {
		c, err := r.Applier.Delete(ctx, v.canary, o)
		changed = changed || c
		if err != nil {
			return changed, err
		}
	}
	return changed, nil
}

// unheld says that hold has something to do.
func (v *view) unheld() bool { return len(v.strays) > 0 || v.misheld() }

// misheld says that the finalizer is not as the spec or the phase calls for.
func (v *view) misheld() bool {
	c := v.canary
	if !c.DeletionTimestamp.IsZero() {
		done := c.Status.Phase == v1beta1.PhaseTerminated || v.abandoned() && v.served()
		return held(c) && (!c.Spec.RevertOnDeletion || done)
	}
	// Both ways: a spec that no longer asks for it must not leave a finalizer that nobody would take off without us.
	return held(c) != (c.Spec.RevertOnDeletion || v.lingers)
}

// abandoned says that a Canary that is to give its target back goes with a spec that nobody can follow: no routes
// can be rendered from it, and waiting for a better one would keep it for ever.
func (v *view) abandoned() bool {
	return v.refused != nil && !v.canary.DeletionTimestamp.IsZero() && held(v.canary)
}

// served says that nobody would be worse off without the Canary: it has taken nothing, or its target can answer.
func (v *view) served() bool {
	return v.canary.Status.Phase == "" || v.target == nil || v.snapshot.Target.Health == rollout.Available
}

// hold puts the finalizer on a Canary that is to give its target back, or has what nothing else would delete, and takes
// it off once that is done, or no longer asked for. Before that it clears away what nothing calls for any more.
func (r *Reconciler) hold(ctx context.Context, v *view) (bool, error) {
	// Strays first. As long as one of them is there the Canary stays, and with it whoever would delete it.
	if cleared, err := r.clear(ctx, v); cleared || err != nil || !v.misheld() {
		return cleared, err
	}
	if held(v.canary) {
		if changed, err := r.farewell(ctx, v); changed || err != nil {
			return changed, err
		}
	}
	return true, r.Applier.SetFinalizer(ctx, v.canary, !held(v.canary))
}

// vain says that the whole namespace goes: nothing can be made in it any more, so that nothing can be given back.
func (v *view) vain() bool {
	return v.abandoned() && apierrors.HasStatusCause(v.refused, corev1.NamespaceTerminatingCause)
}

// farewell is what is left to do for a Canary that is about to go.
func (r *Reconciler) farewell(ctx context.Context, v *view) (changed bool, err error) {
	switch {
	case v.canary.DeletionTimestamp.IsZero():
		return false, nil
	case v.canary.Spec.RevertOnDeletion:
		// The target answers by now, or there is none: what is left is the user's own.
		return r.handOver(ctx, v)
	case v.target == nil:
		return false, nil
	}
	// The target starts while the primary is still there: it goes a moment after the finalizer does.
	changed, err = r.runTarget(ctx, v)
	if errors.Is(err, kube.ErrMissing) || refusedByServer(err) {
		return false, nil // it is tried again by Release, and is no reason to keep the Canary
	}
	return changed, err
}

// Release gives back what a Canary that is gone already had taken: the target's replicas, routes, and an apex
// Service that were the user's own. There was no finalizer to wait for it, so its primary goes at the same time.
//
// It is not done while the primary can still answer and the target cannot yet. What the target carries of its stop goes
// last: should this process end before, another one goes on from there.
func (r *Reconciler) Release(ctx context.Context, c *v1beta1.Canary) (done bool, err error) {
	if c.Status.Phase == v1beta1.PhaseTerminated {
		return true, nil // done by the way it went
	}
	// Live, for the target: the cache may be of before it was stopped.
	v, err := r.observe(ctx, c, r.Live)
	// Without a target there is nobody to give anything back to.
	if err != nil || v.target == nil || v.stoppedForAnother() {
		return err == nil, err
	}
	// The Services and routes of an heir are in use: they are not touched.
	heir, err := r.servicesTaken(ctx, c)
	if err != nil {
		return false, err
	}
	if !heir {
		if changed, err := r.part(ctx, v); changed || err != nil {
			return false, err
		}
	}
	if changed, err := r.runTarget(ctx, v); changed || err != nil {
		r.tellReturn(ctx, v, changed)
		return false, err
	}
	if v.primary != nil && v.snapshot.Primary.Available > 0 && !v.served() {
		return false, nil
	}
	if !heir {
		if changed, err := r.handOver(ctx, v); changed || err != nil {
			return false, err
		}
	}
	return r.clearRestoreInfo(ctx, v)
}

// handOver leaves to the user what is the user's. Where a route had to be changed for that it is not done yet.
func (r *Reconciler) handOver(ctx context.Context, v *view) (changed bool, err error) {
	if changed, err := r.part(ctx, v); changed || err != nil {
		return changed, err
	}
	// After the last change of them: an apply would make them ours again.
	if err := r.disown(ctx, v); err != nil {
		return false, err
	}
	if changed, err := r.releaseSelfVersioned(ctx, v); changed || err != nil {
		return changed, err
	}
	return false, r.giveBack(ctx, v)
}

// runTarget gives a target the replicas back that it serves everybody with, and its scaler leave to change them.
func (r *Reconciler) runTarget(ctx context.Context, v *view) (bool, error) {
	// First, or the scaler would have the target back at zero.
	if err := r.letGo(ctx, v); err != nil {
		return false, err
	}
	// With weights by pods it has those of its share in mid-rollout. At any other size than zero, somebody has seen to it.
	if have := replicas(v.target); have > 0 && (!v.canary.Status.Phase.UnderWay() || have >= v.fullSize()) {
		return false, nil
	}
	// It goes on carrying what it is owed: should this process end now, the next one gives the rest back.
	changed, err := r.Applier.Apply(ctx, v.canary, touched(v.kind.Scale(v.target, v.fullSize(), v.carriedRestoreInfo())))
	if err != nil {
		return changed, fmt.Errorf("give %s %q its replicas back: %w", v.lowerKind(), v.target.GetName(), err)
	}
	return changed, nil
}

// letGo ends the pause of the target's scaler. One that is gone, or cannot be read, holds nobody.
func (r *Reconciler) letGo(ctx context.Context, v *view) error {
	source, err := r.readScaler(ctx, v)
	if err != nil && !userError(err) {
		return err
	}
	// Paused is at zero, which is our doing; a pause at another size is the user's.
	if err != nil || source == nil || !workload.Paused(source) {
		return nil
	}
	if _, err := r.Applier.Apply(ctx, v.canary, touched(workload.Pause(source, false))); err != nil && !errors.Is(err, kube.ErrMissing) {
		return fmt.Errorf("let go of autoscaler %q: %w", source.GetName(), err)
	}
	return nil
}

// giveBack restores an apex Service that was there before the Canary.
func (r *Reconciler) giveBack(ctx context.Context, v *view) error {
	apex, err := r.apex(ctx, v.canary)
	// Our own goes with the Canary; and without a target there is nothing that another's could select.
	if err != nil || apex == nil || owned(apex, v.canary) || v.target == nil {
		return err
	}
	if _, ok := apex.Annotations[workload.OriginalSelectorAnnotation]; !ok {
		return nil // never taken over
	}
	original, err := r.Kinds.Restore(apex, v.target)
	if err != nil {
		return err
	}
	if err := r.Applier.Restore(ctx, original); err != nil {
		return fmt.Errorf("give service %q back: %w", apex.Name, err)
	}
	return nil
}

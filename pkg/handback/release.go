package handback

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/desired"
	"github.com/sluice-cd/sluice/pkg/kube"
	"github.com/sluice-cd/sluice/pkg/observe"
	"github.com/sluice-cd/sluice/pkg/rollout"
	"github.com/sluice-cd/sluice/pkg/workload"
)

// ReasonGivenBack is that of the event on a workload which has its pods again after its Canary has gone.
const ReasonGivenBack = "GivenBack"

// Release gives back what a Canary that is gone already had taken: the target's replicas, routes, and an apex
// Service that were the user's own. There was no finalizer to wait for it, so its primary goes at the same time.
//
// It is not done while the primary can still answer and the target cannot yet. What the target carries of its stop goes
// last: should this process end before, another one goes on from there.
func (h *Handback) Release(ctx context.Context, c *v1beta1.Canary) (done bool, err error) {
	if c.Status.Phase == v1beta1.PhaseTerminated {
		return true, nil // done by the way it went
	}
	// Users have not met the target yet: it is the one before that something was taken from.
	if rollout.RoutingKept(c.Status) {
		was := c.Status.Replaces
		c = c.WithTarget(*was)
		c.Status.Phase, c.Status.Target, c.Status.Replaces = v1beta1.PhaseSucceeded, was, nil
	}
	// Live, for the target: the cache may be of before it was stopped.
	f, err := h.Reader.LiveTarget(ctx, c)
	if err == nil && f.TargetUnread {
		return false, f.Refused
	}
	// Without a target there is nobody to give anything back to.
	if err != nil || f.Target == nil || stoppedForAnother(f) {
		return err == nil, err
	}
	// Services and routes that another Canary has are in use: they are not touched.
	inUse, err := h.servicesInUse(ctx, c)
	if err != nil {
		return false, err
	}
	if !inUse {
		if changed, err := h.detachRoutes(ctx, f); changed || err != nil {
			return false, err
		}
	}
	if changed, err := h.StartTarget(ctx, f); changed || err != nil {
		announceStart(ctx, h, f, changed)
		return false, err
	}
	if f.Primary != nil && f.Snapshot.Primary.Available > 0 && !served(f) {
		return false, nil
	}
	if !inUse {
		if changed, err := h.giveBackRouting(ctx, f); changed || err != nil {
			return false, err
		}
	}
	return h.clearRestoreInfo(ctx, f)
}

// StartTarget gives a target the replicas back that it serves everybody with, and its scaler leave to change them.
func (h *Handback) StartTarget(ctx context.Context, f *desired.Facts) (bool, error) {
	// First, or the scaler would have the target back at zero.
	if err := h.resumeScaler(ctx, f); err != nil {
		return false, err
	}
	// With weights by pods it has those of its share in mid-rollout. At any other size than zero, somebody has seen to it.
	have := workload.SizeOf(f.Target)
	if have > 0 && (!f.Canary.Status.Phase.UnderWay() || have >= desired.FullSize(f)) {
		return false, nil
	}
	// It goes on carrying what it is owed: should this process end now, the next one gives the rest back.
	changed, err := h.Applier.Apply(ctx, f.Canary, desired.Started(f))
	if err != nil {
		return changed, fmt.Errorf("give %s %q its replicas back: %w", f.LowerKind(), f.Target.GetName(), err)
	}
	return changed, nil
}

// resumeScaler ends what the target's scaler was kept at. One that is gone, or that is no scaler, holds nobody.
func (h *Handback) resumeScaler(ctx context.Context, f *desired.Facts) error {
	source, err := h.Reader.Autoscaler(ctx, f)
	if observe.IgnoreUserError(err) != nil {
		return err
	}
	if err != nil || source == nil {
		return nil
	}
	resumed := workload.FreeScaler(source)
	if resumed == nil {
		return nil
	}
	if _, err := h.Applier.Apply(ctx, f.Canary, desired.UserFields(resumed)); err != nil && !errors.Is(err, kube.ErrMissing) {
		return fmt.Errorf("let go of autoscaler %q: %w", source.GetName(), err)
	}
	return nil
}

// giveBackRouting leaves routes and apex Service of the user's to the user. Where a route had to be changed for that it is
// not done yet.
func (h *Handback) giveBackRouting(ctx context.Context, f *desired.Facts) (changed bool, err error) {
	if changed, err := h.detachRoutes(ctx, f); changed || err != nil {
		return changed, err
	}
	// After the last change of them: an apply would make them ours again.
	if err := h.releaseRoutes(ctx, f); err != nil {
		return false, err
	}
	if changed, err := h.releaseSelfVersioned(ctx, f); changed || err != nil {
		return changed, err
	}
	// The Service before the routes that lead to it.
	if err := h.restoreApex(ctx, f); err != nil {
		return false, err
	}
	return false, h.giveBackAdopted(ctx, f)
}

// restoreApex restores an apex Service that was there before the Canary.
func (h *Handback) restoreApex(ctx context.Context, f *desired.Facts) error {
	apex, err := h.Reader.Apex(ctx, f.Canary)
	// Our own goes with the Canary; and without a target there is nothing that another's could select.
	if err != nil || apex == nil || metav1.IsControlledBy(apex, f.Canary) || f.Target == nil {
		return err
	}
	if adopted, err := h.Kinds.Adopted(apex, f.Workloads()); err != nil || !adopted {
		return err
	}
	err = h.restoreService(ctx, f, apex)
	if !kube.Rejected(err) || apierrors.IsForbidden(err) {
		return err
	}
	// Its owner has changed it since, so that its ports of then do not fit any more: it keeps those of now.
	kept := apex.DeepCopy()
	delete(kept.Annotations, workload.OriginalPortsAnnotation)
	return h.restoreService(ctx, f, kept)
}

func (h *Handback) restoreService(ctx context.Context, f *desired.Facts, apex *corev1.Service) error {
	original, err := h.Kinds.Restore(apex, f.Workloads())
	if err != nil {
		return err
	}
	if err := h.Applier.Restore(ctx, f.Canary, original); err != nil {
		return fmt.Errorf("give service %q back: %w", apex.Name, err)
	}
	return nil
}

// stoppedForAnother says that the target was stopped for another Canary than the one that is gone: it is that one's now.
func stoppedForAnother(f *desired.Facts) bool {
	s := desired.RestoreInfo(f.Target)
	return s.Size > 0 && s.UID != f.Canary.UID
}

// clearRestoreInfo takes away what the target carries. It is done when there is nothing.
func (h *Handback) clearRestoreInfo(ctx context.Context, f *desired.Facts) (done bool, err error) {
	// Looked for by its name, whatever it says: nothing of ours is to stay.
	if _, ok := f.Target.GetAnnotations()[workload.RestoreAnnotation]; !ok {
		return true, nil
	}
	changed, err := h.Applier.Apply(ctx, f.Canary, desired.UserFields(workload.ClearRestoreInfo(f.Target)))
	if err != nil {
		return false, fmt.Errorf("clear %s %q: %w", f.LowerKind(), f.Target.GetName(), err)
	}
	return !changed, nil
}

// announceStart says, on the workload itself, that it has its pods back: its Canary is not there to say it on.
func announceStart(ctx context.Context, h *Handback, f *desired.Facts, changed bool) {
	if !changed {
		return
	}
	log.FromContext(ctx).Info("gave a target back whose Canary is gone", "kind", f.Canary.Spec.TargetRef.Kind,
		"name", f.Target.GetName(), "size", desired.FullSize(f), "canary", f.Canary.Name)
	h.Events.Eventf(f.Target, corev1.EventTypeNormal, ReasonGivenBack,
		"Canary %s is gone, started again at size %d", f.Canary.Name, desired.FullSize(f))
}

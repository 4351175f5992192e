package handback

import (
	"context"
	"errors"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/desired"
	"github.com/sluice-cd/sluice/pkg/kube"
	"github.com/sluice-cd/sluice/pkg/rollout"
	"github.com/sluice-cd/sluice/pkg/workload"
)

// Gone says that a Canary is deleted and holds nothing back, whoever else may keep it from going.
func Gone(c *v1beta1.Canary) bool { return !c.DeletionTimestamp.IsZero() && !hasFinalizer(c) }

func hasFinalizer(c *v1beta1.Canary) bool {
	return controllerutil.ContainsFinalizer(c, v1beta1.Finalizer)
}

// Due says what Finalize would come to, from the cache alone and from what was refused a moment ago.
func (h *Handback) Due(ctx context.Context, f *desired.Facts, o desired.Objects) (kube.Outcome, error) {
	var due kube.Outcome
	for _, obj := range obsolete(f, o) {
		pending, err := h.Applier.DeletePending(ctx, f.Canary, obj)
		due.Changed = due.Changed || pending
		if err := due.Refuse(err); err != nil {
			return due, err
		}
	}
	if due.Changed || !finalizerWrong(f) || len(due.Refused) > 0 && hasFinalizer(f.Canary) {
		return due, nil
	}
	err := h.Canaries.FinalizerRefused(f.Canary)
	due.Changed = err == nil
	err = due.Refuse(err)
	return due, err
}

// Finalize deletes what nothing calls for any more. Then it puts the finalizer on a Canary that is to give its target
// back, or has what nothing else would delete, and takes it off once that is done, or no longer asked for.
func (h *Handback) Finalize(ctx context.Context, f *desired.Facts, o desired.Objects) (done kube.Outcome, err error) {
	// First. As long as one of them is there the Canary stays, and with it whoever would delete it.
	for _, obj := range obsolete(f, o) {
		changed, err := h.Applier.Delete(ctx, f.Canary, obj)
		done.Changed = done.Changed || changed
		if err := done.Refuse(err); err != nil {
			return done, err
		}
	}
	if done.Changed || !finalizerWrong(f) || len(done.Refused) > 0 && hasFinalizer(f.Canary) {
		return done, nil
	}
	if hasFinalizer(f.Canary) {
		changed, err := h.beforeRelease(ctx, f, o)
		if changed || err != nil {
			done.Changed = changed
			err = done.Refuse(err)
			return done, err
		}
	}
	err = h.Canaries.SetFinalizer(ctx, f.Canary, !hasFinalizer(f.Canary))
	done.Changed = err == nil
	err = done.Refuse(err)
	return done, err
}

// Held says that what was refused keeps a Canary as it is: one without its finalizer takes nothing, and one on its way out
// must not take again what was given back.
func Held(f *desired.Facts, refused []*kube.RefusedError) bool {
	if len(refused) == 0 || !finalizerWrong(f) {
		return false
	}
	phase := f.Canary.Status.Phase
	return !f.Canary.DeletionTimestamp.IsZero() || phase == "" || phase == v1beta1.PhaseInitializing
}

// obsolete is what is to be deleted. Routes that nobody else would delete are in use as long as a Canary is followed,
// also on its way out.
func obsolete(f *desired.Facts, o desired.Objects) []workload.Object {
	if f.Canary.DeletionTimestamp.IsZero() || !finalizerWrong(f) || primaryLeft(f) {
		return o.Delete
	}
	return append(append([]workload.Object{}, o.Delete...), f.ClusterScopedRoutes...)
}

// finalizerWrong says that the finalizer is not as the spec or the phase calls for.
func finalizerWrong(f *desired.Facts) bool {
	c := f.Canary
	if !c.DeletionTimestamp.IsZero() {
		done := c.Status.Phase == v1beta1.PhaseTerminated || Unroutable(f) && served(f)
		return hasFinalizer(c) && (!c.Spec.RevertOnDeletion || done)
	}
	// Both ways: a spec that no longer asks for it must not leave a finalizer that nobody would take off without us.
	return hasFinalizer(c) != (c.Spec.RevertOnDeletion || f.NeedsFinalizer)
}

// Unroutable says that a Canary that is to give its target back goes with a spec that nobody can follow: no routes
// can be rendered from it, and waiting for a better one would keep it for ever.
func Unroutable(f *desired.Facts) bool {
	return f.Refused != nil && !f.Canary.DeletionTimestamp.IsZero() && hasFinalizer(f.Canary)
}

// InTerminatingNamespace says that the whole namespace goes: nothing can be made in it any more, so that nothing can be
// given back.
func InTerminatingNamespace(c *v1beta1.Canary, refused []*kube.RefusedError) bool {
	return !c.DeletionTimestamp.IsZero() && hasFinalizer(c) && slices.ContainsFunc(refused, func(r *kube.RefusedError) bool {
		return apierrors.HasStatusCause(r, corev1.NamespaceTerminatingCause)
	})
}

// served says that nobody would be worse off without the Canary: it has taken nothing, or its target can answer.
func served(f *desired.Facts) bool {
	return f.Canary.Status.Phase == "" || f.Target == nil && !f.TargetUnread || f.Snapshot.Target.Health == rollout.Available
}

// primaryLeft says that users stay with the primary, since the target cannot serve. Without a target nobody asked for users to stay.
func primaryLeft(f *desired.Facts) bool {
	return rollout.PrimaryLeft(f.Canary.Status) && f.Target != nil
}

// disown has all that was made for a Canary stay when that goes. The primary and what its pods need are not rendered from a target
// that has another revision.
func disown(ctx context.Context, h *Handback, f *desired.Facts, o desired.Objects) error {
	all := o.All()
	if f.Primary != nil {
		all = append(all, workload.PrimaryReplicas(f.Primary, workload.SizeOf(f.Primary)))
		for _, c := range workload.ConfigsOf(f.Kind.Summarize(f.Primary).Template) {
			if c.Kind == "ConfigMap" {
				all = append(all, corev1ac.ConfigMap(c.Name, f.Canary.Namespace))
			} else {
				all = append(all, corev1ac.Secret(c.Name, f.Canary.Namespace))
			}
		}
	}
	return kube.Disown(ctx, h.Applier, f.Canary, all...)
}

// beforeRelease is what is left to do for a Canary whose finalizer is about to go.
func (h *Handback) beforeRelease(ctx context.Context, f *desired.Facts, o desired.Objects) (changed bool, err error) {
	switch {
	case f.Canary.DeletionTimestamp.IsZero():
		return false, nil
	case f.Canary.Spec.RevertOnDeletion && primaryLeft(f):
		// Nothing is moved any more, and nothing goes with the Canary.
		return false, disown(ctx, h, f, o)
	case f.Canary.Spec.RevertOnDeletion:
		// The target answers by now, or there is none: what is left is the user's own.
		return h.giveBackRouting(ctx, f)
	case f.Target == nil:
		return false, nil
	}
	// The target starts while the primary is still there: it goes a moment after the finalizer does.
	changed, err = h.StartTarget(ctx, f)
	if errors.Is(err, kube.ErrMissing) || kube.Rejected(err) {
		return false, nil // it is tried again by Release, and is no reason to keep the Canary
	}
	return changed, err
}

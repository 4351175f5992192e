package handback

import (
	"context"
	"errors"

	"k8s.io/apimachinery/pkg/runtime"

	"github.com/sluice-cd/sluice/pkg/desired"
	"github.com/sluice-cd/sluice/pkg/kube"
	"github.com/sluice-cd/sluice/pkg/observe"
)

// detachRoutes leads the user's routes to the apex Service, as far as they have been taken over: a Canary can go before
// that. Whether the Service can answer is up to the caller. Routes that cannot be led anywhere are left as they are: there
// is nobody to be told any more.
func (h *Handback) detachRoutes(ctx context.Context, f *desired.Facts) (changed bool, err error) {
	routes, err := h.detached(ctx, f)
	if err != nil {
		return false, err
	}
	for _, o := range routes {
		ours, err := h.Applier.OwnsFields(ctx, o)
		if err != nil {
			return changed, err
		}
		// It was never moved. To apply anything would make it ours on its way out.
		if !ours {
			continue
		}
		moved, err := h.applyLeniently(ctx, f, o)
		if err != nil {
			return changed, err
		}
		changed = changed || moved
	}
	return changed, nil
}

// releaseRoutes gives up the user's routes as they are.
// Not by an apply without our fields, which would take them out of the routes: see kube.Applier.ReleaseFields.
func (h *Handback) releaseRoutes(ctx context.Context, f *desired.Facts) error {
	routes, err := h.detached(ctx, f)
	if err != nil {
		return err
	}
	return h.releaseFields(ctx, routes)
}

// detached are the user's routes as they are left behind, those that this spec can lead somewhere.
func (h *Handback) detached(ctx context.Context, f *desired.Facts) (all []runtime.ApplyConfiguration, err error) {
	if len(f.Canary.Spec.Service.RouteRefs) == 0 || f.Router == nil {
		return nil, nil
	}
	if err := h.readRouteSources(ctx, f); err != nil {
		return nil, observe.IgnoreUserError(err)
	}
	for _, ref := range f.Canary.Spec.Service.RouteRefs {
		routes, err := desired.DetachedRoute(f, ref)
		if observe.IgnoreUserError(err) != nil {
			return nil, err
		}
		all = append(all, routes...)
	}
	return all, nil
}

// releaseSelfVersioned gives a target up that keeps its revisions itself: its routes are led to what the user deployed
// last and belong to nobody, and the note of what was promoted is taken away.
func (h *Handback) releaseSelfVersioned(ctx context.Context, f *desired.Facts) (changed bool, err error) {
	// Any other target has routes that are deleted or detached, and needs nothing of this.
	s, ok := f.SelfVersioned()
	if !ok || f.Target == nil || f.Router == nil {
		return false, nil
	}
	if err := h.readRouteSources(ctx, f); err != nil {
		return false, observe.IgnoreUserError(err)
	}
	routes, err := desired.Released(f)
	if err != nil {
		return false, observe.IgnoreUserError(err)
	}
	last := make([]runtime.ApplyConfiguration, 0, len(routes)+1)
	for _, o := range routes {
		// Partial, because the Service is the user's: it is neither marked as made by us, nor made again when it is gone.
		last = append(last, kube.Partial(o))
	}
	for _, o := range append(last, desired.UserFields(s.ClearPromotion(f.Target))) {
		moved, err := h.applyLeniently(ctx, f, o)
		if err != nil {
			return changed, err
		}
		changed = changed || moved
	}
	if changed {
		return true, nil
	}
	// In a pass of its own, when nothing had to be changed: an apply after it would make the routes ours again.
	return false, h.releaseFields(ctx, routes)
}

// readRouteSources reads what routes are made from, where a spec that is refused has kept that from being read.
func (h *Handback) readRouteSources(ctx context.Context, f *desired.Facts) (err error) {
	if f.RouteSources == nil {
		f.RouteSources, err = h.Reader.RouteSources(ctx, f)
	}
	return err
}

// applyLeniently applies an object. One that is gone, or that the server refuses, must keep neither the Canary nor the
// others.
func (h *Handback) applyLeniently(ctx context.Context, f *desired.Facts, o runtime.ApplyConfiguration) (changed bool, err error) {
	changed, err = h.Applier.Apply(ctx, f.Canary, o)
	if errors.Is(err, kube.ErrMissing) || kube.Rejected(err) {
		err = nil
	}
	return changed, err
}

func (h *Handback) releaseFields(ctx context.Context, objs []runtime.ApplyConfiguration) error {
	for _, o := range objs {
		if err := h.Applier.ReleaseFields(ctx, o); err != nil && !kube.Rejected(err) {
			return err
		}
	}
	return nil
}

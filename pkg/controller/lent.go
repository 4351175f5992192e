package controller

import (
	"context"
	"errors"
	"slices"

	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/kube"
	"github.com/sluice-cd/sluice/pkg/rollout"
	"github.com/sluice-cd/sluice/pkg/router"
)

// Routes of the user's own stay when their Canary goes, and the Services that they lead to do not. So the last thing
// that is done to them is to lead to the apex Service, as far as they name it, and to give up what was ours in them.

// lent has the user's own among the routes applied to as such.
func lent(routes []runtime.ApplyConfiguration) []runtime.ApplyConfiguration {
	marked := slices.Clone(routes) // what was rendered is shared
	for i, o := range marked {
		if own, ok := o.(router.Object); ok && own.Lent() {
			marked[i] = kube.PartialOwned(own)
		}
	}
	return marked
}

// foresee renders the routes before there is any traffic to move. What the provider lacks, or does not find, is told
// when a Canary is applied, not when the primary has already been made. A target that is both sides at once has no
// routes before it has been marked.
func (r *Reconciler) foresee(ctx context.Context, v *view) error {
	if _, both := v.selfVersioned(); both {
		return nil
	}
	_, err := r.render(ctx, v, rollout.Traffic{})
	return err
}

// leaving says that the target has been given everything, on its way back: from here on it is asked for by the apex
// Service, since its own goes with the Canary.
func leaving(s v1beta1.CanaryStatus) bool {
	return (s.Phase == v1beta1.PhaseTerminating || s.Phase == v1beta1.PhaseTerminated) && s.CanaryWeight == 100
}

// part leads the user's routes to the apex Service, as far as they have been taken over: a Canary can go before that.
// Whether the Service can answer is up to the caller. Routes that cannot be led anywhere are left as they are: there is
// nobody to be told any more.
func (r *Reconciler) part(ctx context.Context, v *view) (changed bool, err error) {
	routes, err := r.parting(ctx, v)
	if err != nil {
		return false, err
	}
	for _, o := range routes {
		held, err := r.Applier.OwnsFields(ctx, o)
		if err != nil {
			return changed, err
		}
		// It was never moved. To apply anything would make it ours on its way out.
		if !held {
			continue
		}
		moved, err := r.Applier.Apply(ctx, v.canary, o)
		// A route that is gone, or that the server refuses, must keep neither the Canary nor the other routes.
		if err != nil && !errors.Is(err, kube.ErrMissing) && !refusedByServer(err) {
			return changed, err
		}
		changed = changed || moved
	}
	return changed, nil
}

// disown gives up the user's routes as they are.
// Not by an apply without our fields, which would take them out of the routes: see kube.Applier.ReleaseFields.
func (r *Reconciler) disown(ctx context.Context, v *view) error {
	routes, err := r.parting(ctx, v)
	if err != nil {
		return err
	}
	for _, o := range routes {
		if err := r.Applier.ReleaseFields(ctx, o); err != nil && !refusedByServer(err) {
			return err
		}
	}
	return nil
}

// parting are the user's routes as they are left behind. Each is rendered alone, so that one that is missing does not
// keep the others from it. Those that do not name the apex Service come out as they were. Nothing is to be ours in them:
// a pass over a Canary that is gone, and of which the cache has not heard, must not take back what was given up.
func (r *Reconciler) parting(ctx context.Context, v *view) ([]runtime.ApplyConfiguration, error) {
	if len(v.canary.Spec.Service.RouteRefs) == 0 || v.router == nil {
		return nil, nil
	}
	read, err := r.sources(ctx, v)
	if err != nil {
		return nil, ignored(err)
	}
	var parted []runtime.ApplyConfiguration
	for _, ref := range v.canary.Spec.Service.RouteRefs {
		alone := v.canary.DeepCopy()
		alone.Spec.Service.RouteRefs = []v1beta1.OwnRoute{ref}
		traffic := rollout.Traffic{Weight: v.canary.Status.CanaryWeight}
		routes, err := v.router.Render(router.Input{Canary: alone, Traffic: traffic, Read: read, Leaving: true})
		if err != nil {
			if ignored(err) == nil {
				continue
			}
			return nil, err
		}
		for _, o := range routes {
			if own, ok := o.(router.Object); ok && own.Lent() { // the others go with the Canary
				parted = append(parted, kube.Partial(own))
			}
		}
	}
	return parted, nil
}

// ignored drops what only the user could mend.
func ignored(err error) error {
	if userError(err) {
		return nil
	}
	return client.IgnoreNotFound(err)
}

package controller

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/kube"
	"github.com/sluice-cd/sluice/pkg/rollout"
	"github.com/sluice-cd/sluice/pkg/router"
	"github.com/sluice-cd/sluice/pkg/workload"
)

// readRoutes renders the routes and says whether the proxies have taken them.
func (r *Reconciler) readRoutes(ctx context.Context, v *view, _ client.Reader) error {
	// The apex Service is all that moves users then, and all that is waited for.
	if v.intent.Traffic == nil {
		if err := r.foresee(ctx, v); err != nil {
			return err
		}
		return r.settle(ctx, v)
	}
	if v.promotionUnrecorded() {
		return nil
	}
	routes, err := r.render(ctx, v, *v.intent.Traffic)
	if err != nil {
		return err
	}
	v.add = append(v.add, lent(routes)...)
	// As they were rendered: live tells the provider's by their type, which being lent would cover.
	v.routes = append(v.routes, routes...)
	return r.settle(ctx, v)
}

func (r *Reconciler) render(ctx context.Context, v *view, traffic rollout.Traffic) ([]runtime.ApplyConfiguration, error) {
	read, err := r.sources(ctx, v)
	if err != nil {
		return nil, err
	}
	in := router.Input{
		Canary: v.canary, Traffic: traffic, Leaving: leaving(v.canary.Status),
		Revision: v.revision(), Ports: map[string]int32{}, Read: read,
	}
	// The ports of whichever side there is: a rollout whose target was deleted still has to move its users.
	if like := v.template(); like != nil {
		for _, p := range workload.Ports(v.canary, like) {
			in.Ports[*p.Name] = *p.Port
		}
	}
	return r.memo.render(v.router, in)
}

// settle finds out whether the routes are in effect. A provider that reports on them may say that they are not; since
// reports can be missing, all are given time since the last change, which is noted on the object and survives a restart.
//
//	a route is missing, or our last write of it is unseen    not routed: an event will tell
//	its provider has something against it                    not routed, and Trouble says what
//	the last change was less than Settle ago                 not routed, and Settles is when to look again
//	else                                                     routed
func (r *Reconciler) settle(ctx context.Context, v *view) error {
	v.snapshot.Routed = true
	var last time.Time
	for _, o := range v.routes {
		at, err := r.Applier.ChangedAt(ctx, o)
		if err != nil {
			return err
		}
		// The event of what is written next wakes the Canary, so that no time is named.
		if at.IsZero() {
			v.snapshot.Routed = false // not there yet
			return nil
		}
		if at.After(last) {
			last = at
		}
	}
	if p, ok := v.router.(router.Prober); ok {
		live, err := r.live(ctx, v)
		if err != nil {
			return err
		}
		if ok, why := p.Accepted(live); !ok {
			v.snapshot.Routed, v.snapshot.Trouble = false, why
			return nil
		}
	}
	if until := last.Add(r.Settle); until.After(v.snapshot.Now) {
		v.snapshot.Routed, v.snapshot.Settles = false, until
	}
	return nil
}

// live reads the route objects of the provider as they are now. They are the cache's own and not to be
// written to: copying them would cost as much as all else that is read.
func (r *Reconciler) live(ctx context.Context, v *view) ([]*unstructured.Unstructured, error) {
	var live []*unstructured.Unstructured
	for _, o := range v.routes {
		rendered, ok := o.(router.Object)
		if !ok {
			continue // the apex Service is not the provider's
		}
		u := &unstructured.Unstructured{}
		u.SetGroupVersionKind(rendered.GroupVersionKind())
		err := r.Client.Get(ctx, client.ObjectKeyFromObject(rendered), u, client.UnsafeDisableDeepCopy)
		if client.IgnoreNotFound(err) != nil {
			return nil, fmt.Errorf("read %s %q: %w", u.GetKind(), rendered.GetName(), err)
		}
		if err == nil {
			live = append(live, u)
		}
	}
	return live, nil
}

// pending says whether converge would write.
// It asks what converge does, in its order: of what only one of them sees, a Canary would be woken for nothing, or
// never make it so.
func (r *Reconciler) pending(ctx context.Context, v *view) (bool, error) {
	if v.refused != nil {
		return v.abandoned() && v.target != nil && replicas(v.target) == 0, nil
	}
	due, err := r.Applier.Pending(ctx, v.canary, v.add...)
	if due || err != nil || !v.snapshot.Routed {
		return v.absorb(due, err)
	}
	return v.absorb(r.Applier.Pending(ctx, v.canary, v.remove...))
}

// converge makes first, and breaks only once the traffic has moved.
func (r *Reconciler) converge(ctx context.Context, v *view) (bool, error) {
	switch {
	case v.refused != nil && v.abandoned() && v.target != nil:
		// It has to answer before the finalizer goes (served), since no routes can be rendered to lead users anywhere.
		return r.runTarget(ctx, v)
	case v.refused != nil:
		return false, nil
	}
	// Routed was read before this. A change of add ends the pass, so that what was read still holds for remove.
	changed, err := r.Applier.Apply(ctx, v.canary, v.add...)
	if changed || err != nil || !v.snapshot.Routed {
		return v.absorb(changed, err)
	}
	return v.absorb(r.Applier.Apply(ctx, v.canary, v.remove...))
}

// absorb makes a fact of an error that only the user can mend. A target that went away between two reads is
// looked at again.
func (v *view) absorb(changed bool, err error) (bool, error) {
	switch {
	case userError(err), refusedByServer(err):
		v.refused = err
		return false, nil
	case errors.Is(err, kube.ErrMissing):
		return true, nil
	}
	return changed, err
}

// refusedByServer says that the API server will not have what was rendered, as long as nobody changes the spec, the
// cluster's schemas or our permissions.
// A conflict, or a server that fails, is none of these: the next try may do.
func refusedByServer(err error) bool {
	return apierrors.IsInvalid(err) || apierrors.IsBadRequest(err) || apierrors.IsForbidden(err) || undeclared(err)
}

// undeclared says that a field is not in the kind's schema, as when its custom resources are older than we know them.
// The server has no reason for that but its own failure, and tells it by this text alone.
func undeclared(err error) bool {
	var status apierrors.APIStatus
	return errors.As(err, &status) && strings.Contains(status.Status().Message, "field not declared in schema")
}

// userError says that something is wrong which only the user can mend, so that it is told, not retried.
func userError(err error) bool {
	return errors.As(err, new(*rollout.InvalidError)) || errors.As(err, new(*router.NotServedError)) ||
		errors.As(err, new(*kube.AlreadyOwnedError))
}

package controller

import (
	"context"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/router"
)

// Routes outside of namespaces have no owner, and nothing collects them: the Canary stays until they are deleted,
// whatever its spec says of its target.

// readClusterScopedRoutes finds out whether a Canary has to wait for routes that cannot go with it, and which of them are to go
// now. It asks for the router anew, since a spec may be refused before its provider is looked at.
func (r *Reconciler) readClusterScopedRoutes(ctx context.Context, v *view) error {
	route, _, err := r.Routers.For(ctx, v.canary)
	if err != nil {
		v.lingers = held(v.canary) // nobody knows what there is, so nothing is changed
		return ignored(err)
	}
	u, ok := route.(router.ClusterScoped)
	v.lingers = ok
	// As long as it is followed its routes are in use, also on its way out.
	if !ok || !v.leaves() {
		return nil
	}
	for _, ref := range u.ClusterScopedRoutes(v.canary) {
		o, err := r.source(ctx, ref)
		if err != nil {
			return err
		}
		// The name alone proves nothing: somebody may have made a route that is called the same.
		if o != nil && router.CanaryOf(o) == client.ObjectKeyFromObject(v.canary) {
			v.strays = append(v.strays, o)
		}
	}
	return nil
}

// leaves says that a deleted Canary needs its routes no longer.
func (v *view) leaves() bool { return !v.canary.DeletionTimestamp.IsZero() && v.misheld() }

// claimed wakes the Canary that an object without an owner was made for. Of one in a namespace that is not watched
// nothing is known, and it is another operator's.
func (r *Reconciler) claimed(ctx context.Context, o client.Object) []reconcile.Request {
	key := router.CanaryOf(o)
	// What is in a namespace has an owner, and is found by that: an annotation there would be a copy's.
	if o.GetNamespace() != "" || key.Name == "" {
		return nil
	}
	c := &v1beta1.Canary{}
	if err := r.Client.Get(ctx, key, c); err != nil {
		return nil
	}
	return []reconcile.Request{request(c)}
}

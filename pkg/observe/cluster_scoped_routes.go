package observe

import (
	"context"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/desired"
	"github.com/sluice-cd/sluice/pkg/router"
)

// Routes outside of namespaces have no owner, and nothing collects them: the Canary stays until they are deleted,
// whatever its spec says of its target.

// readClusterScopedRoutes finds out whether a Canary has to wait for routes that cannot go with it, and, once it is
// deleted, which of them there are. A spec may be refused before its provider is looked at.
func (r *Reader) readClusterScopedRoutes(ctx context.Context, f *desired.Facts, p pass) error {
	if p.providerErr != nil {
		f.NeedsFinalizer = controllerutil.ContainsFinalizer(f.Canary, v1beta1.Finalizer) // nobody knows what there is, so nothing is changed
		if UserError(p.providerErr) {
			return nil // it is told with the rest of the plan
		}
		return p.providerErr
	}
	u, ok := p.router.(router.ClusterScoped)
	f.NeedsFinalizer = ok
	if !ok || f.Canary.DeletionTimestamp.IsZero() {
		return nil
	}
	for _, ref := range u.ClusterScopedRoutes(f.Canary) {
		o, err := r.source(ctx, ref)
		if err != nil {
			return err
		}
		// The name alone proves nothing: somebody may have made a route that is called the same.
		if o != nil && router.CanaryOf(o) == client.ObjectKeyFromObject(f.Canary) {
			f.ClusterScopedRoutes = append(f.ClusterScopedRoutes, o)
		}
	}
	return nil
}

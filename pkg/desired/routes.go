package desired

import (
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/kube"
	"github.com/sluice-cd/sluice/pkg/rollout"
	"github.com/sluice-cd/sluice/pkg/router"
	"github.com/sluice-cd/sluice/pkg/workload"
)

// links are the routes after the Services that they lead to. What is the user's own is applied to as such. Of each other
// they only need to be there: where one cannot be changed, the weights in another one still count.
func links(services kube.Chain, routes []runtime.ApplyConfiguration) kube.Chain {
	chain := services
	for _, o := range routes {
		if own, ok := o.(router.Object); ok && own.UserOwned() {
			o = kube.PartialOwned(own)
		}
		chain = append(chain, kube.Link{Object: o, Existing: true, Traffic: true})
	}
	return chain
}

// leaving says that the target has been given everything, on its way back: from here on it is asked for by the apex
// Service, since its own goes with the Canary.
func leaving(s v1beta1.CanaryStatus) bool {
	return s.Phase.Leaving() && s.CanaryWeight == 100
}

// DetachedRoute is one of the user's routes as it is left behind, which may be led nowhere by this spec.
//
// Routes of the user's own stay when their Canary goes, and the Services that they lead to do not. So the last thing
// that is done to them is to lead to the apex Service, as far as they name it. Each is rendered alone, so that one that is
// missing does not keep the others from it. Those that do not name the apex Service come out as they were. Nothing is to
// be ours in them: a pass over a Canary that is gone, and of which the cache has not heard, must not take back what was
// given up.
func DetachedRoute(f *Facts, ref v1beta1.OwnRoute) (detached []runtime.ApplyConfiguration, err error) {
	alone := f.Canary.DeepCopy()
	alone.Spec.Service.RouteRefs = []v1beta1.OwnRoute{ref}
	traffic := rollout.Traffic{Weight: f.Canary.Status.CanaryWeight}
	routes, err := f.Router.Render(router.Input{Canary: alone, Traffic: traffic, Read: f.RouteSources, Leaving: true})
	if err != nil {
		return nil, err
	}
	for _, o := range routes {
		if own, ok := o.(router.Object); ok && own.UserOwned() { // the others go with the Canary
			detached = append(detached, kube.Partial(own))
		}
	}
	return detached, nil
}

// addRoutes renders the routes.
func (r *Renderer) addRoutes(f *Facts, o *Objects) error {
	if f.Intent.Traffic == nil {
		// The apex Service is all that moves users then. The routes are rendered all the same: what the provider lacks, or
		// does not find, is told when a Canary is applied, not when the primary has already been made. A target that is
		// both sides at once has no routes before what was promoted is noted on it.
		if _, both := f.SelfVersioned(); both {
			return nil
		}
		_, err := r.render(f, rollout.Traffic{})
		return err
	}
	if o.Unroutable = promotionUnrecorded(f); o.Unroutable != "" {
		return nil
	}
	routes, err := r.render(f, *f.Intent.Traffic)
	if err != nil {
		return err
	}
	if len(routes) > 0 {
		o.Apply = append(o.Apply, links(o.services.ledTo(*f.Intent.Traffic), routes))
	}
	// As they were rendered: the provider's are told by their type, which being applied as the user's would cover.
	o.Routes = append(o.Routes, routes...)
	return nil
}

func (r *Renderer) render(f *Facts, traffic rollout.Traffic) ([]runtime.ApplyConfiguration, error) {
	in := router.Input{
		Canary: f.Canary, Traffic: traffic, Leaving: leaving(f.Canary.Status),
		Revision: canaryRevision(f), Ports: map[string]int32{}, Read: f.RouteSources,
	}
	// The ports of whichever side there is: a rollout whose target was deleted still has to move its users.
	if _, single := f.SelfVersioned(); !single && (f.Target != nil || f.Primary != nil) {
		for _, p := range workload.ApexPorts(f.Canary, f.Workloads(), f.Intent.Apex, usersApex(f)) {
			in.Ports[*p.Name] = *p.Port
		}
	}
	return r.routes.render(f.Router, in)
}

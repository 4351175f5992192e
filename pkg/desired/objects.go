package desired

import (
	"slices"

	"k8s.io/apimachinery/pkg/runtime"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/kube"
	"github.com/sluice-cd/sluice/pkg/workload"
)

// Renderer renders objects.
type Renderer struct {
	Kinds workload.Kinds

	routes routeCache
}

// Objects are what a Canary calls for, in the order in which it has to be made.
type Objects struct {
	Apply  []kube.Chain                 // what must be there; an object may be in several of them
	Routes []runtime.ApplyConfiguration // what of it moves traffic, as it was rendered
	Stop   kube.Chain                   // what must no longer run, once the routes are in effect
	Delete []workload.Object            // what we have made and nothing calls for any more
	// Unroutable says why there can be no routes yet; empty: there are.
	Unroutable string

	services services
}

// All are all that a pass may write.
func (o Objects) All() (all []runtime.ApplyConfiguration) {
	for _, chain := range append(slices.Clip(o.Apply), o.Stop) {
		for _, link := range chain {
			all = append(all, link.Object)
		}
	}
	return all
}

// apply adds objects each of which depends on those before it.
func (o *Objects) apply(objs ...runtime.ApplyConfiguration) {
	if len(objs) > 0 {
		o.Apply = append(o.Apply, kube.Links(objs...))
	}
}

// stop adds what must no longer run, after what was added before.
func (o *Objects) stop(obj runtime.ApplyConfiguration) {
	o.Stop = append(o.Stop, kube.Link{Object: obj})
}

// Objects renders what the intent calls for. Of facts that cannot be followed nothing is.
// An error is the user's to mend.
func (r *Renderer) Objects(f *Facts) (Objects, error) {
	o := Objects{Delete: f.Obsolete}
	if f.Refused != nil {
		return o, nil
	}
	if err := r.addWorkloads(f, &o); err != nil {
		return o, err
	}
	// Last, since they count as taken only with the apex Service among the objects.
	err := r.addRoutes(f, &o)
	return o, err
}

// Forget drops what was kept of a Canary that is gone.
func (r *Renderer) Forget(c *v1beta1.Canary) { r.routes.forget(c) }

func (r *Renderer) addWorkloads(f *Facts, o *Objects) error {
	// Such a target scales and routes itself: there is nothing to make beside it.
	if s, ok := f.SelfVersioned(); ok {
		return addPromotion(f, s, o)
	}
	if f.Intent.KeepRouting {
		if f.Target == nil {
			return nil
		}
		addSizes(f, o)
		return r.addPrimary(f, o)
	}
	// First, also without a target: as long as there is a primary, users have to find it.
	if err := r.addServices(f, o); err != nil {
		return err
	}
	r.addFormerApex(f, o)
	if f.Target == nil {
		return addPreviousPrimary(f, o)
	}
	pauseScaler(f, o)
	addTarget(f, o)
	restoreScaler(f, o)
	addSizes(f, o)
	if err := r.addPrimary(f, o); err != nil {
		return err
	}
	if err := r.addBudgets(f, o); err != nil {
		return err
	}
	// After the workload that it scales: its controller complains of a target that is not there.
	return r.addScaler(f, o)
}

package desired

import (
	"maps"
	"reflect"
	"sync"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/lru"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
	"github.com/sluice-cd/sluice/pkg/router"
)

// routesKept is of how many Canaries routes are kept: those that are looked at often, since a rollout is under way.
const routesKept = 512

// routeCache keeps what was rendered last for the Canaries that were looked at last. Routes are looked at with every event and
// change with every step, and a router gives the same for the same input.
type routeCache struct {
	made sync.Once
	last *lru.Cache // rendered by UID of the Canary
}

func (m *routeCache) cache() *lru.Cache {
	m.made.Do(func() { m.last = lru.New(routesKept) })
	return m.last
}

type rendered struct {
	from   routesKey
	routes []runtime.ApplyConfiguration
}

// routesKey is all that routes depend on. Of the Canary that is its spec, by its generation, and what the spec's
// owner says beside it; its status has gone into the traffic.
type routesKey struct {
	// A router is made anew for each look, from what the cluster serves: it is another one only when that is.
	router      router.Router
	generation  int64
	target      v1beta1.TargetRef // of a spec that names another one
	labels      map[string]string
	annotations map[string]string
	traffic     rollout.Traffic
	leaving     bool
	ports       map[string]int32
	revision    string
	read        map[router.Ref]string // versions of the user's objects
}

func keyOf(r router.Router, in router.Input) routesKey {
	k := routesKey{
		router: r, generation: in.Canary.Generation, target: in.Canary.Spec.TargetRef,
		labels: maps.Clone(in.Canary.Labels), annotations: maps.Clone(in.Canary.Annotations),
		traffic: in.Traffic, leaving: in.Leaving, ports: in.Ports, revision: in.Revision,
	}
	for ref, u := range in.Read {
		if k.read == nil {
			k.read = map[router.Ref]string{}
		}
		k.read[ref] = string(u.GetUID()) + " " + u.GetResourceVersion()
	}
	return k
}

// render asks the router only for what it was not asked last. The routes are shared, and not to be changed.
func (m *routeCache) render(r router.Router, in router.Input) ([]runtime.ApplyConfiguration, error) {
	key := keyOf(r, in)
	last, _ := m.cache().Get(in.Canary.UID)
	if kept, ok := last.(rendered); ok && reflect.DeepEqual(kept.from, key) {
		return kept.routes, nil
	}
	routes, err := r.Render(in)
	// What is refused is asked again: it depends on what the user does next.
	if err != nil {
		return nil, err
	}
	m.cache().Add(in.Canary.UID, rendered{from: key, routes: routes})
	return routes, nil
}

// forget drops what was kept of a Canary that is gone.
func (m *routeCache) forget(c *v1beta1.Canary) { m.cache().Remove(c.UID) }

// ForgetRoutes drops the routes that were rendered last, which costs the next look at each Canary to render them again.
func (r *Renderer) ForgetRoutes() { r.routes.cache().Clear() }

package observe

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
	"github.com/sluice-cd/sluice/pkg/router"
)

// Routers finds the router of a Canary, and sees to it that the kinds it writes are watched.
type Routers struct {
	Default   string // provider of Canaries that name none
	Discovery discovery.ServerGroupsInterface
	Now       func() time.Time
	Options   router.Options // but for what the cluster serves
	Local     bool           // references to other namespaces are refused
	// Watch starts to watch a kind. It is called once for each.
	Watch func(context.Context, schema.GroupVersionKind) error
	// Permitted asks, before a kind is watched, whether that may be listed: an informer that may not is never filled, and
	// whoever reads from it waits for ever. The answer is a *NotPermittedError. Nil: nobody is asked.
	Permitted func(context.Context, schema.GroupVersionKind) error

	// Held while the cluster is asked: of many Canaries that begin at once one asks, and the others have its answer.
	mu       sync.Mutex
	detected bool     // Default is what was found, and nobody has named it
	served   []string // group versions of the cluster, as of asked
	asked    time.Time
	// For good: a watch that has begun is not ended, though nobody may need it any more.
	watched map[schema.GroupVersionKind]bool
	// For a moment: of many Canaries of one provider one asks, and the others have its answer.
	denied map[schema.GroupVersionKind]denial
}

// denial is that a kind may not be listed, and when that was asked.
type denial struct {
	err error
	at  time.Time
}

// rediscover is how long an answer about what the cluster serves is good for, when something was missing in it.
// It is less than the time after which a Canary looks again for an API, so that who waits for an API is not given the same answer twice.
const rediscover = 5 * time.Second

// WatchKind has a kind watched that is no provider's.
func (r *Routers) WatchKind(ctx context.Context, kind schema.GroupVersionKind) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.watch(ctx, kind)
}

// Watched says that a kind is watched by now.
func (r *Routers) Watched(kind schema.GroupVersionKind) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.watched[kind]
}

// Name is the provider of a Canary.
func (r *Routers) Name(c *v1beta1.Canary) string {
	if c.Spec.Provider != "" {
		return c.Spec.Provider
	}
	return r.Default
}

// Named says that somebody has named the provider of a Canary, in its spec or for all: it was not detected.
func (r *Routers) Named(c *v1beta1.Canary) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return c.Spec.Provider != "" || !r.detected
}

// WatchedKinds are the kinds that are watched by now, of providers and of scalers.
func (r *Routers) WatchedKinds() []schema.GroupVersionKind {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.SortedFunc(maps.Keys(r.watched), func(a, b schema.GroupVersionKind) int {
		return cmp.Compare(a.String(), b.String())
	})
}

// For returns the router of a Canary's provider and what it can do.
func (r *Routers) For(ctx context.Context, c *v1beta1.Canary) (router.Router, rollout.Capabilities, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	route, can, err := r.find(r.Name(c))
	if err != nil {
		return nil, 0, err
	}
	// Before anything is rendered, so that every edit of it from now on is heard of.
	for _, kind := range route.Writes() {
		if err := r.watch(ctx, kind); err != nil {
			return nil, 0, err
		}
	}
	return route, can, nil
}

// Read has the kinds watched of objects that a Canary's routes are made from. A kind that the cluster does not
// serve is a *router.NotServedError: a watch of it would never begin.
func (r *Routers) Read(ctx context.Context, c *v1beta1.Canary, refs []router.Ref) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, ref := range refs {
		// Before it is watched: what may not be read is not to be kept in memory either.
		if r.Local && ref.Namespace != c.Namespace {
			return &rollout.InvalidError{
				Field:   "spec.upstreamRef.namespace", // the only reference of its sort that has one
				Problem: fmt.Sprintf("%s %q is in another namespace, which --no-cross-namespace-refs forbids", ref.Kind, ref.Namespace+"/"+ref.Name),
			}
		}
		if r.watched[ref.GroupVersionKind] {
			continue
		}
		if ok, err := r.serves(ref.GroupVersion()); err != nil || !ok {
			return cmp.Or(err, error(&router.NotServedError{Provider: r.Name(c), Group: ref.Group}))
		}
		if err := r.watch(ctx, ref.GroupVersionKind); err != nil {
			return err
		}
	}
	return nil
}

// Detect makes what the cluster serves now the provider of Canaries that name none, and says why.
// It is asked for once, at the start: a provider that changed in the middle of a rollout would leave the routes of the
// one before behind.
func (r *Routers) Detect() (why string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.discover(); err != nil {
		return "", err
	}
	r.Default, why = router.Detect(r.served)
	r.detected = true
	return why, nil
}

// find asks the cluster what it serves only when that is not known to suffice.
func (r *Routers) find(name string) (router.Router, rollout.Capabilities, error) {
	route, can, err := router.New(name, r.options())
	if err == nil {
		return route, can, nil
	}
	// Also for a name that is not known, which only New can tell from an API that is missing: see rediscover.
	if err := r.discover(); err != nil {
		return nil, 0, err
	}
	return router.New(name, r.options())
}

func (r *Routers) options() router.Options {
	o := r.Options
	o.APIVersions = r.served
	return o
}

func (r *Routers) serves(gv schema.GroupVersion) (bool, error) {
	if slices.Contains(r.served, gv.String()) {
		return true, nil
	}
	err := r.discover()
	return slices.Contains(r.served, gv.String()), err
}

// discover asks the cluster what it serves, unless that was done a moment ago.
func (r *Routers) discover() error {
	if r.Now().Sub(r.asked) < rediscover {
		return nil
	}
	groups, err := r.Discovery.ServerGroups()
	if err != nil {
		return fmt.Errorf("discover what the cluster serves: %w", err)
	}
	// An error is no answer: the next Canary asks again. What was served and is not any more is left out from here on.
	r.served, r.asked = nil, r.Now()
	for _, g := range groups.Groups {
		for _, v := range g.Versions {
			r.served = append(r.served, v.GroupVersion)
		}
	}
	return nil
}

func (r *Routers) watch(ctx context.Context, kind schema.GroupVersionKind) error {
	if r.watched[kind] {
		return nil
	}
	if d, ok := r.denied[kind]; ok && r.Now().Sub(d.at) < rediscover {
		return d.err
	}
	if r.Permitted != nil {
		if err := r.Permitted(ctx, kind); err != nil {
			if r.denied == nil {
				r.denied = map[schema.GroupVersionKind]denial{}
			}
			// Another error may be of this one call, and says nothing to others.
			if NotPermitted(err) {
				r.denied[kind] = denial{err: err, at: r.Now()}
			}
			return err
		}
	}
	// Noted only when it began. One that failed is begun by the next look, which its error leads to.
	if err := r.Watch(ctx, kind); err != nil {
		return fmt.Errorf("watch %s: %w", kind.Kind, err)
	}
	if r.watched == nil {
		r.watched = map[schema.GroupVersionKind]bool{}
	}
	r.watched[kind] = true
	return nil
}

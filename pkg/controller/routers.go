package controller

import (
	"context"
	"fmt"
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
	// Watch starts to watch a kind. It is called once for each.
	Watch func(context.Context, schema.GroupVersionKind) error

	mu      sync.Mutex
	served  []string // group versions of the cluster, as of asked
	asked   time.Time
	watched map[schema.GroupVersionKind]bool
}

// rediscover is how long an answer about what the cluster serves is good for, when something was missing in it.
const rediscover = 5 * time.Second

// For returns the router of a Canary's provider and what it can do.
func (r *Routers) For(ctx context.Context, c *v1beta1.Canary) (router.Router, rollout.Capabilities, error) {
	name := c.Spec.Provider
	if name == "" {
		name = r.Default
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	route, can, err := r.find(name)
	if err != nil {
		return nil, 0, err
	}
	return route, can, r.watch(ctx, route)
}

// find asks the cluster what it serves only when that is not known to suffice.
func (r *Routers) find(name string) (router.Router, rollout.Capabilities, error) {
	route, can, err := router.New(name, router.Options{APIVersions: r.served})
	if err == nil || r.Now().Sub(r.asked) < rediscover {
		return route, can, err
	}
	groups, lost := r.Discovery.ServerGroups()
	if lost != nil {
		return nil, 0, fmt.Errorf("discover what the cluster serves: %w", lost)
	}
	r.served, r.asked = nil, r.Now()
	for _, g := range groups.Groups {
		for _, v := range g.Versions {
			r.served = append(r.served, v.GroupVersion)
		}
	}
	return router.New(name, router.Options{APIVersions: r.served})
}

func (r *Routers) watch(ctx context.Context, route router.Router) error {
	for _, kind := range route.Writes() {
		if r.watched[kind] {
			continue
		}
		if err := r.Watch(ctx, kind); err != nil {
			return fmt.Errorf("watch %s: %w", kind.Kind, err)
		}
		if r.watched == nil {
			r.watched = map[schema.GroupVersionKind]bool{}
		}
		r.watched[kind] = true
	}
	return nil
}

package observe

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/sluice-cd/sluice/pkg/desired"
	"github.com/sluice-cd/sluice/pkg/kube"
	"github.com/sluice-cd/sluice/pkg/router"
)

// Routed finds out whether the routes are in effect. A provider that reports on them may say that they are not; since
// reports can be missing, all are given time since the last change, which is noted on the object and survives a restart.
//
//	a route is missing, or our last write of it is unseen    not routed: an event will tell
//	its provider has something against it                    not routed, and Trouble says what
//	the last change was less than Settle ago                 not routed, and Settles is when to look again
//	else                                                     routed
func (r *Reader) Routed(ctx context.Context, f *desired.Facts, cache *kube.Snapshot, routes []runtime.ApplyConfiguration) error {
	f.Snapshot.Routed = true
	var effective, last time.Time
	for _, o := range routes {
		first, at, err := cache.AppliedTimes(ctx, o)
		if err != nil {
			return err
		}
		// The event of what is written next wakes the Canary, so that no time is named.
		if at.IsZero() {
			f.Snapshot.Routed = false // not there yet
			return nil
		}
		if first.After(effective) {
			effective = first
		}
		if at.After(last) {
			last = at
		}
	}
	f.Snapshot.Effective = effective
	if p, ok := f.Router.(router.Prober); ok {
		live, err := liveRoutes(ctx, cache, routes)
		if err != nil {
			return err
		}
		if ok, why := p.Accepted(live); !ok {
			f.Snapshot.Routed, f.Snapshot.Trouble = false, why
			return nil
		}
	}
	// A time that is further ahead than the delay was noted by a clock that has gone back since.
	until := last.Add(r.Settle)
	if now := f.Snapshot.Now; until.After(now) && !last.After(now.Add(r.Settle)) {
		f.Snapshot.Routed, f.Snapshot.Settles = false, until
	}
	return nil
}

// liveRoutes are the route objects of the provider as they are now, and the cache's own.
func liveRoutes(ctx context.Context, cache *kube.Snapshot, routes []runtime.ApplyConfiguration) ([]*unstructured.Unstructured, error) {
	var live []*unstructured.Unstructured
	for _, o := range routes {
		if _, ok := o.(router.Object); !ok {
			continue // the apex Service is not the provider's
		}
		obj, err := cache.Get(ctx, o)
		if err != nil {
			return nil, err
		}
		if u, ok := obj.(*unstructured.Unstructured); ok {
			live = append(live, u)
		}
	}
	return live, nil
}

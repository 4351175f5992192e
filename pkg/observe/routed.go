package observe

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/desired"
	"github.com/sluice-cd/sluice/pkg/router"
)

// Routed finds out whether the routes are in effect. A provider that reports on them may say that they are not; since
// reports can be missing, all are given time since the last change, which is noted on the object and survives a restart.
//
//	a route is missing, or our last write of it is unseen    not routed: an event will tell
//	its provider has something against it                    not routed, and Trouble says what
//	the last change was less than Settle ago                 not routed, and Settles is when to look again
//	else                                                     routed
func (r *Reader) Routed(ctx context.Context, f *desired.Facts, routes []runtime.ApplyConfiguration) error {
	f.Snapshot.Routed = true
	var effective, last time.Time
	for _, o := range routes {
		first, at, err := r.Applier.AppliedTimes(ctx, o)
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
		live, err := liveRoutes(ctx, r, routes)
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

// liveRoutes reads the route objects of the provider as they are now. They are the cache's own and not to be
// written to: copying them would cost as much as all else that is read.
func liveRoutes(ctx context.Context, r *Reader, routes []runtime.ApplyConfiguration) ([]*unstructured.Unstructured, error) {
	var live []*unstructured.Unstructured
	for _, o := range routes {
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

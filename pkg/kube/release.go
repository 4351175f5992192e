package kube

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
)

// ChangedAt is AppliedAt of the object as the cache has it: zero while it is
// missing, not ours, or still without our last write. Of a PartialOwned object it is the
// time of the server, which counts whole seconds: the end of the second.
func (a *Applier) ChangedAt(ctx context.Context, obj runtime.ApplyConfiguration) (time.Time, error) {
	r, err := refOf(obj)
	if err != nil {
		return time.Time{}, err
	}
	live, err := a.cached(ctx, r)
	if err != nil || live == nil || a.cacheBehind(r, live) {
		return time.Time{}, err
	}
	if at := AppliedAt(live); !at.IsZero() {
		return at, nil
	}
	return ownedSince(live), nil
}

// Restore applies what an object of the user's should look like without us.
// All else that we had set on it is given up, our annotation included. What has
// gone in the meantime is not made again.
func (a *Applier) Restore(ctx context.Context, obj runtime.ApplyConfiguration) error {
	w, err := desiredFor(Partial(obj))
	if err != nil {
		return err
	}
	p := &plan{desired: w}
	if p.live, err = a.cached(ctx, w.ref); err != nil || p.live == nil {
		return err
	}
	if err := p.decode(); err != nil {
		return err
	}
	body, err := p.body(a.Now())
	if err != nil {
		return err
	}
	a.memory.set(w.ref, func(m *mark) { *m = mark{} })
	_, err = a.serverSideApply(ctx, body)
	if err = a.conflict(ctx, w.ref, p.live.GetUID(), "", err); err != nil && !errors.Is(err, ErrStale) {
		return fmt.Errorf("hand back %s: %w", w.ref, err)
	}
	return nil
}

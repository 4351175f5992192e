package kube

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
)

// ChangedAt is AppliedAt of the object as the cache has it: zero while it is
// missing, not ours, or still without our last write. Of a Lent object it is the
// time of the server, which counts whole seconds: the end of the second.
func (a *Applier) ChangedAt(ctx context.Context, obj runtime.ApplyConfiguration) (time.Time, error) {
	r, err := refOf(obj)
	if err != nil {
		return time.Time{}, err
	}
	live, err := a.cached(ctx, r)
	if err != nil || live == nil || a.behind(r, live) {
		return time.Time{}, err
	}
	if at := AppliedAt(live); !at.IsZero() {
		return at, nil
	}
	return heldSince(live), nil
}

// HandBack applies what an object of the user's should look like without us.
// All else that we had set on it is given up, our annotation included. What has
// gone in the meantime is not made again.
func (a *Applier) HandBack(ctx context.Context, obj runtime.ApplyConfiguration) error {
	w, err := wishFor(Bare(obj))
	if err != nil {
		return err
	}
	t := &task{wish: w}
	if t.live, err = a.cached(ctx, w.ref); err != nil || t.live == nil {
		return err
	}
	if err := t.decode(); err != nil {
		return err
	}
	body, err := t.body(a.Now())
	if err != nil {
		return err
	}
	a.memory.set(w.ref, func(m *mark) { *m = mark{} })
	if _, err := a.send(ctx, body); err != nil && !apierrors.IsConflict(err) {
		return fmt.Errorf("hand back %s: %w", w.ref, err)
	}
	return nil
}

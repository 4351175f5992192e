package kube

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
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
	if err != nil || live == nil || a.records.behind(r, live, a.Now()) {
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
	a.records.update(w.ref, func(m *record) { *m = record{} })
	_, err = a.serverSideApply(ctx, body)
	if err = conflict(ctx, a.Live, w.ref, p.live.GetUID(), "", err); err != nil && !errors.Is(err, ErrStale) {
		return fmt.Errorf("hand back %s: %w", w.ref, err)
	}
	return nil
}

// ReleaseFields takes our name off an object of the user's whose fields stay as they are: those that we had set belong
// to nobody then, and whoever applies them next meets no conflict. An apply without them would take them out of the
// object. What is not there, or has nothing of ours, is left alone.
func (a *Applier) ReleaseFields(ctx context.Context, obj runtime.ApplyConfiguration) error {
	r, err := refOf(obj)
	if err != nil {
		return err
	}
	live, err := a.ownership().read(ctx, r)
	if err != nil || live == nil {
		return err
	}
	rest := slices.DeleteFunc(live.ManagedFields, ours)
	if len(rest) == 0 {
		rest = []metav1.ManagedFieldsEntry{{}} // the server takes an empty list for one that was left out
	}
	a.records.update(r, func(m *record) { *m = record{} })
	if err := a.ownership().patch(ctx, r, live, rest); err != nil {
		return fmt.Errorf("disown %s: %w", r, err)
	}
	return nil
}

// OwnsFields says whether the server has anything of an object down as ours. It is asked, not the cache.
func (a *Applier) OwnsFields(ctx context.Context, obj runtime.ApplyConfiguration) (bool, error) {
	r, err := refOf(obj)
	if err != nil {
		return false, err
	}
	live, err := a.ownership().read(ctx, r)
	return live != nil, err
}

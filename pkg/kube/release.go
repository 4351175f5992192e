package kube

import (
	"context"
	"errors"
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// Restore applies what an object of the user's should look like without us.
// All else that we had set on it is given up, our annotation included. What has
// gone in the meantime is not made again. What the server does not take is a RefusedError.
func (a *Applier) Restore(ctx context.Context, owner *v1beta1.Canary, obj runtime.ApplyConfiguration) error {
	r, err := refOf(obj)
	if err != nil {
		return err
	}
	live, err := a.cached(ctx, r)
	if err != nil || live == nil {
		return err
	}
	return a.restore(ctx, owner, r, live, obj)
}

func (a *Applier) restore(ctx context.Context, owner *v1beta1.Canary, r ref, live client.Object, obj runtime.ApplyConfiguration) error {
	w, err := desiredFor(Partial(obj))
	if err != nil {
		return err
	}
	p := &plan{desired: w, live: live}
	if err := p.decode(); err != nil {
		return err
	}
	if err := a.notYet(p); err != nil {
		return err
	}
	body, err := p.body(a.Now())
	if err != nil {
		return err
	}
	_, err = a.serverSideApply(ctx, body)
	if err = conflict(ctx, a.Live, r, p.live.GetUID(), "", err); err != nil && !errors.Is(err, ErrStale) {
		return a.refused(ctx, owner, p, fmt.Errorf("hand back %s: %w", r, err))
	}
	a.records.update(r, func(m *record) { *m = record{} })
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

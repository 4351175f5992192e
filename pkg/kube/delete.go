package kube

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// Delete deletes an object that the owner controls. It says changed as long as
// the cache still holds the object, and asks the server only once. One that the server does not delete, that finalizers
// keep, or that is somebody else's is a RefusedError.
func (a *Applier) Delete(ctx context.Context, owner *v1beta1.Canary, obj client.Object) (changed bool, err error) {
	r, live, err := a.toDelete(ctx, owner, obj)
	if err != nil || live == nil {
		return false, err
	}
	uid := live.GetUID()
	if live.GetDeletionTimestamp() != nil || a.records.get(r).deleted == uid {
		return true, nil
	}
	err = a.Client.Delete(ctx, live, client.Preconditions{UID: &uid}, client.PropagationPolicy("Background"))
	if err = conflict(ctx, a.Live, r, uid, "", err); err != nil && !apierrors.IsNotFound(err) && !errors.Is(err, ErrStale) {
		e := &RefusedError{Object: r.name(owner), Verb: "delete", Exists: true, cause: fmt.Errorf("delete %s: %w", r, err)}
		return false, a.records.refuse(ctx, owner.UID, r, e, remembered{sum: deletion, uid: uid}, a.Now())
	}
	a.records.update(r, func(m *record) { *m = record{owner: owner.UID, deleted: uid, trouble: m.trouble} })
	return true, nil
}

// DeletePending says whether Delete would say changed, from the cache alone.
func (a *Applier) DeletePending(ctx context.Context, owner *v1beta1.Canary, obj client.Object) (bool, error) {
	_, live, err := a.toDelete(ctx, owner, obj)
	return err == nil && live != nil, err
}

// deletion is what a deletion is known by among the writes that are refused. No content has this sum.
var deletion = [sha256.Size]byte{}

// toDelete is the object as the cache has it; nil: it is gone.
func (a *Applier) toDelete(ctx context.Context, owner *v1beta1.Canary, obj client.Object) (ref, client.Object, error) {
	gvk, err := apiutil.GVKForObject(obj, a.Client.Scheme())
	if err != nil {
		return ref{}, nil, err
	}
	r := ref{kind: gvk, key: client.ObjectKeyFromObject(obj)}
	live, err := a.cached(ctx, r)
	if err != nil || live == nil {
		a.records.update(r, func(m *record) { *m = record{} })
		return r, nil, err
	}
	if live.GetDeletionTimestamp() != nil {
		if held := a.heldInDeletion(owner, r, "delete", live); held != nil {
			return r, nil, held
		}
		return r, live, nil
	}
	if err := checkController(r, owner, live); err != nil {
		return r, nil, &RefusedError{Object: r.name(owner), Verb: "delete", Text: Words(err), Exists: true, cause: err}
	}
	if e := a.records.notYet(r, deletion, live.GetUID(), a.Now()); e != nil {
		return r, nil, e
	}
	return r, live, nil
}

package kube

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// ErrMissing says that an object of the user's, of which we only set some
// fields, is not there.
var ErrMissing = errors.New("object is missing")

// Applier makes objects so, and knows when they are. It is safe for concurrent
// use, for different owners.
type Applier struct {
	// Client writes. It does not need to read.
	Client client.Client
	// Reader reads what the operator watches, in the form that NewWatched gives.
	Reader client.Reader
	// Live reads past the cache. It is asked once per object, when that is
	// taken over from another controller of this API.
	Live client.Reader
	// Now tells the time.
	Now func() time.Time
	// Drifted is told of every object that somebody else had changed after we
	// made it so, once it is as desired again: `VirtualService podinfo`. It may be
	// nil, must not block, and is called by several passes at the same time.
	Drifted func(owner *v1beta1.Canary, object string)

	records  records
	contents contents
}

// Apply makes the objects so, in their order, and stops at the first that it
// can't. It says changed if something was written, or if the cache turned out
// to be older than our last write: either way what was read before this call is
// out of date, and nothing should be decided on it.
//
// Objects of somebody else, and those that the server refuses, are a RefusedError. A Partial object that is not there is
// ErrMissing.
func (a *Applier) Apply(ctx context.Context, owner *v1beta1.Canary, objs ...runtime.ApplyConfiguration) (changed bool, err error) {
	for _, obj := range objs {
		c, err := a.apply(ctx, owner, obj)
		changed = changed || c
		if err != nil {
			return changed, err
		}
	}
	return changed, nil
}

// Forget drops what is remembered of a Canary's objects, for when it is gone.
func (a *Applier) Forget(owner *v1beta1.Canary) { a.records.forget(owner.UID) }

// LastWrite is how long ago our last write to an object was answered, and with which version, empty where the cache has it
// already. Of the object its type is looked at.
func (a *Applier) LastWrite(key client.ObjectKey, obj client.Object) (version string, age time.Duration, known bool) {
	kind, err := a.Client.GroupVersionKindFor(obj)
	if err != nil {
		return "", 0, false
	}
	last := a.records.get(ref{kind: kind, key: key})
	return last.written, a.Now().Sub(last.writtenAt), !last.writtenAt.IsZero()
}

// ForgetContents drops what objects were found to match, which costs the next look at each to encode it again.
func (a *Applier) ForgetContents() { a.contents.cache().Clear() }

func (a *Applier) apply(ctx context.Context, owner *v1beta1.Canary, obj runtime.ApplyConfiguration) (bool, error) {
	p, err := a.planFor(owner, obj, func(r ref) (client.Object, error) { return a.cached(ctx, r) })
	switch {
	case err != nil:
		return false, err
	case p.action == actNone:
		return false, nil
	case p.action == actWait:
		return true, nil
	}
	if p.live != nil && !p.partial && appliedHash(p.live) == "" {
		if p.adopted, err = a.ownership().adopt(ctx, p.ref, p.live.GetResourceVersion()); err != nil || p.adopted == "" {
			return err == nil, a.refused(ctx, owner, p, err)
		}
	}
	return a.write(ctx, owner, p)
}

// write applies a plan and remembers what came back.
func (a *Applier) write(ctx context.Context, owner *v1beta1.Canary, p *plan) (bool, error) {
	body, err := p.body(a.Now())
	if err != nil {
		return false, err
	}
	sent, err := a.send(ctx, p, body)
	if p.partial {
		// Deleted, or made anew, since the cache saw it; or changed, where it was meant for one version.
		if err = conflict(ctx, a.Live, p.ref, p.live.GetUID(), p.version(), err); otherObject(err) {
			return true, nil
		}
	}
	if p.update || p.versioned() {
		if err = conflict(ctx, a.Live, p.ref, uidOf(p.live), p.base(), err); errors.Is(err, ErrStale) || apierrors.IsAlreadyExists(err) || p.live != nil && apierrors.IsNotFound(err) {
			return true, nil
		}
	}
	if err != nil {
		return false, a.refused(ctx, owner, p, fmt.Errorf("apply %s: %w", p.ref, err))
	}
	if err := a.recordWrite(owner, p, sent); err != nil {
		return true, err
	}
	return p.live == nil || sent.GetResourceVersion() != p.live.GetResourceVersion(), nil
}

// serverSideApply is a server-side apply. Forced: a field that we must own is ours, whoever
// had it before.
func (a *Applier) serverSideApply(ctx context.Context, body map[string]any) (*unstructured.Unstructured, error) {
	u := &unstructured.Unstructured{Object: body}
	return u, a.Client.Apply(ctx, client.ApplyConfigurationFromUnstructured(u), client.FieldOwner(FieldManager), client.ForceOwnership)
}

package observe

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/desired"
	"github.com/sluice-cd/sluice/pkg/kube"
	"github.com/sluice-cd/sluice/pkg/router"
)

// RouteSources reads the user's objects that the routes are made from. One that is missing is left out: only its
// router knows what that means.
func (r *Reader) RouteSources(ctx context.Context, f *desired.Facts) (map[router.Ref]*unstructured.Unstructured, error) {
	refs := f.Router.Reads(f.Canary)
	if len(refs) == 0 {
		return nil, nil
	}
	// Before the first read of a kind, which would begin a watch by itself: one that wakes nobody, or never begins.
	if err := r.Routers.Read(ctx, f.Canary, refs); err != nil {
		return nil, err
	}
	found := make(map[router.Ref]*unstructured.Unstructured, len(refs))
	for _, ref := range refs {
		u, err := r.source(ctx, ref)
		if err != nil {
			return nil, err
		}
		if u != nil {
			found[ref] = u
		}
	}
	return found, nil
}

// source reads one object in the form it is watched in, so that a kind that is written as well is watched once.
// It may be the cache's own and is not to be changed. Nil: there is none.
func (r *Reader) source(ctx context.Context, ref router.Ref) (*unstructured.Unstructured, error) {
	obj, err := kube.NewWatched(r.Client.Scheme(), ref.GroupVersionKind)
	if err != nil {
		return nil, err
	}
	err = r.Client.Get(ctx, client.ObjectKey{Namespace: ref.Namespace, Name: ref.Name}, obj, client.UnsafeDisableDeepCopy)
	if client.IgnoreNotFound(err) != nil {
		return nil, fmt.Errorf("read %s %q: %w", ref.Kind, ref.Name, err)
	}
	if err != nil {
		return nil, nil
	}
	if u, ok := obj.(*unstructured.Unstructured); ok {
		return u, nil
	}
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(obj)
	if err != nil {
		return nil, fmt.Errorf("read %s %q: %w", ref.Kind, ref.Name, err)
	}
	u := &unstructured.Unstructured{Object: content}
	u.SetGroupVersionKind(ref.GroupVersionKind) // types from a cache have none
	return u, nil
}

// readRouteSources reads them for a pass.
func (r *Reader) readRouteSources(ctx context.Context, f *desired.Facts, _ pass) (err error) {
	// A target that is both sides at once has no routes before traffic is divided.
	if _, both := f.SelfVersioned(); both && f.Intent.Traffic == nil {
		return nil
	}
	f.RouteSources, err = r.RouteSources(ctx, f)
	return err
}

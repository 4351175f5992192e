package controller

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/kube"
	"github.com/sluice-cd/sluice/pkg/router"
)

// sources reads the user's objects that the routes are made from. One that is missing is left out: only its
// router knows what that means.
func (r *Reconciler) sources(ctx context.Context, v *view) (map[router.Ref]*unstructured.Unstructured, error) {
	refs := v.router.Reads(v.canary)
	if len(refs) == 0 {
		return nil, nil
	}
	// Before the first read of a kind, which would begin a watch by itself: one that wakes nobody, or never begins.
	if err := r.Routers.Read(ctx, v.canary, refs); err != nil {
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
func (r *Reconciler) source(ctx context.Context, ref router.Ref) (*unstructured.Unstructured, error) {
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

// named are the user's objects that a Canary's spec names for its routes. Routers read no others.
func named(c *v1beta1.Canary) []string {
	var names []string
	if ref := c.Spec.IngressRef; ref != nil {
		names = append(names, ref.Name)
	}
	if ref := c.Spec.RouteRef; ref != nil {
		names = append(names, ref.Name)
	}
	if ref := c.Spec.UpstreamRef; ref != nil {
		names = append(names, ref.Name)
	}
	for _, ref := range c.Spec.Service.RouteRefs {
		names = append(names, ref.Name)
	}
	return names
}

// near is the namespace whose Canaries an object can matter to; empty: all. Only an Upstream may be named from elsewhere.
func near(obj client.Object) client.InNamespace {
	if u, ok := obj.(*unstructured.Unstructured); ok && u.GetKind() == "Upstream" {
		return ""
	}
	return client.InNamespace(obj.GetNamespace())
}

package controller

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/kube"
	"github.com/sluice-cd/sluice/pkg/observe"
)

// cachedDefinition has the cache hold one definition, and of that what is compared: all of a cluster's are many MiB.
func cachedDefinition() cache.ByObject {
	return cache.ByObject{
		Field:                 fields.OneTermEqualSelector(metav1.ObjectNameField, v1beta1.DefinitionName),
		Transform:             observe.TrimDefinition,
		UnsafeDisableDeepCopy: new(true), // it is read with every look at a Canary, and never changed
	}
}

// readSchema has the reader compare the status with the schema that the cluster serves.
func (r *Reconciler) readSchema(mgr ctrl.Manager, built controller.Controller) error {
	s, err := observe.NewStatusSchema()
	if err != nil {
		return err
	}
	// Of its own rate: it is asked at most once a minute.
	raw, err := kube.NewRaw(mgr.GetConfig())
	if err != nil {
		return fmt.Errorf("set up the client of the schema: %w", err)
	}
	s.Cache, s.Request, s.Now = mgr.GetCache(), raw.Do, r.Now
	s.Watch = func(ctx context.Context) error {
		// An informer that may not list is never filled, and readiness would wait for it for ever.
		if err := r.definitionReadable(ctx); err != nil {
			return err
		}
		return built.Watch(source.Kind(mgr.GetCache(), client.Object(observe.NewDefinition()), r.defining(s)))
	}
	r.reader.Schema = s
	return nil
}

// definitionReadable looks whether the definition of Canaries may be listed. The name is part of the request, since the
// right is one on this name.
func (r *Reconciler) definitionReadable(ctx context.Context) error {
	ctx, stop := context.WithTimeout(ctx, listDeadline)
	defer stop()
	some := &metav1.PartialObjectMetadataList{}
	some.SetGroupVersionKind(observe.DefinitionKind)
	if err := r.Live.List(ctx, some, client.MatchingFields{metav1.ObjectNameField: v1beta1.DefinitionName}); err != nil {
		return fmt.Errorf("list the definition %s: %w", v1beta1.DefinitionName, err)
	}
	return nil
}

// defining wakes all Canaries when their definition has other fields of the status than it had.
func (r *Reconciler) defining(s *observe.StatusSchema) handler.EventHandler {
	wake := func(ctx context.Context, o client.Object, q queue) {
		u, ok := o.(*unstructured.Unstructured)
		if !ok || !s.Changed(u) {
			return
		}
		all := &v1beta1.CanaryList{}
		if err := r.Client.List(ctx, all, client.UnsafeDisableDeepCopy); err != nil {
			return // only a cache that is shutting down fails
		}
		for i := range all.Items {
			q.Add(request(&all.Items[i]))
		}
	}
	return handler.TypedFuncs[client.Object, reconcile.Request]{
		CreateFunc: func(ctx context.Context, e event.CreateEvent, q queue) { wake(ctx, e.Object, q) },
		UpdateFunc: func(ctx context.Context, e event.UpdateEvent, q queue) { wake(ctx, e.ObjectNew, q) },
	}
}

package controller

import (
	"context"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/observe"
)

// readHosts has what Namespaces list looked up in their metadata, which is watched from the first Canary on that needs it.
func (r *Reconciler) readHosts(mgr ctrl.Manager, built controller.Controller) {
	if r.Hosts == nil {
		return
	}
	r.Hosts.Cache, r.Hosts.Now = mgr.GetCache(), r.Now
	r.Hosts.Watch = func(ctx context.Context) error {
		if err := r.permitted(ctx, observe.NamespaceKind); err != nil {
			return err
		}
		return built.Watch(source.Kind(mgr.GetCache(), client.Object(observe.NewNamespace()), r.listing()))
	}
}

// listing wakes the Canaries of a Namespace that lists other hosts or gateways than before.
func (r *Reconciler) listing() handler.EventHandler {
	return handler.TypedFuncs[client.Object, reconcile.Request]{
		UpdateFunc: func(ctx context.Context, e event.UpdateEvent, q queue) {
			if !r.Hosts.Changed(e.ObjectOld, e.ObjectNew) {
				return
			}
			all := &v1beta1.CanaryList{}
			if err := r.Client.List(ctx, all, client.InNamespace(e.ObjectNew.GetName()), client.UnsafeDisableDeepCopy); err != nil {
				return // only a cache that is shutting down fails
			}
			for i := range all.Items {
				q.Add(request(&all.Items[i]))
			}
		},
	}
}

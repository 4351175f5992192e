package controller

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/observe"
)

// watchAround watches what targets refer to, and what refers to them.
func (r *Reconciler) watchAround(mgr ctrl.Manager, built controller.Controller) error {
	budgets := source.Kind(mgr.GetCache(), client.Object(&policyv1.PodDisruptionBudget{}), r.protecting(), specified())
	if err := built.Watch(budgets); err != nil {
		return fmt.Errorf("watch PodDisruptionBudgets: %w", err)
	}
	// Without tracking a change of them means nothing, and the right to watch Secrets need not be given.
	if !r.Tracking {
		return nil
	}
	for _, kind := range []string{"ConfigMap", "Secret"} {
		if kind == "Secret" && r.secretsHidden() {
			mgr.GetLogger().Info("no right to Secrets: they are not tracked, and sides share them")
			r.reader.SecretsHidden = true
			continue
		}
		// Nothing but metadata: the content of every Secret of the cluster would be in memory else.
		head := &metav1.PartialObjectMetadata{}
		head.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind(kind))
		if err := built.Watch(source.Kind(mgr.GetCache(), client.Object(head), r.configuring(kind))); err != nil {
			return fmt.Errorf("watch %ss: %w", kind, err)
		}
	}
	return nil
}

// secretsHidden says that Secrets may not be listed. It is asked once: an informer that may not list is never filled. A right that
// is given later counts from the next start on. A server that does not answer says nothing about rights.
func (r *Reconciler) secretsHidden() bool {
	ctx := context.Background() //nolint:forbidigo // nobody waits for a start; it has a deadline of its own
	return observe.NotPermitted(r.permitted(ctx, corev1.SchemeGroupVersion.WithKind("Secret")))
}

// configuring wakes the Canaries whose targets refer to a config, and the one that a copy was made for.
func (r *Reconciler) configuring(kind string) handler.EventHandler {
	return handler.EnqueueRequestsFromMapFunc(func(_ context.Context, o client.Object) []reconcile.Request {
		var woken []reconcile.Request
		// What this process has not looked at yet is not in there: its first look reads everything anyway.
		for _, key := range r.reader.Referring(kind, o) {
			woken = append(woken, reconcile.Request{NamespacedName: key})
		}
		return append(woken, makers(o)...)
	})
}

// makers is the Canary that an object was made for.
func makers(o client.Object) []reconcile.Request {
	by := metav1.GetControllerOf(o)
	if by == nil || by.Kind != "Canary" || by.APIVersion != v1beta1.GroupVersion.String() {
		return nil
	}
	return []reconcile.Request{{NamespacedName: client.ObjectKey{Namespace: o.GetNamespace(), Name: by.Name}}}
}

// protecting wakes the Canaries whose targets a budget selects. One that selects a target no longer is looked at by
// the owner of its copy.
func (r *Reconciler) protecting() handler.EventHandler {
	return handler.EnqueueRequestsFromMapFunc(func(ctx context.Context, o client.Object) []reconcile.Request {
		all := &v1beta1.CanaryList{}
		if err := r.Client.List(ctx, all, client.InNamespace(o.GetNamespace()), client.UnsafeDisableDeepCopy); err != nil {
			return nil // only a cache that is shutting down fails
		}
		woken := makers(o)
		for i := range all.Items {
			if r.reader.Protects(&all.Items[i], o) {
				woken = append(woken, request(&all.Items[i]))
			}
		}
		return woken
	})
}

// specified passes over changes of a status alone: that of a budget follows every pod.
func specified() predicate.Predicate {
	return predicate.Or[client.Object](predicate.GenerationChangedPredicate{}, predicate.LabelChangedPredicate{},
		predicate.AnnotationChangedPredicate{}, predicate.Funcs{
			UpdateFunc:  func(e event.UpdateEvent) bool { return e.ObjectNew.GetDeletionTimestamp() != nil },
			GenericFunc: func(event.GenericEvent) bool { return false },
		})
}

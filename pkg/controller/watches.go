package controller

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/go-logr/logr"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/handback"
	"github.com/sluice-cd/sluice/pkg/kube"
	"github.com/sluice-cd/sluice/pkg/observe"
	"github.com/sluice-cd/sluice/pkg/rollout"
	"github.com/sluice-cd/sluice/pkg/router"
)

type queue = workqueue.TypedRateLimitingInterface[reconcile.Request]

// Setup has the manager run the reconciler: one queue, woken by everything a rollout depends on.
// Workers are how many Canaries are worked on at the same time. What providers, scalers and configs need is watched
// later, by watchAround or with the first Canary that needs it.
func (r *Reconciler) Setup(mgr ctrl.Manager, workers int) error {
	return r.setup(mgr, workers, func(i reconcile.Reconciler) reconcile.Reconciler { return i })
}

// setup leaves room for what stands between the queue and the reconciler: tests run on a faster clock.
func (r *Reconciler) setup(mgr ctrl.Manager, workers int, between func(reconcile.Reconciler) reconcile.Reconciler) error {
	r.wire()
	requests := &requests{Reconciler: r}
	if err := errors.Join(observe.IndexNames(mgr.GetFieldIndexer()), handback.IndexNotes(mgr.GetFieldIndexer())); err != nil {
		return err
	}
	answers, err := r.answers(mgr)
	if err != nil {
		return err
	}
	// MetricTemplates are not among them: a changed one counts from the next check on, which comes by itself.
	built, err := ctrl.NewControllerManagedBy(mgr).
		Named("canary").
		WithOptions(controller.Options{MaxConcurrentReconciles: workers, RateLimiter: backOff()}).
		Watches(&v1beta1.Canary{}, debounced(requests.canaries())).
		Watches(&v1beta1.AlertProvider{}, r.alerting()).
		Watches(&appsv1.Deployment{}, debounced(r.concerning())).
		Watches(&appsv1.DaemonSet{}, debounced(r.concerning())).
		Watches(&corev1.Service{}, debounced(r.concerning())).
		Watches(&autoscalingv2.HorizontalPodAutoscaler{}, debounced(r.concerning())).
		WatchesRawSource(answers).
		Build(between(requests))
	if err != nil {
		return fmt.Errorf("build the controller: %w", err)
	}
	// Set only here, where there is a controller to watch with.
	r.Applier.Drifted = r.Announcer.Drifted
	r.Routers.Watch = func(_ context.Context, kind schema.GroupVersionKind) error {
		obj, err := kube.NewWatched(mgr.GetScheme(), kind)
		if err != nil {
			return err
		}
		return built.Watch(source.Kind(mgr.GetCache(), obj, debounced(r.concerning())))
	}
	r.Routers.Permitted = r.permitted
	if err := r.readSchema(mgr, built); err != nil {
		return err
	}
	r.readHosts(mgr, built)
	return r.watchAround(mgr, built)
}

// answers has questions answered while the manager runs, and wakes a Canary when it has all of its answers. All are woken by
// the same way.
func (r *Reconciler) answers(mgr ctrl.Manager) (source.Source, error) {
	events := make(chan event.GenericEvent)
	wake := func(ctx context.Context, key types.NamespacedName) {
		c := &v1beta1.Canary{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name}}
		select {
		case events <- event.GenericEvent{Object: c}:
		case <-ctx.Done():
		}
	}
	r.pool.Wake = wake
	wakeAll := func(ctx context.Context) error { return r.wakeAll(ctx, wake) }
	run := func(ctx context.Context) error {
		return r.pool.Run(logr.NewContext(ctx, mgr.GetLogger().WithName("analysis")))
	}
	err := errors.Join(mgr.Add(manager.RunnableFunc(run)), mgr.Add(manager.RunnableFunc(wakeAll)))
	return source.Channel(events, &handler.EnqueueRequestForObject{}), err
}

// backOff is when a pass that failed is made again. A canary may be failing meanwhile, so that it is never long.
func backOff() workqueue.TypedRateLimiter[reconcile.Request] {
	return workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](firstTry, lastTry)
}

// permitted looks whether a kind may be listed where the operator watches.
func (r *Reconciler) permitted(ctx context.Context, kind schema.GroupVersionKind) error {
	mapping, err := r.Client.RESTMapper().RESTMapping(kind.GroupKind(), kind.Version)
	if err != nil {
		return fmt.Errorf("find out about %s: %w", kind.Kind, err)
	}
	ctx, stop := context.WithTimeout(ctx, listDeadline)
	defer stop()
	err = r.Watched.eachNamespace(func(in client.InNamespace) error {
		some := &metav1.PartialObjectMetadataList{}
		some.SetGroupVersionKind(kind)
		return r.Live.List(ctx, some, client.Limit(1), in)
	})
	if apierrors.IsForbidden(err) {
		return &observe.NotPermittedError{
			Verb: "list", Resource: mapping.Resource.GroupResource().String(), ReadOnly: kind == observe.NamespaceKind,
		}
	}
	if err != nil {
		return fmt.Errorf("list %s: %w", mapping.Resource.GroupResource(), err)
	}
	return nil
}

// concerning wakes the Canaries that an object matters to: its owner, and those that refer to it or
// would generate it, by name. Names are enough: a Canary and its objects share a namespace. One Canary's objects
// matter to another that is refused because of them, and takes over when they go.
func (r *Reconciler) concerning() handler.EventHandler {
	return handler.EnqueueRequestsFromMapFunc(func(ctx context.Context, obj client.Object) []reconcile.Request {
		woken := append(r.claimed(ctx, obj), handback.NotedFor(obj)...)
		o := metav1.GetControllerOf(obj)
		if o != nil && o.Kind == "Canary" && o.APIVersion == v1beta1.GroupVersion.String() {
			woken = append(woken, reconcile.Request{NamespacedName: types.NamespacedName{Namespace: obj.GetNamespace(), Name: o.Name}})
		}
		// By name, whatever the kind: a false match costs a look at the cache.
		others, err := observe.CanariesNaming(ctx, r.Client, near(obj), obj.GetName())
		if err != nil {
			return woken // the cache answers or is not there yet, and then every Canary is looked at anyway
		}
		for i := range others {
			// Its owner is among them already.
			if c := &others[i]; o == nil || o.UID != c.UID {
				woken = append(woken, request(c))
			}
		}
		return woken
	})
}

// alerting wakes the Canaries that send alerts to an AlertProvider, of any namespace.
func (r *Reconciler) alerting() handler.EventHandler {
	return handler.EnqueueRequestsFromMapFunc(func(ctx context.Context, obj client.Object) []reconcile.Request {
		all := &v1beta1.CanaryList{}
		if err := r.Client.List(ctx, all); err != nil {
			return nil // as above
		}
		// Only remarks in condition Valid can change by that: messages are sent by what is there at that moment.
		var woken []reconcile.Request
		for i := range all.Items {
			if alerts(&all.Items[i], client.ObjectKeyFromObject(obj)) {
				woken = append(woken, request(&all.Items[i]))
			}
		}
		return woken
	})
}

func alerts(c *v1beta1.Canary, provider client.ObjectKey) bool {
	if c.Spec.Analysis == nil {
		return false
	}
	return slices.ContainsFunc(c.Spec.Analysis.Alerts, func(a v1beta1.CanaryAlert) bool { return a.ProviderRef.KeyFor(c) == provider })
}

// requests is what the queue calls: names of Canaries, whether these are there or gone.
type requests struct {
	*Reconciler
	failures failures
}

// Reconcile brings the named Canary forward, or gives back what one that is gone still owes. An error that lasts is told
// on the Canary.
func (r *requests) Reconcile(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	if r.Active != nil {
		r.Active()
	}
	if !r.Leading() {
		return r.standby.keep(req, r.Leading), nil
	}
	result, err := r.reconcile(ctx, req)
	if errors.Is(err, kube.ErrNotLeading) {
		return r.standby.keep(req, r.Leading), nil
	}
	r.tellFailure(ctx, req.NamespacedName, err)
	return result, err
}

func (r *requests) reconcile(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	// First: a new Canary of this name begins when the one before owes nothing any more.
	if done, err := r.handback.ReleaseOrphans(ctx, req.NamespacedName); err != nil && !errors.Is(err, kube.ErrStale) {
		return reconcile.Result{}, err
	} else if !done {
		return reconcile.Result{RequeueAfter: retryStale}, nil
	}
	c := &v1beta1.Canary{}
	if err := r.Client.Get(ctx, req.NamespacedName, c); err != nil {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	if !r.Watched.Follows(c) {
		// It may have been followed a moment ago.
		if observe.Remembers(r.reader, c) {
			r.forget(c)
		}
		return reconcile.Result{}, nil
	}
	start := r.Now()
	result, err := r.Reconciler.Reconcile(ctx, c)
	r.Announcer.Telemetry.Took(c, r.Now().Sub(start))
	if err != nil {
		return reconcile.Result{}, err // when it is tried again is the queue's to say
	}
	// After it: what cannot be given back keeps no rollout.
	done, err := r.handback.ReleaseFormer(ctx, req.NamespacedName)
	if err != nil {
		return reconcile.Result{}, err
	}
	if !done {
		result.RequeueAfter = rollout.Sooner(result.RequeueAfter, retryStale)
	}
	return result, nil
}

// canaries wakes a Canary by its own events, and the others of its namespace when one goes: a younger rival
// may take its place.
func (r *requests) canaries() handler.EventHandler {
	return handler.TypedFuncs[client.Object, reconcile.Request]{
		CreateFunc: func(_ context.Context, e event.CreateEvent, q queue) { q.Add(request(e.Object)) },
		UpdateFunc: func(_ context.Context, e event.UpdateEvent, q queue) { q.Add(request(e.ObjectNew)) },
		DeleteFunc: func(ctx context.Context, e event.DeleteEvent, q queue) {
			// Before the request is in the queue, or it would find nothing that is left to do.
			if c, ok := e.Object.(*v1beta1.Canary); ok {
				// At once, whoever has the workers.
				r.pool.Forget(c.UID)
				// Who follows it gives it back, and nobody here would forget it again.
				if r.Leading() && r.Watched.Follows(c) {
					r.handback.RememberDeleted(c.DeepCopy())
				}
				for _, previous := range r.handback.PreviousOwner(ctx, c) {
					q.Add(previous)
				}
			}
			q.Add(request(e.Object))
			r.wakeRivals(ctx, e.Object, q)
		},
	}
}

func (r *requests) wakeRivals(ctx context.Context, gone client.Object, q queue) {
	rest := &v1beta1.CanaryList{}
	if err := r.Client.List(ctx, rest, client.InNamespace(gone.GetNamespace())); err != nil {
		return // only a cache that is shutting down fails
	}
	// All of them, refused or not: this happens seldom, and those at rest are done at once.
	for k := range rest.Items {
		q.Add(request(&rest.Items[k]))
	}
}

func request(obj client.Object) reconcile.Request {
	return reconcile.Request{NamespacedName: client.ObjectKeyFromObject(obj)}
}

// near is the namespace whose Canaries an object can matter to; empty: all. Only an Upstream may be named from elsewhere.
func near(obj client.Object) client.InNamespace {
	if u, ok := obj.(*unstructured.Unstructured); ok && u.GetKind() == "Upstream" {
		return ""
	}
	return client.InNamespace(obj.GetNamespace())
}

// claimed wakes the Canary that an object without an owner was made for. Of one in a namespace that is not watched
// nothing is known, and it is another operator's.
func (r *Reconciler) claimed(ctx context.Context, o client.Object) []reconcile.Request {
	key := router.CanaryOf(o)
	// What is in a namespace has an owner, and is found by that: an annotation there would be a copy's.
	if o.GetNamespace() != "" || key.Name == "" {
		return nil
	}
	c := &v1beta1.Canary{}
	if err := r.Client.Get(ctx, key, c); err != nil {
		return nil
	}
	return []reconcile.Request{request(c)}
}

package controller

import (
	"context"
	"maps"
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// standby is what a replica that waits for the lease has to do once it works: the names that came up meanwhile, those of
// Canaries that are gone among them.
type standby struct {
	mu   sync.Mutex
	kept map[reconcile.Request]struct{}
	all  chan struct{} // has one in it: all Canaries are to be looked at
}

// keep puts a request off until this replica works.
func (s *standby) keep(req reconcile.Request, leads func() bool) reconcile.Result {
	s.mu.Lock()
	defer s.mu.Unlock()
	// It may have begun to since: what was kept has been taken then. A term that is over begins again, or is told to be over.
	if leads() {
		return reconcile.Result{RequeueAfter: retryStale}
	}
	if s.kept == nil {
		s.kept = map[reconcile.Request]struct{}{}
	}
	s.kept[req] = struct{}{}
	return reconcile.Result{}
}

// take is what was put off.
func (s *standby) take() []reconcile.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	kept := slices.Collect(maps.Keys(s.kept))
	s.kept = nil
	return kept
}

// Leading says whether this replica works.
func (r *Reconciler) Leading() bool { return r.Leads == nil || r.Leads() }

// Lead has this replica work from now on: all Canaries are looked at, and what came up before. Leads is true by then.
func (r *Reconciler) Lead() {
	// What is known of the cluster stays; another replica may have decided since.
	r.Canaries.ForgetStatuses()
	r.LookAtAll()
	r.Others.Look()
	r.RunTotal.Count()
}

// Retire breaks off what is under way: another replica asks those questions itself.
func (r *Reconciler) Retire() { r.pool.ForgetAll() }

// LookAtAll wakes all Canaries, as after a time without the API server: what failed meanwhile would be tried again late.
func (r *Reconciler) LookAtAll() {
	r.wire()
	select {
	case r.standby.all <- struct{}{}:
	default: // it is about to be done
	}
}

// wakeAll wakes all Canaries whenever that is called for.
func (r *Reconciler) wakeAll(ctx context.Context, wake func(context.Context, types.NamespacedName)) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-r.standby.all:
		}
		if r.Leading() {
			for _, req := range r.standby.take() {
				wake(ctx, req.NamespacedName)
			}
		}
		list := &v1beta1.CanaryList{}
		if err := r.Client.List(ctx, list, client.UnsafeDisableDeepCopy); err != nil {
			log.FromContext(ctx).V(1).Info("canaries not woken", "reason", err.Error())
			continue // only a cache that is shutting down fails
		}
		for i := range list.Items {
			wake(ctx, client.ObjectKeyFromObject(&list.Items[i]))
		}
	}
}

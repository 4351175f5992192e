package controller

import (
	"context"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// debounceDelay is how long a change waits for others of the same Canary. One cause makes several: a Deployment's status
// is written for each pod, and each of our own writes comes back. It is far below the shortest wait of a rollout.
const debounceDelay = 50 * time.Millisecond

// debounced wakes Canaries a moment after an object has changed, once for all that changes until then. What is
// created or deleted wakes them at once.
func debounced(h handler.EventHandler) handler.EventHandler {
	return handler.Funcs{
		CreateFunc: h.Create, DeleteFunc: h.Delete, GenericFunc: h.Generic,
		UpdateFunc: func(ctx context.Context, e event.UpdateEvent, q queue) {
			// Caches tell of what has not changed from time to time.
			if (predicate.ResourceVersionChangedPredicate{}).Update(e) {
				h.Update(ctx, e, delayedQueue{q})
			}
		},
	}
}

// delayedQueue is a queue that lets requests in a moment later.
type delayedQueue struct{ queue }

// Add lets a request in a moment later, or when it was to come in anyway, whichever is first.
func (s delayedQueue) Add(r reconcile.Request) { s.AddAfter(r, debounceDelay) }

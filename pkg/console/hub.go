package console

import (
	"context"
	"fmt"
	"sync"

	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// mostPending is how many changed Canaries a subscriber is behind by at most; then it has to read all anew.
const mostPending = 1000

// hub tells subscribers which Canaries have changed. It listens to the cache only while there are any.
type hub struct {
	cache cache.Cache

	mu          sync.Mutex
	subscribers map[*subscriber]struct{}
	informer    cache.Informer // that is listened to; nil: none
	listening   toolscache.ResourceEventHandlerRegistration
}

func newHub(c cache.Cache) *hub {
	return &hub{cache: c, subscribers: map[*subscriber]struct{}{}}
}

// subscriber has the changes that one stream has not told yet: which Canaries, and not how they were, so that what it takes is bounded.
type subscriber struct {
	namespace, name string // empty: any

	mu      sync.Mutex
	changed map[types.NamespacedName]bool // true: it is gone
	missed  bool                          // some were not kept
	wake    chan struct{}
}

// subscribe begins to listen where nobody did.
func (h *hub) subscribe(ctx context.Context, namespace, name string) (*subscriber, error) {
	sub := &subscriber{namespace: namespace, name: name, changed: map[types.NamespacedName]bool{}, wake: make(chan struct{}, 1)}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.informer == nil {
		informer, err := h.cache.GetInformer(ctx, &v1beta1.Canary{})
		if err != nil {
			return nil, fmt.Errorf("watch Canaries: %w", err)
		}
		listening, err := informer.AddEventHandler(toolscache.ResourceEventHandlerDetailedFuncs{
			AddFunc: func(o any, initial bool) {
				if !initial {
					h.tell(o, false)
				}
			},
			UpdateFunc: func(before, now any) {
				old, is := before.(client.Object)
				if c, too := now.(client.Object); is && too && old.GetResourceVersion() != c.GetResourceVersion() {
					h.tell(now, false)
				}
			},
			DeleteFunc: func(o any) { h.tell(o, true) },
		})
		if err != nil {
			return nil, fmt.Errorf("watch Canaries: %w", err)
		}
		h.informer, h.listening = informer, listening
	}
	h.subscribers[sub] = struct{}{}
	return sub, nil
}

// unsubscribe stops to listen when nobody is left.
func (h *hub) unsubscribe(sub *subscriber) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.subscribers, sub)
	if len(h.subscribers) > 0 || h.informer == nil {
		return
	}
	_ = h.informer.RemoveEventHandler(h.listening) // of an informer that has ended there is nothing to remove
	h.informer, h.listening = nil, nil
}

// tell notes a change with all whom it concerns.
func (h *hub) tell(o any, gone bool) {
	if last, is := o.(toolscache.DeletedFinalStateUnknown); is {
		o = last.Obj
	}
	c, is := o.(client.Object)
	if !is {
		return
	}
	key := client.ObjectKeyFromObject(c)
	h.mu.Lock()
	defer h.mu.Unlock()
	for sub := range h.subscribers {
		if (sub.namespace == "" || sub.namespace == key.Namespace) && (sub.name == "" || sub.name == key.Name) {
			sub.note(key, gone)
		}
	}
}

func (s *subscriber) note(key types.NamespacedName, gone bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.changed[key] = gone; len(s.changed) > mostPending {
		s.missed = true
		clear(s.changed)
	}
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// take are the changes since the last call.
func (s *subscriber) take() (changed map[types.NamespacedName]bool, missed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	changed, missed = s.changed, s.missed
	s.changed, s.missed = map[types.NamespacedName]bool{}, false
	return changed, missed
}

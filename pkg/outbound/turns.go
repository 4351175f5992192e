package outbound

import (
	"context"
	"sync"

	"github.com/sluice-cd/sluice/pkg/fair"
)

// File turns.go divides what a process has once among the namespaces that its requests are made for: connections to a host
// that all share, and memory for large answers. Whoever hangs holds up himself.

type namespaceKey struct{}

// For says which namespace the requests of a context are made for. Without it they are the operator's own, which counts as one.
func For(ctx context.Context, namespace string) context.Context {
	return context.WithValue(ctx, namespaceKey{}, namespace)
}

func namespaceOf(ctx context.Context) string {
	namespace, _ := ctx.Value(namespaceKey{}).(string)
	return namespace
}

// places are entered in turns.
type places struct {
	mu    sync.Mutex
	turns *fair.Turns[*visitor]
	users int // who waits or is inside; of Hosts alone, and under its lock
}

// visitor waits for a place. Closed when it has one.
type visitor struct{ inside chan struct{} }

func newPlaces(own, shared int) *places {
	return &places{turns: fair.NewTurns[*visitor](fair.NewShares(own, shared))}
}

// enter takes a place, as soon as it is the turn of the context's namespace. Leave gives it back, once.
func (p *places) enter(ctx context.Context) (leave func(), err error) {
	namespace, v := namespaceOf(ctx), &visitor{inside: make(chan struct{})}
	p.mu.Lock()
	p.turns.Join(namespace, v)
	p.admit()
	p.mu.Unlock()
	leave = sync.OnceFunc(func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.turns.Give(namespace)
		p.admit()
	})
	select {
	case <-v.inside:
		return leave, nil
	case <-ctx.Done():
	}
	p.mu.Lock()
	p.turns.Leave(namespace, v)
	p.mu.Unlock()
	select {
	case <-v.inside: // its turn came at the same moment
		leave()
	default:
	}
	return nil, ctx.Err()
}

// admit lets those in for whom there are places. The lock is held.
func (p *places) admit() {
	for {
		v, ok := p.turns.Next()
		if !ok {
			return
		}
		close(v.inside)
	}
}

// Large bounds how many answers of more than 64 KiB are in memory at the same time. Who reads one more waits for the turn of
// its namespace, or until its own request ends.
type Large struct{ places *places }

// NewLarge has room for a number of answers, of at most MaxAnswer bytes each. One namespace alone gets half of it.
func NewLarge(many int) *Large { return &Large{places: newPlaces(0, many)} }

// enter takes a place. It is given back when the request's context ends, since by then its answer was decoded as well.
func (l *Large) enter(ctx context.Context) (leave func(), err error) {
	leave, err = l.places.enter(ctx)
	if err == nil {
		context.AfterFunc(ctx, leave)
	}
	return leave, err
}

// Hosts bounds how many requests are under way to one host. Each namespace has some of its own, so that one that hangs there
// keeps nobody out.
type Hosts struct {
	own, shared int

	mu sync.Mutex
	of map[string]*places // by host; none that nobody asks
}

// NewHosts has room for a number of requests to each host that all namespaces share, and some for each besides.
func NewHosts(own, shared int) *Hosts {
	return &Hosts{own: own, shared: shared, of: map[string]*places{}}
}

// enter waits for the turn of the context's namespace at a host.
func (h *Hosts) enter(ctx context.Context, host string) (leave func(), err error) {
	h.mu.Lock()
	p := h.of[host]
	if p == nil {
		p = newPlaces(h.own, h.shared)
		h.of[host] = p
	}
	p.users++
	h.mu.Unlock()
	forget := func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if p.users--; p.users == 0 {
			delete(h.of, host)
		}
	}
	give, err := p.enter(ctx)
	if err != nil {
		forget()
		return nil, err
	}
	leave = sync.OnceFunc(func() { give(); forget() })
	context.AfterFunc(ctx, leave)
	return leave, nil
}

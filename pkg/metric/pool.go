package metric

import (
	"net/http"
	"sync"
)

// poolSize is more servers than anybody has. Addresses come from Canaries: their number must be bounded.
const poolSize = 64

// Pool keeps what is costly to make anew each round: providers, one for each address, over one HTTP client;
// further clients for those who trust other authorities; and credentials that were exchanged for others.
type Pool struct {
	// One for all who trust what the system does. It is never replaced, so that its connections outlive empty.
	client *http.Client
	mu     sync.Mutex
	known  map[string]any
}

// NewPool makes an empty pool.
func NewPool() *Pool {
	return &Pool{client: NewClient(MaxAnswer), known: map[string]any{}}
}

// Prometheus is the provider for an address.
// It is for -metrics-server and spec.metricsServer, which have no template, Secret or headers. It is not guarded,
// and keeps the promises of the package by itself.
func (p *Pool) Prometheus(address string) (Provider, error) {
	return kept(p, "prometheus "+address, func() (Provider, error) {
		return NewPrometheus(address, Options{Client: p.client})
	})
}

// kept makes a thing once. The key names its kind too. What could not be made is not kept.
func kept[T any](p *Pool, key string, create func() (T, error)) (T, error) {
	p.mu.Lock()
	// Held while the thing is made, which is short: two metrics of one round must not make two clients.
	defer p.mu.Unlock()
	if known, ok := p.known[key].(T); ok {
		return known, nil
	}
	made, err := create()
	if err != nil {
		return made, err
	}
	// Starting over is as good as any rule of who has to go: most connections belong to the shared client.
	if len(p.known) >= poolSize {
		p.empty()
	}
	p.known[key] = made
	return made, nil
}

// empty lets go of everything, and of the connections that would be left behind.
func (p *Pool) empty() {
	for _, one := range p.known {
		if c, ok := one.(*http.Client); ok {
			// A transport that is dropped with open connections keeps them, and itself, until they time out.
			c.CloseIdleConnections()
		}
	}
	clear(p.known)
}

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
	client *http.Client
	mu     sync.Mutex
	known  map[string]any
}

// NewPool makes an empty pool.
func NewPool() *Pool {
	return &Pool{client: NewClient(MaxAnswer), known: map[string]any{}}
}

// Prometheus is the provider for an address.
func (p *Pool) Prometheus(address string) (Provider, error) {
	return kept(p, "prometheus "+address, func() (Provider, error) {
		return NewPrometheus(address, Options{Client: p.client})
	})
}

// kept makes a thing once. The key names its kind too. What could not be made is not kept.
func kept[T any](p *Pool, key string, create func() (T, error)) (T, error) {
	p.mu.Lock()
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
			c.CloseIdleConnections()
		}
	}
	clear(p.known)
}

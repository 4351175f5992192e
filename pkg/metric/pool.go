package metric

import (
	"net/http"
	"sync"
)

// poolSize is more servers than anybody has. Addresses come from Canaries: their number must be bounded.
const poolSize = 64

// Pool keeps the providers that were made, one for each address, over one HTTP client.
type Pool struct {
	client *http.Client
	mu     sync.Mutex
	known  map[string]Provider
}

// NewPool makes an empty pool.
func NewPool() *Pool {
	return &Pool{client: NewClient(MaxAnswer), known: map[string]Provider{}}
}

// Prometheus is the provider for an address.
func (p *Pool) Prometheus(address string) (Provider, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if known, ok := p.known[address]; ok {
		return known, nil
	}
	made, err := NewPrometheus(address, Options{Client: p.client})
	if err != nil {
		return nil, err
	}
	// Starting over is as good as any rule of who has to go: connections belong to the client.
	if len(p.known) >= poolSize {
		clear(p.known)
	}
	p.known[address] = made
	return made, nil
}

package metric

import (
	"fmt"
	"net/http"
	"sync"

	"k8s.io/utils/lru"

	"github.com/sluice-cd/sluice/pkg/outbound"
)

const (
	// poolSize is more servers than anybody has. Addresses come from Canaries: their number must be bounded.
	poolSize = 64
	// largeAnswers is how many answers above 64 KiB are in memory at the same time: 32 MiB, and what they are decoded into.
	largeAnswers = 8
	// idleConns is for a round of one Canary, which asks for all its metrics at once.
	idleConns = 32
	// openConns keeps a thousand rounds that are due at once from taking as many ports.
	openConns = 128
	// caKey is the key of a Secret with the certificates of authorities, in PEM.
	caKey = "ca.crt"
)

// Pool keeps what is costly to make anew each round: providers, one for each address, over one HTTP client;
// further clients for those who trust other authorities; and credentials that were exchanged for others. What was not
// asked for the longest is forgotten first, and made again.
type Pool struct {
	// One for all who trust what the system does. It is never forgotten.
	client *http.Client
	large  *outbound.Large
	mu     sync.Mutex
	known  *lru.Cache
}

// NewPool makes an empty pool.
func NewPool() *Pool {
	p := &Pool{large: outbound.NewLarge(largeAnswers), known: lru.NewWithEvictionFunc(poolSize, forget)}
	p.client = outbound.NewClient(p.options())
	return p
}

func (p *Pool) options() outbound.Options {
	return outbound.Options{OpenConns: openConns, IdleConns: idleConns, Large: p.large}
}

// forget lets go of connections: a transport that is dropped with open ones keeps them, and itself, until they time out.
func forget(_ lru.Key, kept any) {
	if c, ok := kept.(*http.Client); ok {
		c.CloseIdleConnections()
	}
}

// Prometheus is the provider for an address.
// It is for -metrics-server and spec.metricsServer, which have no template, Secret or headers. It is not guarded,
// and keeps the promises of the package by itself.
func (p *Pool) Prometheus(address string) (Provider, error) {
	return kept(p, "prometheus "+address, func() (Provider, error) {
		return NewPrometheus(address, Options{Client: p.client})
	})
}

// http is the client for those who trust alike. Most trust what the system does, and share one. Clients are kept by what
// they trust and not by whom they ask: a transport has one configuration, and connections are only kept with their transport.
func (p *Pool) http(t outbound.Trust) (*http.Client, error) {
	if t.Default() {
		return p.client, nil
	}
	return kept(p, "tls "+t.Key(), func() (*http.Client, error) {
		cfg, err := t.Config()
		if err != nil {
			return nil, fmt.Errorf("key %q of the secret has no certificate that can be read", caKey)
		}
		o := p.options()
		o.TLS = cfg
		return outbound.NewClient(o), nil
	})
}

// trust is whom a provider believes.
func (c config) trust() outbound.Trust {
	return outbound.Trust{CA: c.Secret[caKey], Insecure: c.spec.InsecureSkipVerify}
}

// kept makes a thing once. The key names its kind too. What could not be made is not kept.
func kept[T any](p *Pool, key string, create func() (T, error)) (T, error) {
	p.mu.Lock()
	// Held while the thing is made, which is short: two metrics of one round must not make two clients.
	defer p.mu.Unlock()
	if known, ok := p.known.Get(key); ok {
		return known.(T), nil
	}
	made, err := create()
	if err != nil {
		return made, err
	}
	p.known.Add(key, made)
	return made, nil
}

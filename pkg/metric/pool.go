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
	// sharedConns, and one for each namespace, are the requests to one server at the same time. Prometheus itself answers 20 unless it
	// is told otherwise. One namespace alone gets half of them.
	ownConns, sharedConns = 1, 32
	// caKey is the key of a Secret with the certificates of authorities, in PEM.
	caKey = "ca.crt"
)

// Pool keeps what is costly to make anew each round: providers, one for each address, over one HTTP client;
// further clients for those who trust other authorities; and credentials that were exchanged for others. What was not
// asked for the longest is forgotten first, and made again.
type Pool struct {
	// One for all who trust what the system does. It is never forgotten.
	client *http.Client
	own    *http.Client // for what the operator's flags name, and its own credentials: it dials every address
	to     *outbound.Addresses
	large  *outbound.Large
	hosts  *outbound.Hosts
	mu     sync.Mutex
	known  *lru.Cache
}

// NewPool makes an empty pool. What Canaries and templates name is dialled at those addresses only; nil: at all.
func NewPool(to *outbound.Addresses) *Pool {
	p := &Pool{large: outbound.NewLarge(largeAnswers), hosts: outbound.NewHosts(ownConns, sharedConns), known: lru.NewWithEvictionFunc(poolSize, forget)}
	p.own = outbound.NewClient(p.options())
	p.to = to
	p.client = outbound.NewClient(p.options())
	return p
}

func (p *Pool) options() outbound.Options {
	return outbound.Options{Hosts: p.hosts, IdleConns: idleConns, Large: p.large, Addresses: p.to}
}

// forget lets go of connections: a transport that is dropped with open ones keeps them, and itself, until they time out.
func forget(_ lru.Key, kept any) {
	if c, ok := kept.(*http.Client); ok {
		c.CloseIdleConnections()
	}
}

// Prometheus is the provider for an address.
// It is for spec.metricsServer, as Own is for -metrics-server, which have no template, Secret or headers. What it says is
// not quoted.
func (p *Pool) Prometheus(address string) (Provider, error) {
	return kept(p, "prometheus "+address, func() (Provider, error) {
		return NewPrometheus(address, Options{Client: p.client})
	})
}

// Own is the provider for the address that the operator's flags name, wherever that is. What it says is quoted.
func (p *Pool) Own(address string) (Provider, error) {
	return kept(p, "own prometheus "+address, func() (Provider, error) {
		return NewPrometheus(address, Options{Client: p.own, Quote: true})
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

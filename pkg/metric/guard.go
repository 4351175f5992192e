package metric

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/outbound"
)

// guarded keeps what all providers promise, so that none has to by itself.
// Providers stay small by that, and a new one cannot forget: New hands out nothing that is not guarded.
type guarded struct {
	next    Provider
	name    string
	timeout time.Duration
	secrets outbound.Secrets
	quote   bool // what the server says is shown
}

// sampling is a guarded provider of which the elements can be told apart.
//
// It and explaining are types of their own: callers find out what a provider can do by asserting an interface, and
// a guard with all methods would claim abilities that are not there.
type sampling struct{ guarded }

// explaining is a guarded provider that has more to say than a number.
type explaining struct{ guarded }

// Explainer is a provider that has more to say than a number.
type Explainer interface {
	// Explain is what the last query found beside its number, of at most 2 KiB; empty: nothing.
	Explain() string
}

func guard(g guarded) Provider {
	// No provider is both. One that became so would need a third type here.
	switch g.next.(type) {
	case Sampler:
		return sampling{g}
	case Explainer:
		return explaining{g}
	}
	return g
}

func (g guarded) Query(ctx context.Context, query string) (float64, error) {
	within, cancel := context.WithTimeout(ctx, g.timeout)
	defer cancel()
	value, err := g.next.Query(within, query)
	// Checked here once more: JSON knows no NaN, but texts, CSV and binary messages do.
	if err == nil && math.IsNaN(value) {
		err = ErrNaN
	}
	if err != nil {
		return 0, g.told(ctx, err)
	}
	return value, nil
}

func (s sampling) Samples(ctx context.Context, query string, at time.Time) ([]Sample, error) {
	within, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	// NaN elements are left in: whether one of many spoils an answer is for the caller to say.
	found, err := s.next.(Sampler).Samples(within, query, at)
	if err != nil {
		return nil, s.told(ctx, err)
	}
	return found, nil
}

// Explain hides secrets too: logs of Pods may repeat what a Secret holds.
func (e explaining) Explain() string { return e.secrets.Hide(e.next.(Explainer).Explain()) }

// told says who failed, and tells a slow answer from a round that was broken off.
func (g guarded) told(ctx context.Context, err error) error {
	// The caller's context is still alive, so that it was our timeout. Otherwise the round was broken off, and
	// "no answer within 10s" would blame a system that was not given its time.
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		err = fmt.Errorf("no answer within %s: %w", g.timeout, context.DeadlineExceeded)
	}
	err = outbound.Cause(err)
	// Prometheus puts its host behind its name, and should not be named twice.
	if !strings.HasPrefix(err.Error(), g.name+" ") {
		err = fmt.Errorf("%s: %w", g.name, err)
	}
	return g.secrets.HideError(quoting(err, g.quote))
}

// SecretsOf is all that is secret about a provider. Errors of vendors' libraries are not ours to word, and many servers
// repeat what they were asked.
func SecretsOf(p v1beta1.MetricProvider, secret map[string][]byte) outbound.Secrets {
	var s outbound.Secrets
	s.AddData(secret)
	for name, values := range p.Headers {
		for _, value := range values {
			s.AddHeader(name, value)
		}
	}
	s.AddURL(p.Address)
	return s
}

package metric

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// guarded keeps what all providers promise, so that none has to by itself.
// Providers stay small by that, and a new one cannot forget: New hands out nothing that is not guarded.
type guarded struct {
	next    Provider
	name    string
	timeout time.Duration
	veil    veil
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

func guard(p Provider, name string, timeout time.Duration, v veil) Provider {
	g := guarded{next: p, name: name, timeout: timeout, veil: v}
	// No provider is both. One that became so would need a third type here.
	switch p.(type) {
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

func (s sampling) Samples(ctx context.Context, query string) ([]Sample, error) {
	within, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	// NaN elements are left in: whether one of many spoils an answer is for the caller to say.
	found, err := s.next.(Sampler).Samples(within, query)
	if err != nil {
		return nil, s.told(ctx, err)
	}
	return found, nil
}

// Explain passes the veil too: logs of Pods may repeat what a Secret holds.
func (e explaining) Explain() string { return e.veil.text(e.next.(Explainer).Explain()) }

// told says who failed, and tells a slow answer from a round that was broken off.
func (g guarded) told(ctx context.Context, err error) error {
	// The caller's context is still alive, so that it was our timeout. Otherwise the round was broken off, and
	// "no answer within 10s" would blame a system that was not given its time.
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		err = fmt.Errorf("no answer within %s: %w", g.timeout, context.DeadlineExceeded)
	}
	err = Cause(err)
	// Prometheus puts its host behind its name, and should not be named twice.
	if !strings.HasPrefix(err.Error(), g.name+" ") {
		err = fmt.Errorf("%s: %w", g.name, err)
	}
	return g.veil.over(err)
}

// veil hides what must not be read in events and conditions.
// Errors of vendors' libraries are not ours to word, and many servers repeat what they were asked.
type veil struct{ words []string }

// minSecret is the least length of what is hidden: to replace every `a` of a text helps nobody.
const minSecret = 4

// veilOf collects all that is secret about a provider, the longest first: one may contain another.
func veilOf(p v1beta1.MetricProvider, s Settings) veil {
	var v veil
	for _, value := range s.Secret {
		v.add(strings.TrimSpace(string(value)))
	}
	// The values alone are not enough: encoded together they look like neither.
	v.addBasic(string(s.Secret["username"]), string(s.Secret["password"]))
	for _, values := range p.Headers {
		for _, value := range values {
			v.add(value)
			_, credential, _ := strings.Cut(value, " ") // `Bearer` may be read
			v.add(credential)
		}
	}
	if u, err := url.Parse(p.Address); err == nil {
		v.addURL(u)
	}
	// Among equals by the alphabet: words come from maps, and a text that overlaps two must be hidden alike each time.
	slices.SortFunc(v.words, func(a, b string) int {
		if len(a) != len(b) {
			return len(b) - len(a)
		}
		return strings.Compare(a, b)
	})
	return v
}

func (v *veil) addURL(u *url.URL) {
	if password, set := u.User.Password(); set {
		v.add(password)
		v.addBasic(u.User.Username(), password)
	}
	// Keys are given in queries too. The names of parameters are left readable.
	for _, values := range u.Query() {
		for _, value := range values {
			v.add(value)
		}
	}
}

// addBasic is for servers that repeat the headers that they were sent.
func (v *veil) addBasic(user, password string) {
	if password != "" {
		v.add(strings.TrimPrefix(basic(strings.TrimSpace(user), strings.TrimSpace(password)), "Basic "))
	}
}

func (v *veil) add(word string) {
	if len(word) < minSecret {
		return
	}
	v.words = append(v.words, word)
	// As Go's own errors show it, when it is part of a URL.
	if escaped := url.QueryEscape(word); escaped != word {
		v.words = append(v.words, escaped)
	}
}

func (v veil) text(s string) string {
	for _, word := range v.words {
		s = strings.ReplaceAll(s, word, "***")
	}
	return s
}

// over is the error with its secrets hidden; errors.Is and errors.As see what is below.
func (v veil) over(err error) error {
	shown := v.text(err.Error())
	// Nearly always: the error stays what it was, without a layer that says nothing.
	if shown == err.Error() {
		return err
	}
	return &veiled{shown: shown, err: err}
}

type veiled struct {
	shown string
	err   error
}

func (e *veiled) Error() string { return e.shown }
func (e *veiled) Unwrap() error { return e.err }

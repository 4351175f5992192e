package kubetest

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"sync"

	"k8s.io/client-go/rest"
)

// ErrCrashed is what every request gets after the crash.
var ErrCrashed = errors.New("crashed: the line to the API server is cut")

// Call is one sort of request: a verb as in RBAC (get, list, watch, create,
// update, patch, delete, deletecollection) and a resource in its plural, with
// the subresource behind a slash.
type Call struct{ Verb, Resource string }

// Crasher counts what a client asks of the API server and can cut it off. The
// zero value counts and never cuts.
type Crasher struct {
	mu     sync.Mutex
	after  int
	writes int
	calls  map[Call]int
	cut    chan struct{}

	// flight is held for reading by each write that is under way. What a write
	// does can be seen before its answer is here, and it counts with its answer:
	// who looks at the counters waits for it.
	flight sync.RWMutex
}

// Wrap gives a configuration whose clients go through the Crasher. Several
// clients of one operator share one Crasher, as they share one process.
func (c *Crasher) Wrap(cfg *rest.Config) *rest.Config {
	cfg = rest.CopyConfig(cfg)
	cfg.Wrap(func(next http.RoundTripper) http.RoundTripper { return &line{Crasher: c, next: next} })
	return cfg
}

// CrashAfter cuts the line once the k-th write from the start on has succeeded.
// Leases and events are no writes in this sense: they come at any time, and
// nothing depends on them.
func (c *Crasher) CrashAfter(k int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.after = k
}

// Crashed is closed when the line is cut.
func (c *Crasher) Crashed() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.line()
}

// Writes is how many writes have succeeded, those under way included.
func (c *Crasher) Writes() int {
	c.flight.Lock()
	defer c.flight.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.writes
}

// Count is how many requests of a sort were made, whatever came of them. An
// empty verb or resource stands for any.
func (c *Crasher) Count(verb, resource string) int {
	sum := 0
	for call, n := range c.Calls() {
		if (verb == "" || verb == call.Verb) && (resource == "" || resource == call.Resource) {
			sum += n
		}
	}
	return sum
}

// Calls is a copy of all counters.
func (c *Crasher) Calls() map[Call]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.calls)
}

// Reset sets all counters to zero. A write that is under way counts as before.
func (c *Crasher) Reset() {
	c.flight.Lock()
	defer c.flight.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writes, c.calls = 0, nil
}

// line makes the channel when it is first needed. The lock is held.
func (c *Crasher) line() chan struct{} {
	if c.cut == nil {
		c.cut = make(chan struct{})
	}
	return c.cut
}

func (c *Crasher) admit(call Call) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case <-c.line():
		return fmt.Errorf("%s %s: %w", call.Verb, call.Resource, ErrCrashed)
	default:
	}
	if c.calls == nil {
		c.calls = map[Call]int{}
	}
	c.calls[call]++
	return nil
}

func (c *Crasher) wrote() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writes++
	if c.writes == c.after {
		close(c.line())
	}
}

// line is one client's way through a Crasher.
type line struct {
	*Crasher
	next http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (l *line) RoundTrip(req *http.Request) (*http.Response, error) {
	call := parse(req)
	if call.writes() {
		l.flight.RLock()
		defer l.flight.RUnlock()
	}
	if err := l.admit(call); err != nil {
		return nil, err
	}
	resp, err := l.next.RoundTrip(req)
	if err == nil && resp.StatusCode < 300 && call.writes() {
		l.wrote()
	}
	return resp, err
}

func (c Call) writes() bool {
	switch c.Verb {
	case "get", "list", "watch":
		return false
	}
	return c.Resource != "leases" && c.Resource != "events"
}

// parse reads the path, which is /api/V/… or /apis/G/V/…, then perhaps
// namespaces/NS, then the resource, a name and a subresource. What is neither
// (discovery, /version) counts under its path.
func parse(req *http.Request) Call {
	parts := strings.Split(strings.Trim(req.URL.Path, "/"), "/")
	skip := map[string]int{"api": 2, "apis": 3}[parts[0]]
	if skip == 0 || len(parts) <= skip {
		return Call{Verb: "get", Resource: req.URL.Path}
	}
	parts = parts[skip:]
	if parts[0] == "namespaces" && len(parts) > 2 {
		parts = parts[2:]
	}
	resource := parts[0]
	if len(parts) > 2 {
		resource += "/" + parts[2]
	}
	return Call{Verb: verb(req, len(parts) > 1), Resource: resource}
}

func verb(req *http.Request, named bool) string {
	switch {
	case req.Method == http.MethodGet && req.URL.Query().Get("watch") != "":
		return "watch"
	case req.Method == http.MethodGet && !named:
		return "list"
	case req.Method == http.MethodDelete && !named:
		return "deletecollection"
	}
	return map[string]string{
		http.MethodGet: "get", http.MethodPost: "create", http.MethodPut: "update",
		http.MethodPatch: "patch", http.MethodDelete: "delete",
	}[req.Method]
}

package kube

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"k8s.io/client-go/rest"
)

// ErrNotLeading says that a write was not sent, since another replica may be at work by now.
var ErrNotLeading = errors.New("the lease was not renewed in time, another replica may be at work")

// Fence is a configuration whose clients write only while leads says so. It is asked when all waiting is over, right before a
// request is sent, since a process may have been stopped for any time before that. Reads go through, and so do events,
// which tell of what was stored, and reviews of those who read metrics.
func Fence(cfg *rest.Config, leads func() bool) *rest.Config {
	cfg = rest.CopyConfig(cfg)
	cfg.Wrap(func(next http.RoundTripper) http.RoundTripper { return &fence{next: next, leads: leads} })
	return cfg
}

type fence struct {
	next  http.RoundTripper
	leads func() bool
}

// RoundTrip implements http.RoundTripper.
func (f *fence) RoundTrip(req *http.Request) (*http.Response, error) {
	if !changes(req) || f.leads() {
		return f.next.RoundTrip(req)
	}
	if req.Body != nil {
		_ = req.Body.Close()
	}
	return nil, fmt.Errorf("%s not sent: %w", strings.ToLower(req.Method), ErrNotLeading)
}

// changes says that a request changes what decides about traffic.
func changes(req *http.Request) bool {
	if req.Method == http.MethodGet || req.Method == http.MethodHead {
		return false
	}
	parts := strings.Split(strings.Trim(req.URL.Path, "/"), "/")
	review := len(parts) > 1 && parts[0] == "apis" && (parts[1] == "authentication.k8s.io" || parts[1] == "authorization.k8s.io")
	// /api/v1/namespaces/NS/events, or with the event's name behind it
	event := len(parts) > 4 && parts[0] == "api" && parts[4] == "events"
	return !review && !event
}

package kube

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"

	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

// outageLook is how often a watch looks whether an API server that is away is back.
const outageLook = time.Second

// AwaitServer is a configuration whose watches, and the lists that these begin with, wait for an API server that is away. By
// themselves they would wait for twice as long after each attempt, up to a minute, for which caches would be out of date once
// it is back. Back is called then, a few times; it must not block.
func AwaitServer(cfg *rest.Config, back func()) *rest.Config {
	cfg = rest.CopyConfig(cfg)
	o := &outage{back: back}
	cfg.Wrap(func(next http.RoundTripper) http.RoundTripper { return &awaiting{outage: o, next: next} })
	return cfg
}

// outage is what all watches of a configuration share.
type outage struct {
	away atomic.Bool
	back func()
}

type awaiting struct {
	*outage
	next http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (a *awaiting) RoundTrip(req *http.Request) (*http.Response, error) {
	if !ofWatch(req) {
		return a.next.RoundTrip(req)
	}
	for {
		resp, err := a.next.RoundTrip(req)
		if !unavailable(resp, err) || req.Context().Err() != nil {
			a.over(req.Context(), err)
			return resp, err
		}
		a.begins(req.Context(), resp, err)
		select {
		case <-req.Context().Done():
			return nil, req.Context().Err()
		case <-time.After(outageLook):
		}
	}
}

// begins tells, once, that the server is away, and ends its answer.
func (a *awaiting) begins(ctx context.Context, resp *http.Response, err error) {
	why := "no answer"
	if err != nil {
		why = err.Error()
	}
	if resp != nil {
		why = resp.Status
		_ = resp.Body.Close()
	}
	if a.away.CompareAndSwap(false, true) {
		log.FromContext(ctx).Info("the API server does not answer, watches wait for it", "reason", why)
	}
}

func (a *awaiting) over(ctx context.Context, err error) {
	if err == nil && a.away.CompareAndSwap(true, false) {
		log.FromContext(ctx).Info("the API server answers again")
		a.back()
	}
}

// ofWatch recognises the requests that fill a cache: no other list names a version to begin with.
func ofWatch(req *http.Request) bool {
	if req.Method != http.MethodGet {
		return false
	}
	q := req.URL.Query()
	return q.Get("watch") != "" || q.Get("resourceVersion") != ""
}

// unavailable says that nobody answered, or somebody in between.
func unavailable(resp *http.Response, err error) bool {
	if err != nil {
		return true
	}
	switch resp.StatusCode {
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

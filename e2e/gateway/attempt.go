package gateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// errNoHealthy says that a cluster has no endpoint a request could go to.
var errNoHealthy = errors.New("no healthy upstream")

// errTLS says that the endpoint is to be spoken to in TLS, which this proxy can't.
var errTLS = errors.New("TLS to the upstream is not supported")

// transports are the connections to endpoints, kept alive over snapshots.
type transports struct{ h1, h2 *http.Transport }

func newTransports() transports {
	cleartext := new(http.Protocols)
	cleartext.SetUnencryptedHTTP2(true)
	base := http.Transport{MaxIdleConns: 1024, MaxIdleConnsPerHost: 256, IdleConnTimeout: 30 * time.Second, DisableCompression: true}
	h1, h2 := base.Clone(), base.Clone()
	h2.Protocols = cleartext
	return transports{h1: h1, h2: h2}
}

func (t transports) of(u *upstream, downstreamMajor int) *http.Transport {
	if u.protocol == http2 || (u.protocol == sameAsDownstream && downstreamMajor == 2) {
		return t.h2
	}
	return t.h1
}

// RoundTrip sends one request of an exchange, again as often as the route's policy says. It implements
// http.RoundTripper for the reverse proxy.
func (h *handler) RoundTrip(r *http.Request) (*http.Response, error) {
	x := exchangeOf(r.Context())
	policy, tried := x.rule.forward.retry, map[string]bool{}
	for n := 1; ; n++ {
		resp, err := h.attempt(r, x, tried)
		flag := flagNone
		if err != nil {
			flag = x.flag
		}
		if !policy.again(resp, flag) || !x.replayable {
			return resp, err
		}
		if n > policy.limit || r.Context().Err() != nil {
			if resp != nil {
				x.flag = flagRetriesExhausted
			}
			return resp, err
		}
		discard(resp)
		if !h.wait(r.Context(), policy.pause(n, h.random())) {
			return nil, context.Cause(r.Context())
		}
	}
}

func (h *handler) wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// discard reads a short answer to its end, so that its connection can be used again.
func discard(resp *http.Response) {
	if resp == nil {
		return
	}
	_, _ = io.CopyN(io.Discard, resp.Body, 64<<10)
	_ = resp.Body.Close()
}

// attempt sends the request once, to an endpoint not tried before if there is one.
func (h *handler) attempt(r *http.Request, x *exchange, tried map[string]bool) (*http.Response, error) {
	target, err := x.place(h.random(), tried)
	if err != nil {
		return nil, err
	}
	tried[target.address] = true
	x.reached, x.workload, x.flag = true, target.workload, flagNone
	ctx, cancel := perTry(r.Context(), x.rule.forward.retry)
	out := r.Clone(ctx)
	out.URL.Host = target.address
	if x.payload != nil {
		out.Body = io.NopCloser(bytes.NewReader(x.payload))
		out.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(x.payload)), nil }
	}
	resp, err := h.transports.of(x.upstream, x.major).RoundTrip(out)
	if err != nil {
		x.flag = flagOf(ctx, err)
		cancel()
		return nil, fmt.Errorf("sending to %q: %w", target.address, err)
	}
	if resp.StatusCode != http.StatusSwitchingProtocols {
		resp.Body = &endingBody{ReadCloser: resp.Body, end: cancel}
	}
	return resp, nil
}

// perTry bounds one attempt, its response's body included.
func perTry(ctx context.Context, p *retryPolicy) (context.Context, context.CancelFunc) {
	if p == nil || p.perTry == 0 {
		return ctx, func() {}
	}
	return context.WithTimeoutCause(ctx, p.perTry, errPerTry)
}

// endingBody frees what belongs to an attempt when its response was read.
type endingBody struct {
	io.ReadCloser
	end func()
}

func (b *endingBody) Close() error {
	defer b.end()
	return b.ReadCloser.Close()
}

// place picks where the request goes next.
func (x *exchange) place(random float64, tried map[string]bool) (place, error) {
	if x.upstream.tls {
		x.flag = flagConnectFailed
		return place{}, errTLS
	}
	if x.upstream.original {
		return place{address: x.destination}, nil
	}
	target, ok := x.upstream.set.pick(random, tried)
	if !ok {
		x.flag = flagNoHealthy
		return place{}, errNoHealthy
	}
	return target, nil
}

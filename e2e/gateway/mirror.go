package gateway

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httputil"
	"time"
)

// mirrorTimeout bounds a copy, for which nobody waits.
const mirrorTimeout = 15 * time.Second

// mirror sends copies of a request to those of the route's mirrors that chance picks. Their answers are
// dropped; metrics count them as the receiving side would, since the sender's do not.
func (h *handler) mirror(r *http.Request, x *exchange) {
	for _, m := range x.rule.forward.mirrors {
		target := x.snap.upstreams[m.cluster]
		if target == nil || !x.replayable || h.random() >= m.share {
			continue
		}
		shadow := &exchange{
			start: time.Now(), snap: x.snap, original: r, destination: x.destination, table: x.table, host: x.host, major: x.major,
			rule: x.rule.alone(), split: x.split, upstream: target, payload: x.payload, source: x.source, flag: flagNone,
		}
		ctx := context.WithValue(context.WithoutCancel(r.Context()), exchangeKey{}, shadow)
		copied := h.copied(r.Clone(ctx), shadow)
		h.gateway.shadows.Go(func() { h.send(copied, shadow) })
	}
}

// alone is the rule without retries: a lost copy is lost.
func (r *rule) alone() *rule {
	out, f := *r, *r.forward
	f.retry, f.mirrors = nil, nil
	out.forward = &f
	return &out
}

func (h *handler) copied(in *http.Request, x *exchange) *http.Request {
	out := in.Clone(in.Context())
	h.rewrite(&httputil.ProxyRequest{In: in, Out: out})
	out.RequestURI, out.Body = "", http.NoBody
	if x.payload != nil {
		out.Body = io.NopCloser(bytes.NewReader(x.payload))
	}
	return out
}

func (h *handler) send(r *http.Request, x *exchange) {
	ctx, cancel := context.WithTimeout(r.Context(), mirrorTimeout)
	defer cancel()
	defer h.gateway.metrics.observeCopy(x)
	resp, err := h.attempt(r.WithContext(ctx), x, map[string]bool{})
	if err != nil {
		x.code = http.StatusServiceUnavailable
		return
	}
	x.code = resp.StatusCode
	discard(resp)
}

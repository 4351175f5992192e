package gateway

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httputil"
	"strings"
	"time"
)

// maxReplay is how much of a request's body is kept for another attempt or a mirror, in bytes. Longer
// and unannounced bodies are streamed, once.
const maxReplay = 1 << 20

// handler serves HTTP requests, each by the snapshot of its beginning.
type handler struct {
	gateway    *Gateway
	random     func() float64
	transports transports
	proxy      *httputil.ReverseProxy
}

func newHandler(g *Gateway) *handler {
	h := &handler{gateway: g, random: g.cfg.Rand, transports: newTransports()}
	h.proxy = &httputil.ReverseProxy{
		Rewrite: h.rewrite, Transport: h, ModifyResponse: h.modify, ErrorHandler: h.fail, FlushInterval: -1,
		ErrorLog: log.New(io.Discard, "", 0), // what it says of cut connections is in the metrics
	}
	return h
}

// exchange is one request on its way through.
type exchange struct {
	start       time.Time
	snap        *Snapshot
	original    *http.Request
	destination string // host:port the connection was meant for
	table       *routeTable
	host        *virtualHost
	rule        *rule
	split       split
	upstream    *upstream
	major       int
	payload     []byte // of a body that can be sent again; nil: there is none
	replayable  bool

	reached    bool     // an endpoint was chosen
	workload   Workload // of that endpoint
	source     Workload
	code       int
	flag       string
	grpcStatus string
}

type exchangeKey struct{}

func exchangeOf(ctx context.Context) *exchange { return ctx.Value(exchangeKey{}).(*exchange) }

// ServeHTTP finds the route, then answers or forwards. Metrics are counted even if the client left.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	at := arrivalOf(r.Context())
	x := &exchange{start: time.Now(), snap: h.gateway.Snapshot(), original: r, destination: at.destination, flag: flagNone, major: r.ProtoMajor}
	x.source = h.source(x.snap, r)
	defer func() { h.gateway.metrics.observe(x) }()
	h.find(x, r)
	switch {
	case x.rule == nil:
		x.local(w, http.StatusNotFound, flagNoRoute, "")
	case x.rule.answer != nil:
		x.reply(w, x.rule.answer(r))
	default:
		h.forward(w, r, x)
	}
}

// source tells who is asking: the gateway itself, or in a mesh the pod whose connection this is.
func (h *handler) source(snap *Snapshot, r *http.Request) Workload {
	if h.gateway.cfg.Identity.Mode == Mesh {
		return snap.workload(r.RemoteAddr).known()
	}
	return h.gateway.cfg.Identity.source()
}

// find fills in table, virtual host and rule as far as there are any.
func (h *handler) find(x *exchange, r *http.Request) {
	in := x.snap.inlet(x.destination)
	if in == nil {
		return
	}
	c := in.chain(x.destination, true)
	if c == nil || !c.http {
		return
	}
	if x.table = x.snap.table(c); x.table == nil {
		return
	}
	if x.host = h.host(x, r); x.host == nil {
		return
	}
	x.rule = x.host.rule(queryOf(r))
}

// host finds the virtual host. A name without a dot is another Service in each namespace, and istiod, which takes
// us for a pod of one of them, tells what it is there only; which one a pod meant is seen by the address that it
// found, since a Service's address is among its domains.
func (h *handler) host(x *exchange, r *http.Request) *virtualHost {
	if h.gateway.cfg.Identity.Mode == Mesh && !strings.Contains(withoutPort(r.Host), ".") {
		if meant := x.table.exact[withoutPort(x.destination)]; meant != nil {
			return meant
		}
	}
	return x.table.host(r.Host)
}

// forward sends the request to one of the route's clusters and copies to its mirrors.
func (h *handler) forward(w http.ResponseWriter, r *http.Request, x *exchange) {
	f := x.rule.forward
	x.split = f.choose(h.random())
	x.upstream = x.snap.upstreams[x.split.cluster]
	if x.upstream == nil {
		x.local(w, http.StatusServiceUnavailable, flagNoCluster, "")
		return
	}
	if err := x.keep(r); err != nil {
		x.local(w, http.StatusBadRequest, flagClientGone, "")
		return
	}
	ctx := context.WithValue(r.Context(), exchangeKey{}, x)
	if f.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, f.timeout, errTimeout)
		defer cancel()
	}
	r = r.WithContext(ctx)
	h.mirror(r, x)
	h.proxy.ServeHTTP(w, r)
}

// keep reads a body of known, modest length, so that the request can be sent more than once. Others are
// streamed as they come: to wait for their end could mean to wait for ever.
func (x *exchange) keep(r *http.Request) error {
	if r.Body == nil || r.ContentLength == 0 {
		x.replayable = true
		return nil
	}
	wanted := x.rule.forward.retry != nil || len(x.rule.forward.mirrors) > 0
	if !wanted || r.ContentLength < 0 || r.ContentLength > maxReplay || r.Header.Get("Upgrade") != "" {
		return nil
	}
	payload, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	x.payload, x.replayable = payload, true
	r.Body = io.NopCloser(bytes.NewReader(payload))
	return nil
}

// rewrite turns the request as it came into the one that goes up.
func (h *handler) rewrite(p *httputil.ProxyRequest) {
	x := exchangeOf(p.In.Context())
	out := p.Out
	out.URL.Scheme, out.URL.Host = "http", x.upstream.name
	forwarded := append(p.In.Header.Values("X-Forwarded-For"), withoutPort(p.In.RemoteAddr))
	out.Header.Set("X-Forwarded-For", strings.Join(forwarded, ","))
	out.Header.Set("X-Forwarded-Proto", "http")
	for _, ops := range []headerOps{x.split.request, x.rule.request} {
		ops.apply(out.Header)
	}
}

// modify changes an upstream's response on its way down.
func (h *handler) modify(resp *http.Response) error {
	x := exchangeOf(resp.Request.Context())
	x.code, x.grpcStatus = resp.StatusCode, resp.Header.Get("Grpc-Status")
	for _, ops := range []headerOps{x.split.response, x.rule.response} {
		ops.apply(resp.Header)
	}
	return nil
}

// fail answers for an upstream that didn't.
func (h *handler) fail(w http.ResponseWriter, r *http.Request, err error) {
	x := exchangeOf(r.Context())
	switch {
	case errors.Is(err, errNoHealthy), errors.Is(err, errTLS):
		x.local(w, http.StatusServiceUnavailable, x.flag, err.Error())
		return
	}
	flag := flagOf(r.Context(), err)
	h.gateway.cfg.Log.Debug("no response", "flag", flag, "host", r.Host, "path", r.URL.Path, "cluster", x.upstream.name, "error", err)
	switch flag {
	case flagTimeout:
		x.local(w, http.StatusGatewayTimeout, flag, "upstream request timeout")
	case flagClientGone:
		x.code, x.flag = 0, flag
	default:
		x.local(w, http.StatusServiceUnavailable, flag, "upstream connect error or disconnect/reset before headers")
	}
}

// local answers in place of an upstream, with the reason in Envoy's letters.
func (x *exchange) local(w http.ResponseWriter, status int, flag, body string) {
	x.flag = flag
	w.Header().Set("X-Envoy-Response-Flags", flag)
	x.reply(w, answer{status: status, body: body})
}

func (x *exchange) reply(w http.ResponseWriter, a answer) {
	x.code = a.status
	if a.location != "" {
		w.Header().Set("Location", a.location)
	}
	w.WriteHeader(a.status)
	_, _ = io.WriteString(w, a.body)
}

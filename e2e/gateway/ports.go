package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"time"
)

// ports are the open doors: one per bound listener of a gateway, or the one that redirected connections
// come through. All HTTP connections, wherever they came in, are served by one server.
type ports struct {
	gateway *Gateway
	server  *http.Server
	http    *handedOver
	mu      sync.Mutex
	open    map[string]net.Listener
	raw     sync.WaitGroup
	cut     chan struct{} // closed when connections of bytes have to end
}

func newPorts(g *Gateway) *ports {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	p := &ports{gateway: g, open: map[string]net.Listener{}, http: newHandedOver(), cut: make(chan struct{})}
	p.server = &http.Server{
		Handler: g.handler, Protocols: protocols, ReadHeaderTimeout: time.Minute, IdleTimeout: time.Hour,
		ErrorLog: log.New(io.Discard, "", 0),
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, arrivalKey{}, c.(*arrival))
		},
	}
	go func() { _ = p.server.Serve(p.http) }()
	return p
}

// arrival is a connection together with where it was going.
type arrival struct {
	net.Conn
	head        io.Reader // what was read ahead, then the rest
	destination string
}

// Read implements net.Conn; bytes read ahead come first.
func (a *arrival) Read(b []byte) (int, error) { return a.head.Read(b) }

type arrivalKey struct{}

func arrivalOf(ctx context.Context) *arrival { return ctx.Value(arrivalKey{}).(*arrival) }

// sync opens and closes doors until exactly those wanted are open. Connections that came through one that
// is closed go on. Doors that can't be opened are named in the error.
func (p *ports) sync(wanted map[string]bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for address, l := range p.open {
		if !wanted[address] {
			_ = l.Close()
			delete(p.open, address)
		}
	}
	var problems []error
	for _, address := range sortedKeys(wanted) {
		if p.open[address] != nil {
			continue
		}
		l, err := net.Listen("tcp", address)
		if err != nil {
			problems = append(problems, fmt.Errorf("opening %q: %w", address, err))
			continue
		}
		p.open[address] = l
		bound := func(net.Conn) (string, error) { return address, nil }
		go p.accept(l, bound)
	}
	return errors.Join(problems...)
}

// capture opens the door for redirected connections.
func (p *ports) capture(address string) error {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("opening %q for redirected connections: %w", address, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open[address] = l
	go p.accept(l, p.gateway.cfg.Target)
	return nil
}

func (p *ports) accept(l net.Listener, target func(net.Conn) (string, error)) {
	for {
		conn, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			p.gateway.cfg.Log.Warn("accepting", "address", l.Addr().String(), "error", err)
			continue
		}
		p.raw.Go(func() { p.dispatch(conn, target) })
	}
}

// dispatch decides by the present snapshot what a new connection is.
func (p *ports) dispatch(conn net.Conn, target func(net.Conn) (string, error)) {
	destination, err := target(conn)
	if err != nil {
		p.gateway.cfg.Log.Warn("a connection without a destination", "from", conn.RemoteAddr().String(), "error", err)
		_ = conn.Close()
		return
	}
	snap := p.gateway.Snapshot()
	a := &arrival{Conn: conn, head: conn, destination: destination}
	in := snap.inlet(destination)
	c := (*chain)(nil)
	if in != nil {
		c = in.chain(destination, in.sniffs() && a.opensWithHTTP())
	}
	switch {
	case c == nil && p.gateway.cfg.Identity.Mode == Mesh:
		p.pipe(a, &upstream{original: true})
	case c == nil:
		_ = conn.Close()
	case c.http:
		p.http.hand(a)
	default:
		p.pipe(a, snap.upstreams[c.cluster])
	}
}

// shutdown closes the doors and waits for what is under way.
func (p *ports) shutdown(ctx context.Context) error {
	p.mu.Lock()
	for _, l := range p.open {
		_ = l.Close()
	}
	p.mu.Unlock()
	err := p.server.Shutdown(ctx)
	close(p.cut)
	p.raw.Wait()
	if err != nil {
		return fmt.Errorf("waiting for requests in flight: %w", err)
	}
	return nil
}

// handedOver is a listener whose connections were accepted elsewhere.
type handedOver struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newHandedOver() *handedOver {
	return &handedOver{conns: make(chan net.Conn), closed: make(chan struct{})}
}

func (h *handedOver) hand(c net.Conn) {
	select {
	case h.conns <- c:
	case <-h.closed:
		_ = c.Close()
	}
}

// Accept implements net.Listener.
func (h *handedOver) Accept() (net.Conn, error) {
	select {
	case c := <-h.conns:
		return c, nil
	case <-h.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (h *handedOver) Close() error {
	h.once.Do(func() { close(h.closed) })
	return nil
}

// Addr implements net.Listener; the connections have addresses of their own.
func (h *handedOver) Addr() net.Addr { return &net.TCPAddr{} }

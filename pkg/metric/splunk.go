package metric

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"

	"github.com/gorilla/websocket"

	"github.com/sluice-cd/sluice/pkg/outbound"
)

// File splunk.go is the conversation with Splunk Observability (SignalFx); splunk_data.go reads its binary messages.

// splunk speaks SignalFlow over a websocket of its own. The vendor's client knows neither certificates nor a
// limit of size, and a message cut short makes it panic.
type splunk struct {
	config
	to string
}

func newSplunk(c config) (Provider, error) {
	u, err := outbound.ParseURL(c.address)
	if err != nil {
		return nil, fmt.Errorf("the address %w", err)
	}
	// Of http becomes ws, of https wss.
	u.Scheme = "ws" + strings.TrimPrefix(u.Scheme, "http")
	// Manifests name the API's host; what streams has another.
	if realm, ok := strings.CutPrefix(u.Host, "api."); ok {
		u.Host = "stream." + realm
	}
	path := strings.TrimSuffix(u.Path, "/")
	// Addresses are given with this path or without.
	if !strings.HasSuffix(path, "/v2/signalflow") {
		path += "/v2/signalflow"
	}
	u.Path = path + "/connect"
	return &splunk{config: c, to: u.String()}, nil
}

// Query runs a SignalFlow program over ten intervals and takes the newest value that it publishes. Several
// series are an error.
//
// Source: https://dev.splunk.com/observability/docs/signalflow/messages
func (s *splunk) Query(ctx context.Context, program string) (float64, error) {
	conn, err := s.dial(ctx)
	if ctx.Err() != nil { // its connection was closed under us, and the error would be about that
		return 0, ctx.Err()
	}
	if err != nil {
		return 0, err
	}
	defer func() { _ = conn.Close() }() // nothing is said at the end
	value, err := s.run(conn, program)
	if ctx.Err() != nil {
		return 0, ctx.Err()
	}
	return value, err
}

// dialUntil makes a connection that ends with its context: reading from a websocket knows none.
func dialUntil(to *outbound.Addresses) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := to.Dialer().DialContext(ctx, network, address)
		if err == nil {
			context.AfterFunc(ctx, func() { conn.Close() })
		}
		return conn, err
	}
}

// dialer exempts the operator's own proxy, and then looks at the name that the proxy is to dial.
func (s *splunk) dialer(ctx context.Context) (func(ctx context.Context, network, address string) (net.Conn, error), error) {
	to := s.Pool.to
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.address, nil)
	if err != nil {
		return nil, outbound.Cause(err)
	}
	if proxy, err := http.ProxyFromEnvironment(r); err == nil && proxy != nil {
		return dialUntil(nil), to.Target(r.URL.Hostname())
	}
	return dialUntil(to), nil
}

func (s *splunk) dial(ctx context.Context) (*websocket.Conn, error) {
	trust, err := s.trust().Config()
	if err != nil {
		return nil, err
	}
	// The shared client has no part in it, so trust and proxy are set here. Redirects are not followed by the library.
	d := websocket.Dialer{TLSClientConfig: trust, Proxy: http.ProxyFromEnvironment}
	d.NetDialContext, err = s.dialer(ctx)
	if err != nil {
		return nil, err
	}
	conn, resp, err := d.DialContext(ctx, s.to, nil)
	if resp != nil {
		defer resp.Body.Close()
	}
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded): // that of the context, on the connection
		return nil, context.DeadlineExceeded
	// The handshake was answered as plain HTTP: a wrong path, a proxy, or a server that is down.
	case err != nil && resp != nil:
		return nil, &StatusError{Code: resp.StatusCode}
	case err != nil:
		return nil, outbound.Cause(err)
	}
	// Of one message; flow counts all of them together.
	conn.SetReadLimit(outbound.MaxAnswer)
	return conn, nil
}

func (s *splunk) run(conn *websocket.Conn, program string) (float64, error) {
	// The answer to the first message is not waited for: a token that is refused comes back as an error in any case.
	//
	// immediate: it ends at `to`, instead of waiting for points that are late. compress: flow reads no packed messages.
	from, to := s.window()
	for _, message := range []map[string]any{
		{"type": "authenticate", "token": s.secret("sf_token_key")},
		{"type": "execute", "channel": "sluice", "program": program, "immediate": true, "compress": false,
			"start": from.UnixMilli(), "stop": to.UnixMilli(), "resolution": s.Interval.Milliseconds()},
	} {
		if err := conn.WriteJSON(message); err != nil {
			return 0, outbound.Cause(err)
		}
	}
	var f flow
	for !f.ended {
		kind, text, err := conn.ReadMessage()
		if err != nil {
			return 0, s.lost(err)
		}
		if err := f.take(kind, text); err != nil {
			return 0, err
		}
	}
	return f.value()
}

func (s *splunk) lost(err error) error {
	var closed *websocket.CloseError
	switch {
	case errors.Is(err, websocket.ErrReadLimit):
		return &outbound.TooLargeError{Max: outbound.MaxAnswer}
	// The text is the server's reason, where it gave one.
	case errors.As(err, &closed):
		return fmt.Errorf("the connection was closed: %s", said(closed.Text))
	}
	return outbound.Cause(err)
}

// flow is what a program has published up to now.
// Series are counted by their ids and not kept: only the last value is wanted, and that there is one series.
type flow struct {
	bytes  int
	series map[uint64]bool
	last   *float64
	ended  bool
}

func (f *flow) take(kind int, text []byte) error {
	// A program that never ends would fit message by message.
	if f.bytes += len(text); f.bytes > outbound.MaxAnswer {
		return &outbound.TooLargeError{Max: outbound.MaxAnswer}
	}
	// Values come as binary messages, everything else as JSON.
	if kind == websocket.BinaryMessage {
		return f.data(text)
	}
	// Kinds that are not known pass: the server tells of jobs and metadata too, which do not matter here.
	var m struct {
		Type, Event    string
		Message, Error json.RawMessage // a text only where something went wrong
	}
	if err := json.Unmarshal(text, &m); err != nil {
		return fmt.Errorf("a message cannot be read: %w", unreadable(err))
	}
	switch {
	case m.Type == "error":
		return fmt.Errorf("the program was refused: %s", said(string(m.Message)+string(m.Error)))
	case m.Event == "CHANNEL_ABORT":
		return errors.New("the program was aborted")
	case m.Event == "END_OF_CHANNEL":
		f.ended = true
	}
	return nil
}

func (f *flow) value() (float64, error) {
	switch {
	// Which one is meant cannot be told: their order is the server's.
	case len(f.series) > 1:
		return 0, fmt.Errorf("the program publishes %d series where one is wanted", len(f.series))
	case f.last == nil:
		return 0, ErrNoData
	}
	return *f.last, nil
}

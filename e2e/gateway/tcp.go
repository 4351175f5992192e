package gateway

import (
	"bytes"
	"io"
	"net"
	"regexp"
	"sync"
	"time"
)

const (
	connectTimeout = 10 * time.Second
	// sniffTimeout is how long a client may keep silent before it is taken for one that waits to be
	// spoken to, which no HTTP client does.
	sniffTimeout = 300 * time.Millisecond
	sniffBytes   = 24
)

// httpOpening is how a request line, or HTTP/2's greeting, begins.
var httpOpening = regexp.MustCompile(`^[A-Z]{3,10} ?`)

// opensWithHTTP looks at the first bytes without taking them away.
func (a *arrival) opensWithHTTP() bool {
	buffer := make([]byte, sniffBytes)
	_ = a.SetReadDeadline(time.Now().Add(sniffTimeout))
	n, _ := a.Conn.Read(buffer)
	_ = a.SetReadDeadline(time.Time{})
	a.head = io.MultiReader(bytes.NewReader(buffer[:n]), a.Conn)
	return httpOpening.Match(buffer[:n])
}

// pipe copies bytes both ways between a connection and one of the upstream's endpoints.
func (p *ports) pipe(a *arrival, u *upstream) {
	defer a.Close()
	if u == nil {
		return
	}
	address := a.destination
	if !u.original {
		target, ok := u.set.pick(p.gateway.cfg.Rand(), nil)
		if !ok {
			return
		}
		address = target.address
	}
	up, err := net.DialTimeout("tcp", address, connectTimeout)
	if err != nil {
		return
	}
	defer up.Close()
	p.exchange(a, up)
}

// exchange copies until both ends are done, or the gateway has to go.
func (p *ports) exchange(a *arrival, up net.Conn) {
	var both sync.WaitGroup
	both.Go(func() { copyHalf(up, a) })
	both.Go(func() { copyHalf(a.Conn, up) })
	done := make(chan struct{})
	go func() { both.Wait(); close(done) }()
	select {
	case <-done:
	case <-p.cut:
	}
}

// copyHalf copies one direction and passes its end on, leaving the other direction open.
func copyHalf(to net.Conn, from io.Reader) {
	_, _ = io.Copy(to, from)
	if half, ok := to.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
}

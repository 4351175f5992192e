package metric

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"
)

// NewClient makes the HTTP client that all providers share, so that a hundred Canaries on one server
// use a handful of connections. maxBytes bounds every answer after decompression.
func NewClient(maxBytes int64) *http.Client {
	// Cloned, for its proxy from the environment and its handshake timeouts. There is no Client.Timeout: each
	// query has a context that ends, and the time differs by provider.
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConnsPerHost = 32 // a round of one Canary asks for all its metrics at once
	// Longer than the minute between two rounds, or each round would dial anew.
	t.IdleConnTimeout = 90 * time.Second
	return &http.Client{
		Transport: bounded{next: t, max: maxBytes},
		// A redirect would take headers with credentials to another host. The 3xx is reported as it is.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// bounded cuts answers off. It sits above the transport, which decompresses: a small answer can grow.
type bounded struct {
	next http.RoundTripper
	max  int64
}

func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := b.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	resp.Body = &boundedBody{ReadCloser: resp.Body, left: b.max, max: b.max}
	return resp, nil
}

type boundedBody struct {
	io.ReadCloser
	left, max int64
}

// Read fails rather than ends when there is more than allowed: half an answer must not be judged.
func (b *boundedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, &TooLargeError{Max: b.max}
	}
	return n, err
}

// TooLargeError means that an answer was cut off and thrown away.
type TooLargeError struct {
	Max int64 // bytes
}

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("the answer is larger than %d bytes", e.Max)
}

// Cause is what went wrong with a request, without what must not or cannot stand in a condition: the
// URL, which may hold credentials, and the local port, which is another one each time.
//
// Conditions are compared with what is stored: an error that differs each time would be written each time.
func Cause(err error) error {
	var op *net.OpError
	// Op.Err has neither address. The host is named by whoever wraps this.
	if errors.As(err, &op) {
		return fmt.Errorf("%s: %w", op.Op, op.Err)
	}
	if refused := certificate(err); refused != nil {
		return refused
	}
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// certificate says what is wrong with the server's, without the time at which that was seen.
func certificate(err error) error {
	// Its own text has the present time in it, which would make every round's error another one.
	var invalid x509.CertificateInvalidError
	if errors.As(err, &invalid) && invalid.Reason == x509.Expired {
		return errors.New("the server's certificate has expired, or is not valid yet")
	}
	// This one only names what is missing, whichever of Go's hints came along.
	var unknown x509.UnknownAuthorityError
	if errors.As(err, &unknown) {
		return errors.New("the server's certificate is signed by an unknown authority")
	}
	return nil
}

package notify

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// newClient makes a client for one channel. Messages are few and channels are read anew for each, so
// no connection is kept: it could only leak.
func newClient(o Options) (*http.Client, error) {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.DisableKeepAlives = true
	// Otherwise that of the environment, which the clone has.
	if o.Proxy != "" {
		u, err := webURL(o.Proxy)
		if err != nil {
			return nil, fmt.Errorf("proxy: %w", err)
		}
		t.Proxy = http.ProxyURL(u)
	}
	if len(o.CA) > 0 {
		// In place of the system's: a bundle says whom to trust, and no other.
		roots, err := certificates(o.CA)
		if err != nil {
			return nil, fmt.Errorf("caBundle: %w", err)
		}
		t.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	}
	return &http.Client{
		Transport: t,
		Timeout:   timeout,
		// A redirect would take the message and the bearer's token to another host.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

// certificates reads a bundle. One that holds none would trust nobody, and one mistake is told sooner than that.
func certificates(pem []byte) (*x509.CertPool, error) {
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, errors.New("no certificate in PEM form is in it")
	}
	return pool, nil
}

// CheckCA says what is wrong with a bundle of certificates in PEM; an empty one is fine.
func CheckCA(pem []byte) error {
	if len(pem) == 0 {
		return nil
	}
	_, err := certificates(pem)
	return err
}

// retryAfter reads how long a service wants to be left alone: seconds, with decimals at some, or a date.
//
// Source: https://www.rfc-editor.org/rfc/rfc9110#field.retry-after
// Discord counts in parts of a second. What cannot be read is as if nothing was said: the queue waits by itself.
func retryAfter(h http.Header) time.Duration {
	text := h.Get("Retry-After")
	if seconds, err := strconv.ParseFloat(text, 64); err == nil && seconds > 0 && seconds < float64(maxAsked/time.Second) {
		return time.Duration(seconds * float64(time.Second))
	}
	if at, err := http.ParseTime(text); err == nil {
		return min(max(time.Until(at), 0), maxAsked)
	}
	// A number beyond the first case still means later, and not now.
	if n, err := strconv.Atoi(text); err == nil && n > 0 {
		return maxAsked
	}
	return 0
}

// maxAsked is as good as for ever.
const maxAsked = 24 * time.Hour

package notify

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/sluice-cd/sluice/pkg/outbound"
)

// newClient makes a client for one channel. Messages are few and channels are read anew for each, so
// no connection is kept: it could only leak.
func newClient(o Options) (*http.Client, error) {
	client := outbound.Options{Brief: true, Addresses: o.Addresses}
	var err error
	// Otherwise that of the environment.
	if o.Proxy != "" {
		if client.Proxy, err = webURL(o.Proxy); err != nil {
			return nil, fmt.Errorf("proxy: %w", err)
		}
	}
	if client.TLS, err = (outbound.Trust{CA: o.CA}).Config(); err != nil {
		return nil, fmt.Errorf("caBundle: %w", errNoCertificate)
	}
	c := outbound.NewClient(client)
	c.Timeout = timeout
	return c, nil
}

var errNoCertificate = errors.New("no certificate in PEM form is in it")

// CheckCA says what is wrong with a bundle of certificates in PEM; an empty one is fine.
func CheckCA(pem []byte) error {
	if _, err := (outbound.Trust{CA: pem}).Config(); err != nil {
		return errNoCertificate
	}
	return nil
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

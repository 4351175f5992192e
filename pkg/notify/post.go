package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/sluice-cd/sluice/pkg/outbound"
)

const (
	timeout = 5 * time.Second // of a whole request
	maxRead = 64 << 10        // bytes of an answer; a bot's repeats the message
	maxSaid = 1 << 10         // bytes of it that an error shows
)

// File post.go is what all services share: one POST, its limits, and what its errors may show. What is posted is in
// each service's own file.

// StatusError is an answer that was not a 2xx.
// Queue reads it to decide whether to try again.
type StatusError struct {
	Code  int
	After time.Duration // that the service asked to be left alone for; zero when it did not say
	Said  string        // the beginning of its answer
}

func (e *StatusError) Error() string {
	line := fmt.Sprintf("%d %s", e.Code, http.StatusText(e.Code))
	if e.Said != "" {
		line += ": " + e.Said
	}
	return line
}

// poster sends JSON to one address.
type poster struct {
	address *url.URL
	client  *http.Client
	token   string // sent as a bearer's
	secrets outbound.Secrets
}

// newPoster takes nothing from an address into its errors but the host.
func newPoster(o Options) (*poster, error) {
	if o.Address == "" {
		return nil, errNowhere
	}
	to, err := webURL(o.Address)
	if err != nil {
		return nil, fmt.Errorf("address: %w", err)
	}
	c, err := newClient(o)
	if err != nil {
		return nil, err
	}
	return &poster{address: to, client: c, token: o.Token, secrets: secrets(o, to)}, nil
}

// webURL quotes nothing of what it refuses: a webhook's address is a secret from end to end.
func webURL(s string) (*url.URL, error) {
	u, err := outbound.ParseURL(strings.TrimSpace(s)) // secrets written by hand end in a line break
	if err != nil {
		return nil, errors.New("not an http or https URL with a host")
	}
	return u, nil
}

// at is the same poster for another method of the same service.
func (p *poster) at(path string) *poster {
	to := *p
	moved := *p.address
	moved.Path, moved.RawPath = path, ""
	to.address = &moved
	to.secrets.AddWholeURL(&moved) // as secret as the first
	return &to
}

// post returns the beginning of a 2xx answer.
func (p *poster) post(ctx context.Context, message any) ([]byte, error) {
	text, err := json.Marshal(message)
	if err != nil {
		return nil, fmt.Errorf("writing the message: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.address.String(), bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("posting to %q: %w", p.address.Host, outbound.Cause(err))
	}
	req.Header.Set("Content-Type", "application/json; charset=utf-8")
	if p.token != "" {
		req.Header.Set("Authorization", "Bearer "+p.token)
	}
	resp, err := p.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("posting to %q: %w", p.address.Host, outbound.Cause(err))
	}
	defer resp.Body.Close()
	// Beyond that nothing is read: the connection is not used again, so that there is nothing to drain it for.
	said := outbound.Start(resp.Body, maxRead)
	if resp.StatusCode/100 != 2 {
		return nil, fmt.Errorf("posting to %q: %w", p.address.Host, p.refusal(resp.StatusCode, resp.Header, said))
	}
	return said, nil
}

func (p *poster) refusal(code int, h http.Header, said []byte) *StatusError {
	// Hidden before it is cut, or half a secret would be left.
	line := p.secrets.Hide(outbound.Line(string(said), maxRead))
	return &StatusError{Code: code, After: retryAfter(h), Said: outbound.Line(line, maxSaid)}
}

// secrets are what must not be shown of a channel: its address as a whole, its token, and the password of a proxy, whose
// answers may repeat it.
func secrets(o Options, address *url.URL) outbound.Secrets {
	var s outbound.Secrets
	s.Add(o.Token)
	s.AddWholeURL(address)
	s.AddURL(o.Proxy)
	return s
}

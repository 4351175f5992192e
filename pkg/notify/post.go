package notify

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
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
	token   string   // sent as a bearer's
	secrets []string // that are never shown, the longest first
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
	u, err := url.Parse(strings.TrimSpace(s)) // secrets written by hand end in a line break
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
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
	// The address that moved is as secret as the first. Clip makes a copy: several may be made of one poster.
	to.secrets = append(slices.Clip(secrets(Options{}, &moved)), p.secrets...)
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
		return nil, fmt.Errorf("posting to %q: %w", p.address.Host, cause(err))
	}
	req.Header.Set("Content-Type", "application/json; charset=utf-8")
	if p.token != "" {
		req.Header.Set("Authorization", "Bearer "+p.token)
	}
	resp, err := p.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("posting to %q: %w", p.address.Host, cause(err))
	}
	defer resp.Body.Close()
	// Beyond that nothing is read: the connection is not used again, so that there is nothing to drain it for.
	said, _ := io.ReadAll(io.LimitReader(resp.Body, maxRead)) // what came is enough to tell
	if resp.StatusCode/100 != 2 {
		return nil, fmt.Errorf("posting to %q: %w", p.address.Host, p.refusal(resp.StatusCode, resp.Header, said))
	}
	return said, nil
}

func (p *poster) refusal(code int, h http.Header, said []byte) *StatusError {
	// Concealed before it is cut, or half a secret would be left.
	line := p.conceal(strings.Join(strings.Fields(string(said)), " "))
	line = strings.ToValidUTF8(line[:min(len(line), maxSaid)], "")
	return &StatusError{Code: code, After: retryAfter(h), Said: line}
}

// conceal takes our secrets out of what a server or a proxy says: some repeat what they were asked.
func (p *poster) conceal(line string) string {
	for _, s := range p.secrets {
		line = strings.ReplaceAll(line, s, "***")
	}
	return line
}

// secrets are all forms in which what is secret about a channel could come back.
func secrets(o Options, address *url.URL) []string {
	all := []string{o.Token, address.String(), address.RequestURI(), address.Path, address.RawQuery}
	all = append(all, strings.Split(address.Path, "/")...) // a key is often repeated alone
	for _, values := range address.Query() {
		all = append(all, values...)
	}
	// A proxy's answer may repeat the credentials that it was given, as a server's may.
	proxy, err := url.Parse(o.Proxy)
	if err != nil {
		proxy = &url.URL{}
	}
	for _, u := range []*url.URL{address, proxy} {
		if word, has := u.User.Password(); has {
			all = append(all, word, base64.StdEncoding.EncodeToString([]byte(u.User.Username()+":"+word)))
		}
	}
	all = slices.DeleteFunc(all, func(s string) bool { return len(s) < shortest })
	// The longest first: a part that is replaced within a whole would leave the rest of the whole.
	slices.SortFunc(all, func(a, b string) int { return len(b) - len(a) })
	return all
}

// shortest is how long a text has to be to be a secret: parts of a path such as `v1` are none.
const shortest = 5

// cause is what went wrong below the URL, which must not be shown.
func cause(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	var op *net.OpError
	if errors.As(err, &op) {
		// Without the local port, which would make every error another one.
		// It stays an OpError, by which the queue knows that nothing was sent.
		return &net.OpError{Op: op.Op, Net: op.Net, Err: op.Err}
	}
	return err
}

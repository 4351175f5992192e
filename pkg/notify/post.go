package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	timeout = 5 * time.Second
	maxRead = 64 << 10 // bytes of an answer; a bot's repeats the message
	maxSaid = 1 << 10  // bytes of it that an error shows
)

// StatusError is an answer that was not a 2xx.
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
}

// newPoster takes nothing from an address into its errors but the host.
func newPoster(address, proxy, token string) (*poster, error) {
	to, err := webURL(address)
	if err != nil {
		return nil, fmt.Errorf("address: %w", err)
	}
	c, err := newClient(proxy)
	if err != nil {
		return nil, fmt.Errorf("proxy: %w", err)
	}
	return &poster{address: to, client: c, token: token}, nil
}

// webURL quotes nothing of what it refuses: a webhook's address is a secret from end to end.
func webURL(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("not an http or https URL with a host")
	}
	return u, nil
}

// newClient makes a client for one channel. Messages are few and channels are read anew for each, so
// no connection is kept: it could only leak.
func newClient(proxy string) (*http.Client, error) {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.DisableKeepAlives = true
	if proxy != "" {
		u, err := webURL(proxy)
		if err != nil {
			return nil, err
		}
		t.Proxy = http.ProxyURL(u)
	}
	return &http.Client{
		Transport:     t,
		Timeout:       timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
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
	said, _ := io.ReadAll(io.LimitReader(resp.Body, maxRead)) // what came is enough to tell
	if resp.StatusCode/100 != 2 {
		return nil, fmt.Errorf("posting to %q: %w", p.address.Host, p.refusal(resp, said))
	}
	return said, nil
}

func (p *poster) refusal(resp *http.Response, said []byte) *StatusError {
	// Concealed before it is cut, or half a secret would be left.
	line := p.conceal(strings.Join(strings.Fields(string(said)), " "))
	line = strings.ToValidUTF8(line[:min(len(line), maxSaid)], "")
	return &StatusError{Code: resp.StatusCode, After: retryAfter(resp.Header), Said: line}
}

// conceal takes our secrets out of what a server or a proxy says: some repeat what they were asked.
func (p *poster) conceal(line string) string {
	secrets := []string{p.token, p.address.String(), p.address.RequestURI()}
	if word, has := p.address.User.Password(); has {
		secrets = append(secrets, word)
	}
	for _, s := range secrets {
		if len(s) > 1 { // "/" is no secret
			line = strings.ReplaceAll(line, s, "***")
		}
	}
	return line
}

func retryAfter(h http.Header) time.Duration {
	seconds, err := strconv.Atoi(h.Get("Retry-After"))
	if err != nil || seconds < 0 {
		return 0
	}
	return time.Duration(seconds) * time.Second
}

// cause is what went wrong below the URL, which must not be shown.
func cause(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	var op *net.OpError
	if errors.As(err, &op) {
		// Without the local port, which would make every error another one.
		return &net.OpError{Op: op.Op, Net: op.Net, Err: op.Err}
	}
	return err
}

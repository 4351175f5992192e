package metric

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/sluice-cd/sluice/pkg/outbound"
)

// File rest.go is what the vendors' files that speak plain HTTP share: one request, its limits, its errors.

// rest is a server that is asked by plain HTTP.
type rest struct {
	client *http.Client
	base   *url.URL
	header http.Header
}

// newRest has no headers but those given. Credentials in the address become basic authentication.
func newRest(c config, header http.Header) (*rest, error) {
	u, err := outbound.ParseURL(c.address)
	if err != nil {
		return nil, fmt.Errorf("the address %w", err)
	}
	if header == nil {
		header = http.Header{}
	}
	// What a Secret or a header says of Authorization goes before what the address does.
	if password, set := u.User.Password(); set && header.Get("Authorization") == "" {
		header.Set("Authorization", basic(u.User.Username(), password))
	}
	// From here on the address may stand in an error.
	u.User = nil
	return &rest{client: c.client, base: u, header: header}, nil
}

// credentials are the header that a Secret stands for: the key `token`, or `username` and `password`. Where
// there is a Secret with neither, the expected key is missing.
func (c config) credentials(h http.Header, expected string) error {
	token, user, password := c.secret("token"), c.secret("username"), c.secret("password")
	switch {
	case token != "":
		h.Set("Authorization", "Bearer "+token)
	case user != "" && password != "":
		h.Set("Authorization", basic(user, password))
	case user != "":
		return missingKey(c.spec, "password")
	case password != "":
		return missingKey(c.spec, "username")
	// A Secret that is named and holds nothing to use is a mistake: as a guest we would be told 401, and not why.
	// One with certificates alone is meant for them.
	case c.Secret != nil && len(c.Secret[caKey]) == 0:
		return missingKey(c.spec, expected)
	}
	return nil
}

// basic is the header of RFC 7617, with the user and the password as they are.
func basic(user, password string) string { return "Basic " + outbound.Basic(user, password) }

// StatusError is an answer that is none.
// It is a type, since a server that limits or fails is not one without data, which policies tell apart.
type StatusError struct {
	Code int
	Said string // the beginning of what came with it, on one line
}

func (e *StatusError) Error() string {
	text := fmt.Sprintf("the server answered %d %s", e.Code, http.StatusText(e.Code))
	if e.Said == "" {
		return text
	}
	return text + ": " + e.Said
}

// ask reads the JSON that the server answers into out.
func (r *rest) ask(ctx context.Context, method, path string, query url.Values, body []byte, out any) error {
	// A copy, since metrics of one round ask at once. The address may have a path, of a proxy before the server.
	at := *r.base
	at.Path = strings.TrimSuffix(at.Path, "/") + path
	at.RawQuery = query.Encode()
	code, text, err := r.send(ctx, method, at.String(), body)
	if err != nil {
		return err
	}
	if code < 200 || code > 299 {
		return &StatusError{Code: code, Said: said(string(text))}
	}
	if err := json.Unmarshal(text, out); err != nil {
		return fmt.Errorf("the answer cannot be read: %w", unreadable(err))
	}
	return nil
}

func (r *rest) send(ctx context.Context, method, to string, body []byte) (int, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, to, bytes.NewReader(body))
	if err != nil {
		return 0, nil, outbound.Cause(err)
	}
	// The client writes to it, and r is shared.
	req.Header = r.header.Clone()
	// A template may send something else than JSON, and then says so in its headers.
	if len(body) > 0 && req.Header.Get("Content-Type") == "" {
		req.Header.Set("Content-Type", "application/json")
	}
	// Go ignores a header of that name. Gateways with many hosts behind one address need it.
	if host := req.Header.Get("Host"); host != "" {
		req.Host = host
	}
	resp, err := r.client.Do(req)
	if err != nil {
		return 0, nil, outbound.Cause(err)
	}
	defer resp.Body.Close()
	// The client bounds the body, and fails where it is too long. All of it is read also of a refusal: it is quoted.
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, nil, outbound.Cause(err)
	}
	return resp.StatusCode, text, nil
}

// unreadable leaves out of a JSON error the offsets, which help nobody, but not the field.
// Nor are the names of Go's types, which the library's own text has.
func unreadable(err error) error {
	var kind *json.UnmarshalTypeError
	if errors.As(err, &kind) {
		return fmt.Errorf("%q is a %s, not a number or what else is due there", kind.Field, kind.Value)
	}
	return errors.New("it is not the JSON that was expected")
}

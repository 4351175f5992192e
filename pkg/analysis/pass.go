package analysis

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// pass is how a hook's request shows who it comes from.
type pass struct {
	header http.Header
	hidden hidden
}

// pass reads the credentials of a hook. They are read anew for each call, so that a changed Secret counts at once
// and is kept nowhere.
func (a *Analyst) pass(ctx context.Context, c *v1beta1.Canary, h v1beta1.CanaryWebhook) (pass, error) {
	p := pass{header: http.Header{}, hidden: hidden(nil).hideURL(h.URL)}
	for name, value := range h.Headers {
		p.header.Set(name, value)
		p.hidden = p.hidden.hideHeader(name, value)
	}
	if h.SecretRef == nil {
		return p, nil
	}
	// In the Canary's namespace and no other: a Canary must not borrow what its author may not read.
	data, err := a.library().Secret(ctx, c.Namespace, h.SecretRef.Name)
	if err != nil {
		return p, fmt.Errorf("secret %q: %w", h.SecretRef.Name, err)
	}
	authorization, err := authorize(data)
	if err != nil {
		return p, fmt.Errorf("secret %q %w", h.SecretRef.Name, err)
	}
	// After the headers, so that a Secret counts more than what anybody can read in the spec.
	p.header.Set("Authorization", authorization)
	p.hidden = p.hidden.hideData(data)
	return p, nil
}

// errNoCredentials names the keys that are looked for, never those that are there.
var errNoCredentials = errors.New("has neither the key token nor the keys username and password")

// authorize makes a token a bearer token, and a name with a password basic authentication.
func authorize(data map[string][]byte) (string, error) {
	if token := text(data, "token"); token != "" {
		return "Bearer " + token, nil
	}
	user, word := text(data, "username"), text(data, "password")
	if user == "" || word == "" {
		return "", errNoCredentials
	}
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+word)), nil
}

// private says whether a header's value may be a credential, from its name.
// Others stay readable: to black out `application/json` everywhere would hide what went wrong.
func private(name string) bool {
	return slices.ContainsFunc([]string{"auth", "token", "key", "secret", "cookie", "password", "signature"}, func(word string) bool {
		return strings.Contains(strings.ToLower(name), word)
	})
}

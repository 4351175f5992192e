package analysis

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/outbound"
)

// credentials are how a hook's request shows who it comes from.
type credentials struct {
	header  http.Header
	own     bool             // the address is the operator's, and may be anywhere
	secrets outbound.Secrets // of the request
}

// credentials reads the credentials of a hook. They are read anew for each call, so that a changed Secret counts at once
// and is kept nowhere.
func (a *Analyst) credentials(ctx context.Context, c *v1beta1.Canary, h v1beta1.CanaryWebhook) (credentials, error) {
	cr := credentials{header: http.Header{}, own: slices.Contains(a.own, h.URL)}
	cr.secrets.AddURL(h.URL)
	for name, value := range h.Headers {
		cr.header.Set(name, value)
		cr.secrets.AddHeader(name, value)
	}
	if h.SecretRef == nil {
		return cr, nil
	}
	// In the Canary's namespace and no other: a Canary must not borrow what its author may not read.
	data, err := a.library().Secret(ctx, c.Namespace, h.SecretRef.Name)
	if err != nil {
		return cr, fmt.Errorf("secret %q: %w", h.SecretRef.Name, err)
	}
	authorization, err := authorize(data)
	if err != nil {
		return cr, fmt.Errorf("secret %q %w", h.SecretRef.Name, err)
	}
	// After the headers, so that a Secret counts more than what anybody can read in the spec.
	cr.header.Set("Authorization", authorization)
	cr.secrets.AddData(data)
	return cr, nil
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
	return "Basic " + outbound.Basic(user, word), nil
}

// text is one word of a Secret. Files that people make secrets of often end with a line break.
func text(data map[string][]byte, key string) string { return strings.TrimSpace(string(data[key])) }

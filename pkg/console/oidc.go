package console

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-logr/logr"
	"golang.org/x/oauth2"
)

const (
	loginCookie = "login"
	// loginLasts is how long a user may take at the provider.
	loginLasts = 10 * time.Minute
	// providerDeadline bounds what the provider is asked for in one step of a login.
	providerDeadline = 10 * time.Second
)

// OIDCLogin is the login by an OpenID provider: the authorization code flow of OpenID Connect Core 1.0 with PKCE (RFC 7636).
type OIDCLogin struct {
	Issuer, ClientID, ClientSecret string
	Redirect                       string // the callback, as browsers reach it: https://sluice.example.com/auth/callback
	Home                           string // the page's path: / or /sluice/
	Scopes                         []string

	UserClaim, GroupsClaim   string
	UserPrefix, GroupsPrefix string

	HTTP     *http.Client // that the provider is asked with
	Sessions *Sessions
	Log      logr.Logger

	mu       sync.Mutex
	provider *oidc.Provider // nil: it was not reached yet
}

// pending is a login that is under way, in a cookie.
type pending struct {
	State    string    `json:"state"`
	Nonce    string    `json:"nonce"`
	Verifier string    `json:"verifier"`
	To       string    `json:"to"` // where the user wanted to go
	Expires  time.Time `json:"exp"`
}

// Mode implements Login.
func (l *OIDCLogin) Mode() string { return ModeOIDC }

// Identify implements Login.
func (l *OIDCLogin) Identify(r *http.Request) (*User, error) {
	found := l.Sessions.of(r)
	if found == nil || found.User == nil {
		return nil, nil
	}
	user := *found.User
	user.session = found.ID
	return &user, nil
}

// Register implements Login.
func (l *OIDCLogin) Register(mux *http.ServeMux) {
	mux.HandleFunc("GET /auth/login", l.told(l.begin))
	mux.HandleFunc("GET /auth/callback", l.told(l.callback))
}

// Logout implements Login. The session at the provider goes on.
func (l *OIDCLogin) Logout(w http.ResponseWriter, r *http.Request) { l.Sessions.end(w, r) }

// told tells a person, whose browser has come here by itself, what went wrong.
func (l *OIDCLogin) told(serve func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		err := serve(w, r)
		if err == nil {
			return
		}
		f := (*failed)(nil)
		if !errors.As(err, &f) {
			l.Log.Error(err, "a login by the OpenID provider failed")
			f = failure(http.StatusServiceUnavailable, "the OpenID provider did not answer as it should; the operator's log says more")
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(f.code)
		fmt.Fprintf(w, "The login failed: %s.\n", f.text)
	}
}

// asking is a context in which the provider is asked.
func (l *OIDCLogin) asking(r *http.Request) (context.Context, context.CancelFunc) {
	ctx, stop := context.WithTimeout(r.Context(), providerDeadline)
	return oidc.ClientContext(ctx, l.HTTP), stop
}

// discovered is the provider, which is looked up when it is needed first: the operator does not wait for it.
func (l *OIDCLogin) discovered(ctx context.Context) (*oidc.Provider, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.provider != nil {
		return l.provider, nil
	}
	provider, err := oidc.NewProvider(ctx, l.Issuer)
	if err != nil {
		return nil, fmt.Errorf("discover the OpenID provider: %w", err)
	}
	l.provider = provider
	return provider, nil
}

func (l *OIDCLogin) client(provider *oidc.Provider) *oauth2.Config {
	return &oauth2.Config{
		ClientID: l.ClientID, ClientSecret: l.ClientSecret, Endpoint: provider.Endpoint(), RedirectURL: l.Redirect,
		Scopes: append([]string{oidc.ScopeOpenID}, l.Scopes...),
	}
}

// begin sends a browser to the provider.
func (l *OIDCLogin) begin(w http.ResponseWriter, r *http.Request) error {
	ctx, stop := l.asking(r)
	defer stop()
	provider, err := l.discovered(ctx)
	if err != nil {
		return err
	}
	p := pending{
		State: randomText(), Nonce: randomText(), Verifier: oauth2.GenerateVerifier(), To: l.inside(r.URL.Query().Get("to")), Expires: l.Sessions.now().Add(loginLasts),
	}
	// Lax: the provider leads the browser back here, which is another site's doing.
	if err := l.Sessions.put(w, loginCookie, p, loginLasts, http.SameSiteLaxMode); err != nil {
		return failure(http.StatusBadRequest, "the address to come back to is too long")
	}
	http.Redirect(w, r, l.client(provider).AuthCodeURL(p.State, oidc.Nonce(p.Nonce), oauth2.S256ChallengeOption(p.Verifier)), http.StatusFound)
	return nil
}

// inside is an address within the page, whatever is asked for.
func (l *OIDCLogin) inside(to string) string {
	u, err := url.Parse(strings.TrimLeft(to, `/\`))
	if err != nil || u.IsAbs() || u.Host != "" || strings.Contains(to, `\`) {
		return l.Home
	}
	return l.Home + strings.TrimLeft(u.String(), "/")
}

// callback is where the provider leads a browser back to.
func (l *OIDCLogin) callback(w http.ResponseWriter, r *http.Request) error {
	var p pending
	known := l.Sessions.take(r, loginCookie, &p)
	l.Sessions.drop(w, loginCookie)
	q := r.URL.Query()
	switch {
	case !known || !l.Sessions.now().Before(p.Expires):
		return failure(http.StatusUnauthorized, "it took too long, or was begun in another browser; begin it anew")
	case subtle.ConstantTimeCompare([]byte(q.Get("state")), []byte(p.State)) != 1:
		return failure(http.StatusUnauthorized, "the answer is of another login; begin it anew")
	case q.Get("code") == "":
		return failure(http.StatusUnauthorized, "the provider has not agreed")
	}
	user, err := l.exchange(r, q.Get("code"), p)
	if err != nil {
		return err
	}
	if err := l.Sessions.begin(w, session{User: user}); err != nil {
		return failure(http.StatusForbidden, "you are in too many groups for a cookie; have the provider send fewer")
	}
	http.Redirect(w, r, p.To, http.StatusFound)
	return nil
}

// exchange has the provider say who the user is.
func (l *OIDCLogin) exchange(r *http.Request, code string, p pending) (*User, error) {
	ctx, stop := l.asking(r)
	defer stop()
	provider, err := l.discovered(ctx)
	if err != nil {
		return nil, err
	}
	tokens, err := l.client(provider).Exchange(ctx, code, oauth2.VerifierOption(p.Verifier))
	if refused := (*oauth2.RetrieveError)(nil); errors.As(err, &refused) {
		l.Log.Info("the OpenID provider has refused a code", "error", refused.ErrorCode)
		return nil, failure(http.StatusUnauthorized, "the provider does not know the login, or not any more")
	}
	if err != nil {
		return nil, fmt.Errorf("exchange the code of a login: %w", err)
	}
	raw, _ := tokens.Extra("id_token").(string)
	verified, err := provider.Verifier(&oidc.Config{ClientID: l.ClientID}).Verify(ctx, raw)
	if err != nil {
		l.Log.Info("an ID token is not accepted", "error", err.Error())
		return nil, failure(http.StatusUnauthorized, "the provider's word cannot be believed")
	}
	if subtle.ConstantTimeCompare([]byte(verified.Nonce), []byte(p.Nonce)) != 1 {
		return nil, failure(http.StatusUnauthorized, "the provider's word is about another login")
	}
	claims := map[string]any{}
	if err := verified.Claims(&claims); err != nil {
		return nil, fmt.Errorf("read the claims of a login: %w", err)
	}
	return l.userOf(claims)
}

// userOf is the user that claims are about.
func (l *OIDCLogin) userOf(claims map[string]any) (*User, error) {
	name, _ := claims[l.UserClaim].(string)
	if name == "" {
		return nil, failure(http.StatusForbidden, "the provider does not say your "+l.UserClaim)
	}
	// Who may choose an address at the provider could be anybody.
	if verified, said := claims["email_verified"]; l.UserClaim == "email" && said && verified != true {
		return nil, failure(http.StatusForbidden, "the provider has not verified your email")
	}
	var groups []string
	switch found := claims[l.GroupsClaim].(type) {
	case string:
		groups = []string{found}
	case []any:
		for _, group := range found {
			if text, is := group.(string); is {
				groups = append(groups, text)
			}
		}
	}
	return foreign(l.UserPrefix, name, l.GroupsPrefix, groups)
}

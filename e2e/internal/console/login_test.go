package console

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/security"
	"github.com/chromedp/chromedp"
	"github.com/go-logr/logr"
	"github.com/stretchr/testify/require"
	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/op"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/client-go/util/cert"

	"github.com/sluice-cd/sluice/pkg/console"
)

// accounts are those of an OpenID provider, which tells a client of the email at once, and not when it asks further.
type accounts struct{ *storage.Storage }

type told struct{ op.Client }

func (told) IDTokenUserinfoClaimsAssertion() bool { return true }

func (a accounts) GetClientByClientID(ctx context.Context, id string) (op.Client, error) {
	c, err := a.Storage.GetClientByClientID(ctx, id)
	return told{c}, err
}

// openID is the address of a provider, on another site than the page: localhost is none of 127.0.0.1's.
func (s *scene) openID(secret string) (issuer string) {
	s.Helper()
	server := httptest.NewUnstartedServer(nil)
	issuer = strings.Replace("http://"+server.Listener.Addr().String(), "127.0.0.1", "localhost", 1)
	known := storage.NewStorageWithClients(storage.NewUserStore(issuer), map[string]*storage.Client{"sluice": storage.WebClient("sluice", secret, s.url+"auth/callback")})
	server.Config.Handler = exampleop.SetupServer(issuer, accounts{known}, slog.New(slog.DiscardHandler), false)
	server.Start()
	s.Cleanup(server.Close)
	return issuer
}

// Somebody logs in at the provider, is led back to where they wanted to go, and logs out. The cookie is of no use then.
func TestOpenIDLogin(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.canary(s.ns, "podinfo")
	s.permit(rbacv1.Subject{Kind: rbacv1.UserKind, Name: "oidc:test-user@zitadel.ch"}, allVerbs)
	issuer := s.openID("hush")
	s.serve(func(c *console.Config, sessions *console.Sessions) {
		c.Login = &console.OIDCLogin{
			Issuer: issuer, ClientID: "sluice", ClientSecret: "hush", Redirect: s.url + "auth/callback", Home: basePath + "/", Scopes: []string{"email"},
			UserClaim: "email", UserPrefix: "oidc:", HTTP: http.DefaultClient, Sessions: sessions, Log: logr.Discard(),
		}
	})
	anna, thief := s.browser().tab(), s.browser().tab()
	anna.open("ns/" + s.ns + "/podinfo")
	anna.says("main", "Your organisation's login says who you are")
	anna.accessible("the login by a provider")
	anna.click(`//a[text()="Log in"]`)
	anna.until(`location.origin === ` + quote(issuer))
	anna.run(chromedp.SendKeys(`#username`, "test-user@localhost"), chromedp.SendKeys(`#password`, "verysecure\r"))
	anna.says("header .user", "oidc:test-user@zitadel.ch")
	anna.until(`location.pathname === ` + quote(basePath+"/ns/"+s.ns+"/podinfo"))
	anna.says("h1", "Initialized")
	anna.click(`//a[text()="Sluice"]`)
	anna.says(`[role="status"]`, "1 Canary")

	stolen := anna.cookie("sluice-session")
	thief.run(chromedp.Navigate("about:blank"))
	_, err := chromedp.Call(thief.ctx, network.SetCookie, network.SetCookieParams{Name: stolen.Name, Value: stolen.Value, URL: s.url, HTTPOnly: new(true)})
	require.NoError(t, err)
	thief.open("")
	thief.says("header .user", "oidc:test-user@zitadel.ch")
	thief.says(`[role="status"]`, "1 Canary")
	anna.click(button("Log out"))
	anna.says("h1", "Log in")
	thief.says("h1", "Log in")
	require.Equal(t, stolen.Value, thief.cookie("sluice-session").Value, "which was not taken away, but is void")
	thief.open("")
	thief.says("h1", "Log in")
	require.NotContains(t, thief.shows(), "podinfo")
}

// cookie is one that a browser keeps of the page.
func (t *tab) cookie(name string) network.Cookie {
	t.Helper()
	kept, err := chromedp.Call(t.ctx, network.GetCookies, network.GetCookiesParams{URLs: []string{t.url}})
	require.NoError(t, err)
	for _, c := range kept.Cookies {
		if c.Name == name {
			return *c
		}
	}
	require.Fail(t, "there is no cookie "+name)
	return network.Cookie{}
}

// Behind a proxy somebody is who the proxy says. A header that a browser sends by itself makes nobody of it, whether the proxy
// replaces it, lets it through, or is gone around.
func TestProxyLogin(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.canary(s.ns, "podinfo")
	s.permit(rbacv1.Subject{Kind: rbacv1.UserKind, Name: "anna"}, allVerbs)
	s.serve(func(c *console.Config, _ *console.Sessions) { c.Login = &console.ProxyLogin{Names: []string{"gate"}} })
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	gate, err := cert.NewSelfSignedCACert(cert.Config{CommonName: "gate"}, key)
	require.NoError(t, err)
	pool := x509.NewCertPool()
	pool.AddCert(gate)
	page := httptest.NewUnstartedServer(s.proxy)
	page.TLS = &tls.Config{ClientCAs: pool, ClientAuth: tls.VerifyClientCertIfGiven}
	page.StartTLS()
	t.Cleanup(page.Close)
	there, err := url.Parse(page.URL)
	require.NoError(t, err)
	shown := page.Client().Transport.(*http.Transport).Clone()
	shown.TLSClientConfig.Certificates = []tls.Certificate{{Certificate: [][]byte{gate.Raw}, PrivateKey: key}}
	t.Cleanup(shown.CloseIdleConnections)
	by := func(say func(h http.Header)) string {
		front := httptest.NewServer(&httputil.ReverseProxy{Transport: shown, Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(there)
			say(r.Out.Header)
		}})
		t.Cleanup(func() {
			front.CloseClientConnections() // else it waits for streams to end
			front.Close()
		})
		return front.URL + basePath + "/"
	}
	const user = "X-Forwarded-User"

	anna := s.browser().tab()
	anna.run(chromedp.Navigate(by(func(h http.Header) { h.Set(user, "anna") })))
	anna.says("header .user", "anna")
	anna.says(`[role="status"]`, "1 Canary")
	anna.click(`//a[text()="podinfo"]`)
	anna.says("h1", "Initialized")
	s.status(s.ns, "podinfo", s.pause)
	anna.says("h1", "Paused")
	require.NotContains(t, anna.shows(), "Log out", "which is the proxy's to do")

	eve := s.browser().tab()
	_, err = chromedp.Call(eve.ctx, network.SetExtraHTTPHeaders, network.SetExtraHTTPHeadersParams{Headers: network.Headers{user: "anna"}})
	require.NoError(t, err)
	_, err = chromedp.Call(eve.ctx, security.SetIgnoreCertificateErrors, security.SetIgnoreCertificateErrorsParams{Ignore: true})
	require.NoError(t, err)
	eve.run(chromedp.Navigate(by(func(h http.Header) { h.Set(user, "eve") })))
	eve.says("header .user", "eve")
	eve.says(`[role="status"]`, "0 Canaries")
	for address, why := range map[string]string{
		by(func(h http.Header) { h.Add(user, "eve") }): "the proxy does not say who you are",
		page.URL + basePath + "/":                      "this did not come by it",
	} {
		eve.run(chromedp.Navigate(address))
		eve.says("h1", "Log in")
		eve.says(`[role="alert"]`, why)
		require.NotContains(t, eve.shows(), "podinfo")
	}
}

package console

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-logr/logr"
	"github.com/stretchr/testify/require"
)

// provider is an OpenID provider that agrees to everybody. It signs what claims says.
type provider struct {
	*httptest.Server
	t   *testing.T
	key *rsa.PrivateKey

	mu     sync.Mutex
	claims map[string]any // beside those of the protocol, which they may replace
	logins map[string]url.Values
}

func newProvider(t *testing.T) *provider {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	p := &provider{t: t, key: key, logins: map[string]url.Values{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, map[string]any{
			"issuer": p.URL, "authorization_endpoint": p.URL + "/authorize", "token_endpoint": p.URL + "/token", "jwks_uri": p.URL + "/keys",
			"id_token_signing_alg_values_supported": []string{"RS256"},
		})
	})
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "one", Algorithm: "RS256", Use: "sig"}}})
	})
	mux.HandleFunc("GET /authorize", p.authorize)
	mux.HandleFunc("POST /token", p.token)
	p.Server = httptest.NewServer(mux)
	t.Cleanup(p.Close)
	return p
}

func (p *provider) say(claims map[string]any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.claims = claims
}

func (p *provider) authorize(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	code := randomText()
	p.logins[code] = r.URL.Query()
	back := url.Values{"code": {code}, "state": {r.URL.Query().Get("state")}}
	http.Redirect(w, r, r.URL.Query().Get("redirect_uri")+"?"+back.Encode(), http.StatusFound)
}

func (p *provider) token(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	login, known := p.logins[r.FormValue("code")]
	delete(p.logins, r.FormValue("code"))
	sum := sha256.Sum256([]byte(r.FormValue("code_verifier")))
	id, secret, _ := r.BasicAuth()
	if !known || login.Get("code_challenge_method") != "S256" || login.Get("code_challenge") != base64.RawURLEncoding.EncodeToString(sum[:]) || id != "sluice" || secret != "hush" {
		answer(w, http.StatusBadRequest, map[string]string{"error": "invalid_grant"})
		return
	}
	claims := map[string]any{"iss": p.URL, "aud": "sluice", "sub": "1", "exp": time.Now().Add(time.Minute).Unix(), "iat": time.Now().Unix(), "nonce": login.Get("nonce")}
	for name, value := range p.claims {
		claims[name] = value
	}
	text, err := json.Marshal(claims)
	require.NoError(p.t, err)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: p.key, KeyID: "one"}}, nil)
	require.NoError(p.t, err)
	signed, err := signer.Sign(text)
	require.NoError(p.t, err)
	compact, err := signed.CompactSerialize()
	require.NoError(p.t, err)
	answer(w, http.StatusOK, map[string]any{"access_token": "x", "token_type": "Bearer", "id_token": compact})
}

// A user whom an OpenID provider knows has the rights of that name and these groups.
func TestOIDC(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	login := &OIDCLogin{
		Issuer: p.URL, ClientID: "sluice", ClientSecret: "hush", Home: "/", Scopes: []string{"email", "groups"}, UserClaim: "email", GroupsClaim: "groups",
		UserPrefix: "oidc:", GroupsPrefix: "oidc:", HTTP: p.Client(), Log: logr.Discard(),
	}
	s := newScene(t, func(c *Config) { login.Sessions, c.Login = c.Login.(*TokenLogin).Sessions, login })
	login.Redirect = s.http.URL + "/auth/callback"
	b := s.browser()
	_, text := b.get("/api/v1/me")
	require.JSONEq(t, `{"error":"you are not logged in, or not any more","mode":"oidc","login":"auth/login","policies":false}`, text)

	p.say(map[string]any{"email": "anna@example.com", "email_verified": true, "groups": []string{"ops", "system:masters"}})
	answer, _ := b.do(http.MethodGet, "/auth/login?to="+url.QueryEscape("/test/podinfo?do=promote"), nil)
	require.Equal(t, "/test/podinfo?do=promote", answer.Request.URL.RequestURI(), "where the user wanted to go")
	var m me
	b.json("/api/v1/me", &m)
	require.Equal(t, "oidc:anna@example.com", m.User)
	require.Equal(t, []string{"oidc:ops", "oidc:system:masters", "system:authenticated"}, m.Groups, "a prefix makes them nobody's else")
	code, _ := b.post("/auth/logout", nil)
	require.Equal(t, http.StatusNoContent, code)
	code, _ = b.get("/api/v1/me")
	require.Equal(t, http.StatusUnauthorized, code)

	for _, to := range []string{"https://evil.example.com", "//evil.example.com", `/\evil.example.com`, `\\evil.example.com`, "/\t/evil.example.com", "///evil.example.com"} {
		answer, _ := b.do(http.MethodGet, "/auth/login?to="+url.QueryEscape(to), nil)
		require.Equal(t, s.http.URL, "http://"+answer.Request.URL.Host, to)
		require.True(t, strings.HasPrefix(answer.Request.URL.Path, "/"), to)
		require.False(t, strings.HasPrefix(answer.Request.URL.Path, "//"), to)
	}
	for name, tc := range map[string]struct {
		reason string
		claims map[string]any
		text   string
	}{
		"Nonce":      {"it is the answer to another login", map[string]any{"email": "a@b", "nonce": "x"}, "about another login"},
		"Audience":   {"it is for another client", map[string]any{"email": "a@b", "aud": "other"}, "cannot be believed"},
		"Issuer":     {"it is of another provider", map[string]any{"email": "a@b", "iss": "https://evil.example.com"}, "cannot be believed"},
		"Expired":    {"it is old", map[string]any{"email": "a@b", "exp": 1}, "cannot be believed"},
		"Unverified": {"anybody could have that address", map[string]any{"email": "a@b", "email_verified": false}, "has not verified your email"},
		"Nameless":   {"there is no name", map[string]any{}, "does not say your email"},
		"Groups":     {"they fit in no cookie", map[string]any{"email": "a@b", "groups": strings.Split(strings.Repeat("a-group-with-a-long-name,", 300), ",")}, "too many groups"},
	} {
		p.say(tc.claims)
		answer, text := s.browser().do(http.MethodGet, "/auth/login", nil)
		require.Contains(t, text, tc.text, name)
		require.GreaterOrEqual(t, answer.StatusCode, 400, tc.reason)
	}
	login.UserPrefix = ""
	p.say(map[string]any{"email": "system:admin"})
	_, text = s.browser().do(http.MethodGet, "/auth/login", nil)
	require.Contains(t, text, "not taken from elsewhere")
}

// A callback that this browser has not asked for logs nobody in.
func TestOIDCState(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	p.say(map[string]any{"email": "eve@example.com"})
	login := &OIDCLogin{Issuer: p.URL, ClientID: "sluice", ClientSecret: "hush", Home: "/", UserClaim: "email", HTTP: p.Client(), Log: logr.Discard()}
	s := newScene(t, func(c *Config) { login.Sessions, c.Login = c.Login.(*TokenLogin).Sessions, login })
	login.Redirect = s.http.URL + "/auth/callback"
	eve, anna := s.browser(), s.browser()
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	eve.CheckRedirect, anna.CheckRedirect = stay, stay
	led := func(b *browser) string { // to the callback
		answer, _ := b.do(http.MethodGet, "/auth/login", nil)
		back, err := b.Get(answer.Header.Get("Location"))
		require.NoError(t, err)
		back.Body.Close()
		u, err := url.Parse(back.Header.Get("Location"))
		require.NoError(t, err)
		return u.RequestURI()
	}
	of := led(eve)
	for _, begun := range []bool{false, true} {
		if begun {
			led(anna)
		}
		code, text := anna.get(of)
		require.Equal(t, http.StatusUnauthorized, code, text)
		code, _ = anna.get("/api/v1/me")
		require.Equal(t, http.StatusUnauthorized, code)
	}
	code, text := eve.get(of)
	require.Equal(t, http.StatusFound, code, text)
	code, _ = eve.get(of)
	require.Equal(t, http.StatusUnauthorized, code, "a code is good once")
	p.Close()
	login.provider = nil
	code, text = anna.get("/auth/login")
	require.Equal(t, http.StatusServiceUnavailable, code)
	require.NotContains(t, text, "127.0.0.1", "what went wrong is the log's")
}

// authority signs certificates.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *rsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t}
	pair := a.sign("ca", func(c *x509.Certificate) {
		c.IsCA, c.BasicConstraintsValid, c.KeyUsage = true, true, x509.KeyUsageCertSign
	})
	a.cert, a.key = pair.Leaf, pair.PrivateKey.(*rsa.PrivateKey)
	return a
}

func (a *authority) sign(name string, change ...func(*x509.Certificate)) tls.Certificate {
	a.t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(a.t, err)
	c := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	for _, f := range change {
		f(c)
	}
	parent, by := a.cert, a.key
	if parent == nil {
		parent, by = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, key.Public(), by)
	require.NoError(a.t, err)
	leaf, err := x509.ParseCertificate(der)
	require.NoError(a.t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// The headers of a proxy are believed if it shows its certificate.
func TestProxy(t *testing.T) {
	t.Parallel()
	s := newScene(t, func(c *Config) { c.Login = &ProxyLogin{Names: []string{"gate"}, GroupsPrefix: "p:"} })
	good, bad := newAuthority(t), newAuthority(t)
	pool := x509.NewCertPool()
	pool.AddCert(good.cert)
	secure := httptest.NewUnstartedServer(s.server.Handler())
	secure.TLS = &tls.Config{ClientCAs: pool, ClientAuth: tls.VerifyClientCertIfGiven}
	secure.StartTLS()
	t.Cleanup(secure.Close)
	as := func(header http.Header, certificates ...tls.Certificate) (int, string) {
		client := secure.Client()
		transport := client.Transport.(*http.Transport).Clone()
		transport.TLSClientConfig.Certificates = certificates
		defer transport.CloseIdleConnections()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, secure.URL+"/api/v1/me", nil)
		require.NoError(t, err)
		r.Header = header
		answer, err := transport.RoundTrip(r)
		if err != nil {
			return 0, err.Error()
		}
		defer answer.Body.Close()
		var m me
		require.NoError(t, json.NewDecoder(answer.Body).Decode(&m))
		return answer.StatusCode, m.User + m.Error + strings.Join(m.Groups, ",")
	}
	anna := http.Header{userHeader: {"anna"}, groupsHeader: {"ops, dev", "system:masters"}}
	gate := good.sign("gate")
	code, text := as(anna, gate)
	require.Equal(t, http.StatusOK, code, text)
	require.Equal(t, "annap:ops,p:dev,p:system:masters,system:authenticated", text)
	code, text = as(anna)
	require.Equal(t, http.StatusUnauthorized, code)
	require.Contains(t, text, "did not come by it")
	code, _ = as(anna, good.sign("other"))
	require.Equal(t, http.StatusUnauthorized, code, "another client of the same CA")
	code, _ = as(anna, bad.sign("gate"))
	require.NotEqual(t, http.StatusOK, code, "a certificate of another CA")
	for _, header := range []http.Header{{}, {userHeader: {""}}, {userHeader: {"anna", "ben"}}} {
		code, _ = as(header, gate)
		require.Equal(t, http.StatusUnauthorized, code, header)
	}
	code, _ = as(http.Header{userHeader: {"system:serviceaccount:kube-system:x"}}, gate)
	require.Equal(t, http.StatusForbidden, code)
	plain, _ := s.browser().do(http.MethodGet, "/api/v1/me", nil, func(r *http.Request) { r.Header = anna.Clone() })
	require.Equal(t, http.StatusUnauthorized, plain.StatusCode, "without TLS nobody is believed")
}

// A one-time token is good once, and on this machine.
func TestLocal(t *testing.T) {
	t.Parallel()
	var token string
	s := newScene(t, func(c *Config) {
		c.Login, token = NewLocalLogin(User{Name: "admin"}, c.Login.(*TokenLogin).Sessions)
		c.Rights = &Reviews{Client: c.API, Self: true, Now: time.Now}
	})
	s.canary("podinfo")
	elsewhere := func(r *http.Request) { r.Host = "evil.example.com" }
	b := s.browser()
	answer, _ := b.do(http.MethodPost, "/auth/login", map[string]string{"token": token}, elsewhere)
	require.Equal(t, http.StatusForbidden, answer.StatusCode, "a name that was made to lead here")
	code, _ := b.post("/auth/login", map[string]string{"token": "guessed"})
	require.Equal(t, http.StatusUnauthorized, code)
	b = s.loggedIn(token)
	require.Eventually(t, func() bool { code, _ := b.get("/api/v1/canaries/" + s.ns + "/podinfo"); return code == http.StatusOK }, 10*time.Second, 50*time.Millisecond)
	code, _ = s.browser().post("/auth/login", map[string]string{"token": token})
	require.Equal(t, http.StatusUnauthorized, code, "it was used")
	answer, _ = b.do(http.MethodGet, "/api/v1/me", nil, elsewhere)
	require.Equal(t, http.StatusForbidden, answer.StatusCode)
	code, text := b.post("/api/v1/canaries/"+s.ns+"/podinfo/actions", map[string]any{"verb": "pause"})
	require.Equal(t, http.StatusAccepted, code, text)
}

// Replicas that share a key know each other's sessions; others do not, nor does what is of another kind.
func TestSessions(t *testing.T) {
	t.Parallel()
	key := []byte(strings.Repeat("k", shortestKey))
	now := time.Now()
	sessions := func(key []byte, secure bool) *Sessions {
		s, err := NewSessions(key, secure, func() time.Time { return now })
		require.NoError(t, err)
		return s
	}
	one, two, other := sessions(key, true), sessions(key, true), sessions(nil, true)
	w := httptest.NewRecorder()
	require.NoError(t, one.begin(w, session{Token: "t"}))
	cookie := w.Result().Cookies()[0]
	require.Equal(t, "__Host-sluice-session", cookie.Name)
	require.True(t, cookie.Secure && cookie.HttpOnly && cookie.SameSite == http.SameSiteStrictMode && cookie.Path == "/" && cookie.Domain == "")
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.AddCookie(cookie)
	require.Equal(t, "t", two.of(r).Token)
	require.Nil(t, other.of(r))
	require.Nil(t, sessions(key, false).of(r))
	renamed := httptest.NewRequest(http.MethodGet, "/", nil)
	renamed.AddCookie(&http.Cookie{Name: "__Host-sluice-login", Value: cookie.Value})
	require.False(t, two.take(renamed, loginCookie, &pending{}), "what was sealed as a session is no login")
	now = now.Add(sessionLasts)
	require.Nil(t, two.of(r), "it has ended by itself")
	_, err := NewSessions([]byte("short"), true, time.Now)
	require.ErrorContains(t, err, "needs 32")
	require.ErrorIs(t, one.begin(w, session{Token: strings.Repeat("x", 4000)}), errCookieTooLarge)
}

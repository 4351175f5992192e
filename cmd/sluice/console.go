package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/netutil"
	authenticationv1 "k8s.io/api/authentication/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/certwatcher"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/console"
	"github.com/sluice-cd/sluice/pkg/console/web"
)

// File console.go is the page: its flags, and how it is made of them. Every replica serves it, whoever works.

// consoleOptions are the flags of the page.
type consoleOptions struct {
	address, mode, basePath      string
	certFile, keyFile            string // of TLS
	clientCAFile, clientNames    string
	sessionKeyFile               string
	issuer, clientID, secretFile string
	issuerCAFile, scopes         string
	userClaim, groupsClaim       string
	userPrefix, groupsPrefix     string
	only, policies               bool
}

func (c *consoleOptions) flags(f *flag.FlagSet) {
	f.StringVar(&c.address, "console-address", "", "Where the page listens: :9443, or 127.0.0.1:9443 for this machine alone; empty: there is no page.")
	f.StringVar(&c.mode, "console-mode", "", "How people log in to the page: token, oidc, proxy, or local on loopback; empty: local on loopback, and none elsewhere.")
	f.StringVar(&c.basePath, "console-base-path", "", "Path that the page's addresses begin with, such as /sluice.")
	f.StringVar(&c.certFile, "console-tls-cert-file", "", "Certificate that the page shows; it is read again when it changes.")
	f.StringVar(&c.keyFile, "console-tls-key-file", "", "Its key.")
	f.StringVar(&c.clientCAFile, "console-client-ca-file", "", "Certificates of who signs those of proxies, for -console-mode=proxy.")
	f.StringVar(&c.clientNames, "console-client-names", "", "Common names of the proxies' certificates; empty: all that are signed.")
	f.StringVar(&c.sessionKeyFile, "console-key-file", "", "File with 32 bytes or more that sessions are encrypted by, the same for all replicas; empty: a random key for each start.")
	f.StringVar(&c.issuer, "console-oidc-issuer", "", "Address of the OpenID provider, for -console-mode=oidc.")
	f.StringVar(&c.clientID, "console-oidc-client-id", "", "What the OpenID provider knows the page as.")
	f.StringVar(&c.secretFile, "console-oidc-client-secret-file", "", "File with the secret of that client; empty: it has none.")
	f.StringVar(&c.issuerCAFile, "console-oidc-ca-file", "", "Certificates of who signs the OpenID provider's; empty: those of the system.")
	f.StringVar(&c.scopes, "console-oidc-scopes", "email,groups", "What the OpenID provider is asked for beside openid.")
	f.StringVar(&c.userClaim, "console-oidc-user-claim", "email", "Claim that is the user's name.")
	f.StringVar(&c.groupsClaim, "console-oidc-groups-claim", "groups", "Claim that has the user's groups.")
	f.StringVar(&c.userPrefix, "console-oidc-user-prefix", "", "What the name begins with in rules of RBAC.")
	f.StringVar(&c.groupsPrefix, "console-oidc-groups-prefix", "", "What each group begins with in rules of RBAC.")
	f.BoolVar(&c.only, "console-only", false, "Serve the page and follow no Canary.")
	f.BoolVar(&c.policies, "action-policies", false, "The admission policies of kustomize/policies are installed, so that the page need not call who acted a claim.")
}

// loopback says that the page is for this machine alone.
func (c *consoleOptions) loopback() bool {
	host, _, err := net.SplitHostPort(c.address)
	if err != nil {
		return false
	}
	address, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && address.IsLoopback()
}

// check refuses what would let somebody in, or nobody. It fills in the mode.
func (c *consoleOptions) check(consoleURL string) error {
	if c.address == "" {
		if c.only {
			return errors.New("-console-only: there is no page without -console-address")
		}
		return nil
	}
	if _, _, err := net.SplitHostPort(c.address); err != nil {
		return fmt.Errorf("-console-address: %w", err)
	}
	if c.mode == "" && c.loopback() {
		c.mode = console.ModeLocal
	}
	switch {
	case c.mode == "":
		return errors.New("-console-address: who may see the page is not said; give -console-mode, or an address of this machine such as 127.0.0.1:9443")
	case !slices.Contains([]string{console.ModeToken, console.ModeOIDC, console.ModeProxy, console.ModeLocal}, c.mode):
		return fmt.Errorf("-console-mode: %q is none of token, oidc, proxy and local", c.mode)
	case c.mode == console.ModeLocal && !c.loopback():
		return errors.New("-console-mode: local is for an address of this machine alone, such as 127.0.0.1:9443")
	case (c.certFile == "") != (c.keyFile == ""):
		return errors.New("-console-tls-cert-file and -console-tls-key-file go together")
	case c.mode == console.ModeProxy && (c.certFile == "" || c.clientCAFile == ""):
		return errors.New("-console-mode: a proxy is believed over TLS with its own certificate alone: " +
			"give -console-tls-cert-file, -console-tls-key-file and -console-client-ca-file")
	case c.mode == console.ModeOIDC && (c.issuer == "" || c.clientID == "" || consoleURL == ""):
		return errors.New("-console-mode: oidc needs -console-oidc-issuer, -console-oidc-client-id, and -console-url for the way back")
	case c.mode == console.ModeOIDC && !strings.HasPrefix(c.issuer, "https://") && !issuerIsNear(c.issuer):
		return errors.New("-console-oidc-issuer: not an address that begins with https://")
	}
	return nil
}

// issuerIsNear says that a provider is on this machine, as in a trial.
func issuerIsNear(issuer string) bool {
	u, err := url.Parse(issuer)
	if err != nil {
		return false
	}
	address, err := netip.ParseAddr(u.Hostname())
	return u.Hostname() == "localhost" || err == nil && address.IsLoopback()
}

// addConsole has the manager serve the page, where it is asked for. Its client is its own: a page is no reason for the operator to be
// slow, and what people ask for is written by replicas that wait for the lease as well.
func addConsole(mgr manager.Manager, config *rest.Config, o *options) error {
	c := &o.console
	if c.address == "" {
		return nil
	}
	config = rest.CopyConfig(config)
	config.QPS, config.Burst = 100, 200
	api, err := client.New(config, client.Options{Scheme: mgr.GetScheme()})
	if err != nil {
		return fmt.Errorf("set up the page's client: %w", err)
	}
	files, err := fs.Sub(web.Dist, "dist")
	if err != nil {
		return err
	}
	settings := console.Config{
		Cache: mgr.GetCache(), API: api, Files: files, BasePath: c.basePath, Version: version, Cluster: o.cluster, Provider: o.provider, Policies: c.policies,
		Log: mgr.GetLogger().WithName("console"),
	}
	listener, watched, err := c.listen()
	if err != nil {
		return err
	}
	if watched != nil {
		if err := mgr.Add(watched); err != nil {
			return err
		}
	}
	if err := c.login(&settings, o, listener.Addr()); err != nil {
		return err
	}
	page, err := console.New(settings)
	if err != nil {
		return fmt.Errorf("-console-base-path: %w", err)
	}
	server := &http.Server{
		Handler: page.Handler(), ReadHeaderTimeout: 5 * time.Second, IdleTimeout: idle, MaxHeaderBytes: 64 << 10,
	}
	server.RegisterOnShutdown(page.Stop)
	if c.only { // else the reconciler watches Canaries
		watch := manager.RunnableFunc(func(ctx context.Context) error {
			_, err := mgr.GetCache().GetInformer(ctx, &v1beta1.Canary{})
			return err
		})
		if err := mgr.Add(watch); err != nil {
			return err
		}
	}
	return mgr.Add(&manager.Server{Name: "console", Server: server, Listener: listener})
}

const (
	// mostConnections is twice the streams that the page has at most. Each takes memory of the operator's, whoever it is of; those
	// beyond wait.
	mostConnections = 1000
	// idle is how long a connection is kept without a request.
	idle = 30 * time.Second
)

// listen opens the page's port; watched, where it is not nil, follows the files of its certificate.
func (c *consoleOptions) listen() (listener net.Listener, watched *certwatcher.CertWatcher, err error) {
	if listener, err = net.Listen("tcp", c.address); err != nil {
		return nil, nil, fmt.Errorf("-console-address: %w", err)
	}
	listener = netutil.LimitListener(listener, mostConnections)
	if c.certFile == "" {
		return listener, nil, nil
	}
	settings := &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}}
	if watched, err = certwatcher.New(c.certFile, c.keyFile); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("-console-tls-cert-file: %w", err), listener.Close())
	}
	settings.GetCertificate = watched.GetCertificate
	if c.mode == console.ModeProxy {
		// Who has none is told so, and probes are answered.
		settings.ClientAuth = tls.VerifyClientCertIfGiven
		if settings.ClientCAs, err = pool(c.clientCAFile); err != nil {
			return nil, nil, errors.Join(fmt.Errorf("-console-client-ca-file: %w", err), listener.Close())
		}
	}
	return tls.NewListener(listener, settings), watched, nil
}

// pool are the certificates of a file.
func pool(file string) (*x509.CertPool, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s has no certificate", file)
	}
	return pool, nil
}

// login sets who may see the page, and what they may do.
func (c *consoleOptions) login(settings *console.Config, o *options, at net.Addr) error {
	settings.Rights = &console.Reviews{Client: settings.API, Self: c.mode == console.ModeLocal, Now: time.Now}
	if c.mode == console.ModeProxy {
		settings.Login = &console.ProxyLogin{Names: list(c.clientNames)}
		return nil
	}
	key, err := secret(c.sessionKeyFile)
	if err != nil {
		return fmt.Errorf("-console-key-file: %w", err)
	}
	// Off this machine somebody else ends TLS, if this does not: a browser keeps no session without.
	sessions, err := console.NewSessions(key, c.certFile != "" || !c.loopback() || strings.HasPrefix(o.consoleURL, "https://"), time.Now)
	if err != nil {
		return fmt.Errorf("-console-key-file: %w", err)
	}
	switch c.mode {
	case console.ModeToken:
		settings.Login = &console.TokenLogin{Client: settings.API, Sessions: sessions, Now: time.Now}
		return nil
	case console.ModeOIDC:
		return c.loginByProvider(settings, o, sessions)
	}
	return c.loginHere(settings, sessions, at)
}

// secret is what a file holds, without the line break that editors put at its end; nil: there is no file.
func secret(file string) ([]byte, error) {
	if file == "" {
		return nil, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	if text = bytes.TrimRight(text, "\r\n"); len(text) == 0 {
		return nil, fmt.Errorf("%s is empty", file)
	}
	return text, nil
}

func (c *consoleOptions) loginByProvider(settings *console.Config, o *options, sessions *console.Sessions) error {
	secret, err := secret(c.secretFile)
	if err != nil {
		return fmt.Errorf("-console-oidc-client-secret-file: %w", err)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone() //nolint:forcetypeassert // it is one
	if c.issuerCAFile != "" {
		certificates, err := pool(c.issuerCAFile)
		if err != nil {
			return fmt.Errorf("-console-oidc-ca-file: %w", err)
		}
		transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: certificates}
	}
	settings.Login = &console.OIDCLogin{
		Issuer: c.issuer, ClientID: c.clientID, ClientSecret: string(secret), Scopes: list(c.scopes),
		Redirect: strings.TrimSuffix(o.consoleURL, "/") + "/auth/callback", Home: strings.TrimSuffix(c.basePath, "/") + "/",
		UserClaim: c.userClaim, GroupsClaim: c.groupsClaim, UserPrefix: c.userPrefix, GroupsPrefix: c.groupsPrefix,
		HTTP: &http.Client{Transport: transport, Timeout: 10 * time.Second}, Sessions: sessions, Log: settings.Log,
	}
	return nil
}

// loginHere prints where the page is, with the token that is good once. Who has it acts with this process's own rights.
func (c *consoleOptions) loginHere(settings *console.Config, sessions *console.Sessions, at net.Addr) error {
	ctx, stop := context.WithTimeout(context.Background(), 10*time.Second)
	defer stop()
	review := &authenticationv1.SelfSubjectReview{}
	if err := settings.API.Create(ctx, review); err != nil {
		return fmt.Errorf("ask the API server who this is: %w", err)
	}
	login, token := console.NewLocalLogin(console.User{Name: review.Status.UserInfo.Username, Groups: review.Status.UserInfo.Groups}, sessions)
	settings.Login = login
	scheme := "http"
	if c.certFile != "" {
		scheme = "https"
	}
	settings.Log.Info("the page is on this machine", "address", fmt.Sprintf("%s://%s%s/#token=%s", scheme, at, strings.TrimSuffix(c.basePath, "/"), token))
	return nil
}

// runConsole runs the page alone.
func runConsole(ctx context.Context, config *rest.Config, o *options) error {
	mgr, err := newManager(config, o)
	if err != nil {
		return fmt.Errorf("set up the manager: %w", err)
	}
	if err := addConsole(mgr, config, o); err != nil {
		return err
	}
	mgr.GetLogger().Info("starting, the page alone", "version", version)
	return mgr.Start(ctx)
}

// Package outbound is HTTP for all that is asked or told: monitoring systems, webhooks, chat services. It knows neither
// Kubernetes nor what is asked.
//
//	NewClient   a client that follows no redirect, and whose answers are bounded      client.go, answer.go
//	Addresses   where requests of tenants must not go                                 addresses.go
//	Trust       whose certificates are believed: a bundle's, the system's, anybody's  trust.go
//	Cause       what went wrong, without what must not or cannot stand in a condition cause.go
//	For         whom a request is made for: namespaces take turns             turns.go
//	Secrets     what must not be read in an event, a condition or a log               secrets.go
//
// An address may hold credentials, and so may what a server answers: it may repeat the request. Whoever makes a request
// collects its secrets, and shows nothing that has not passed them.
package outbound

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Options say how a client connects. The zero value trusts whom the system trusts, and keeps connections.
type Options struct {
	TLS       *tls.Config // of a Trust
	Proxy     *url.URL    // nil: as the environment says
	Brief     bool        // no connection is kept: for who asks one server seldom
	IdleConns int         // that are kept to one host; zero: as net/http has it
	Hosts     *Hosts      // nil: any number of requests to one host at the same time
	Large     *Large      // nil: any number of large answers at the same time
	Redirects bool        // are followed
	Addresses *Addresses  // that may be dialled; nil: all
}

// idle is longer than the minute between two rounds of most Canaries, or each round would dial anew.
const idle = 90 * time.Second

// NewClient makes a client. Its answers end in a *TooLargeError after MaxAnswer bytes. It has no timeout: requests have
// contexts that end.
func NewClient(o Options) *http.Client {
	// Cloned, for its proxy from the environment and its timeouts of handshakes.
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.DisableKeepAlives, t.IdleConnTimeout = o.Brief, idle
	t.MaxIdleConnsPerHost = o.IdleConns
	if o.TLS != nil {
		t.TLSClientConfig = o.TLS
	}
	b := &bounded{next: t, large: o.Large, hosts: o.Hosts}
	if o.Addresses != nil {
		b.proxy = t.Proxy
		t.DialContext = o.Addresses.dial
	}
	if o.Proxy != nil {
		// It comes from where the address comes from, and so is dialled like that.
		t.Proxy, b.proxy = http.ProxyURL(o.Proxy), nil
	}
	t.Proxy = o.Addresses.checked(t.Proxy)
	c := &http.Client{Transport: b}
	if !o.Redirects {
		// One would take credentials and the body to another host. The 3xx is reported as it is.
		c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	}
	return c
}

// ParseURL reads the address of a server. Its error begins with what the address is; it does not quote what may hold
// credentials.
func ParseURL(address string) (*url.URL, error) {
	u, err := url.Parse(address)
	switch {
	case err != nil:
		return nil, errors.New("is not a URL")
	case u.Scheme == "http" && u.Host != "", u.Scheme == "https" && u.Host != "":
		return u, nil
	case strings.ContainsAny(address, "@?#"): // user:password@host is a URL with the scheme user
		return nil, errors.New("is not an http or https URL with a host")
	}
	var secrets Secrets
	if u.Host != "" {
		secrets.AddURL(address)
	}
	return nil, fmt.Errorf("%q is not an http or https URL with a host", secrets.Hide(address))
}

package outbound

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"time"
)

// File addresses.go says where requests may go whose address a tenant wrote down. What is at loopback, link-local and
// metadata addresses trusts whoever is on the machine: the operator must not lend that to others.

// Addresses are those that may be dialled. A nil one lets every address be dialled: for what the operator's flags name.
type Addresses struct{ allowed []netip.Prefix }

// NewAddresses refuses loopback, link-local and metadata addresses but those allowed: `10.0.0.1` or `127.0.0.0/8`.
func NewAddresses(allowed []string) (*Addresses, error) {
	a := &Addresses{}
	for _, text := range allowed {
		if one, err := netip.ParseAddr(text); err == nil {
			one = one.Unmap()
			a.allowed = append(a.allowed, netip.PrefixFrom(one, one.BitLen()))
			continue
		}
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("%q is neither an address nor a range of them, as in 127.0.0.0/8", text)
		}
		a.allowed = append(a.allowed, p.Masked())
	}
	return a, nil
}

// AddressError means that an address must not be dialled.
type AddressError struct{ Address string }

func (e *AddressError) Error() string {
	return fmt.Sprintf("%s is a loopback, link-local or metadata address, which -allow-addresses does not name", e.Address)
}

// refusedRanges are of addresses that have no method of netip's: those of this network, metadata services of clouds
// which are not link-local, and broadcasts.
var refusedRanges = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("100.100.100.200/32"), // Alibaba Cloud
	netip.MustParsePrefix("168.63.129.16/32"),   // Azure
	netip.MustParsePrefix("192.0.0.192/32"),     // Oracle Cloud
	netip.MustParsePrefix("255.255.255.255/32"),
	netip.MustParsePrefix("fd00:ec2::/32"),    // AWS
	netip.MustParsePrefix("fd20:ce::254/128"), // Google Cloud
}

// translated are ranges whose last four bytes are an address of IPv4: NAT64's, and IPv4-compatible ones.
var translated = []netip.Prefix{netip.MustParsePrefix("64:ff9b::/96"), netip.MustParsePrefix("::/96")}

// refuses says that an address is one that nobody else may have dialled.
func (a *Addresses) refuses(ip netip.Addr) bool {
	ip = ip.Unmap().WithZone("")
	in := func(p netip.Prefix) bool { return p.Contains(ip) }
	switch {
	case a == nil || slices.ContainsFunc(a.allowed, in):
		return false
	case ip.IsLoopback(), ip.IsLinkLocalUnicast(), ip.IsMulticast(), ip.IsUnspecified(), slices.ContainsFunc(refusedRanges, in):
		return true
	case slices.ContainsFunc(translated, in):
		text := ip.As16()
		return a.refuses(netip.AddrFrom4([4]byte(text[12:])))
	}
	return false
}

// control is asked by a dialer once a name was resolved, for each address that is tried.
func (a *Addresses) control(_, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%q is not an address: %w", address, err)
	}
	if a.refuses(at.Addr()) {
		return &AddressError{Address: at.Addr().String()}
	}
	return nil
}

// Dialer connects to addresses that may be dialled.
func (a *Addresses) Dialer() *net.Dialer {
	d := &net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second} // as net/http has it
	if a != nil {
		d.Control = a.control
	}
	return d
}

// metadataNames are names of services that resolve where the operator does not: at a proxy.
var metadataNames = []string{"localhost", "metadata", "metadata.google.internal", "instance-data", "instance-data.ec2.internal"}

// Target is an error for a request through a proxy to an address that must not be dialled, as far as its name or literal
// tells. Proxies write addresses in forms that netip does not: a host of digits and dots alone, or with 0x, is refused.
func (a *Addresses) Target(host string) error {
	if a == nil {
		return nil
	}
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	ip, err := netip.ParseAddr(host)
	switch {
	case err == nil && a.refuses(ip):
		return &AddressError{Address: ip.String()}
	case err == nil:
		return nil
	case slices.Contains(metadataNames, host), strings.HasSuffix(host, ".localhost"), numeric(host):
		return &AddressError{Address: host}
	}
	return nil
}

// numeric says that a host is an address in a form of inet_aton: 2130706433, 0x7f.1, 127.1.
func numeric(host string) bool {
	last := host[strings.LastIndex(host, ".")+1:]
	return last != "" && (strings.Trim(last, "0123456789") == "" || strings.HasPrefix(last, "0x"))
}

// throughProxy marks the context of a request whose connection is made to the operator's own proxy.
type throughProxy struct{}

// checked is a proxy function whose targets are checked by name, since the proxy is what dials them.
func (a *Addresses) checked(proxy func(*http.Request) (*url.URL, error)) func(*http.Request) (*url.URL, error) {
	return func(r *http.Request) (*url.URL, error) {
		to, err := proxy(r)
		if err != nil || to == nil {
			return to, err
		}
		return to, a.Target(r.URL.Hostname())
	}
}

// dial connects to what may be dialled, and to the operator's own proxy wherever that is.
func (a *Addresses) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if ctx.Value(throughProxy{}) != nil {
		return (*Addresses)(nil).Dialer().DialContext(ctx, network, address)
	}
	return a.Dialer().DialContext(ctx, network, address)
}

// mark tells dial whether a request goes through the operator's own proxy.
func mark(r *http.Request, proxy func(*http.Request) (*url.URL, error)) *http.Request {
	if to, err := proxy(r); err != nil || to == nil {
		return r
	}
	return r.WithContext(context.WithValue(r.Context(), throughProxy{}, true))
}

// refused finds an address that must not be dialled in an error, whatever is around it.
func refused(err error) error {
	var address *AddressError
	if errors.As(err, &address) {
		return address
	}
	return nil
}

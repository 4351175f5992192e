package gateway

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listener "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	hcm "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	tcpproxy "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/tcp_proxy/v3"
)

// inlet is a listener: an address and what to do with a connection that arrives there.
type inlet struct {
	name, address string
	bind          bool
	chains        []*chain // most specific first
}

// chain is what is done with a connection: HTTP by a table of routes, or bytes to a cluster.
type chain struct {
	networks  []netip.Prefix // destination; none: any
	sniffed   bool           // only for connections that open with HTTP
	http      bool
	routes    string // name of the table
	inline    *routeTable
	cluster   string // TCP
	unusable  bool   // needs TLS to be chosen or served
	lastInRow bool   // the listener's default
}

// harmless are HTTP filters that change nothing about where a request goes or whether it may. Any other
// would be an instruction silently not followed, so a listener with one is refused.
var harmless = []string{
	"envoy.filters.http.router", "envoy.filters.http.cors", "envoy.filters.http.fault", "envoy.filters.http.grpc_stats",
	"envoy.filters.http.grpc_web", "istio.alpn", "istio.stats", "istio.metadata_exchange", "envoy.filters.http.peer_metadata",
	"waypoint_downstream_peer_metadata", "envoy.filters.http.set_filter_state",
}

func compileListener(l *listener.Listener, mode Mode) (*inlet, error) {
	address, err := socketAddress(l.GetAddress())
	if err != nil {
		return nil, err
	}
	bind := l.GetBindToPort() == nil || l.GetBindToPort().GetValue()
	in := &inlet{name: l.GetName(), address: address, bind: bind && mode == Ingress}
	if mode == Mesh && (l.GetTrafficDirection() == core.TrafficDirection_INBOUND || l.GetUseOriginalDst().GetValue()) {
		return in, nil // a sidecar's own doors: nobody comes through them here
	}
	chains := l.GetFilterChains()
	if fallback := l.GetDefaultFilterChain(); fallback != nil {
		chains = append(slices.Clone(chains), fallback)
	}
	for _, fc := range chains {
		c, err := compileChain(fc)
		if err != nil {
			return nil, fmt.Errorf("filter chain %q: %w", fc.GetName(), err)
		}
		if c.unusable && mode == Ingress {
			return nil, fmt.Errorf("filter chain %q needs TLS, which is not supported", fc.GetName())
		}
		c.lastInRow = fc == l.GetDefaultFilterChain()
		in.chains = append(in.chains, c)
	}
	slices.SortStableFunc(in.chains, func(a, b *chain) int { return b.rank() - a.rank() })
	return in, nil
}

// rank orders chains as a connection is to try them.
func (c *chain) rank() int {
	rank := 0
	if !c.lastInRow {
		rank = 1
	}
	if len(c.networks) > 0 {
		rank += 4
	}
	if c.sniffed {
		rank += 2
	}
	return rank
}

func compileChain(fc *listener.FilterChain) (*chain, error) {
	match := fc.GetFilterChainMatch()
	c := &chain{
		sniffed:  len(match.GetApplicationProtocols()) > 0,
		unusable: match.GetTransportProtocol() == "tls" || len(match.GetServerNames()) > 0 || fc.GetTransportSocket() != nil,
	}
	for _, r := range match.GetPrefixRanges() {
		prefix, err := netip.ParsePrefix(fmt.Sprintf("%s/%d", r.GetAddressPrefix(), r.GetPrefixLen().GetValue()))
		if err != nil {
			return nil, fmt.Errorf("range %q: %w", r.GetAddressPrefix(), err)
		}
		c.networks = append(c.networks, prefix)
	}
	for _, f := range fc.GetFilters() {
		if err := c.use(f); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// use takes the filter that ends a chain; those before it only observe.
func (c *chain) use(f *listener.Filter) error {
	config := f.GetTypedConfig()
	switch {
	case config.MessageIs((*hcm.HttpConnectionManager)(nil)):
		manager := &hcm.HttpConnectionManager{}
		if err := config.UnmarshalTo(manager); err != nil {
			return fmt.Errorf("reading the HTTP filter: %w", err)
		}
		return c.useHTTP(manager)
	case config.MessageIs((*tcpproxy.TcpProxy)(nil)):
		proxy := &tcpproxy.TcpProxy{}
		if err := config.UnmarshalTo(proxy); err != nil {
			return fmt.Errorf("reading the TCP filter: %w", err)
		}
		if c.cluster = proxy.GetCluster(); c.cluster == "" {
			return errors.New("dividing connections is not supported")
		}
	}
	return nil
}

func (c *chain) useHTTP(manager *hcm.HttpConnectionManager) (err error) {
	c.http = true
	for _, f := range manager.GetHttpFilters() {
		if !slices.Contains(harmless, f.GetName()) && !strings.HasPrefix(f.GetName(), "istio.stats") {
			return fmt.Errorf("HTTP filter %q is not supported", f.GetName())
		}
	}
	if inline := manager.GetRouteConfig(); inline != nil {
		c.inline, err = compileTable(inline)
		return err
	}
	c.routes = manager.GetRds().GetRouteConfigName()
	if c.routes == "" {
		return fmt.Errorf("routes neither inline nor named")
	}
	return nil
}

// tables names the route tables that the listener takes from istiod.
func (l *inlet) tables() []string {
	var out []string
	for _, c := range l.chains {
		if c.routes != "" {
			out = append(out, c.routes)
		}
	}
	return out
}

// sniffs says whether the first bytes of a connection decide what is done with it.
func (l *inlet) sniffs() bool {
	return slices.ContainsFunc(l.chains, func(c *chain) bool { return c.sniffed })
}

// chain finds what to do with a connection to destination; nil: nothing here is meant for it.
func (l *inlet) chain(destination string, opensWithHTTP bool) *chain {
	to, err := netip.ParseAddrPort(destination)
	for _, c := range l.chains {
		inside := func(p netip.Prefix) bool { return err == nil && p.Contains(to.Addr()) }
		if c.unusable || (c.sniffed && !opensWithHTTP) || (len(c.networks) > 0 && !slices.ContainsFunc(c.networks, inside)) {
			continue
		}
		return c
	}
	return nil
}

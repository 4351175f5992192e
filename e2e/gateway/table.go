package gateway

import (
	"fmt"
	"net"
	"sort"
	"strings"

	route "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
)

// routeTable is a RouteConfiguration: virtual hosts by domain.
type routeTable struct {
	name       string
	exact      map[string]*virtualHost
	suffixes   []wildcard // *.example.com, longest first
	prefixes   []wildcard // example.*, longest first
	any        *virtualHost
	ignorePort bool
	request    headerOps
	response   headerOps
}

type wildcard struct {
	part string
	host *virtualHost
}

// virtualHost is what a group of domains has in common: routes, tried in order.
type virtualHost struct {
	name              string
	routes            []*rule
	tlsOnly           bool
	request, response headerOps
	domains           []string
}

func compileTable(c *route.RouteConfiguration) (*routeTable, error) {
	t := &routeTable{name: c.GetName(), exact: map[string]*virtualHost{}, ignorePort: c.GetIgnorePortInHostMatching()}
	var err error
	if t.request, err = compileHeaderOps(c.GetRequestHeadersToAdd(), c.GetRequestHeadersToRemove()); err != nil {
		return nil, err
	}
	if t.response, err = compileHeaderOps(c.GetResponseHeadersToAdd(), c.GetResponseHeadersToRemove()); err != nil {
		return nil, err
	}
	for _, vh := range c.GetVirtualHosts() {
		host, err := compileVirtualHost(vh)
		if err != nil {
			return nil, fmt.Errorf("virtual host %q: %w", vh.GetName(), err)
		}
		for _, domain := range vh.GetDomains() {
			if err := t.add(strings.ToLower(domain), host); err != nil {
				return nil, err
			}
		}
	}
	longestFirst(t.suffixes)
	longestFirst(t.prefixes)
	return t, nil
}

func longestFirst(w []wildcard) {
	sort.SliceStable(w, func(i, j int) bool { return len(w[i].part) > len(w[j].part) })
}

func (t *routeTable) add(domain string, host *virtualHost) error {
	switch {
	case domain == "*":
		t.any = host
	case strings.HasPrefix(domain, "*"):
		t.suffixes = append(t.suffixes, wildcard{domain[1:], host})
	case strings.HasSuffix(domain, "*"):
		t.prefixes = append(t.prefixes, wildcard{domain[:len(domain)-1], host})
	case t.exact[domain] != nil:
		return fmt.Errorf("domain %q is claimed twice", domain)
	default:
		t.exact[domain] = host
	}
	return nil
}

// host finds the virtual host for a Host header: the exact name before the longest wildcard before "*".
func (t *routeTable) host(authority string) *virtualHost {
	authority = strings.ToLower(authority)
	if t.ignorePort {
		authority = withoutPort(authority)
	}
	if vh, ok := t.exact[authority]; ok {
		return vh
	}
	for _, w := range t.suffixes {
		if len(authority) > len(w.part) && strings.HasSuffix(authority, w.part) {
			return w.host
		}
	}
	for _, w := range t.prefixes {
		if len(authority) > len(w.part) && strings.HasPrefix(authority, w.part) {
			return w.host
		}
	}
	return t.any
}

func withoutPort(authority string) string {
	if host, _, err := net.SplitHostPort(authority); err == nil {
		return host
	}
	return authority
}

func compileVirtualHost(vh *route.VirtualHost) (*virtualHost, error) {
	out := &virtualHost{name: vh.GetName(), domains: vh.GetDomains(), tlsOnly: vh.GetRequireTls() != route.VirtualHost_NONE}
	var err error
	if out.request, err = compileHeaderOps(vh.GetRequestHeadersToAdd(), vh.GetRequestHeadersToRemove()); err != nil {
		return nil, err
	}
	if out.response, err = compileHeaderOps(vh.GetResponseHeadersToAdd(), vh.GetResponseHeadersToRemove()); err != nil {
		return nil, err
	}
	for _, r := range vh.GetRoutes() {
		compiled, err := compileRule(r, vh)
		if err != nil {
			return nil, fmt.Errorf("route %q: %w", r.GetName(), err)
		}
		out.routes = append(out.routes, compiled)
	}
	return out, nil
}

// rule finds the first route that matches.
func (v *virtualHost) rule(q *query) *rule {
	for _, r := range v.routes {
		if r.match.matches(q) {
			return r
		}
	}
	return nil
}

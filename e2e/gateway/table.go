package gateway

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	route "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
)

// routeTable is a RouteConfiguration: virtual hosts by domain.
type routeTable struct {
	name       string
	exact      map[string]*virtualHost
	suffixes   []wildcard // *.example.com, longest first
	any        *virtualHost
	ignorePort bool
}

type wildcard struct {
	part string
	host *virtualHost
}

// virtualHost is what a group of domains has in common: routes, tried in order.
type virtualHost struct {
	name    string
	routes  []*rule
	domains []string
}

func compileTable(c *route.RouteConfiguration) (*routeTable, error) {
	t := &routeTable{name: c.GetName(), exact: map[string]*virtualHost{}, ignorePort: c.GetIgnorePortInHostMatching()}
	if changesHeaders(c) {
		return nil, errors.New("changing headers of all hosts is not supported")
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
	slices.SortStableFunc(t.suffixes, func(a, b wildcard) int { return len(b.part) - len(a.part) })
	return t, nil
}

// changesHeaders says whether what several routes have in common changes headers.
func changesHeaders(c interface {
	GetRequestHeadersToAdd() []*core.HeaderValueOption
	GetRequestHeadersToRemove() []string
	GetResponseHeadersToAdd() []*core.HeaderValueOption
	GetResponseHeadersToRemove() []string
}) bool {
	return len(c.GetRequestHeadersToAdd())+len(c.GetRequestHeadersToRemove())+len(c.GetResponseHeadersToAdd())+len(c.GetResponseHeadersToRemove()) > 0
}

func (t *routeTable) add(domain string, host *virtualHost) error {
	switch {
	case domain == "*":
		t.any = host
	case strings.HasPrefix(domain, "*"):
		t.suffixes = append(t.suffixes, wildcard{domain[1:], host})
	case strings.HasSuffix(domain, "*"):
		return fmt.Errorf("domain %q is not supported", domain)
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
	return t.any
}

func withoutPort(authority string) string {
	if host, _, err := net.SplitHostPort(authority); err == nil {
		return host
	}
	return authority
}

func compileVirtualHost(vh *route.VirtualHost) (*virtualHost, error) {
	if vh.GetRequireTls() != route.VirtualHost_NONE {
		return nil, errors.New("a redirect to TLS is not supported")
	}
	if changesHeaders(vh) {
		return nil, errors.New("changing headers of all routes is not supported")
	}
	out := &virtualHost{name: vh.GetName(), domains: vh.GetDomains()}
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

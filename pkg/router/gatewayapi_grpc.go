package router

import (
	"maps"
	"slices"
	"strings"

	gateway "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// grpcSpec is the spec of a GRPCRoute, a rule to a line.
func grpcSpec(c *v1beta1.Canary, lines []line) (any, error) {
	s, first := c.Spec.Service, problem{}
	// Without the field a call would go on as if it had never been asked for.
	err := refuse("cannot be said in a GRPCRoute; leave it out, or spec.service.appProtocol", []asked{
		{"spec.service.timeout", s.Timeout != ""},
		{"spec.service.backendTimeout", s.BackendTimeout != ""},
		{"spec.service.rewrite", s.Rewrite != nil},
		{"spec.service.corsPolicy", s.CorsPolicy != nil},
		{"spec.analysis.sessionAffinity", affinity(c) != nil},
	})
	if err != nil {
		return nil, err
	}
	filters := grpcFilters(&first, s)
	// Matches that take part only later in a rollout are looked at now.
	judge(&first, c, func(first *problem, field string, m v1beta1.HTTPMatchRequest) { grpcMatch(first, field, m) })
	if first.err != nil {
		return nil, first.err
	}
	spec := &gateway.GRPCRouteSpec{CommonRouteSpec: parents(c), Hostnames: hostnames(c)}
	for _, l := range lines {
		spec.Rules = append(spec.Rules, grpcRule(c, l, filters))
	}
	return spec, nil
}

// grpcRule names no match where every call is meant: GRPCRoute has no path that would stand for all.
func grpcRule(c *v1beta1.Canary, l line, filters []gateway.GRPCRouteFilter) gateway.GRPCRouteRule {
	// grpcSpec has judged every match by itself, so that nothing can be found here.
	var sound problem
	rule := gateway.GRPCRouteRule{Filters: filters, BackendRefs: []gateway.GRPCBackendRef{
		{BackendRef: backend(c, c.PrimaryName(), 100-l.weight)},
		{BackendRef: backend(c, c.CanaryName(), l.weight)},
	}}
	for _, m := range l.match {
		rule.Matches = append(rule.Matches, grpcMatch(&sound, "match", m))
	}
	if l.mirror > 0 {
		// Clipped, since the filters are shared by all rules.
		rule.Filters = append(slices.Clip(filters), grpcMirror(mirrorTo(c, l.mirror)))
	}
	return rule
}

// grpcFilters are those of an HTTPRoute that gRPC has a use for, under types of their own.
func grpcFilters(first *problem, s v1beta1.CanaryService) []gateway.GRPCRouteFilter {
	var filters []gateway.GRPCRouteFilter
	request, response := modifiers(s.Headers)
	if request != nil {
		filters = append(filters, gateway.GRPCRouteFilter{Type: gateway.GRPCRouteFilterRequestHeaderModifier, RequestHeaderModifier: request})
	}
	if response != nil {
		filters = append(filters, gateway.GRPCRouteFilter{Type: gateway.GRPCRouteFilterResponseHeaderModifier, ResponseHeaderModifier: response})
	}
	for _, m := range mirrors(first, s) {
		filters = append(filters, grpcMirror(m))
	}
	return filters
}

// grpcMirror copies calls, those of a stream included.
func grpcMirror(m *gateway.HTTPRequestMirrorFilter) gateway.GRPCRouteFilter {
	return gateway.GRPCRouteFilter{Type: gateway.GRPCRouteFilterRequestMirror, RequestMirror: m}
}

// grpcMatch is a match in the words of a GRPCRoute, which knows methods by name: `/shop.Cart/Add`.
func grpcMatch(first *problem, field string, m v1beta1.HTTPMatchRequest) gateway.GRPCRouteMatch {
	onlyHTTP(first, field, m)
	if len(m.QueryParams) > 0 {
		first.note(field+".queryParams", "is nothing that gRPC has; compare headers")
	}
	if m.Method != nil {
		first.note(field+".method", "is POST for gRPC; compare the path of a method in uri")
	}
	g := gateway.GRPCRouteMatch{Method: grpcMethod(first, field+".uri", m.URI)}
	for _, name := range slices.Sorted(maps.Keys(m.Headers)) {
		kind, value := comparison(m.Headers[name])
		k := gateway.GRPCHeaderMatchType(kind)
		g.Headers = append(g.Headers, gateway.GRPCHeaderMatch{Type: &k, Name: gateway.GRPCHeaderName(name), Value: value})
	}
	return g
}

// grpcMethod reads a path: one that is compared exactly is a method, the beginning of one is a service.
func grpcMethod(first *problem, field string, s *v1beta1.StringMatch) *gateway.GRPCMethodMatch {
	if s == nil || present(s) || s.Prefix != nil && *s.Prefix == "/" {
		return nil
	}
	var path string
	switch {
	case s.Exact != nil:
		path = *s.Exact
	// Only up to a slash: a shorter one would fit other services as well, whose names merely begin so.
	case s.Prefix != nil && strings.HasSuffix(*s.Prefix, "/"):
		path = *s.Prefix
	}
	// Anything else would be a comparison that the route takes for another one, and then route other calls.
	// Service and method are compared apart from each other, by the two parts of the path.
	parts := strings.Split(path, "/")
	if len(parts) != 3 || parts[0] != "" || parts[1] == "" || s.Exact != nil && parts[2] == "" {
		first.note(field, "is neither the path of a method, as {exact: /shop.Cart/Add}, nor of a service, as {prefix: /shop.Cart/}")
		return nil
	}
	kind := gateway.GRPCMethodMatchExact
	return &gateway.GRPCMethodMatch{Type: &kind, Service: &parts[1], Method: given[string](parts[2])}
}

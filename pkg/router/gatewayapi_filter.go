package router

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	gateway "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// httpFilters are what every rule does to its requests.
func httpFilters(first *problem, s v1beta1.CanaryService) []gateway.HTTPRouteFilter {
	var filters []gateway.HTTPRouteFilter
	request, response := modifiers(s.Headers)
	if request != nil {
		filters = append(filters, gateway.HTTPRouteFilter{Type: gateway.HTTPRouteFilterRequestHeaderModifier, RequestHeaderModifier: request})
	}
	if response != nil {
		filters = append(filters, gateway.HTTPRouteFilter{Type: gateway.HTTPRouteFilterResponseHeaderModifier, ResponseHeaderModifier: response})
	}
	if r := rewriteTo(s.Rewrite); r != nil {
		filters = append(filters, gateway.HTTPRouteFilter{Type: gateway.HTTPRouteFilterURLRewrite, URLRewrite: r})
	}
	if s.CorsPolicy != nil {
		filters = append(filters, gateway.HTTPRouteFilter{Type: gateway.HTTPRouteFilterCORS, CORS: corsTo(first, *s.CorsPolicy)})
	}
	for _, m := range mirrors(first, s) {
		filters = append(filters, httpMirror(m))
	}
	return filters
}

// httpMirror is one of several: unlike other filters, copies may be asked for more than once in a rule.
func httpMirror(m *gateway.HTTPRequestMirrorFilter) gateway.HTTPRouteFilter {
	return gateway.HTTPRouteFilter{Type: gateway.HTTPRouteFilterRequestMirror, RequestMirror: m}
}

// mirrorTo copies requests to the canary. All of them is what a filter without a share does, and what versions of the
// Gateway API can say that have no share yet.
func mirrorTo(c *v1beta1.Canary, percent int) *gateway.HTTPRequestMirrorFilter {
	m := &gateway.HTTPRequestMirrorFilter{BackendRef: backend(c, c.CanaryName(), 0).BackendObjectReference}
	if percent < 100 {
		share := int32(percent)
		m.Percent = &share
	}
	return m
}

// mirrors are those of spec.service, which have the Gateway API's own form.
func mirrors(first *problem, s v1beta1.CanaryService) []*gateway.HTTPRequestMirrorFilter {
	var all []*gateway.HTTPRequestMirrorFilter
	for i, m := range s.Mirror {
		raw, err := json.Marshal(m)
		to := &gateway.HTTPRequestMirrorFilter{}
		if err == nil {
			err = json.Unmarshal(raw, to)
		}
		if err != nil {
			first.note(fmt.Sprintf("mirror[%d]", i), err.Error())
		}
		all = append(all, to)
	}
	return all
}

// modifiers are what is done to headers on the way there and back. One that does nothing is left out, since the Gateway
// API refuses an empty filter.
func modifiers(h *v1beta1.Headers) (request, response *gateway.HTTPHeaderFilter) {
	if h == nil {
		return nil, nil
	}
	return modifier(h.Request), modifier(h.Response)
}

// modifier sorts by name, since the same spec has to give the same bytes.
func modifier(o *v1beta1.HeaderOperations) *gateway.HTTPHeaderFilter {
	if o == nil || len(o.Set)+len(o.Add)+len(o.Remove) == 0 {
		return nil
	}
	sorted := func(headers map[string]string) []gateway.HTTPHeader {
		var l []gateway.HTTPHeader
		for _, name := range slices.Sorted(maps.Keys(headers)) {
			l = append(l, gateway.HTTPHeader{Name: gateway.HTTPHeaderName(name), Value: headers[name]})
		}
		return l
	}
	return &gateway.HTTPHeaderFilter{Set: sorted(o.Set), Add: sorted(o.Add), Remove: o.Remove}
}

// replacesPrefix says that a rewrite depends on what a match fitted.
func replacesPrefix(s v1beta1.CanaryService) bool {
	return s.Rewrite != nil && s.Rewrite.URI != "" && s.Rewrite.Type == string(gateway.PrefixMatchHTTPPathModifier)
}

// rewriteTo replaces the whole path unless the prefix is asked for by its name, as the API of Canaries has it.
func rewriteTo(r *v1beta1.HTTPRewrite) *gateway.HTTPURLRewriteFilter {
	if r == nil || r.URI == "" && r.Authority == "" {
		return nil
	}
	f := &gateway.HTTPURLRewriteFilter{Hostname: given[gateway.PreciseHostname](r.Authority)}
	switch {
	case r.URI == "":
	case r.Type == string(gateway.PrefixMatchHTTPPathModifier):
		f.Path = &gateway.HTTPPathModifier{Type: gateway.PrefixMatchHTTPPathModifier, ReplacePrefixMatch: &r.URI}
	// What people mean by a rewrite of the path is the whole of it, unless they say otherwise.
	default:
		f.Path = &gateway.HTTPPathModifier{Type: gateway.FullPathHTTPPathModifier, ReplaceFullPath: &r.URI}
	}
	return f
}

// corsTo takes origins that are spelled out, of which a `*` in a host is one.
func corsTo(first *problem, p v1beta1.CorsPolicy) *gateway.HTTPCORSFilter {
	f := &gateway.HTTPCORSFilter{AllowCredentials: p.AllowCredentials}
	for i, o := range p.AllowOrigins {
		if o.Exact == nil {
			first.note(fmt.Sprintf("corsPolicy.allowOrigins[%d]", i), "is compared exactly only by the Gateway API, where https://*.example.com stands for all hosts of a domain")
			continue
		}
		f.AllowOrigins = append(f.AllowOrigins, gateway.CORSOrigin(*o.Exact))
	}
	// The plain ones come first, as they do in the spec.
	f.AllowOrigins = append(texts[gateway.CORSOrigin](p.AllowOrigin), f.AllowOrigins...)
	f.AllowMethods = texts[gateway.HTTPMethodWithWildcard](p.AllowMethods)
	f.AllowHeaders = texts[gateway.HTTPHeaderName](p.AllowHeaders)
	f.ExposeHeaders = texts[gateway.HTTPHeaderName](p.ExposeHeaders)
	if p.MaxAge != "" {
		f.MaxAge = int32(lasting(first, "corsPolicy.maxAge", p.MaxAge) / time.Second)
	}
	return f
}

// texts gives texts the type that the Gateway API has for them.
func texts[T ~string](from []string) []T {
	var to []T
	for _, t := range from {
		to = append(to, T(t))
	}
	return to
}

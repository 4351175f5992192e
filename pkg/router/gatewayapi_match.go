package router

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	gateway "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// most is how many matches a rule may have.
// The schemas of both kinds of route have it.
const most = 64

// judge looks at every match as it was written: what a line combines would be told by a path that nobody knows.
func judge(first *problem, c *v1beta1.Canary, look func(first *problem, field string, m v1beta1.HTTPMatchRequest)) {
	// Lines are combinations of the lists: their lengths multiply, which is what counts against a rule's limit.
	own := c.Spec.Service.Match
	list := func(field string, match []v1beta1.HTTPMatchRequest, times int) {
		for i, m := range match {
			look(first, fmt.Sprintf("%s[%d]", field, i), m)
		}
		if n := len(match) * times; n > most {
			first.note(field, fmt.Sprintf("makes %d matches, with those of spec.service.match, where a rule takes %d", n, most))
		}
	}
	list("match", own, 1)
	if a := c.Spec.Analysis; a != nil {
		first.scope = "spec.analysis."
		list("match", a.Match, max(len(own), 1))
		for _, p := range previews(a) {
			list(p.field, p.match, max(len(own), 1))
		}
	}
}

// httpMatch is a match in the words of an HTTPRoute. The path is always there, since a filter may need to know it.
func httpMatch(first *problem, field string, m v1beta1.HTTPMatchRequest) gateway.HTTPRouteMatch {
	onlyHTTP(first, field, m)
	h := gateway.HTTPRouteMatch{Path: path(m.URI)}
	// Sorted by name: a map has no order, and the same spec has to give the same bytes.
	for _, name := range slices.Sorted(maps.Keys(m.Headers)) {
		kind, value := comparison(m.Headers[name])
		k := gateway.HeaderMatchType(kind)
		h.Headers = append(h.Headers, gateway.HTTPHeaderMatch{Type: &k, Name: gateway.HTTPHeaderName(name), Value: value})
	}
	for _, name := range slices.Sorted(maps.Keys(m.QueryParams)) {
		kind, value := comparison(m.QueryParams[name])
		k := gateway.QueryParamMatchType(kind)
		h.QueryParams = append(h.QueryParams, gateway.HTTPQueryParamMatch{Type: &k, Name: gateway.HTTPHeaderName(name), Value: value})
	}
	if m.Method != nil {
		// The API has an enumeration there: a beginning or an expression has no words in it.
		if m.Method.Exact == nil {
			first.note(field+".method", "is compared exactly only by the Gateway API")
			return h
		}
		h.Method = given[gateway.HTTPMethod](*m.Method.Exact)
	}
	return h
}

// onlyHTTP refuses what neither kind of route can ask for.
func onlyHTTP(first *problem, field string, m v1beta1.HTTPMatchRequest) {
	err := refuse("", []asked{
		{"name", m.Name != ""},
		{"scheme", m.Scheme != nil},
		{"authority", m.Authority != nil},
		{"withoutHeaders", len(m.WithoutHeaders) > 0},
		{"ignoreUriCase", m.IgnoreURICase},
		{"port", m.Port != 0},
		{"sourceLabels", len(m.SourceLabels) > 0},
		{"sourceNamespace", m.SourceNamespace != ""},
		{"gateways", len(m.Gateways) > 0},
		{"statPrefix", m.StatPrefix != ""},
	})
	if err != nil {
		first.note(field+"."+strings.TrimSuffix(err.Error(), ": "), "cannot be asked for in the Gateway API; leave it out, or use the provider istio")
	}
}

// path has no word for an end, which becomes an expression. How gateways rank and read expressions is their own
// affair; the anchors make it the same for those that look for them anywhere.
func path(s *v1beta1.StringMatch) *gateway.HTTPPathMatch {
	kind, value := gateway.PathMatchPathPrefix, "/"
	switch {
	case s == nil || present(s):
	case s.Exact != nil:
		kind, value = gateway.PathMatchExact, *s.Exact
	case s.Prefix != nil:
		value = *s.Prefix
	default:
		kind, value = gateway.PathMatchRegularExpression, pattern(*s)
	}
	return &gateway.HTTPPathMatch{Type: &kind, Value: &value}
}

// comparison is a comparison of a header or a parameter, of which the Gateway API has two.
func comparison(s v1beta1.StringMatch) (kind, value string) {
	if s.Exact != nil {
		return string(gateway.HeaderMatchExact), *s.Exact
	}
	return string(gateway.HeaderMatchRegularExpression), pattern(s)
}

// compact writes a duration in units of which none has more than five digits.
// Go's own form has fractions, as 1.5s, which the Gateway API does not read.
func compact(d time.Duration) string {
	var text strings.Builder
	for _, unit := range []struct {
		size time.Duration
		name string
	}{{time.Hour, "h"}, {time.Minute, "m"}, {time.Second, "s"}, {time.Millisecond, "ms"}} {
		if n := d / unit.size; n > 0 {
			fmt.Fprintf(&text, "%d%s", n, unit.name)
		}
		d %= unit.size
	}
	return cmp.Or(text.String(), "0s")
}

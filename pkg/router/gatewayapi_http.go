package router

import (
	"fmt"
	"slices"
	"time"

	gateway "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// httpSpec is the spec of an HTTPRoute, a rule to a line.
func httpSpec(c *v1beta1.Canary, lines []line) (any, error) {
	s, first := c.Spec.Service, problem{}
	common := gateway.HTTPRouteRule{Filters: httpFilters(&first, s), Timeouts: timeouts(&first, s)}
	// All matches of the spec, also those that no line has at this weight.
	judge(&first, c, func(first *problem, field string, m v1beta1.HTTPMatchRequest) { httpMatch(first, field, m) })
	if first.err != nil {
		return nil, first.err
	}
	spec := &gateway.HTTPRouteSpec{CommonRouteSpec: parents(c), Hostnames: hostnames(c)}
	for _, l := range lines {
		rule := common // its filters are shared by all rules, so they are never appended to in place
		rule.BackendRefs = []gateway.HTTPBackendRef{
			httpBackend(c, c.PrimaryName(), 100-l.weight, l.primaryCookie),
			httpBackend(c, c.CanaryName(), l.weight, l.canaryCookie),
		}
		if l.mirror > 0 {
			rule.Filters = append(slices.Clip(rule.Filters), httpMirror(mirrorTo(c, l.mirror)))
		}
		spec.Rules = append(spec.Rules, httpRules(rule, l, replacesPrefix(s))...)
	}
	return spec, nil
}

// httpRules gives each match a rule of its own where a part of the path is replaced: which part that is depends on the
// match, so that a rule with that filter may have one only.
// The API's own validation asks for that.
func httpRules(rule gateway.HTTPRouteRule, l line, apart bool) []gateway.HTTPRouteRule {
	var sound problem // what lines are made of has been looked at
	var all []gateway.HTTPRouteMatch
	for _, m := range spelled(l.match) {
		all = append(all, httpMatch(&sound, "match", m))
	}
	if !apart {
		rule.Matches = all
		return []gateway.HTTPRouteRule{rule}
	}
	var rules []gateway.HTTPRouteRule
	for _, m := range all {
		rule.Matches = []gateway.HTTPRouteMatch{m}
		rules = append(rules, rule)
	}
	return rules
}

// httpBackend is one side with the cookie that its own answers, and not the other side's, set.
// The header is added and not set: the app's own cookies stay.
func httpBackend(c *v1beta1.Canary, name string, weight int, cookie string) gateway.HTTPBackendRef {
	b := gateway.HTTPBackendRef{BackendRef: backend(c, name, weight)}
	if cookie != "" {
		set := []gateway.HTTPHeader{{Name: "Set-Cookie", Value: cookie}}
		b.Filters = []gateway.HTTPRouteFilter{{
			Type:                   gateway.HTTPRouteFilterResponseHeaderModifier,
			ResponseHeaderModifier: &gateway.HTTPHeaderFilter{Add: set},
		}}
	}
	return b
}

// backend is one side's Service. Its weight is written at zero, too: people shall see that it was chosen.
// Left out, it would be one, by the Gateway API's default.
func backend(c *v1beta1.Canary, name string, weight int) gateway.BackendRef {
	share, port := int32(weight), c.Spec.Service.Port
	return gateway.BackendRef{
		BackendObjectReference: gateway.BackendObjectReference{Name: gateway.ObjectName(name), Port: &port},
		Weight:                 &share,
	}
}

// timeouts is left out as a whole where neither is given: an empty one would be a field of ours for nothing.
func timeouts(first *problem, s v1beta1.CanaryService) *gateway.HTTPRouteTimeouts {
	t := gateway.HTTPRouteTimeouts{
		Request:        span(first, "timeout", s.Timeout),
		BackendRequest: span(first, "backendTimeout", s.BackendTimeout),
	}
	if t == (gateway.HTTPRouteTimeouts{}) {
		return nil
	}
	return &t
}

// span is a duration as the Gateway API writes it, in whole milliseconds.
// Of each unit it takes five digits at most (GEP-2257), which limits hours to 99999.
func span(first *problem, field, text string) *gateway.Duration {
	if text == "" {
		return nil
	}
	d := lasting(first, field, text)
	if d < 0 || d%time.Millisecond != 0 || d >= 100000*time.Hour {
		first.note(field, fmt.Sprintf("%q is not a number of whole milliseconds that the Gateway API can say", text))
		return nil
	}
	return given[gateway.Duration](compact(d))
}

package router

import (
	"fmt"
	"regexp"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	networking "istio.io/api/networking/v1alpha3"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
)

// routeOf renders all of a route but its destinations, and says which list of a VirtualService it
// belongs to.
func routeOf(s v1beta1.CanaryService) (kind string, route map[string]any, err error) {
	if tcp(s) {
		route, err = tcpRoute(s)
		return "tcp", route, err
	}
	route, err = httpRoute(s)
	return "http", route, err
}

func httpRoute(s v1beta1.CanaryService) (map[string]any, error) {
	var first problem
	route := &networking.HTTPRoute{
		Match:      matches[networking.HTTPMatchRequest](&first, s.Match),
		Rewrite:    message[networking.HTTPRewrite](&first, "rewrite", rewrite(s.Rewrite)),
		Timeout:    timeout(&first, s.Timeout),
		Retries:    message[networking.HTTPRetry](&first, "retries", s.Retries),
		Headers:    message[networking.Headers](&first, "headers", s.Headers),
		CorsPolicy: message[networking.CorsPolicy](&first, "corsPolicy", cors(s.CorsPolicy)),
	}
	if first.err != nil {
		return nil, first.err
	}
	return fields(route)
}

// tcpRoute has the part of a match that can be told before a connection says anything. A match by path
// or header is refused: without it the route would take more than was meant.
func tcpRoute(s v1beta1.CanaryService) (map[string]any, error) {
	var first problem
	route := &networking.TCPRoute{Match: matches[networking.L4MatchAttributes](&first, s.Match)}
	if first.err != nil {
		return nil, first.err
	}
	return fields(route)
}

func matches[T any](first *problem, from []v1beta1.HTTPMatchRequest) []*T {
	var to []*T
	for i, m := range from {
		to = append(to, message[T](first, fmt.Sprintf("match[%d]", i), suffixes(m)))
	}
	return to
}

func timeout(first *problem, text string) *durationpb.Duration {
	if text == "" {
		return nil
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		first.note("timeout", fmt.Sprintf("%q is not a duration such as 15s", text))
	}
	return durationpb.New(d)
}

// rewrite leaves out the type, which speaks to the Gateway API: Istio replaces what the match fitted.
func rewrite(r *v1beta1.HTTPRewrite) *v1beta1.HTTPRewrite {
	if r == nil {
		return nil
	}
	r = r.DeepCopy()
	r.Type = ""
	return r
}

// cors spells plain origins as comparisons: Istio's resources no longer have the plain form.
func cors(p *v1beta1.CorsPolicy) *v1beta1.CorsPolicy {
	if p == nil {
		return nil
	}
	p = p.DeepCopy()
	for _, origin := range p.AllowOrigin {
		match := v1beta1.StringMatch{Exact: &origin}
		if origin == "*" {
			any := ".*"
			match = v1beta1.StringMatch{Regex: &any}
		}
		p.AllowOrigins = append(p.AllowOrigins, match)
	}
	p.AllowOrigin = nil
	for i := range p.AllowOrigins {
		expand(&p.AllowOrigins[i])
	}
	return p
}

// suffixes spells comparisons with the end of a text in a way that Istio knows.
func suffixes(m v1beta1.HTTPMatchRequest) v1beta1.HTTPMatchRequest {
	m = *m.DeepCopy()
	for _, s := range []*v1beta1.StringMatch{m.URI, m.Scheme, m.Method, m.Authority} {
		expand(s)
	}
	for _, named := range []map[string]v1beta1.StringMatch{m.Headers, m.WithoutHeaders, m.QueryParams} {
		for name, s := range named {
			expand(&s)
			named[name] = s
		}
	}
	return m
}

func expand(s *v1beta1.StringMatch) {
	if s == nil || s.Suffix == nil {
		return
	}
	ending := ".*" + regexp.QuoteMeta(*s.Suffix)
	s.Regex, s.Suffix = &ending, nil
}

// problem is the first thing wrong with a spec.
type problem struct{ err error }

func (p *problem) note(field, what string) {
	if p.err == nil {
		p.err = &rollout.InvalidError{Field: "spec.service." + field, Problem: what}
	}
}

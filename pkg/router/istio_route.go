package router

import (
	"fmt"
	"regexp"
	"time"

	"google.golang.org/protobuf/proto"
	networking "istio.io/api/networking/v1alpha3"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
)

// routeOf renders all of a route but its destinations, and says which list of a VirtualService it
// belongs to.
func routeOf(s v1beta1.CanaryService) (kind string, route map[string]any, err error) {
	var first problem
	kind, route = "http", map[string]any{}
	if tcp(s) {
		// What a connection shows before it speaks. A match by path or header is refused as unknown:
		// without it the route would take more than was meant.
		kind = "tcp"
		set(route, "match", matches[networking.L4MatchAttributes](&first, s.Match))
		return kind, route, first.err
	}
	set(route, "match", matches[networking.HTTPMatchRequest](&first, s.Match))
	set(route, "rewrite", verbatim[networking.HTTPRewrite](&first, "rewrite", rewrite(s.Rewrite)))
	set(route, "timeout", timeout(&first, s.Timeout))
	set(route, "retries", verbatim[networking.HTTPRetry](&first, "retries", s.Retries))
	set(route, "headers", verbatim[networking.Headers](&first, "headers", s.Headers))
	set(route, "corsPolicy", verbatim[networking.CorsPolicy](&first, "corsPolicy", cors(s.CorsPolicy)))
	return kind, route, first.err
}

// matches keeps the order: Istio takes a request that fits any of them, and logs name the first.
func matches[T any, M interface {
	*T
	proto.Message
}](first *problem, from []v1beta1.HTTPMatchRequest) any {
	if len(from) == 0 {
		return nil
	}
	to := make([]any, len(from))
	for i, m := range from {
		to[i] = verbatim[T, M](first, fmt.Sprintf("match[%d]", i), suffixes(m))
	}
	return to
}

// timeout is checked here, since Istio has no message of its own for it.
func timeout(first *problem, text string) any {
	if text == "" {
		return nil
	}
	if _, err := time.ParseDuration(text); err != nil {
		first.note("timeout", fmt.Sprintf("%q is not a duration such as 15s", text))
	}
	return text
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

// cors spells plain origins as comparisons: where a policy has both, Istio passes over the plain ones.
func cors(p *v1beta1.CorsPolicy) *v1beta1.CorsPolicy {
	if p == nil {
		return nil
	}
	p = p.DeepCopy()
	for _, origin := range p.AllowOrigin {
		p.AllowOrigins = append(p.AllowOrigins, v1beta1.StringMatch{Exact: &origin})
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

// expand quotes the ending: to a regular expression the dot of `.example.com` is any character.
func expand(s *v1beta1.StringMatch) {
	if s == nil || s.Suffix == nil {
		return
	}
	ending := ".*" + regexp.QuoteMeta(*s.Suffix)
	s.Regex, s.Suffix = &ending, nil
}

// problem is the first thing wrong with a spec.
type problem struct{ err error }

// note keeps the first problem, so that a spec with several always shows the same one.
func (p *problem) note(field, what string) {
	if p.err == nil {
		p.err = &rollout.InvalidError{Field: "spec.service." + field, Problem: what}
	}
}

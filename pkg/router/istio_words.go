package router

import (
	"regexp"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// The API of Canaries is that of several providers at once. What they write differently is translated here; copies are
// changed and never the spec, which is the cache's.

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
// Its StringMatch has exact, prefix and regex; the API of Canaries has suffix, too.
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

package router

import "github.com/sluice-cd/sluice/pkg/apis/v1beta1"

// line is one line of a table of routes, for any provider that tells requests apart. The first line that a request
// fits decides about it.
type line struct {
	match  []v1beta1.HTTPMatchRequest // a request fits one that fits any of these; none: every one does
	weight int                        // percent of the requests that the canary answers
	mirror int                        // percent of the requests that the canary gets a copy of
	// Set-Cookie headers on what the sides answer; empty: none.
	primaryCookie, canaryCookie string
}

// table is what traffic calls for, line by line; the last one is for everybody. The whole spec is looked at, so that
// what cannot be done is said when a Canary is applied and not in the middle of a rollout.
//
//	previewed   those who fit previewMatch, to the canary
//	cookies     those who bring a cookie, to the side that set it
//	divided     the rest of those who take part, by weight
//	everybody   where analysis.match says who takes part: all others, to the primary
func table(in Input) ([]line, error) {
	a := in.Canary.Spec.Analysis
	if a == nil {
		a = &v1beta1.CanaryAnalysis{}
	}
	everybody := in.Canary.Spec.Service.Match
	for _, p := range previews(a) {
		if _, _, err := narrow("spec.analysis."+p.field, p.match, everybody); err != nil {
			return nil, err
		}
	}
	// Both are narrowed whatever the phase, so that a clash is told at once.
	users, tested, err := narrow("spec.analysis.match", a.Match, everybody)
	if err != nil {
		return nil, err
	}
	split := [][]v1beta1.HTTPMatchRequest{everybody}
	// In an A/B test all who fit go one way, and no cookie decides.
	if a.Iterations == 0 && tested {
		split = append(split, users)
	}
	if err := soundAffinity(in.Canary, split...); err != nil {
		return nil, err
	}
	var lines []line
	// First: insiders asked to meet the canary, whatever cookie or chance would say.
	if list := previewed(a, in.Traffic); len(list) > 0 {
		insiders, some, err := narrow("spec.analysis.previewMatch", list, everybody)
		if err != nil {
			return nil, err
		}
		if some {
			lines = append(lines, line{match: insiders, weight: 100})
		}
	}
	if !in.Traffic.Matched {
		return divided(lines, in, everybody)
	}
	// A match that is empty, or that no request can fit, is nobody's: then all requests are the primary's.
	if len(a.Match) > 0 && tested {
		if lines, err = divided(lines, in, users); err != nil {
			return nil, err
		}
	}
	return forgetting(lines, in, line{match: everybody}), nil
}

// divided adds the line of those whom the weight divides, after those of users who have been divided already.
// Cookies decide only where chance would: at 0 and at 100 one side may be stopped, or broken, and gets nobody.
func divided(lines []line, in Input, match []v1beta1.HTTPMatchRequest) ([]line, error) {
	t := in.Traffic
	l := line{match: match, weight: t.Weight, mirror: t.Mirror}
	l.primaryCookie, l.canaryCookie = cookies(in)
	for _, met := range []struct {
		cookie string
		weight int
	}{{t.Cookies.Canary, 100}, {t.Cookies.Primary, 0}} {
		if met.cookie == "" || t.Weight == 0 || t.Weight == 100 {
			continue
		}
		who, some, err := sticky(met.cookie, match)
		if err != nil {
			return nil, err
		}
		if some {
			lines = append(lines, line{match: who, weight: met.weight})
		}
	}
	return forgetting(lines, in, l), nil
}

// forgetting adds a line, and before it one that goes the same way and has browsers forget the cookie of the rollout
// before. A side that sets its own cookie needs not: that has the same name and replaces the old one, which a second
// header would take away again. Nor is it asked of those who are told apart by the cookie header: the old cookie
// matches nothing any more, so that it may stay until it ends by itself.
func forgetting(lines []line, in Input, l line) []line {
	a, old := affinity(in.Canary), in.Traffic.Cookies.Expired
	if a == nil || old == "" {
		return append(lines, l)
	}
	who, some, err := sticky(old, l.match)
	if err != nil || !some {
		return append(lines, l)
	}
	f := l
	f.match = who
	if f.canaryCookie == "" {
		f.canaryCookie = setCookie(a, old, -1)
	}
	// The primary answers them from now on.
	f.primaryCookie = setCookie(a, old, -1)
	return append(lines, f, l)
}

package router

import (
	"reflect"
	"slices"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// ranked makes a table safe for a reader that prefers the more specific match to the first one, as the Gateway API
// asks gateways to: the longer path, then a method, then the more headers, then the more parameters. Only among
// equals the first rule counts.
//
// Where a later line's match would win over an earlier line's, the earlier line also gets what both ask for: that is
// as specific, and comes first. So an insider who is known by a parameter is still one when a cookie, a header, is on
// the request too. What cannot be said in one match is left to the later line; the lines of a table ask for the same
// header only to find another cookie of one name in it, of which a request has just one.
//
// https://gateway-api.sigs.k8s.io/reference/spec/ has the order, under HTTPRouteRule.
func ranked(lines []line) []line {
	out := slices.Clone(lines)
	// From the end, so that each line is compared with later ones that are complete already.
	for i := len(out) - 2; i >= 0; i-- {
		mine := spelled(out[i].match)
		out[i].match = mine
		for _, later := range out[i+1:] {
			// Whichever of the two takes a request, it goes the same way: nothing has to be said.
			if sameWay(out[i], later) {
				continue
			}
			out[i].match = append(slices.Clip(out[i].match), overtaken(mine, spelled(later.match))...)
		}
		out[i].match = distinct(out[i].match)
	}
	return out
}

func sameWay(a, b line) bool { a.match, b.match = nil, nil; return reflect.DeepEqual(a, b) }

// overtaken is what two lines have in common where the later one's match is the more specific.
func overtaken(earlier, later []v1beta1.HTTPMatchRequest) []v1beta1.HTTPMatchRequest {
	var common []v1beta1.HTTPMatchRequest
	for _, m := range earlier {
		for _, n := range later {
			if slices.Compare(rank(n), rank(m)) <= 0 {
				continue
			}
			if both, j := join(m, n); j == (junction{}) {
				common = append(common, both)
			}
		}
	}
	return common
}

// rank is how specific a match is, the most important part first. Expressions come last among paths, as far as the
// Gateway API says anything about them.
func rank(m v1beta1.HTTPMatchRequest) []int {
	exact, prefix, method := 0, 0, 0
	switch {
	case m.URI == nil:
	case m.URI.Exact != nil:
		exact = len(*m.URI.Exact)
	case m.URI.Prefix != nil:
		prefix = len(*m.URI.Prefix)
	}
	if m.Method != nil {
		method = 1
	}
	return []int{exact, prefix, method, len(m.Headers), len(m.QueryParams)}
}

// spelled says out that every request fits.
func spelled(match []v1beta1.HTTPMatchRequest) []v1beta1.HTTPMatchRequest {
	if len(match) == 0 {
		return []v1beta1.HTTPMatchRequest{{}}
	}
	return match
}

func distinct(match []v1beta1.HTTPMatchRequest) []v1beta1.HTTPMatchRequest {
	var once []v1beta1.HTTPMatchRequest
	for _, m := range match {
		same := func(o v1beta1.HTTPMatchRequest) bool { return reflect.DeepEqual(m, o) }
		if !slices.ContainsFunc(once, same) {
			once = append(once, m)
		}
	}
	return once
}

package router

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
)

// Why two lists at all: spec.service.match says which requests are this service's, analysis.match which of those meet
// the canary. Proxies take one list, so the two are multiplied out.

// narrow is what fits both of two lists, each of which asks for any of its entries: every combination of the
// two. An empty list asks for nothing. Combinations that no request can fit are left out, so that none may be
// left, and some is false. One that cannot be said in a single match is an error about the field of the first.
func narrow(field string, first, second []v1beta1.HTTPMatchRequest) (both []v1beta1.HTTPMatchRequest, some bool, err error) {
	// An empty list is no condition, which is not the same as a list that nothing can fit.
	if len(first) == 0 || len(second) == 0 {
		return slices.Concat(first, second), true, nil
	}
	// In the order of the first: logs and people tell matches by their place.
	for i, a := range first {
		for k, b := range second {
			m, j := join(a, b)
			if j.clash != "" {
				return nil, false, &rollout.InvalidError{
					Field: fmt.Sprintf("%s[%d].%s", field, i, j.clash),
					Problem: fmt.Sprintf("cannot be asked for together with spec.service.match[%d].%s: "+
						"no single comparison says both; leave it out in one of the two, or compare exactly", k, j.clash),
				}
			}
			// No path is `/a` and `/b` at once: such a match would only count against a rule's limit.
			if !j.never {
				both = append(both, m)
			}
		}
	}
	return both, len(both) > 0, nil
}

// junction is what two matches that are joined make impossible.
type junction struct {
	never bool   // no request fits both
	clash string // the first field whose two comparisons cannot be said as one
}

// join asks for all that two matches ask for. Headers are one whichever case they are written in.
// Every field of a match is named here: one that was left out would be a condition less, and let more requests through.
func join(a, b v1beta1.HTTPMatchRequest) (v1beta1.HTTPMatchRequest, junction) {
	j := &junction{}
	uri, ignoreCase := j.path(a, b)
	m := v1beta1.HTTPMatchRequest{
		Name:            cmp.Or(a.Name, b.Name),
		URI:             uri,
		Scheme:          j.text("scheme", a.Scheme, b.Scheme),
		Method:          j.text("method", a.Method, b.Method),
		Authority:       j.text("authority", a.Authority, b.Authority),
		Headers:         j.texts("headers", lower(a.Headers), lower(b.Headers)),
		WithoutHeaders:  j.without(lower(a.WithoutHeaders), lower(b.WithoutHeaders)),
		QueryParams:     j.texts("queryParams", a.QueryParams, b.QueryParams),
		IgnoreURICase:   ignoreCase,
		Port:            either(j, a.Port, b.Port),
		SourceLabels:    j.labels(a.SourceLabels, b.SourceLabels),
		SourceNamespace: either(j, a.SourceNamespace, b.SourceNamespace),
		Gateways:        j.gateways(a.Gateways, b.Gateways),
		StatPrefix:      cmp.Or(a.StatPrefix, b.StatPrefix),
	}
	return m, *j
}

// either is the one value that is given; of two that differ no request has both.
func either[T comparable](j *junction, a, b T) T {
	var none T
	j.never = j.never || a != none && b != none && a != b
	return cmp.Or(a, b)
}

// path leaves case out of consideration only where that was asked for, and then knows just what is the same.
func (j *junction) path(a, b v1beta1.HTTPMatchRequest) (*v1beta1.StringMatch, bool) {
	switch {
	case a.URI == nil:
		return b.URI, b.IgnoreURICase
	case b.URI == nil:
		return a.URI, a.IgnoreURICase
	case a.IgnoreURICase != b.IgnoreURICase || a.IgnoreURICase && !alike(a.URI, b.URI):
		j.clashes("uri")
	}
	return j.text("uri", a.URI, b.URI), a.IgnoreURICase
}

// texts joins comparisons by name, in the order of names: of several clashes it is always the same one that is told.
func (j *junction) texts(field string, a, b map[string]v1beta1.StringMatch) map[string]v1beta1.StringMatch {
	all := maps.Clone(b)
	if all == nil {
		return a
	}
	for _, name := range slices.Sorted(maps.Keys(a)) {
		mine := a[name]
		if theirs, ok := all[name]; ok {
			mine = *j.text(field+"."+name, &mine, &theirs)
		}
		all[name] = mine
	}
	return all
}

// without joins what must not be: two comparisons of one header are two refusals, of which one match says one.
func (j *junction) without(a, b map[string]v1beta1.StringMatch) map[string]v1beta1.StringMatch {
	all := maps.Clone(b)
	if all == nil {
		return a
	}
	for _, name := range slices.Sorted(maps.Keys(a)) {
		mine := a[name]
		if theirs, ok := all[name]; ok && !alike(&mine, &theirs) {
			j.clashes("withoutHeaders." + name)
		}
		all[name] = mine
	}
	return all
}

// clashes keeps the first field, so that a spec with several always shows the same one.
func (j *junction) clashes(field string) { j.clash = cmp.Or(j.clash, field) }

// lower spells names as proxies compare them. Of two spellings of one header the last by name remains.
// HTTP/2 has no others, and Istio asks for them.
func lower(headers map[string]v1beta1.StringMatch) map[string]v1beta1.StringMatch {
	if headers == nil {
		return nil
	}
	l := make(map[string]v1beta1.StringMatch, len(headers))
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		l[strings.ToLower(name)] = headers[name]
	}
	return l
}

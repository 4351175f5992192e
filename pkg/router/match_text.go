package router

import (
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// text is one comparison that asks for what both do. Nil asks for nothing, and an empty one only that there is a text.
// What no single comparison says, as a beginning and an end at once, is a clash and never an approximation: that would
// send requests to a side that was not meant to have them.
func (j *junction) text(field string, a, b *v1beta1.StringMatch) *v1beta1.StringMatch {
	switch {
	case a == nil, b != nil && present(a):
		return b
	case b == nil, present(b), alike(a, b):
		return a
	case a.Exact != nil:
		return j.exact(field, a, b)
	case b.Exact != nil:
		return j.exact(field, b, a)
	case a.Prefix != nil && b.Prefix != nil:
		return j.longer(a, b, strings.HasPrefix(*a.Prefix, *b.Prefix), strings.HasPrefix(*b.Prefix, *a.Prefix))
	case a.Suffix != nil && b.Suffix != nil:
		return j.longer(a, b, strings.HasSuffix(*a.Suffix, *b.Suffix), strings.HasSuffix(*b.Suffix, *a.Suffix))
	}
	j.clashes(field)
	return a
}

// exact needs no second comparison: either the text fits that one, or none does.
// An expression that cannot be read here may be fine with the proxy, so it is a clash and not taken for no match.
func (j *junction) exact(field string, a, b *v1beta1.StringMatch) *v1beta1.StringMatch {
	fits, err := fits(*a.Exact, b)
	if err != nil {
		j.clashes(field)
	}
	j.never = j.never || !fits
	return a
}

// longer is the one of two beginnings or ends that has the other one in it.
func (j *junction) longer(a, b *v1beta1.StringMatch, aHasB, bHasA bool) *v1beta1.StringMatch {
	if aHasB {
		return a
	}
	j.never = j.never || !bHasA
	return b
}

// fits says whether a text passes a comparison. Expressions are RE2's, and fit the whole text.
func fits(text string, s *v1beta1.StringMatch) (bool, error) {
	switch {
	case s.Exact != nil:
		return text == *s.Exact, nil
	case s.Prefix != nil:
		return strings.HasPrefix(text, *s.Prefix), nil
	case s.Suffix != nil:
		return strings.HasSuffix(text, *s.Suffix), nil
	case s.Regex != nil:
		return regexp.MatchString("^(?:"+*s.Regex+")$", text)
	}
	return true, nil
}

// present says that a comparison asks only that there is a text.
func present(s *v1beta1.StringMatch) bool { return *s == v1beta1.StringMatch{} }

func alike(a, b *v1beta1.StringMatch) bool { return reflect.DeepEqual(a, b) }

// pattern is a comparison as a regular expression, for providers that have no other. The anchors are for those
// that look for it anywhere in the text.
func pattern(s v1beta1.StringMatch) string {
	switch {
	case s.Exact != nil:
		return "^" + regexp.QuoteMeta(*s.Exact) + "$"
	case s.Prefix != nil:
		return "^" + regexp.QuoteMeta(*s.Prefix) + ".*$"
	case s.Suffix != nil:
		return "^.*" + regexp.QuoteMeta(*s.Suffix) + "$"
	case s.Regex != nil:
		return *s.Regex
	}
	return ".*"
}

// labels are a caller's, of which each has one value.
func (j *junction) labels(a, b map[string]string) map[string]string {
	// A clone, since matches are the spec's, and that is the cache's.
	all := maps.Clone(b)
	if all == nil {
		return a
	}
	for name, value := range a {
		if theirs, ok := all[name]; ok && theirs != value {
			j.never = true
		}
		all[name] = value
	}
	return all
}

// gateways are those that a request may come through, so that more of them ask for less.
func (j *junction) gateways(a, b []string) []string {
	if len(a) == 0 || len(b) == 0 {
		return slices.Concat(a, b)
	}
	common := slices.DeleteFunc(slices.Clone(a), func(g string) bool { return !slices.Contains(b, g) })
	j.never = j.never || len(common) == 0
	return common
}

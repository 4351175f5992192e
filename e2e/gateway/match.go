package gateway

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	route "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	matcher "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
)

// query is what of a request routes are chosen by.
type query struct {
	method, authority, path, rawQuery string // the path as it was sent, still escaped
	header                            http.Header
	random                            func() float64
}

func queryOf(r *http.Request, random func() float64) *query {
	return &query{method: r.Method, authority: r.Host, path: r.URL.EscapedPath(), rawQuery: r.URL.RawQuery, header: r.Header, random: random}
}

// value returns a header the way matchers see it: several lines as one, pseudo headers included.
func (q *query) value(name string) (string, bool) {
	switch name {
	case ":method":
		return q.method, true
	case ":authority", "host":
		return q.authority, true
	case ":scheme":
		return "http", true
	case ":path":
		if q.rawQuery != "" {
			return q.path + "?" + q.rawQuery, true
		}
		return q.path, true
	}
	values := q.header.Values(name)
	separator := ","
	if name == "cookie" {
		separator = "; "
	}
	return strings.Join(values, separator), len(values) > 0
}

// ruleMatch is the condition of a route; every part of it must hold.
type ruleMatch struct {
	path    textMatch
	shape   string // how the path is compared, and what a rewrite of its prefix replaces
	prefix  string
	headers []headerMatch
	params  []paramMatch
	chance  *float64
	grpc    bool
}

func compileMatch(m *route.RouteMatch) (ruleMatch, error) {
	if m == nil {
		return ruleMatch{}, fmt.Errorf("no match")
	}
	out := ruleMatch{grpc: m.GetGrpc() != nil}
	if err := out.compilePath(m); err != nil {
		return ruleMatch{}, err
	}
	for _, h := range m.GetHeaders() {
		compiled, err := compileHeaderMatch(h)
		if err != nil {
			return ruleMatch{}, fmt.Errorf("header %q: %w", h.GetName(), err)
		}
		out.headers = append(out.headers, compiled)
	}
	for _, p := range m.GetQueryParameters() {
		compiled, err := compileParamMatch(p)
		if err != nil {
			return ruleMatch{}, fmt.Errorf("query parameter %q: %w", p.GetName(), err)
		}
		out.params = append(out.params, compiled)
	}
	if f := m.GetRuntimeFraction(); f != nil {
		chance := fraction(f.GetDefaultValue())
		out.chance = &chance
	}
	return out, nil
}

func (m *ruleMatch) compilePath(r *route.RouteMatch) (err error) {
	fold := r.GetCaseSensitive() != nil && !r.GetCaseSensitive().GetValue()
	switch p := r.GetPathSpecifier().(type) {
	case *route.RouteMatch_Prefix:
		m.shape, m.prefix, m.path = "prefix", p.Prefix, startsWith(p.Prefix, fold)
	case *route.RouteMatch_Path:
		m.shape, m.prefix, m.path = "path", p.Path, equals(p.Path, fold)
	case *route.RouteMatch_PathSeparatedPrefix:
		below, same := startsWith(p.PathSeparatedPrefix+"/", fold), equals(p.PathSeparatedPrefix, fold)
		m.shape, m.prefix = "separated prefix", p.PathSeparatedPrefix
		m.path = func(s string) bool { return below(s) || same(s) }
	case *route.RouteMatch_SafeRegex:
		m.shape, m.prefix = "regex", p.SafeRegex.GetRegex()
		m.path, err = fullMatch(p.SafeRegex)
	default:
		err = fmt.Errorf("path match %T is not supported", p)
	}
	return err
}

func (m *ruleMatch) matches(q *query) bool {
	if !m.path(q.path) || (m.grpc && !isGRPC(q.header)) {
		return false
	}
	for _, h := range m.headers {
		if !h(q) {
			return false
		}
	}
	if len(m.params) > 0 {
		values, _ := url.ParseQuery(q.rawQuery) // what can't be parsed isn't there to match
		for _, p := range m.params {
			if !p(values) {
				return false
			}
		}
	}
	return m.chance == nil || q.random() < *m.chance
}

func isGRPC(h http.Header) bool {
	return strings.HasPrefix(h.Get("Content-Type"), "application/grpc")
}

// textMatch, headerMatch and paramMatch answer whether a part of the request is as wanted.
type (
	textMatch   func(string) bool
	headerMatch func(*query) bool
	paramMatch  func(url.Values) bool
)

func equals(want string, fold bool) textMatch {
	if fold {
		return func(s string) bool { return strings.EqualFold(s, want) }
	}
	return func(s string) bool { return s == want }
}

func startsWith(want string, fold bool) textMatch {
	return folded(strings.HasPrefix, want, fold)
}

func folded(compare func(s, part string) bool, want string, fold bool) textMatch {
	if fold {
		want = strings.ToLower(want)
		return func(s string) bool { return compare(strings.ToLower(s), want) }
	}
	return func(s string) bool { return compare(s, want) }
}

// fullMatch compiles a pattern that must cover the whole text, as Envoy's must.
func fullMatch(m *matcher.RegexMatcher) (textMatch, error) {
	re, err := regexp.Compile(`^(?:` + m.GetRegex() + `)$`)
	if err != nil {
		return nil, fmt.Errorf("pattern %q: %w", m.GetRegex(), err)
	}
	return re.MatchString, nil
}

func compileText(m *matcher.StringMatcher) (textMatch, error) {
	fold := m.GetIgnoreCase()
	switch p := m.GetMatchPattern().(type) {
	case *matcher.StringMatcher_Exact:
		return equals(p.Exact, fold), nil
	case *matcher.StringMatcher_Prefix:
		return startsWith(p.Prefix, fold), nil
	case *matcher.StringMatcher_Suffix:
		return folded(strings.HasSuffix, p.Suffix, fold), nil
	case *matcher.StringMatcher_Contains:
		return folded(strings.Contains, p.Contains, fold), nil
	case *matcher.StringMatcher_SafeRegex:
		return fullMatch(p.SafeRegex)
	default:
		return nil, fmt.Errorf("text match %T is not supported", p)
	}
}

// compileHeaderMatch covers the older single-purpose forms too, which istiod still uses in places.
func compileHeaderMatch(m *route.HeaderMatcher) (headerMatch, error) {
	name := strings.ToLower(m.GetName())
	want, err := headerText(m)
	if err != nil {
		return nil, err
	}
	present, byPresence := m.GetHeaderMatchSpecifier().(*route.HeaderMatcher_PresentMatch)
	byPresence = byPresence || m.GetHeaderMatchSpecifier() == nil
	wanted := present == nil || present.PresentMatch
	return func(q *query) bool {
		value, there := q.value(name)
		if byPresence {
			return (there == wanted) != m.GetInvertMatch()
		}
		if !there && !m.GetTreatMissingHeaderAsEmpty() {
			return false // an absent header meets no condition, not even an inverted one
		}
		return want(value) != m.GetInvertMatch()
	}, nil
}

func headerText(m *route.HeaderMatcher) (textMatch, error) {
	switch p := m.GetHeaderMatchSpecifier().(type) {
	case nil, *route.HeaderMatcher_PresentMatch:
		return nil, nil
	case *route.HeaderMatcher_StringMatch:
		return compileText(p.StringMatch)
	case *route.HeaderMatcher_ExactMatch:
		return equals(p.ExactMatch, false), nil
	case *route.HeaderMatcher_PrefixMatch:
		return startsWith(p.PrefixMatch, false), nil
	case *route.HeaderMatcher_SuffixMatch:
		return folded(strings.HasSuffix, p.SuffixMatch, false), nil
	case *route.HeaderMatcher_ContainsMatch:
		return folded(strings.Contains, p.ContainsMatch, false), nil
	case *route.HeaderMatcher_SafeRegexMatch:
		return fullMatch(p.SafeRegexMatch)
	case *route.HeaderMatcher_RangeMatch:
		return within(p.RangeMatch), nil
	default:
		return nil, fmt.Errorf("match %T is not supported", p)
	}
}

func within(r *typev3.Int64Range) textMatch {
	return func(s string) bool {
		n, err := strconv.ParseInt(s, 10, 64)
		return err == nil && n >= r.GetStart() && n < r.GetEnd()
	}
}

func compileParamMatch(m *route.QueryParameterMatcher) (paramMatch, error) {
	name := m.GetName()
	if m.GetStringMatch() == nil {
		return func(v url.Values) bool { return v.Has(name) }, nil
	}
	want, err := compileText(m.GetStringMatch())
	if err != nil {
		return nil, err
	}
	return func(v url.Values) bool { return v.Has(name) && want(v.Get(name)) }, nil
}

// fraction turns a numerator and its denominator into a share of one.
func fraction(f *typev3.FractionalPercent) float64 {
	per := map[typev3.FractionalPercent_DenominatorType]float64{
		typev3.FractionalPercent_HUNDRED: 100, typev3.FractionalPercent_TEN_THOUSAND: 1e4, typev3.FractionalPercent_MILLION: 1e6,
	}
	return float64(f.GetNumerator()) / per[f.GetDenominator()]
}

// share reads a fraction that istiod may leave out, which means always.
func share(f *core.RuntimeFractionalPercent) float64 {
	if f == nil {
		return 1
	}
	return fraction(f.GetDefaultValue())
}

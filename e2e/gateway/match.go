package gateway

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
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
}

func queryOf(r *http.Request) *query {
	return &query{method: r.Method, authority: r.Host, path: r.URL.EscapedPath(), rawQuery: r.URL.RawQuery, header: r.Header}
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
	shape   string // how the path is compared, for people
	prefix  string
	headers []headerMatch
}

func compileMatch(m *route.RouteMatch) (ruleMatch, error) {
	if m == nil {
		return ruleMatch{}, fmt.Errorf("no match")
	}
	if len(m.GetQueryParameters()) > 0 || m.GetRuntimeFraction() != nil || m.GetGrpc() != nil {
		return ruleMatch{}, errors.New("matching anything but paths and headers is not supported")
	}
	out := ruleMatch{}
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
	return out, nil
}

func (m *ruleMatch) compilePath(r *route.RouteMatch) (err error) {
	if r.GetCaseSensitive() != nil && !r.GetCaseSensitive().GetValue() {
		return errors.New("a path whose case does not matter is not supported")
	}
	switch p := r.GetPathSpecifier().(type) {
	case *route.RouteMatch_Prefix:
		m.shape, m.prefix, m.path = "prefix", p.Prefix, startsWith(p.Prefix)
	case *route.RouteMatch_Path:
		m.shape, m.prefix, m.path = "path", p.Path, equals(p.Path)
	case *route.RouteMatch_PathSeparatedPrefix:
		below, same := startsWith(p.PathSeparatedPrefix+"/"), equals(p.PathSeparatedPrefix)
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
	if !m.path(q.path) {
		return false
	}
	for _, h := range m.headers {
		if !h(q) {
			return false
		}
	}
	return true
}

func isGRPC(h http.Header) bool {
	return strings.HasPrefix(h.Get("Content-Type"), "application/grpc")
}

// textMatch and headerMatch answer whether a part of the request is as wanted.
type (
	textMatch   func(string) bool
	headerMatch func(*query) bool
)

func equals(want string) textMatch { return func(s string) bool { return s == want } }

func startsWith(want string) textMatch {
	return func(s string) bool { return strings.HasPrefix(s, want) }
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
	if m.GetIgnoreCase() {
		return nil, errors.New("a text whose case does not matter is not supported")
	}
	switch p := m.GetMatchPattern().(type) {
	case *matcher.StringMatcher_Exact:
		return equals(p.Exact), nil
	case *matcher.StringMatcher_Prefix:
		return startsWith(p.Prefix), nil
	case *matcher.StringMatcher_SafeRegex:
		return fullMatch(p.SafeRegex)
	default:
		return nil, fmt.Errorf("text match %T is not supported", p)
	}
}

func compileHeaderMatch(m *route.HeaderMatcher) (headerMatch, error) {
	name := strings.ToLower(m.GetName())
	if present, ok := m.GetHeaderMatchSpecifier().(*route.HeaderMatcher_PresentMatch); ok {
		wanted := present.PresentMatch != m.GetInvertMatch()
		return func(q *query) bool { _, there := q.value(name); return there == wanted }, nil
	}
	exact, ok := m.GetHeaderMatchSpecifier().(*route.HeaderMatcher_StringMatch)
	if !ok {
		return nil, fmt.Errorf("match %T is not supported", m.GetHeaderMatchSpecifier())
	}
	want, err := compileText(exact.StringMatch)
	if err != nil {
		return nil, err
	}
	return func(q *query) bool {
		value, there := q.value(name)
		if !there && !m.GetTreatMissingHeaderAsEmpty() {
			return false // an absent header meets no condition, not even an inverted one
		}
		return want(value) != m.GetInvertMatch()
	}, nil
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

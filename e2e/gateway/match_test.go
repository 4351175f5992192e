package gateway

import (
	"net/http"
	"net/http/httptest"
	"testing"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	route "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	matcher "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

func regex(pattern string) *matcher.RegexMatcher { return &matcher.RegexMatcher{Regex: pattern} }

// text builds a matcher of each kind by its name.
func text(kind, value string) *matcher.StringMatcher {
	switch kind {
	case "exact":
		return &matcher.StringMatcher{MatchPattern: &matcher.StringMatcher_Exact{Exact: value}}
	case "prefix":
		return &matcher.StringMatcher{MatchPattern: &matcher.StringMatcher_Prefix{Prefix: value}}
	default:
		return &matcher.StringMatcher{MatchPattern: &matcher.StringMatcher_SafeRegex{SafeRegex: regex(value)}}
	}
}

func header(name string, m *matcher.StringMatcher) *route.HeaderMatcher {
	return &route.HeaderMatcher{Name: name, HeaderMatchSpecifier: &route.HeaderMatcher_StringMatch{StringMatch: m}}
}

func inverted(m *route.HeaderMatcher) *route.HeaderMatcher {
	m.InvertMatch = true
	return m
}

func TestPathMatch(t *testing.T) {
	cases := map[string]struct {
		reason string
		match  *route.RouteMatch
		yes    []string
		no     []string
	}{
		"Prefix":    {reason: "any path that begins so", match: prefixMatch("/api"), yes: []string{"/api", "/api/x", "/apiary", "/api?q=1"}, no: []string{"/", "/ap", "/v1/api"}},
		"Path":      {reason: "this path only; the query is not part of it", match: &route.RouteMatch{PathSpecifier: &route.RouteMatch_Path{Path: "/api"}}, yes: []string{"/api", "/api?q=1"}, no: []string{"/api/", "/api/x"}},
		"Separated": {reason: "whole segments", match: &route.RouteMatch{PathSpecifier: &route.RouteMatch_PathSeparatedPrefix{PathSeparatedPrefix: "/api"}}, yes: []string{"/api", "/api/x"}, no: []string{"/apiary"}},
		"Regex":     {reason: "the pattern covers the whole path", match: &route.RouteMatch{PathSpecifier: &route.RouteMatch_SafeRegex{SafeRegex: regex("/v[0-9]+/.*")}}, yes: []string{"/v1/x"}, no: []string{"/x/v1/x", "/v1"}},
		"Escaped":   {reason: "paths are compared as they were sent", match: prefixMatch("/a%2Fb"), yes: []string{"/a%2Fb/c"}, no: []string{"/a/b"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			m, err := compileMatch(tc.match)
			require.NoError(t, err)
			for _, path := range tc.yes {
				require.True(t, m.matches(queryOf(httptest.NewRequest(http.MethodGet, path, nil))), "%s: %s", tc.reason, path)
			}
			for _, path := range tc.no {
				require.False(t, m.matches(queryOf(httptest.NewRequest(http.MethodGet, path, nil))), "%s: %s", tc.reason, path)
			}
		})
	}
}

func TestHeaderMatch(t *testing.T) {
	insider := http.Header{"X-Canary": {"Insider"}}
	cases := map[string]struct {
		reason string
		match  *route.HeaderMatcher
		header http.Header
		want   bool
	}{
		"Exact":             {reason: "the very value", match: header("x-canary", text("exact", "Insider")), header: insider, want: true},
		"ExactOtherCase":    {reason: "case matters", match: header("x-canary", text("exact", "insider")), header: insider},
		"Prefix":            {reason: "the beginning", match: header("x-canary", text("prefix", "In")), header: insider, want: true},
		"Regex":             {reason: "the whole value", match: header("x-canary", text("regex", "In.*")), header: insider, want: true},
		"RegexPart":         {reason: "a part is not enough", match: header("x-canary", text("regex", "side")), header: insider},
		"Cookie":            {reason: "how A/B tests find their cookie", match: header("cookie", text("regex", `^(.*?;)?(canary=always)(;.*)?$`)), header: http.Header{"Cookie": {"a=1;canary=always;b=2"}}, want: true},
		"CookieLines":       {reason: "several lines are one", match: header("cookie", text("regex", `^(.*?; )?(canary=always)(;.*)?$`)), header: http.Header{"Cookie": {"a=1", "canary=always"}}, want: true},
		"CookieOther":       {reason: "another value", match: header("cookie", text("regex", `^(.*?;)?(canary=always)(;.*)?$`)), header: http.Header{"Cookie": {"canary=never"}}},
		"Missing":           {reason: "no header, no match", match: header("x-canary", text("exact", "Insider"))},
		"InvertedOther":     {reason: "any other value", match: inverted(header("x-canary", text("exact", "other"))), header: insider, want: true},
		"InvertedSame":      {reason: "but not this", match: inverted(header("x-canary", text("exact", "Insider"))), header: insider},
		"InvertedMissing":   {reason: "an absent header meets no condition", match: inverted(header("x-canary", text("exact", "Insider")))},
		"MissingAsEmpty":    {reason: "unless it counts as empty", match: &route.HeaderMatcher{Name: "x-canary", TreatMissingHeaderAsEmpty: true, InvertMatch: true, HeaderMatchSpecifier: &route.HeaderMatcher_StringMatch{StringMatch: text("exact", "Insider")}}, want: true},
		"Present":           {reason: "whatever its value", match: &route.HeaderMatcher{Name: "x-canary", HeaderMatchSpecifier: &route.HeaderMatcher_PresentMatch{PresentMatch: true}}, header: insider, want: true},
		"PresentInverted":   {reason: "without the header", match: inverted(&route.HeaderMatcher{Name: "x-canary", HeaderMatchSpecifier: &route.HeaderMatcher_PresentMatch{PresentMatch: true}}), want: true},
		"Absent":            {reason: "asked for absence", match: &route.HeaderMatcher{Name: "x-canary", HeaderMatchSpecifier: &route.HeaderMatcher_PresentMatch{}}, header: insider},
		"Method":            {reason: "the method is a header, too", match: header(":method", text("exact", "GET")), want: true},
		"Authority":         {reason: "so is the host", match: header(":authority", text("exact", "example.com")), want: true},
		"PathWithQuery":     {reason: "so is the path, query included", match: header(":path", text("exact", "/x?q=1")), want: true},
		"Scheme":            {reason: "so is the scheme", match: header(":scheme", text("exact", "http")), want: true},
		"SeveralLinesComma": {reason: "lines are joined", match: header("x-a", text("exact", "1,2")), header: http.Header{"X-A": {"1", "2"}}, want: true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			m, err := compileMatch(&route.RouteMatch{PathSpecifier: &route.RouteMatch_Prefix{Prefix: "/"}, Headers: []*route.HeaderMatcher{tc.match}})
			require.NoError(t, err)
			r := httptest.NewRequest(http.MethodGet, "http://example.com/x?q=1", nil)
			if tc.header != nil {
				r.Header = tc.header
			}
			require.Equal(t, tc.want, m.matches(queryOf(r)), tc.reason)
		})
	}
}

func TestMatchesThatAreRefused(t *testing.T) {
	cases := map[string]*route.RouteMatch{
		"Nothing":  nil,
		"NoPath":   {},
		"Connect":  {PathSpecifier: &route.RouteMatch_ConnectMatcher_{ConnectMatcher: &route.RouteMatch_ConnectMatcher{}}},
		"BadRegex": {PathSpecifier: &route.RouteMatch_SafeRegex{SafeRegex: regex("(")}},
		"BadText":  {PathSpecifier: &route.RouteMatch_Prefix{Prefix: "/"}, Headers: []*route.HeaderMatcher{header("x", &matcher.StringMatcher{})}},
		"Query":    {PathSpecifier: &route.RouteMatch_Prefix{Prefix: "/"}, QueryParameters: []*route.QueryParameterMatcher{{Name: "v"}}},
		"Chance":   {PathSpecifier: &route.RouteMatch_Prefix{Prefix: "/"}, RuntimeFraction: &core.RuntimeFractionalPercent{}},
		"GRPC":     {PathSpecifier: &route.RouteMatch_Prefix{Prefix: "/"}, Grpc: &route.RouteMatch_GrpcRouteMatchOptions{}},
		"PathCase": {PathSpecifier: &route.RouteMatch_Prefix{Prefix: "/"}, CaseSensitive: wrapperspb.Bool(false)},
		"TextCase": {PathSpecifier: &route.RouteMatch_Prefix{Prefix: "/"}, Headers: []*route.HeaderMatcher{header("x", &matcher.StringMatcher{
			IgnoreCase: true, MatchPattern: &matcher.StringMatcher_Exact{Exact: "v"},
		})}},
		"Range": {PathSpecifier: &route.RouteMatch_Prefix{Prefix: "/"}, Headers: []*route.HeaderMatcher{{
			Name: "x", HeaderMatchSpecifier: &route.HeaderMatcher_RangeMatch{RangeMatch: &typev3.Int64Range{End: 10}},
		}}},
	}
	for name, match := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := compileMatch(match)
			require.Error(t, err)
		})
	}
}

func TestVirtualHosts(t *testing.T) {
	host := func(name string, domains ...string) *route.VirtualHost {
		return &route.VirtualHost{Name: name, Domains: domains}
	}
	all := []*route.VirtualHost{
		host("exact", "podinfo-canary.test:9898", "podinfo-canary.test", "podinfo-canary"),
		host("suffix", "*.example.com"), host("longer suffix", "*.app.example.com"), host("any", "*"),
	}
	cases := map[string]struct {
		reason, authority, want string
		ignorePort              bool
	}{
		"Exact":        {reason: "the name itself", authority: "podinfo-canary.test", want: "exact"},
		"ExactPort":    {reason: "with its port", authority: "podinfo-canary.test:9898", want: "exact"},
		"Short":        {reason: "as pods of the namespace say it", authority: "podinfo-canary", want: "exact"},
		"Case":         {reason: "names have no case", authority: "Podinfo-Canary.Test", want: "exact"},
		"Suffix":       {reason: "a wildcard", authority: "www.example.com", want: "suffix"},
		"SuffixLonger": {reason: "the longest wildcard", authority: "x.app.example.com", want: "longer suffix"},
		"SuffixEmpty":  {reason: "a wildcard stands for something", authority: ".example.com", want: "any"},
		"Any":          {reason: "last of all", authority: "elsewhere.org", want: "any"},
		"OtherPort":    {reason: "another port is another name", authority: "podinfo-canary.test:80", want: "any"},
		"IgnoredPort":  {reason: "unless ports are ignored", authority: "podinfo-canary.test:80", ignorePort: true, want: "exact"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			table, err := compileTable(&route.RouteConfiguration{VirtualHosts: all, IgnorePortInHostMatching: tc.ignorePort})
			require.NoError(t, err)
			require.Equal(t, tc.want, table.host(tc.authority).name, tc.reason)
		})
	}
	_, err := compileTable(&route.RouteConfiguration{VirtualHosts: []*route.VirtualHost{host("a", "x"), host("b", "x")}})
	require.ErrorContains(t, err, `domain "x" is claimed twice`)
	_, err = compileTable(&route.RouteConfiguration{VirtualHosts: []*route.VirtualHost{host("a", "app.*")}})
	require.ErrorContains(t, err, `domain "app.*" is not supported`)
	table, err := compileTable(&route.RouteConfiguration{VirtualHosts: []*route.VirtualHost{host("a", "x")}})
	require.NoError(t, err)
	require.Nil(t, table.host("y"), "without a wildcard a host can be unknown")
}

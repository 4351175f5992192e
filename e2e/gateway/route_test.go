package gateway

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	route "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	corsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/cors/v3"
	matcher "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

func set(name, value string, action core.HeaderValueOption_HeaderAppendAction) *core.HeaderValueOption {
	return &core.HeaderValueOption{Header: &core.HeaderValue{Key: name, Value: value}, AppendAction: action}
}

// to is a route to one cluster, changed as the case needs.
func to(change func(*route.Route, *route.RouteAction)) *route.Route {
	action := &route.RouteAction{ClusterSpecifier: &route.RouteAction_Cluster{Cluster: outbound("a")}}
	r := &route.Route{Match: prefixMatch("/"), Action: &route.Route_Route{Route: action}}
	change(r, action)
	return r
}

// mirrorOfRequest answers with what the upstream was asked.
func mirrorOfRequest(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	w.Header().Set("X-Host", r.Host)
	w.Header().Set("X-Path", r.URL.RequestURI())
	w.Header().Set("X-Seen", strings.Join(r.Header.Values("X-Tag"), ","))
	w.Header().Set("X-Down", "from above")
	_, _ = w.Write(body)
}

// serveRoute runs a gateway with one route to a backend that tells what it was asked.
func serveRoute(t *testing.T, table *route.RouteConfiguration) string {
	t.Helper()
	address := freePort(t)
	i := startIstiod(t, clusterOf("a"), endpointsOf("a", backend(t, "a", mirrorOfRequest)), httpListener(address, door), table)
	startGateway(t, i)
	return "http://" + address
}

func TestRequestsOnTheirWay(t *testing.T) {
	const add, overwrite, absent, existing = core.HeaderValueOption_APPEND_IF_EXISTS_OR_ADD, core.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD, core.HeaderValueOption_ADD_IF_ABSENT, core.HeaderValueOption_OVERWRITE_IF_EXISTS
	headers := func(options ...*core.HeaderValueOption) *route.Route {
		return to(func(r *route.Route, _ *route.RouteAction) { r.RequestHeadersToAdd = options })
	}
	cases := map[string]struct {
		reason string
		route  *route.Route
		sent   string // value of X-Tag
		want   map[string]string
	}{
		"AsItIs":       {reason: "nothing asked, nothing changed", route: to(func(*route.Route, *route.RouteAction) {}), sent: "1", want: map[string]string{"X-Seen": "1", "X-Path": "/old/x?q=1", "X-Host": "app.example.com"}},
		"Append":       {reason: "one more value", route: headers(set("x-tag", "2", add)), sent: "1", want: map[string]string{"X-Seen": "1,2"}},
		"Overwrite":    {reason: "instead of what was there", route: headers(set("x-tag", "2", overwrite)), sent: "1", want: map[string]string{"X-Seen": "2"}},
		"IfAbsent":     {reason: "only where there is none", route: headers(set("x-tag", "2", absent)), sent: "1", want: map[string]string{"X-Seen": "1"}},
		"IfAbsentNone": {reason: "only where there is none", route: headers(set("x-tag", "2", absent)), want: map[string]string{"X-Seen": "2"}},
		"IfExists":     {reason: "only where there is one", route: headers(set("x-tag", "2", existing)), want: map[string]string{"X-Seen": ""}},
		"IfExistsOne":  {reason: "only where there is one", route: headers(set("x-tag", "2", existing)), sent: "1", want: map[string]string{"X-Seen": "2"}},
		"OldForm":      {reason: "append=false overwrites", route: headers(&core.HeaderValueOption{Header: &core.HeaderValue{Key: "x-tag", Value: "2"}, Append: wrapperspb.Bool(false)}), sent: "1", want: map[string]string{"X-Seen": "2"}},
		"Command":      {reason: "values can refer to the request", route: headers(set("x-tag", "%REQ(:path)% %REQ(X-NONE?x-tag)% %REQ(x-none)% 100%%", overwrite)), sent: "1", want: map[string]string{"X-Seen": "/old/x?q=1 1 - 100%"}},
		"Remove":       {reason: "not passed on", route: to(func(r *route.Route, _ *route.RouteAction) { r.RequestHeadersToRemove = []string{"x-tag"} }), sent: "1", want: map[string]string{"X-Seen": ""}},
		"Authority":    {reason: "the host is a header like any other", route: headers(set(":authority", "other", overwrite)), want: map[string]string{"X-Host": "other"}},
		"HostRewrite":  {reason: "the upstream's name", route: to(func(_ *route.Route, a *route.RouteAction) { a.HostRewriteSpecifier = hostRewrite("internal") }), want: map[string]string{"X-Host": "internal"}},
		"Prefix":       {reason: "what matched is replaced, the query stays", route: to(func(r *route.Route, a *route.RouteAction) { r.Match, a.PrefixRewrite = prefixMatch("/old"), "/new" }), want: map[string]string{"X-Path": "/new/x?q=1"}},
		"WholePath": {reason: "an exact match is replaced whole", route: to(func(r *route.Route, a *route.RouteAction) {
			r.Match, a.PrefixRewrite = &route.RouteMatch{PathSpecifier: &route.RouteMatch_Path{Path: "/old/x"}}, "/y"
		}), want: map[string]string{"X-Path": "/y?q=1"}},
		"Pattern": {reason: "groups are carried over", route: to(func(_ *route.Route, a *route.RouteAction) {
			a.RegexRewrite = &matcher.RegexMatchAndSubstitute{Pattern: regex("^/old/(.*)$"), Substitution: `/$new/\1`}
		}), want: map[string]string{"X-Path": "/$new/x?q=1"}},
		"Weighted": {reason: "a share can have headers and a host of its own", route: to(func(_ *route.Route, a *route.RouteAction) {
			a.ClusterSpecifier = &route.RouteAction_WeightedClusters{WeightedClusters: &route.WeightedCluster{Clusters: []*route.WeightedCluster_ClusterWeight{{
				Name: outbound("a"), Weight: wrapperspb.UInt32(1), RequestHeadersToAdd: []*core.HeaderValueOption{set("x-tag", "2", add)},
				ResponseHeadersToAdd: []*core.HeaderValueOption{set("x-version", "canary", add)}, ResponseHeadersToRemove: []string{"x-down"},
				HostRewriteSpecifier: &route.WeightedCluster_ClusterWeight_HostRewriteLiteral{HostRewriteLiteral: "canary"},
			}}}}
		}), sent: "1", want: map[string]string{"X-Seen": "1,2", "X-Version": "canary", "X-Down": "", "X-Host": "canary"}},
		"Response": {reason: "the way down, too", route: to(func(r *route.Route, _ *route.RouteAction) {
			r.ResponseHeadersToAdd, r.ResponseHeadersToRemove = []*core.HeaderValueOption{set("set-cookie", "session=1; Max-Age=60", add)}, []string{"x-backend"}
		}), want: map[string]string{"Set-Cookie": "session=1; Max-Age=60", "X-Backend": ""}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			url := serveRoute(t, tableOf(door, tc.route))
			_, resp := fetch(t, http.MethodGet, url+"/old/x?q=1", func(r *http.Request) {
				r.Host = "app.example.com"
				if tc.sent != "" {
					r.Header.Set("X-Tag", tc.sent)
				}
			})
			require.Equal(t, http.StatusOK, resp.StatusCode)
			for header, want := range tc.want {
				require.Equal(t, want, resp.Header.Get(header), "%s: %s", tc.reason, header)
			}
		})
	}
}

func hostRewrite(host string) *route.RouteAction_HostRewriteLiteral {
	return &route.RouteAction_HostRewriteLiteral{HostRewriteLiteral: host}
}

// TestLevelsOfHeaders changes one header on all three levels; the outermost is last.
func TestLevelsOfHeaders(t *testing.T) {
	table := tableOf(door, to(func(r *route.Route, _ *route.RouteAction) {
		r.RequestHeadersToAdd = []*core.HeaderValueOption{set("x-tag", "route", 0)}
	}))
	table.VirtualHosts[0].RequestHeadersToAdd = []*core.HeaderValueOption{set("x-tag", "host", 0)}
	table.RequestHeadersToAdd = []*core.HeaderValueOption{set("x-tag", "table", 0)}
	table.ResponseHeadersToAdd = []*core.HeaderValueOption{set("x-by", "table", 0)}
	table.VirtualHosts[0].ResponseHeadersToRemove = []string{"x-down"}
	_, resp := fetch(t, http.MethodGet, serveRoute(t, table)+"/")
	require.Equal(t, "route,host,table", resp.Header.Get("X-Seen"))
	require.Equal(t, "table", resp.Header.Get("X-By"))
	require.Empty(t, resp.Header.Get("X-Down"))
}

func TestAnswersOfItsOwn(t *testing.T) {
	redirect := func(a *route.RedirectAction) *route.Route {
		return &route.Route{Match: prefixMatch("/old"), Action: &route.Route_Redirect{Redirect: a}}
	}
	cases := map[string]struct {
		reason   string
		route    *route.Route
		status   int
		location string
		body     string
	}{
		"Https":  {reason: "the other scheme, without this one's port", route: redirect(&route.RedirectAction{SchemeRewriteSpecifier: &route.RedirectAction_HttpsRedirect{HttpsRedirect: true}}), status: 301, location: "https://app.example.com/old/x?q=1"},
		"Host":   {reason: "another host", route: redirect(&route.RedirectAction{HostRedirect: "new.org", ResponseCode: route.RedirectAction_FOUND}), status: 302, location: "http://new.org/old/x?q=1"},
		"Port":   {reason: "another port", route: redirect(&route.RedirectAction{PortRedirect: 81, ResponseCode: route.RedirectAction_TEMPORARY_REDIRECT}), status: 307, location: "http://app.example.com:81/old/x?q=1"},
		"Path":   {reason: "another path, without the query", route: redirect(&route.RedirectAction{PathRewriteSpecifier: &route.RedirectAction_PathRedirect{PathRedirect: "/new"}, StripQuery: true, ResponseCode: route.RedirectAction_PERMANENT_REDIRECT}), status: 308, location: "http://app.example.com:80/new"},
		"Prefix": {reason: "another beginning", route: redirect(&route.RedirectAction{PathRewriteSpecifier: &route.RedirectAction_PrefixRewrite{PrefixRewrite: "/new"}, ResponseCode: route.RedirectAction_SEE_OTHER}), status: 303, location: "http://app.example.com:80/new/x?q=1"},
		"Direct": {reason: "a fixed answer", route: &route.Route{Match: prefixMatch("/"), Action: &route.Route_DirectResponse{DirectResponse: &route.DirectResponseAction{Status: 418, Body: &core.DataSource{Specifier: &core.DataSource_InlineString{InlineString: "teapot"}}}}}, status: 418, body: "teapot"},
		"Bytes":  {reason: "a fixed answer in bytes", route: &route.Route{Match: prefixMatch("/"), Action: &route.Route_DirectResponse{DirectResponse: &route.DirectResponseAction{Status: 200, Body: &core.DataSource{Specifier: &core.DataSource_InlineBytes{InlineBytes: []byte("raw")}}}}}, status: 200, body: "raw"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			url := serveRoute(t, tableOf(door, tc.route))
			body, resp := fetch(t, http.MethodGet, url+"/old/x?q=1", func(r *http.Request) { r.Host = "app.example.com:80" })
			require.Equal(t, tc.status, resp.StatusCode, tc.reason)
			require.Equal(t, tc.location, resp.Header.Get("Location"), tc.reason)
			require.Equal(t, tc.body, body, tc.reason)
		})
	}
}

func TestHostThatWantsTLS(t *testing.T) {
	table := tableOf(door, to(func(*route.Route, *route.RouteAction) {}))
	table.VirtualHosts[0].RequireTls = route.VirtualHost_ALL
	_, resp := fetch(t, http.MethodGet, serveRoute(t, table)+"/x", func(r *http.Request) { r.Host = "app.example.com" })
	require.Equal(t, http.StatusMovedPermanently, resp.StatusCode)
	require.Equal(t, "https://app.example.com/x", resp.Header.Get("Location"))
}

func TestTimeout(t *testing.T) {
	address := freePort(t)
	slow := backend(t, "slow", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	limited := to(func(_ *route.Route, a *route.RouteAction) { a.Timeout = durationpb.New(50 * time.Millisecond) })
	i := startIstiod(t, clusterOf("a"), endpointsOf("a", slow), httpListener(address, door), tableOf(door, limited))
	startGateway(t, i)
	_, resp := fetch(t, http.MethodGet, "http://"+address+"/")
	require.Equal(t, http.StatusGatewayTimeout, resp.StatusCode)
	require.Equal(t, flagTimeout, resp.Header.Get("X-Envoy-Response-Flags"))
}

func TestCORS(t *testing.T) {
	policy := &corsv3.CorsPolicy{
		AllowOriginStringMatch: []*matcher.StringMatcher{text("exact", "https://example.com")}, AllowMethods: "GET,POST", AllowHeaders: "x-tag",
		ExposeHeaders: "x-host", MaxAge: "600", AllowCredentials: wrapperspb.Bool(true),
	}
	url := serveRoute(t, tableOf(door, to(func(r *route.Route, _ *route.RouteAction) {
		r.TypedPerFilterConfig = map[string]*anypb.Any{corsFilter: pack(policy)}
	})))
	cases := map[string]struct {
		reason, method, origin string
		want                   map[string]string
		reached                bool
	}{
		"Preflight": {reason: "asked, answered here", method: http.MethodOptions, origin: "https://example.com", want: map[string]string{"Access-Control-Allow-Origin": "https://example.com", "Access-Control-Allow-Methods": "GET,POST", "Access-Control-Max-Age": "600", "Access-Control-Allow-Headers": "x-tag"}},
		"Request":   {reason: "marked on its way down", method: http.MethodGet, origin: "https://example.com", reached: true, want: map[string]string{"Access-Control-Allow-Origin": "https://example.com", "Access-Control-Expose-Headers": "x-host", "Access-Control-Allow-Credentials": "true", "Access-Control-Allow-Methods": ""}},
		"Stranger":  {reason: "another origin gets no mark", method: http.MethodGet, origin: "https://evil.org", reached: true, want: map[string]string{"Access-Control-Allow-Origin": ""}},
		"NoBrowser": {reason: "no origin at all", method: http.MethodGet, reached: true, want: map[string]string{"Access-Control-Allow-Origin": ""}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			_, resp := fetch(t, tc.method, url+"/", func(r *http.Request) {
				r.Header.Set("Access-Control-Request-Method", "POST")
				if tc.origin != "" {
					r.Header.Set("Origin", tc.origin)
				}
			})
			require.Equal(t, http.StatusOK, resp.StatusCode)
			require.Equal(t, tc.reached, resp.Header.Get("X-Backend") != "", tc.reason)
			for header, want := range tc.want {
				require.Equal(t, want, resp.Header.Get(header), "%s: %s", tc.reason, header)
			}
		})
	}
}

package gateway

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	route "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	"github.com/stretchr/testify/require"
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
	const add, overwrite = core.HeaderValueOption_APPEND_IF_EXISTS_OR_ADD, core.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD
	headers := func(options ...*core.HeaderValueOption) *route.Route {
		return to(func(r *route.Route, _ *route.RouteAction) { r.RequestHeadersToAdd = options })
	}
	cases := map[string]struct {
		reason string
		route  *route.Route
		sent   string // value of X-Tag
		want   map[string]string
	}{
		"AsItIs":    {reason: "nothing asked, nothing changed", route: to(func(*route.Route, *route.RouteAction) {}), sent: "1", want: map[string]string{"X-Seen": "1", "X-Path": "/old/x?q=1", "X-Host": "app.example.com"}},
		"Append":    {reason: "one more value", route: headers(set("x-tag", "2", add)), sent: "1", want: map[string]string{"X-Seen": "1,2"}},
		"Overwrite": {reason: "instead of what was there", route: headers(set("x-tag", "2", overwrite)), sent: "1", want: map[string]string{"X-Seen": "2"}},
		"OldForm":   {reason: "append=false overwrites", route: headers(&core.HeaderValueOption{Header: &core.HeaderValue{Key: "x-tag", Value: "2"}, Append: wrapperspb.Bool(false)}), sent: "1", want: map[string]string{"X-Seen": "2"}},
		"Remove":    {reason: "not passed on", route: to(func(r *route.Route, _ *route.RouteAction) { r.RequestHeadersToRemove = []string{"x-tag"} }), sent: "1", want: map[string]string{"X-Seen": ""}},
		"Weighted": {reason: "a share can have headers of its own", route: to(func(_ *route.Route, a *route.RouteAction) {
			a.ClusterSpecifier = &route.RouteAction_WeightedClusters{WeightedClusters: &route.WeightedCluster{Clusters: []*route.WeightedCluster_ClusterWeight{{
				Name: outbound("a"), Weight: wrapperspb.UInt32(1), RequestHeadersToAdd: []*core.HeaderValueOption{set("x-tag", "2", add)},
				ResponseHeadersToAdd: []*core.HeaderValueOption{set("x-version", "canary", add)}, ResponseHeadersToRemove: []string{"x-down"},
			}}}}
		}), sent: "1", want: map[string]string{"X-Seen": "1,2", "X-Version": "canary", "X-Down": ""}},
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
		"Host":   {reason: "another host", route: redirect(&route.RedirectAction{HostRedirect: "new.org", PathRewriteSpecifier: &route.RedirectAction_PathRedirect{}, ResponseCode: route.RedirectAction_FOUND}), status: 302, location: "http://new.org/old/x?q=1"},
		"Port":   {reason: "another port", route: redirect(&route.RedirectAction{PortRedirect: 81, ResponseCode: route.RedirectAction_TEMPORARY_REDIRECT}), status: 307, location: "http://app.example.com:81/old/x?q=1"},
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

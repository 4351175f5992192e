package gateway

import (
	"net/http"
	"testing"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	route "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	"github.com/stretchr/testify/require"
)

// carrying is a route for requests with a cookie, as istiod writes the match of a VirtualService or an HTTPRoute.
func carrying(cookie string, r *route.Route) *route.Route {
	r.Match.Headers = []*route.HeaderMatcher{{Name: "cookie", HeaderMatchSpecifier: &route.HeaderMatcher_StringMatch{
		StringMatch: text("regex", `^(.*;\s*)?`+cookie+`(\s*;.*)?$`),
	}}}
	return r
}

// setting has each cluster of a route set a cookie of its own.
func setting(r *route.Route, cookies ...string) *route.Route {
	for i, c := range r.GetRoute().GetWeightedClusters().GetClusters() {
		c.ResponseHeadersToAdd = []*core.HeaderValueOption{set("Set-Cookie", cookies[i], core.HeaderValueOption_APPEND_IF_EXISTS_OR_ADD)}
	}
	return r
}

// TestAffinity follows users through the four routes of a rollout that keeps them on the side they have met.
func TestAffinity(t *testing.T) {
	address := freePort(t)
	i := startIstiod(t, clusterOf("podinfo-primary"), clusterOf("podinfo-canary"),
		endpointsOf("podinfo-primary", backend(t, "primary", nil)), endpointsOf("podinfo-canary", backend(t, "canary", nil)),
		httpListener(address, door), tableOf(door,
			carrying("side=new", shared("podinfo-primary", 0, "podinfo-canary", 100)),
			carrying("stay=new", shared("podinfo-primary", 100, "podinfo-canary", 0)),
			carrying("side=old", setting(shared("podinfo-primary", 50, "podinfo-canary", 50), "side=old; Max-Age=-1", "side=new; Max-Age=60")),
			setting(shared("podinfo-primary", 50, "podinfo-canary", 50), "stay=new; Max-Age=10", "side=new; Max-Age=60"),
		))
	startGateway(t, i)
	cases := map[string]struct {
		reason string
		cookie string
		want   map[string]string // the Set-Cookie header by who may answer
	}{
		"Canary":    {reason: "who has met the canary stays there", cookie: "a=b; side=new", want: map[string]string{"canary": ""}},
		"Primary":   {reason: "and who has met the primary there", cookie: "stay=new;a=b", want: map[string]string{"primary": ""}},
		"New":       {reason: "who has met nobody is divided, and kept", want: map[string]string{"primary": "stay=new; Max-Age=10", "canary": "side=new; Max-Age=60"}},
		"Alike":     {reason: "a cookie that merely begins so says nothing", cookie: "side=newer", want: map[string]string{"primary": "stay=new; Max-Age=10", "canary": "side=new; Max-Age=60"}},
		"Contained": {reason: "nor does one that has it inside", cookie: "beside=new", want: map[string]string{"primary": "stay=new; Max-Age=10", "canary": "side=new; Max-Age=60"}},
		"Old":       {reason: "a cookie of the rollout before is forgotten or replaced", cookie: "side=old", want: map[string]string{"primary": "side=old; Max-Age=-1", "canary": "side=new; Max-Age=60"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got := map[string]string{}
			for range 200 {
				body, resp := fetch(t, http.MethodGet, "http://"+address+"/", func(r *http.Request) {
					if tc.cookie != "" {
						r.Header.Set("Cookie", tc.cookie)
					}
				})
				require.LessOrEqual(t, len(resp.Header.Values("Set-Cookie")), 1, "a second one would undo the first")
				got[body] = resp.Header.Get("Set-Cookie")
			}
			require.Equal(t, tc.want, got, tc.reason)
		})
	}
}

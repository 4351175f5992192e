package gateway

import (
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	cluster "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpoint "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	listener "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	route "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	hcm "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	tcpproxy "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/tcp_proxy/v3"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// visit asks the admin pages.
func visit(t *testing.T, g *Gateway, path string) (string, int) {
	t.Helper()
	w := httptest.NewRecorder()
	g.Admin().ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w.Body.String(), w.Code
}

func TestNode(t *testing.T) {
	id := Identity{Mode: Ingress, Name: "istio-ingressgateway-7c9b9d4f6-abcde", Namespace: "istio-system", IP: "10.244.0.9", Labels: map[string]string{"istio": "ingressgateway"}, IstioVersion: "1.29.0"}
	node := id.Node()
	require.Equal(t, "router~10.244.0.9~istio-ingressgateway-7c9b9d4f6-abcde.istio-system~istio-system.svc.cluster.local", node.Id)
	require.Equal(t, map[string]any{
		"NAME": id.Name, "NAMESPACE": "istio-system", "CLUSTER_ID": "Kubernetes", "ISTIO_VERSION": "1.29.0",
		"WORKLOAD_NAME": "istio-ingressgateway", "LABELS": map[string]any{"istio": "ingressgateway"},
	}, node.Metadata.AsMap())
	id = Identity{Mode: Mesh, Name: "mesh", Namespace: "test", IP: "10.0.0.1"}
	require.Equal(t, "sidecar~10.0.0.1~mesh.test~test.svc.cluster.local", id.Node().Id)
	require.Equal(t, "mesh", id.source().Name)
}

// TestRefusals are answers of istiod that can't be followed: each is refused by name and changes nothing.
func TestRefusals(t *testing.T) {
	address := freePort(t)
	filter := func(name string) *listener.Listener {
		l := httpListener(address, door)
		manager := &hcm.HttpConnectionManager{RouteSpecifier: &hcm.HttpConnectionManager_Rds{Rds: &hcm.Rds{RouteConfigName: door}}, HttpFilters: []*hcm.HttpFilter{{Name: name}}}
		l.FilterChains[0].Filters[0].ConfigType = &listener.Filter_TypedConfig{TypedConfig: pack(manager)}
		return l
	}
	tls := httpListener(address, door)
	tls.FilterChains[0].TransportSocket = &core.TransportSocket{Name: "envoy.transport_sockets.tls"}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	adding := func(name, value string, action core.HeaderValueOption_HeaderAppendAction) *route.Route {
		return to(func(r *route.Route, _ *route.RouteAction) {
			r.RequestHeadersToAdd = []*core.HeaderValueOption{set(name, value, action)}
		})
	}
	redirect := func(a *route.RedirectAction) *route.Route {
		return &route.Route{Match: prefixMatch("/"), Action: &route.Route_Redirect{Redirect: a}}
	}
	cases := map[string]struct {
		reason   string
		resource proto.Message
		kind     string
		says     string
	}{
		"Filter":  {reason: "a filter that may forbid requests", resource: filter("envoy.filters.http.rbac"), kind: listenerType, says: `HTTP filter "envoy.filters.http.rbac" is not supported`},
		"TLS":     {reason: "a door that would stay shut", resource: tls, kind: listenerType, says: "needs TLS"},
		"Port":    {reason: "a port that somebody has", resource: httpListener(taken.Addr().String(), door), kind: listenerType, says: "opening"},
		"Cluster": {reason: "a cluster of a kind of its own", resource: &cluster.Cluster{Name: outbound("a"), ClusterDiscoveryType: &cluster.Cluster_Type{Type: 99}}, kind: clusterType, says: `cluster type "99" is not supported`},
		"Action":  {reason: "a route without an action", resource: tableOf(door, &route.Route{Match: prefixMatch("/")}), kind: routeType, says: "action <nil> is not supported"},
		"Fault": {reason: "an injected fault", resource: tableOf(door, to(func(r *route.Route, _ *route.RouteAction) {
			r.TypedPerFilterConfig = map[string]*anypb.Any{"envoy.filters.http.fault": {}}
		})), kind: routeType, says: `"envoy.filters.http.fault" is not supported`},
		"Computed":   {reason: "a header value it can't compute", resource: tableOf(door, adding("x", "%UPSTREAM_HOST%", 0)), kind: routeType, says: `"%UPSTREAM_HOST%", is not supported`},
		"IfAbsent":   {reason: "a header for some requests", resource: tableOf(door, adding("x", "1", core.HeaderValueOption_ADD_IF_ABSENT)), kind: routeType, says: "ADD_IF_ABSENT is not supported"},
		"HostHeader": {reason: "another host by a header", resource: tableOf(door, adding(":authority", "b", 0)), kind: routeType, says: `changing ":authority" is not supported`},
		"CORS": {reason: "what only browsers ask for", resource: tableOf(door, to(func(r *route.Route, _ *route.RouteAction) {
			r.TypedPerFilterConfig = map[string]*anypb.Any{"envoy.filters.http.cors": {}}
		})), kind: routeType, says: `"envoy.filters.http.cors" is not supported`},
		"Path": {reason: "another path", resource: tableOf(door, to(func(_ *route.Route, a *route.RouteAction) { a.PrefixRewrite = "/new" })), kind: routeType, says: "rewriting"},
		"Host": {reason: "another host", resource: tableOf(door, to(func(_ *route.Route, a *route.RouteAction) {
			a.HostRewriteSpecifier = &route.RouteAction_AutoHostRewrite{}
		})), kind: routeType, says: "rewriting"},
		"Redirect": {reason: "a client that loses its query", resource: tableOf(door, redirect(&route.RedirectAction{StripQuery: true})), kind: routeType, says: "redirecting"},
		"ToPath":   {reason: "a client sent to another path", resource: tableOf(door, redirect(&route.RedirectAction{PathRewriteSpecifier: &route.RedirectAction_PathRedirect{PathRedirect: "/new"}})), kind: routeType, says: "redirecting"},
		"Mirror": {reason: "copies for another host", resource: tableOf(door, to(func(_ *route.Route, a *route.RouteAction) {
			a.RequestMirrorPolicies = []*route.RouteAction_RequestMirrorPolicy{{}}
		})), kind: routeType, says: "a mirror with a host"},
		"HostsHeaders": {reason: "headers of all routes of a host", resource: &route.RouteConfiguration{Name: door, VirtualHosts: []*route.VirtualHost{{Name: "all", Domains: []string{"*"}, ResponseHeadersToRemove: []string{"x"}}}}, kind: routeType, says: "headers of all routes"},
		"AllHeaders":   {reason: "headers of all hosts", resource: &route.RouteConfiguration{Name: door, RequestHeadersToRemove: []string{"x"}}, kind: routeType, says: "headers of all hosts"},
		"HostsTLS":     {reason: "a host for TLS only", resource: &route.RouteConfiguration{Name: door, VirtualHosts: []*route.VirtualHost{{Name: "all", Domains: []string{"*"}, RequireTls: route.VirtualHost_ALL}}}, kind: routeType, says: "redirect to TLS"},
		"Fallback":     {reason: "endpoints to fall back on", resource: &endpoint.ClusterLoadAssignment{ClusterName: outbound("a"), Endpoints: []*endpoint.LocalityLbEndpoints{{Priority: 1}}}, kind: endpointType, says: "fall back"},
		"Heavy": {reason: "an endpoint that is to get more", resource: &endpoint.ClusterLoadAssignment{ClusterName: outbound("a"), Endpoints: []*endpoint.LocalityLbEndpoints{{LbEndpoints: []*endpoint.LbEndpoint{{
			LoadBalancingWeight: wrapperspb.UInt32(2), HostIdentifier: &endpoint.LbEndpoint_Endpoint{Endpoint: &endpoint.Endpoint{Address: addressOf("10.0.0.1:1")}},
		}}}}}, kind: endpointType, says: "with a weight"},
		"Divided": {reason: "connections by weight", resource: &listener.Listener{Name: address, Address: addressOf(address), FilterChains: []*listener.FilterChain{{Filters: []*listener.Filter{
			{ConfigType: &listener.Filter_TypedConfig{TypedConfig: pack(&tcpproxy.TcpProxy{ClusterSpecifier: &tcpproxy.TcpProxy_WeightedClusters{}})}},
		}}}}, kind: listenerType, says: "dividing connections"},
		"Pipe": {reason: "an address that is no socket", resource: &endpoint.ClusterLoadAssignment{ClusterName: outbound("a"), Endpoints: []*endpoint.LocalityLbEndpoints{{LbEndpoints: []*endpoint.LbEndpoint{{HostIdentifier: &endpoint.LbEndpoint_Endpoint{Endpoint: &endpoint.Endpoint{Address: &core.Address{Address: &core.Address_Pipe{Pipe: &core.Pipe{Path: "/x"}}}}}}}}}}, kind: endpointType, says: "is not a socket"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			i := startIstiod(t, clusterOf("a"), endpointsOf("a", backend(t, "a", nil)), httpListener(address, door), tableOf(door, shared("a", 1)))
			startGateway(t, i)
			i.set(tc.resource)
			require.Eventually(t, func() bool { return i.refused(tc.kind) != "" }, patience, time.Millisecond, tc.reason)
			require.Contains(t, i.refused(tc.kind), tc.says, tc.reason)
			if name == "Port" {
				return // the old port is gone, as it was asked for
			}
			body, _ := fetch(t, http.MethodGet, "http://"+address+"/")
			require.Equal(t, "a", body, "the last good version goes on")
		})
	}
}

// TestAcknowledgements checks the protocol: what was used is confirmed by version and nonce.
func TestAcknowledgements(t *testing.T) {
	i := startIstiod(t, clusterOf("a"), endpointsOf("a", backend(t, "a", nil)), httpListener(freePort(t), door), tableOf(door, shared("a", 1)))
	startGateway(t, i)
	confirmed := func() map[string]bool {
		i.mu.Lock()
		defer i.mu.Unlock()
		out := map[string]bool{}
		for _, r := range i.requests {
			if r.VersionInfo == "1" && r.ResponseNonce == r.TypeUrl+"1" && r.ErrorDetail == nil {
				out[r.TypeUrl] = true
			}
		}
		return out
	}
	require.Eventually(t, func() bool { return len(confirmed()) == len(askOrder) }, patience, time.Millisecond)
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, r := range i.requests {
		if r.TypeUrl == endpointType {
			require.Equal(t, []string{outbound("a")}, r.ResourceNames)
		}
		if r.TypeUrl == routeType {
			require.Equal(t, []string{door}, r.ResourceNames)
		}
	}
}

// TestIstiodGoesAway: traffic doesn't depend on the control plane, and the stream comes back by itself.
func TestIstiodGoesAway(t *testing.T) {
	address := freePort(t)
	i := startIstiod(t, clusterOf("a"), clusterOf("b"), endpointsOf("a", backend(t, "a", nil)), endpointsOf("b", backend(t, "b", nil)), httpListener(address, door), tableOf(door, shared("a", 1)))
	startGateway(t, i)
	i.server.Stop()
	body, _ := fetch(t, http.MethodGet, "http://"+address+"/")
	require.Equal(t, "a", body)
	again := i.restart(t)
	again.set(tableOf(door, shared("b", 1)))
	require.Eventually(t, func() bool {
		body, _ := fetch(t, http.MethodGet, "http://"+address+"/")
		return body == "b"
	}, patience, 10*time.Millisecond)
}

// TestDisappearance takes away first the route table's cluster, then the listener.
func TestDisappearance(t *testing.T) {
	address := freePort(t)
	i := startIstiod(t, clusterOf("a"), clusterOf("b"), endpointsOf("a", backend(t, "a", nil)), endpointsOf("b"), httpListener(address, door), tableOf(door, shared("a", 1)))
	g := startGateway(t, i)
	i.set(clusterOf("b"))
	require.Eventually(t, func() bool {
		_, resp := fetch(t, http.MethodGet, "http://"+address+"/")
		return resp.Header.Get("X-Envoy-Response-Flags") == flagNoCluster
	}, patience, time.Millisecond)
	i.set(httpListener(freePort(t), "other"), tableOf("other", shared("b", 1)))
	require.Eventually(t, func() bool {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
		}
		return err != nil
	}, patience, time.Millisecond, "the door is shut")
	require.Eventually(t, func() bool { return g.Snapshot().tables[door] == nil && g.Snapshot().tables["other"] != nil }, patience, time.Millisecond)
}

func TestNotReadyBeforeIstiodAnswers(t *testing.T) {
	g := New(Config{XDSAddress: "127.0.0.1:1", Log: slog.New(slog.DiscardHandler), Identity: Identity{Mode: Ingress}})
	_, status := visit(t, g, "/healthz/ready")
	require.Equal(t, http.StatusServiceUnavailable, status)
}

func TestEndpointChoice(t *testing.T) {
	entry := func(address string, health core.HealthStatus) *endpoint.LbEndpoint {
		return &endpoint.LbEndpoint{HealthStatus: health, HostIdentifier: &endpoint.LbEndpoint_Endpoint{Endpoint: &endpoint.Endpoint{Address: addressOf(address)}}}
	}
	const up, down, leaving = core.HealthStatus_HEALTHY, core.HealthStatus_UNHEALTHY, core.HealthStatus_DRAINING
	set, err := compileEndpoints(&endpoint.ClusterLoadAssignment{Endpoints: []*endpoint.LocalityLbEndpoints{
		{LbEndpoints: []*endpoint.LbEndpoint{entry("10.0.0.1:1", up), entry("10.0.0.2:1", down), entry("10.0.0.3:1", leaving)}},
		{LbEndpoints: []*endpoint.LbEndpoint{entry("10.0.0.4:1", up)}},
	}})
	require.NoError(t, err)
	const n = 1000
	got, again := map[string]int{}, map[string]int{}
	for k := range n {
		chosen, ok := set.pick(float64(k)/n, nil)
		require.True(t, ok)
		got[chosen.address]++
		other, ok := set.pick(float64(k)/n, map[string]bool{"10.0.0.1:1": true})
		require.True(t, ok)
		again[other.address]++
	}
	require.Equal(t, map[string]int{"10.0.0.1:1": n / 2, "10.0.0.4:1": n / 2}, got, "those that are well, one as often as the other")
	require.Equal(t, map[string]int{"10.0.0.4:1": n}, again, "not where it failed before")
	_, ok := (*endpointSet)(nil).pick(0, nil)
	require.False(t, ok)
}

func TestChains(t *testing.T) {
	tcp := func(name string) []*listener.Filter {
		return []*listener.Filter{{Name: "istio.stats"}, {ConfigType: &listener.Filter_TypedConfig{TypedConfig: pack(&tcpproxy.TcpProxy{ClusterSpecifier: &tcpproxy.TcpProxy_Cluster{Cluster: name}})}}}
	}
	web := httpListener("10.0.0.1:80", "80").FilterChains[0].Filters
	l := &listener.Listener{
		Address: addressOf("0.0.0.0:80"),
		FilterChains: []*listener.FilterChain{
			{Name: "sniffed", FilterChainMatch: &listener.FilterChainMatch{ApplicationProtocols: []string{"http/1.1", "h2c"}}, Filters: web},
			{Name: "tls", FilterChainMatch: &listener.FilterChainMatch{TransportProtocol: "tls"}, Filters: tcp("never")},
			{Name: "network", FilterChainMatch: &listener.FilterChainMatch{PrefixRanges: []*core.CidrRange{{AddressPrefix: "10.1.0.0", PrefixLen: wrapperspb.UInt32(16)}}}, Filters: tcp("inside")},
		},
		DefaultFilterChain: &listener.FilterChain{Filters: tcp("default")},
	}
	in, err := compileListener(l, Mesh)
	require.NoError(t, err)
	require.True(t, in.sniffs())
	require.False(t, in.bind, "a mesh opens no listener's port")
	require.Equal(t, []string{"80"}, in.tables())
	require.True(t, in.chain("10.0.0.1:80", true).http)
	require.Equal(t, "default", in.chain("10.0.0.1:80", false).cluster)
	require.Equal(t, "inside", in.chain("10.1.2.3:80", false).cluster)
	_, err = compileListener(l, Ingress)
	require.ErrorContains(t, err, "needs TLS", "a gateway refuses what it can't serve")
}

func (i *istiod) restart(t *testing.T) *istiod {
	t.Helper()
	var lis net.Listener
	require.Eventually(t, func() (ok bool) {
		var err error
		lis, err = net.Listen("tcp", i.address)
		return err == nil
	}, patience, 10*time.Millisecond)
	i.serve(lis)
	return i
}

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
		"Command": {reason: "a header value it can't compute", resource: tableOf(door, to(func(r *route.Route, _ *route.RouteAction) {
			r.RequestHeadersToAdd = []*core.HeaderValueOption{set("x", "%UPSTREAM_HOST%", 0)}
		})), kind: routeType, says: `"%UPSTREAM_HOST%" is not supported`},
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
	entry := func(address string, weight uint32, health core.HealthStatus) *endpoint.LbEndpoint {
		return &endpoint.LbEndpoint{
			HealthStatus: health, LoadBalancingWeight: wrapperspb.UInt32(weight),
			HostIdentifier: &endpoint.LbEndpoint_Endpoint{Endpoint: &endpoint.Endpoint{Address: addressOf(address)}},
		}
	}
	locality := func(priority, weight uint32, endpoints ...*endpoint.LbEndpoint) *endpoint.LocalityLbEndpoints {
		return &endpoint.LocalityLbEndpoints{Priority: priority, LoadBalancingWeight: wrapperspb.UInt32(weight), LbEndpoints: endpoints}
	}
	const up, down, leaving = core.HealthStatus_HEALTHY, core.HealthStatus_UNHEALTHY, core.HealthStatus_DRAINING
	cases := map[string]struct {
		reason     string
		localities []*endpoint.LocalityLbEndpoints
		want       map[string]float64
	}{
		"Weights":    {reason: "by weight", localities: []*endpoint.LocalityLbEndpoints{locality(0, 0, entry("10.0.0.1:1", 3, up), entry("10.0.0.2:1", 1, up))}, want: map[string]float64{"10.0.0.1:1": 0.75, "10.0.0.2:1": 0.25}},
		"Unhealthy":  {reason: "none that isn't well", localities: []*endpoint.LocalityLbEndpoints{locality(0, 0, entry("10.0.0.1:1", 1, down), entry("10.0.0.2:1", 1, up), entry("10.0.0.3:1", 1, leaving))}, want: map[string]float64{"10.0.0.2:1": 1}},
		"Localities": {reason: "a locality's weight counts, however many it has", localities: []*endpoint.LocalityLbEndpoints{locality(0, 80, entry("10.0.0.1:1", 1, up)), locality(0, 20, entry("10.0.0.2:1", 1, up), entry("10.0.0.3:1", 1, up))}, want: map[string]float64{"10.0.0.1:1": 0.8, "10.0.0.2:1": 0.1, "10.0.0.3:1": 0.1}},
		"Priority":   {reason: "the first that has any", localities: []*endpoint.LocalityLbEndpoints{locality(1, 1, entry("10.0.0.2:1", 1, up)), locality(0, 1, entry("10.0.0.1:1", 1, up))}, want: map[string]float64{"10.0.0.1:1": 1}},
		"Failover":   {reason: "the next if the first has none", localities: []*endpoint.LocalityLbEndpoints{locality(0, 1, entry("10.0.0.1:1", 1, down)), locality(1, 1, entry("10.0.0.2:1", 1, up))}, want: map[string]float64{"10.0.0.2:1": 1}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			set, err := compileEndpoints(&endpoint.ClusterLoadAssignment{Endpoints: tc.localities})
			require.NoError(t, err)
			const n = 1000
			got := map[string]float64{}
			for k := range n {
				chosen, ok := set.pick(float64(k)/n, nil)
				require.True(t, ok)
				got[chosen.address] += 1.0 / n
			}
			require.InDeltaMapValues(t, tc.want, got, 0.002, tc.reason)
		})
	}
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
	require.Equal(t, "default", in.chain("10.0.0.1:80", false).choose(0))
	require.Equal(t, "inside", in.chain("10.1.2.3:80", false).choose(0))
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

package gateway

import (
	"context"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	cluster "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listener "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	route "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	tcpproxy "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/tcp_proxy/v3"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// TestMesh sends connections through as the kernel would redirect them: HTTP by the virtual host, bytes by
// the listener, and what nobody described to where it was going.
func TestMesh(t *testing.T) {
	echo, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer echo.Close()
	go func() {
		for {
			conn, err := echo.Accept()
			if err != nil {
				return
			}
			go func() { defer conn.Close(); _, _ = io.Copy(conn, conn) }()
		}
	}()
	unknown := backend(t, "unknown", nil)
	tcp := &listener.Listener{Name: "tcp", Address: addressOf("10.96.0.7:6379"), BindToPort: wrapperspb.Bool(false), FilterChains: []*listener.FilterChain{{Filters: []*listener.Filter{
		{ConfigType: &listener.Filter_TypedConfig{TypedConfig: pack(&tcpproxy.TcpProxy{ClusterSpecifier: &tcpproxy.TcpProxy_Cluster{Cluster: outbound("redis")}})}},
	}}}}
	inbound := &listener.Listener{Name: "virtualInbound", Address: addressOf("0.0.0.0:15006"), TrafficDirection: core.TrafficDirection_INBOUND, FilterChains: []*listener.FilterChain{{TransportSocket: &core.TransportSocket{}}}}
	table := &route.RouteConfiguration{Name: "9898", VirtualHosts: []*route.VirtualHost{
		{Name: "canary", Domains: []string{"podinfo-canary.test", "podinfo-canary"}, Routes: []*route.Route{shared("podinfo-canary", 1)}},
		{Name: "elsewhere", Domains: []string{"podinfo-canary.shop", "10.96.0.9"}, Routes: []*route.Route{shared("elsewhere", 1)}},
		{Name: "allow_any", Domains: []string{"*"}, Routes: []*route.Route{{Match: prefixMatch("/"), Action: &route.Route_Route{Route: &route.RouteAction{ClusterSpecifier: &route.RouteAction_Cluster{Cluster: "PassthroughCluster"}}}}}},
	}}
	passthrough := &cluster.Cluster{Name: "PassthroughCluster", ClusterDiscoveryType: &cluster.Cluster_Type{Type: cluster.Cluster_ORIGINAL_DST}}
	caller := endpointsOf("loadtester", "127.0.0.9:8080")
	i := startIstiod(t, passthrough, clusterOf("podinfo-canary"), clusterOf("elsewhere"), clusterOf("redis"), clusterOf("loadtester"),
		endpointsOf("podinfo-canary", backend(t, "canary", nil)), endpointsOf("elsewhere", backend(t, "elsewhere", nil)), endpointsOf("redis", echo.Addr().String()), caller,
		httpListener("0.0.0.0:9898", "9898"), tcp, inbound, table)
	door := freePort(t)
	var destination atomic.Value
	g := startGateway(t, i, func(c *Config) {
		c.Identity.Mode, c.CaptureAddress = Mesh, door
		c.Target = func(net.Conn) (string, error) { return destination.Load().(string), nil }
	})

	destination.Store("10.96.0.5:9898")
	for _, host := range []string{"podinfo-canary.test", "podinfo-canary"} {
		require.Equal(t, "canary", fetchFrom(t, "127.0.0.9", "http://"+door+"/", host), "by the Host header, whatever the address")
	}
	require.Eventually(t, func() bool {
		return count(t, g, "reporter", "destination", "destination_workload", "podinfo-canary", "source_workload", "loadtester", "response_code", "200") == 2
	}, patience, time.Millisecond, "the caller is known by its IP")

	destination.Store("10.96.0.9:9898")
	for host, want := range map[string]string{"podinfo-canary": "elsewhere", "podinfo-canary:9898": "elsewhere", "podinfo-canary.test": "canary"} {
		require.Equal(t, want, fetchFrom(t, "127.0.0.9", "http://"+door+"/", host), "%s is looked up where the caller is, by the address that was found", host)
	}

	destination.Store(unknown)
	body, _ := fetch(t, http.MethodGet, "http://"+door+"/")
	require.Equal(t, "unknown", body, "a destination without a listener is dialled as it is")

	destination.Store("10.96.0.7:6379")
	conn, err := net.Dial("tcp", door)
	require.NoError(t, err)
	defer conn.Close()
	_, err = io.WriteString(conn, "PING")
	require.NoError(t, err)
	require.NoError(t, conn.(*net.TCPConn).CloseWrite())
	answer, err := io.ReadAll(conn)
	require.NoError(t, err)
	require.Equal(t, "PING", string(answer), "bytes go to the listener's cluster, the end of one side included")
}

// fetchFrom asks as a pod with that IP.
func fetchFrom(t *testing.T, ip, url, host string) string {
	t.Helper()
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(ip)}}
	client := &http.Client{Transport: &http.Transport{DialContext: dialer.DialContext, DisableKeepAlives: true}}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	r.Host = host
	resp, err := client.Do(r)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return string(body)
}

func TestDirectConnectionsAreRefused(t *testing.T) {
	i := startIstiod(t)
	door := freePort(t)
	cfg := configFor(i)
	cfg.Identity.Mode, cfg.CaptureAddress = Mesh, door
	g := New(cfg)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- g.Run(ctx) }()
	require.Eventually(t, func() bool {
		conn, err := net.Dial("tcp", door)
		if err != nil {
			return false
		}
		defer conn.Close()
		_, err = conn.Read(make([]byte, 1))
		return err != nil
	}, patience, time.Millisecond, "what nobody redirected would go round in circles")
	cancel()
	require.NoError(t, <-done)
}

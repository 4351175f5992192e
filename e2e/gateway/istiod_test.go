package gateway

import (
	"fmt"
	"net"
	"strconv"
	"sync"
	"testing"
	"time"

	cluster "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpoint "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	listener "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	route "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	hcm "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// patience is how long a test waits for what must happen.
const patience = 10 * time.Second

// istiod is a control plane whose answers a test writes: the protocol and the messages are the real ones.
type istiod struct {
	discovery.UnimplementedAggregatedDiscoveryServiceServer
	address string
	server  *grpc.Server

	mu        sync.Mutex
	version   int
	resources map[string][]proto.Message
	requests  []*discovery.DiscoveryRequest
	pushes    map[chan string]bool
}

func startIstiod(t *testing.T, resources ...proto.Message) *istiod {
	t.Helper()
	i := &istiod{resources: map[string][]proto.Message{}, pushes: map[chan string]bool{}}
	i.set(resources...)
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	i.address = lis.Addr().String()
	i.serve(lis)
	t.Cleanup(func() { i.server.Stop() })
	return i
}

func (i *istiod) serve(lis net.Listener) {
	i.server = grpc.NewServer()
	discovery.RegisterAggregatedDiscoveryServiceServer(i.server, i)
	server := i.server
	go func() { _ = server.Serve(lis) }()
}

// set replaces all resources of the kinds given and pushes them.
func (i *istiod) set(resources ...proto.Message) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.version++
	fresh := map[string][]proto.Message{}
	for _, r := range resources {
		kind := "type.googleapis.com/" + string(r.ProtoReflect().Descriptor().FullName())
		fresh[kind] = append(fresh[kind], r)
	}
	for kind, all := range fresh {
		i.resources[kind] = all
	}
	for _, kind := range askOrder {
		for push := range i.pushes {
			if fresh[kind] != nil {
				push <- kind
			}
		}
	}
}

func (i *istiod) StreamAggregatedResources(stream grpc.BidiStreamingServer[discovery.DiscoveryRequest, discovery.DiscoveryResponse]) error {
	push, asked := make(chan string, 1024), make(chan *discovery.DiscoveryRequest)
	i.mu.Lock()
	i.pushes[push] = true
	i.mu.Unlock()
	defer func() { i.mu.Lock(); delete(i.pushes, push); i.mu.Unlock() }()
	go func() {
		defer close(asked)
		for {
			r, err := stream.Recv()
			if err != nil {
				return
			}
			asked <- r
		}
	}()
	subs := map[string][]string{}
	for {
		select {
		case r, ok := <-asked:
			if !ok {
				return nil
			}
			if i.note(r, subs) {
				if err := stream.Send(i.answer(r.TypeUrl, r.ResourceNames)); err != nil {
					return err
				}
			}
		case kind := <-push:
			if names, ok := subs[kind]; ok {
				if err := stream.Send(i.answer(kind, names)); err != nil {
					return err
				}
			}
		}
	}
}

// note keeps a request and says whether it asks for something that wasn't sent.
func (i *istiod) note(r *discovery.DiscoveryRequest, subs map[string][]string) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.requests = append(i.requests, r)
	before, known := subs[r.TypeUrl]
	subs[r.TypeUrl] = r.ResourceNames
	return r.ErrorDetail == nil && (!known || fmt.Sprint(before) != fmt.Sprint(r.ResourceNames))
}

func (i *istiod) answer(kind string, names []string) *discovery.DiscoveryResponse {
	i.mu.Lock()
	defer i.mu.Unlock()
	out := &discovery.DiscoveryResponse{TypeUrl: kind, VersionInfo: strconv.Itoa(i.version), Nonce: kind + strconv.Itoa(i.version)}
	for _, r := range i.resources[kind] {
		if wanted := len(names) == 0; wanted || containsName(names, resourceName(r)) {
			out.Resources = append(out.Resources, pack(r))
		}
	}
	return out
}

func containsName(names []string, name string) bool {
	for _, n := range names {
		if n == name {
			return true
		}
	}
	return false
}

// refused returns what the proxy said against an answer of this kind, empty while it said nothing.
func (i *istiod) refused(kind string) string {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, r := range i.requests {
		if r.TypeUrl == kind && r.ErrorDetail != nil {
			return r.ErrorDetail.Message
		}
	}
	return ""
}

func pack(m proto.Message) *anypb.Any {
	out, err := anypb.New(m)
	if err != nil {
		panic(err)
	}
	return out
}

// The following are as istiod writes them for Services of the namespace test.

func clusterOf(name string) *cluster.Cluster {
	return &cluster.Cluster{
		Name: outbound(name), ClusterDiscoveryType: &cluster.Cluster_Type{Type: cluster.Cluster_EDS},
		EdsClusterConfig: &cluster.Cluster_EdsClusterConfig{ServiceName: outbound(name)},
		Metadata: istioMetadata("services", structpb.NewListValue(&structpb.ListValue{Values: []*structpb.Value{
			structpb.NewStructValue(&structpb.Struct{Fields: map[string]*structpb.Value{
				"host": structpb.NewStringValue(name + ".test.svc.cluster.local"), "name": structpb.NewStringValue(name),
				"namespace": structpb.NewStringValue("test"),
			}}),
		}})),
	}
}

func outbound(name string) string { return "outbound|9898||" + name + ".test.svc.cluster.local" }

func istioMetadata(key string, value *structpb.Value) *core.Metadata {
	return &core.Metadata{FilterMetadata: map[string]*structpb.Struct{"istio": {Fields: map[string]*structpb.Value{key: value}}}}
}

func endpointsOf(name string, addresses ...string) *endpoint.ClusterLoadAssignment {
	locality := &endpoint.LocalityLbEndpoints{}
	for _, a := range addresses {
		locality.LbEndpoints = append(locality.LbEndpoints, &endpoint.LbEndpoint{
			Metadata:       istioMetadata("workload", structpb.NewStringValue(name+";test;podinfo;;Kubernetes")),
			HostIdentifier: &endpoint.LbEndpoint_Endpoint{Endpoint: &endpoint.Endpoint{Address: addressOf(a)}},
		})
	}
	return &endpoint.ClusterLoadAssignment{ClusterName: outbound(name), Endpoints: []*endpoint.LocalityLbEndpoints{locality}}
}

func addressOf(hostPort string) *core.Address {
	host, port, err := net.SplitHostPort(hostPort)
	if err != nil {
		panic(err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		panic(err)
	}
	return &core.Address{Address: &core.Address_SocketAddress{SocketAddress: &core.SocketAddress{Address: host, PortSpecifier: &core.SocketAddress_PortValue{PortValue: uint32(n)}}}}
}

func httpListener(address, table string) *listener.Listener {
	manager := &hcm.HttpConnectionManager{
		RouteSpecifier: &hcm.HttpConnectionManager_Rds{Rds: &hcm.Rds{RouteConfigName: table}},
		HttpFilters:    []*hcm.HttpFilter{{Name: "istio.metadata_exchange"}, {Name: "envoy.filters.http.router"}},
	}
	return &listener.Listener{Name: address, Address: addressOf(address), FilterChains: []*listener.FilterChain{{Filters: []*listener.Filter{
		{Name: "envoy.filters.network.http_connection_manager", ConfigType: &listener.Filter_TypedConfig{TypedConfig: pack(manager)}},
	}}}}
}

func tableOf(name string, routes ...*route.Route) *route.RouteConfiguration {
	return &route.RouteConfiguration{Name: name, VirtualHosts: []*route.VirtualHost{{Name: "all", Domains: []string{"*"}, Routes: routes}}}
}

func prefixMatch(prefix string) *route.RouteMatch {
	return &route.RouteMatch{PathSpecifier: &route.RouteMatch_Prefix{Prefix: prefix}}
}

// shared is a route that splits by the weights given as name, weight, name, weight.
func shared(weights ...any) *route.Route {
	out := &route.WeightedCluster{}
	for i := 0; i < len(weights); i += 2 {
		out.Clusters = append(out.Clusters, &route.WeightedCluster_ClusterWeight{
			Name: outbound(weights[i].(string)), Weight: wrapperspb.UInt32(uint32(weights[i+1].(int))),
		})
	}
	action := &route.RouteAction{ClusterSpecifier: &route.RouteAction_WeightedClusters{WeightedClusters: out}}
	return &route.Route{Match: prefixMatch("/"), Action: &route.Route_Route{Route: action}}
}

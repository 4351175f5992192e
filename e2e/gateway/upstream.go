package gateway

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"

	cluster "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpoint "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	upstreams "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/v3"
)

// upstream is a cluster: a name for endpoints that serve the same.
type upstream struct {
	name     string
	service  string // under which its endpoints come; empty: they are in set
	original bool   // no endpoints: wherever the connection was going
	tls      bool   // wants TLS, which this proxy doesn't speak; requests fail as a handshake would
	protocol upstreamProtocol
	set      *endpointSet

	host, serviceName, serviceNamespace string // of the Service, for metrics
}

// upstreamProtocol says which HTTP an upstream is spoken to with.
type upstreamProtocol int

const (
	http1 upstreamProtocol = iota
	http2
	sameAsDownstream
)

const protocolOptions = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"

func compileCluster(c *cluster.Cluster) (*upstream, error) {
	u := &upstream{name: c.GetName(), tls: c.GetTransportSocket() != nil && !strings.HasSuffix(c.GetTransportSocket().GetName(), "raw_buffer")}
	u.describe(c)
	protocol, err := compileProtocol(c)
	if err != nil {
		return nil, err
	}
	u.protocol = protocol
	switch c.GetType() {
	case cluster.Cluster_EDS:
		u.service = c.GetName()
		if name := c.GetEdsClusterConfig().GetServiceName(); name != "" {
			u.service = name
		}
	case cluster.Cluster_ORIGINAL_DST:
		u.original = true
	case cluster.Cluster_STATIC, cluster.Cluster_STRICT_DNS, cluster.Cluster_LOGICAL_DNS:
		u.set, err = compileEndpoints(c.GetLoadAssignment())
	default:
		return nil, fmt.Errorf("cluster type %q is not supported", c.GetType())
	}
	return u, err
}

func compileProtocol(c *cluster.Cluster) (upstreamProtocol, error) {
	config, ok := c.GetTypedExtensionProtocolOptions()[protocolOptions]
	if !ok {
		return http1, nil
	}
	options := &upstreams.HttpProtocolOptions{}
	if err := config.UnmarshalTo(options); err != nil {
		return http1, fmt.Errorf("reading protocol options: %w", err)
	}
	if options.GetUseDownstreamProtocolConfig() != nil {
		return sameAsDownstream, nil
	}
	if options.GetExplicitHttpConfig().GetHttp2ProtocolOptions() != nil {
		return http2, nil
	}
	return http1, nil
}

// describe fills in which Service the cluster stands for: istiod writes it into the metadata, and into
// names of the form outbound|PORT|SUBSET|HOST.
func (u *upstream) describe(c *cluster.Cluster) {
	u.host, u.serviceName, u.serviceNamespace = "unknown", u.name, "unknown"
	if parts := strings.Split(u.name, "|"); len(parts) == 4 {
		u.host, u.serviceName = parts[3], strings.Split(parts[3], ".")[0]
	}
	services := c.GetMetadata().GetFilterMetadata()["istio"].GetFields()["services"].GetListValue().GetValues()
	if len(services) == 0 {
		return
	}
	first := services[0].GetStructValue().GetFields()
	u.host = first["host"].GetStringValue()
	u.serviceName = first["name"].GetStringValue()
	u.serviceNamespace = first["namespace"].GetStringValue()
}

// with is the same upstream with these endpoints; the receiver stays as it was.
func (u *upstream) with(set *endpointSet) *upstream {
	out := *u
	out.set = set
	return &out
}

// place is one endpoint: an address and who lives there.
type place struct {
	address  string
	workload Workload
}

// endpointSet holds all endpoints, and those that can be used.
type endpointSet struct{ all, usable []place }

func compileEndpoints(a *endpoint.ClusterLoadAssignment) (*endpointSet, error) {
	set := &endpointSet{}
	for _, locality := range a.GetEndpoints() {
		if locality.GetPriority() != 0 {
			return nil, errors.New("endpoints to fall back on are not supported")
		}
		for _, e := range locality.GetLbEndpoints() {
			address, err := socketAddress(e.GetEndpoint().GetAddress())
			if err != nil {
				return nil, err
			}
			if e.GetLoadBalancingWeight().GetValue() > 1 {
				return nil, errors.New("endpoints with a weight are not supported")
			}
			p := place{address: address, workload: workloadOf(e.GetMetadata())}
			set.all = append(set.all, p)
			if healthy(e.GetHealthStatus()) {
				set.usable = append(set.usable, p)
			}
		}
	}
	return set, nil
}

func healthy(s core.HealthStatus) bool {
	return s == core.HealthStatus_UNKNOWN || s == core.HealthStatus_HEALTHY || s == core.HealthStatus_DEGRADED
}

func socketAddress(a *core.Address) (string, error) {
	socket := a.GetSocketAddress()
	if socket == nil {
		return "", fmt.Errorf("address %q is not a socket", a.String())
	}
	return net.JoinHostPort(socket.GetAddress(), strconv.Itoa(int(socket.GetPortValue()))), nil
}

// pick chooses an endpoint, avoiding addresses already tried while others are left. With no usable endpoint
// ok is false.
func (s *endpointSet) pick(random float64, tried map[string]bool) (chosen place, ok bool) {
	if s == nil || len(s.usable) == 0 {
		return place{}, false
	}
	candidates := s.usable
	if fresh := untried(candidates, tried); len(fresh) > 0 {
		candidates = fresh
	}
	return candidates[int(random*float64(len(candidates)))], true
}

func untried(places []place, tried map[string]bool) []place {
	if len(tried) == 0 {
		return places
	}
	var out []place
	for _, p := range places {
		if !tried[p.address] {
			out = append(out, p)
		}
	}
	return out
}

// weighted maps a number in [0,1) to an index, each as likely as its weight. Without any weight above
// zero the first is meant.
func weighted(weights []float64, random float64) int {
	total := 0.0
	for _, w := range weights {
		total += w
	}
	at := random * total
	for i, w := range weights {
		if at < w {
			return i
		}
		at -= w
	}
	return 0
}

func (s *endpointSet) workloads(into map[string]Workload) {
	for _, p := range s.all {
		if host, _, err := net.SplitHostPort(p.address); err == nil && p.workload.Name != "" {
			into[host] = p.workload
		}
	}
}

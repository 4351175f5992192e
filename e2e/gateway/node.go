package gateway

import (
	"fmt"
	"regexp"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	"google.golang.org/protobuf/types/known/structpb"
)

// clusterID is the name under which istiod knows the cluster it runs for unless told otherwise.
const clusterID = "Kubernetes"

// Identity is who the proxy says it is; istiod computes its configuration from that.
type Identity struct {
	Mode         Mode
	Name         string            // of the pod
	Namespace    string            // of the pod; in mesh mode also where short host names are looked up
	IP           string            // of the pod; istiod must know a pod with it to give a gateway its listeners
	Labels       map[string]string // of the pod; a Gateway selects by them
	IstioVersion string            // of the proxy whose place this takes, as in "1.29.0"
}

// Node is the identity in xDS terms: the id has the four parts that istiod's proxies use.
func (i Identity) Node() *core.Node {
	role := "router"
	if i.Mode == Mesh {
		role = "sidecar"
	}
	labels := &structpb.Struct{Fields: map[string]*structpb.Value{}}
	for k, v := range i.Labels {
		labels.Fields[k] = structpb.NewStringValue(v)
	}
	return &core.Node{
		Id:            fmt.Sprintf("%s~%s~%s.%s~%s.svc.cluster.local", role, i.IP, i.Name, i.Namespace, i.Namespace),
		Cluster:       fmt.Sprintf("%s.%s", i.workloadName(), i.Namespace),
		UserAgentName: "envoy", // istiod leaves messages out for clients it takes for gRPC libraries
		Metadata: &structpb.Struct{Fields: map[string]*structpb.Value{
			"NAME":          structpb.NewStringValue(i.Name),
			"NAMESPACE":     structpb.NewStringValue(i.Namespace),
			"CLUSTER_ID":    structpb.NewStringValue(clusterID),
			"ISTIO_VERSION": structpb.NewStringValue(i.IstioVersion),
			"WORKLOAD_NAME": structpb.NewStringValue(i.workloadName()),
			"LABELS":        structpb.NewStructValue(labels),
		}},
	}
}

// podSuffix is what a Deployment's ReplicaSet and then the ReplicaSet append to a name.
var podSuffix = regexp.MustCompile(`-[0-9a-z]{6,10}-[0-9a-z]{5}$`)

func (i Identity) workloadName() string { return podSuffix.ReplaceAllString(i.Name, "") }

// source is how the proxy itself appears in metrics, as the one who sent a request.
func (i Identity) source() Workload {
	return Workload{
		Name: i.workloadName(), Namespace: i.Namespace, Cluster: clusterID,
		App: orUnknown(i.Labels["app"]), Version: orUnknown(i.Labels["version"]),
	}
}

func orUnknown(s string) string {
	if s == "" {
		return "unknown"
	}
	return s
}

package cluster

import (
	"os"
	"path/filepath"
)

// The cluster's addresses. The bridge carries the node's own address as well:
// a machine's other addresses may change or be missing, this one is ours.
const (
	bridge         = "sluice0"
	nodeName       = "sluice-e2e"
	nodeIP         = "10.244.0.1"
	podRange       = "10.244.0.0/16"
	nodeRange      = "10.244.0.0/24"
	serviceIPs     = "10.96.0.0/16"
	apiIP          = "10.96.0.1"
	dnsIP          = "10.96.0.10"
	apiAddress     = nodeIP + ":16443"
	etcdAddress    = "127.0.0.1:12379"
	captureAddress = nodeIP + ":15001"
	etcdPeer       = "127.0.0.1:12380"
	istiodAddress  = nodeIP + ":15010"
	targetsAddress = nodeIP + ":19091"
	istiodHTTP     = nodeIP + ":18085"
	meshMetrics    = nodeIP + ":15090"
)

// Where to reach what runs in the cluster, from the machine itself.
const (
	// Gateway takes requests for every host of the mesh.
	Gateway = "http://" + nodeIP + ":30080"
	// Prometheus is what pods know as prometheus.istio-system:9090.
	Prometheus = "http://" + nodeIP + ":19090"
	// Slack is what pods know as slack.istio-system.
	Slack = "http://" + nodeIP + ":18880"
)

// Layout says where in a cluster's directory things are.
type Layout string

// DefaultLayout is the directory SLUICE_E2E_DIR names, or one below /var/lib.
func DefaultLayout() Layout {
	if dir := os.Getenv("SLUICE_E2E_DIR"); dir != "" {
		return Layout(dir)
	}
	return "/var/lib/sluice-e2e"
}

func (l Layout) path(parts ...string) string {
	return filepath.Join(append([]string{string(l)}, parts...)...)
}

// Kubeconfig is the administrator's.
func (l Layout) Kubeconfig() string { return l.kubeconfig("admin") }

// Log is what a part of the cluster prints.
func (l Layout) Log(part string) string { return l.path("log", part+".log") }

func (l Layout) kubeconfig(user string) string { return l.path("conf", user+".kubeconfig") }
func (l Layout) conf(name string) string       { return l.path("conf", name) }
func (l Layout) cert(name string) string       { return l.path("pki", name+".crt") }
func (l Layout) key(name string) string        { return l.path("pki", name+".key") }
func (l Layout) socket() string                { return l.path("containerd.sock") }

// group names the cluster's control groups and pod network: after its directory,
// so that two clusters in networks of their own do not meet here either.
func (l Layout) group() string { return filepath.Base(string(l)) }

// make creates the directories the parts expect to find.
func (l Layout) make() error {
	for _, dir := range []string{"pki", "conf", "log", "cni", "kubelet", "image"} {
		if err := os.MkdirAll(l.path(dir), 0o700); err != nil {
			return err
		}
	}
	return nil
}

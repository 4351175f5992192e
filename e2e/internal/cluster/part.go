package cluster

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"
)

// patience is how long a part may take to become ready. All need a few seconds;
// a machine that builds something beside may need ten times that.
const patience = 2 * time.Minute

// part is one process of the cluster on the machine.
type part struct {
	name  string
	argv  []string
	env   []string
	ready func(context.Context) error
}

// programs are the paths of what is run.
type programs struct {
	Kube, Istiod, CoreDNS, Gateway, Slack, Targets, Pause string
}

func etcd(l Layout, p programs) part {
	return part{name: "etcd", ready: Answers("http://" + etcdAddress + "/health"), argv: []string{
		p.Kube, "etcd", "--name=sluice", "--data-dir=" + l.path("etcd"),
		// What is lost with the machine is lost anyway: the cluster does not
		// survive it.
		"--unsafe-no-fsync",
		"--listen-client-urls=http://" + etcdAddress, "--advertise-client-urls=http://" + etcdAddress,
		"--listen-peer-urls=http://" + etcdPeer, "--initial-advertise-peer-urls=http://" + etcdPeer,
		"--initial-cluster=sluice=http://" + etcdPeer, "--log-level=warn",
	}}
}

func apiServer(l Layout, p programs, audit bool) part {
	argv := []string{
		p.Kube, "kube-apiserver", "--etcd-servers=http://" + etcdAddress,
		"--bind-address=" + nodeIP, "--advertise-address=" + nodeIP, "--secure-port=16443",
		"--service-cluster-ip-range=" + serviceIPs, "--authorization-mode=Node,RBAC", "--allow-privileged",
		"--client-ca-file=" + l.cert("ca"), "--cert-dir=" + l.path("pki"),
		"--tls-cert-file=" + l.cert("apiserver"), "--tls-private-key-file=" + l.key("apiserver"),
		"--kubelet-certificate-authority=" + l.cert("ca"), "--kubelet-preferred-address-types=InternalIP",
		"--kubelet-client-certificate=" + l.cert("apiserver-kubelet"), "--kubelet-client-key=" + l.key("apiserver-kubelet"),
		"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
		"--service-account-key-file=" + l.path("pki", "tokens.pub"),
		"--service-account-signing-key-file=" + l.key("tokens"),
	}
	if audit {
		argv = append(argv, "--audit-policy-file="+l.conf("audit.yaml"), "--audit-log-path="+l.AuditLog())
	}
	return part{name: "kube-apiserver", argv: argv, ready: l.apiReady}
}

// AuditLog has one JSON line for each request to the API server, when Up was
// asked for it.
func (l Layout) AuditLog() string { return l.path("log", "audit.log") }

func controllerManager(l Layout, p programs) part {
	return part{name: "kube-controller-manager", argv: []string{
		p.Kube, "kube-controller-manager", "--kubeconfig=" + l.kubeconfig("controller-manager"),
		"--bind-address=" + nodeIP, "--secure-port=11257", "--cert-dir=" + l.path("pki"), "--leader-elect=false",
		"--allocate-node-cidrs", "--cluster-cidr=" + podRange, "--use-service-account-credentials",
		"--service-account-private-key-file=" + l.key("tokens"), "--root-ca-file=" + l.cert("ca"),
		// A thousand fake nodes renew their leases late, and a node that was
		// once thought lost keeps its pods unready for good.
		"--node-monitor-grace-period=1h",
		// At the default of 20 requests a second the manager, not the product,
		// would be what a measurement of many rollouts measures.
		"--kube-api-qps=500", "--kube-api-burst=1000",
	}}
}

func scheduler(l Layout, p programs) part {
	return part{name: "kube-scheduler", argv: []string{
		p.Kube, "kube-scheduler", "--kubeconfig=" + l.kubeconfig("scheduler"), "--leader-elect=false",
		"--bind-address=" + nodeIP, "--secure-port=11259", "--cert-dir=" + l.path("pki"),
		"--kube-api-qps=500", "--kube-api-burst=1000",
	}}
}

func containerd(l Layout) part {
	return part{name: "containerd", argv: []string{"containerd", "--config", l.conf("containerd.toml")}, ready: l.containerdReady}
}

func kubelet(l Layout, p programs) part {
	return part{name: "kubelet", ready: Answers("http://" + nodeIP + ":11248/healthz"), argv: []string{
		p.Kube, "kubelet", "--config=" + l.conf("kubelet.yaml"), "--kubeconfig=" + l.kubeconfig("kubelet"),
		"--root-dir=" + l.path("kubelet"), "--cert-dir=" + l.path("pki"),
		"--hostname-override=" + nodeName, "--node-ip=" + nodeIP,
	}}
}

func kubeProxy(l Layout, p programs) part {
	return part{name: "kube-proxy", ready: Answers("http://" + nodeIP + ":11256/livez"), argv: []string{
		p.Kube, "kube-proxy", "--config=" + l.conf("kube-proxy.yaml"),
	}}
}

func coreDNS(l Layout, p programs) part {
	return part{name: "coredns", argv: []string{p.CoreDNS, "-conf", l.conf("Corefile")}, ready: Answers("http://" + nodeIP + ":11254/ready")}
}

func istiod(l Layout, p programs) part {
	return part{name: "istiod", ready: Answers("http://" + istiodHTTP + "/ready"),
		// It runs outside of the cluster, so nothing can call its webhooks and
		// no proxy asks it for certificates.
		env: []string{
			"POD_NAME=istiod", "POD_NAMESPACE=istio-system", "ENABLE_CA_SERVER=false", "PILOT_ENABLE_STATUS=false",
			"VALIDATION_WEBHOOK_CONFIG_NAME=", "INJECTION_WEBHOOK_CONFIG_NAME=",
			// Many tests change routes all the time: it would wait for them to pause for longer than -settle is.
			"PILOT_DEBOUNCE_MAX=1s",
		},
		argv: []string{
			p.Istiod, "discovery", "--kubeconfig=" + l.kubeconfig("istiod"), "--meshConfig=" + l.conf("mesh.yaml"),
			"--grpcAddr=" + istiodAddress, "--httpAddr=" + istiodHTTP, "--httpsAddr=", "--secureGRPCAddr=",
			"--monitoringAddr=" + nodeIP + ":15014", "--ctrlz_port=0",
		},
	}
}

func targetList(l Layout, p programs) part {
	return part{name: "targets", ready: Answers("http://" + targetsAddress), argv: []string{
		p.Targets, "--kubeconfig=" + l.kubeconfig("prometheus"), "--address=" + targetsAddress,
	}}
}

func prometheus(l Layout) part {
	return part{name: "prometheus", ready: Answers(Prometheus + "/-/ready"), argv: []string{
		"prometheus", "--config.file=" + l.conf("prometheus.yaml"), "--storage.tsdb.path=" + l.path("prometheus"),
		"--web.listen-address=" + nodeIP + ":19090", "--storage.tsdb.retention.time=6h", "--log.level=warn",
	}}
}

// Answers is a readiness by HTTP: anything but 200 is "not yet".
func Answers(url string) func(context.Context) error {
	return func(ctx context.Context) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return err
		}
		defer response.Body.Close()
		if response.StatusCode != http.StatusOK {
			return fmt.Errorf("%s answers %s", url, response.Status)
		}
		return nil
	}
}

// containerdReady looks for the socket, which containerd opens last.
func (l Layout) containerdReady(context.Context) error {
	_, err := os.Stat(l.socket())
	return err
}

func slack(p programs) part {
	return part{name: "slack", argv: []string{p.Slack, "--address=" + nodeIP + ":18880"}, ready: accepts(nodeIP + ":18880")}
}

// mesh is the sidecar of all pods in one process. It is no pod, and says that it
// lives where the walks deploy, since istiod resolves short names from there.
func mesh(p programs) part {
	return part{name: "mesh", ready: Answers("http://" + meshMetrics + "/healthz/ready"), argv: []string{
		p.Gateway, "--mode=mesh", "--xds-address=" + istiodAddress, "--pod-ip=" + nodeIP, "--pod-namespace=test",
		"--labels=app=mesh", "--capture-address=" + captureAddress, "--metrics-address=" + meshMetrics,
	}}
}

// accepts is the readiness of a part that has no word for it.
func accepts(address string) func(context.Context) error {
	return func(ctx context.Context) error {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
		if err != nil {
			return err
		}
		return conn.Close()
	}
}

package bench

import "strings"

func (p *Plane) etcdFlags() []string {
	return []string{
		"--data-dir=" + p.path("etcd"), "--log-level=error",
		"--listen-client-urls=http://" + p.etcd, "--advertise-client-urls=http://" + p.etcd,
		"--listen-peer-urls=http://" + loopback + ":0",
		// Nothing of this outlives the run, so no write has to reach a disk.
		"--unsafe-no-fsync",
		// What ten thousand Canaries were before they came to rest, too.
		"--quota-backend-bytes=8589934592",
	}
}

func (p *Plane) serverFlags() []string {
	_, port, _ := strings.Cut(p.address, ":")
	return []string{
		"--etcd-servers=http://" + p.etcd, "--bind-address=" + loopback, "--secure-port=" + port, "--cert-dir=" + p.dir,
		"--tls-cert-file=" + p.path("tls.crt"), "--tls-private-key-file=" + p.path("tls.key"),
		"--token-auth-file=" + p.path("tokens.csv"), "--authorization-mode=Node,RBAC",
		"--service-account-issuer=https://" + p.address,
		"--service-account-key-file=" + p.path("tls.crt"), "--service-account-signing-key-file=" + p.path("tls.key"),
		"--service-cluster-ip-range=10.96.0.0/16", "--endpoint-reconciler-type=none",
		"--audit-policy-file=" + p.path("audit.yaml"), "--audit-log-path=" + p.AuditLog(),
		// A log in several files would be counted in part only.
		"--audit-log-maxsize=0",
	}
}

func (p *Plane) managerFlags() []string {
	return []string{
		"--kubeconfig=" + p.kubeconfig(userManager), "--leader-elect=false", "--secure-port=0",
		"--use-service-account-credentials", // each controller is a client with a name
		"--service-account-private-key-file=" + p.path("tls.key"), "--root-ca-file=" + p.path("tls.crt"),
		// A node whose heartbeat is late on a busy machine would keep its pods
		// unready for good.
		"--node-monitor-grace-period=1h",
		// By default the controllers ask twenty times a second at most, and would
		// be what a hundred rollouts wait for.
		"--kube-api-qps=500", "--kube-api-burst=1000",
	}
}

func (p *Plane) schedulerFlags() []string {
	return []string{
		"--kubeconfig=" + p.kubeconfig(userScheduler), "--leader-elect=false", "--secure-port=0",
		"--kube-api-qps=500", "--kube-api-burst=1000",
	}
}

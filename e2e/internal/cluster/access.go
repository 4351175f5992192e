package cluster

import (
	"cmp"
	"fmt"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// Access is how a test reaches a cluster: this package's own, or any other that
// has Istio, Prometheus and a receiver of Slack messages.
type Access struct {
	// Kubeconfig is a file, for programs such as kubectl.
	Kubeconfig string
	// REST is the same for clients in Go.
	REST *rest.Config
	// Gateway, Prometheus and Slack are base URLs without a slash at the end,
	// reachable from where the test runs.
	Gateway, Prometheus, Slack string
	// Istiod is where istiod tells proxies what to do, without TLS: host:port.
	Istiod string
	// Own is whether the cluster is ours, into which images are loaded; another
	// one pulls them.
	Own bool
}

// Connect reads where the cluster is from the environment: KUBECONFIG, and with
// it GATEWAY_URL, PROMETHEUS_URL, SLACK_URL and ISTIOD_ADDRESS. What is not there is our own.
func (l Layout) Connect(env func(string) string) (Access, error) {
	a := Access{
		Kubeconfig: cmp.Or(env("KUBECONFIG"), l.Kubeconfig()),
		Gateway:    cmp.Or(env("GATEWAY_URL"), Gateway),
		Prometheus: cmp.Or(env("PROMETHEUS_URL"), Prometheus),
		Slack:      cmp.Or(env("SLACK_URL"), Slack),
		Istiod:     cmp.Or(env("ISTIOD_ADDRESS"), istiodAddress),
	}
	a.Own = a.Kubeconfig == l.Kubeconfig()
	var err error
	if a.REST, err = clientcmd.BuildConfigFromFlags("", a.Kubeconfig); err != nil {
		return Access{}, fmt.Errorf("kubeconfig %q: %w", a.Kubeconfig, err)
	}
	return a, nil
}

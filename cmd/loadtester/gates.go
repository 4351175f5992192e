package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/go-logr/logr"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"

	"github.com/sluice-cd/sluice/pkg/loadtest"
)

// File gates.go chooses where the gates are kept; what they are is in pkg/loadtest.

const (
	// namespaceFile tells every pod with a service account where it runs.
	namespaceFile = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"

	// apiTimeout is shorter than what webhooks are given, so that their callers hear what is wrong.
	apiTimeout = 5 * time.Second
)

// keeper finds the place where gates are kept, and says which it is: who runs two replicas, or restarts the
// only one, has to know.
func keeper(configMap string, log logr.Logger) (loadtest.Gates, error) {
	if configMap == "" {
		log.Info("gates are kept in memory: all are closed after a restart, and each replica has its own")
		return &loadtest.Memory{}, nil
	}
	// Outside a cluster this fails, instead of taking memory: gates that people believe shared would be each replica's.
	config, err := rest.InClusterConfig()
	if err != nil {
		return nil, fmt.Errorf("find the API server: %w", err)
	}
	// The client has none by itself, and a gate that hangs is one that nobody can open.
	config.Timeout = apiTimeout
	// Hundreds of Canaries ask about their gates every few seconds. The client's own limit, five a second, would
	// have them wait; the API server has its limits itself.
	config.QPS = -1
	// Its own namespace and no other: that is all the rights it has.
	namespace, err := os.ReadFile(namespaceFile)
	if err != nil {
		return nil, fmt.Errorf("find the namespace: %w", err)
	}
	client, err := typedcorev1.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	ns := strings.TrimSpace(string(namespace))
	log.Info("gates are kept in a ConfigMap", "namespace", ns, "name", configMap)
	return &loadtest.ConfigMap{Client: client.ConfigMaps(ns), Name: configMap}, nil
}

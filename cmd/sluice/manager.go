package main

import (
	"fmt"
	"net/http"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/kube"
)

// newManager has one port for metrics and probes, as installations of this API have it.
func newManager(config *rest.Config, o *options) (manager.Manager, error) {
	scheme := runtime.NewScheme()
	// Kubernetes' own kinds and ours. Routes of the providers are read as unstructured, so that none has to be served.
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1beta1.AddToScheme} {
		if err := add(scheme); err != nil {
			return nil, err
		}
	}
	var ready http.Handler
	mgr, err := ctrl.NewManager(config, ctrl.Options{
		Scheme: scheme,
		// The library's would be asked for each object that is read from the cache.
		MapperProvider: kube.Mapper,
		Cache:          watched(o),
		Client: client.Options{Cache: &client.CacheOptions{
			Unstructured: true, // routes are read as what they are watched as
			// Read when they are needed: a cluster has more of these than of all else, and Secrets are kept nowhere.
			DisableFor: []client.Object{&corev1.Secret{}, &corev1.ConfigMap{}, &corev1.Pod{}},
		}},
		Metrics: metricsserver.Options{
			// Without TLS, as probes and scrapers of this API's installations expect.
			BindAddress: fmt.Sprintf(":%d", o.port),
			ExtraHandlers: map[string]http.Handler{
				"/healthz": healthz.CheckHandler{Checker: healthz.Ping},
				// By way of a closure, since what is asked for needs the manager that is being made here.
				"/readyz": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { ready.ServeHTTP(w, r) }),
			},
		},
		LeaderElection:          o.leaderElection,
		LeaderElectionID:        "flagger-leader-election", // shared, so that two operators of this API never work at once
		LeaderElectionNamespace: o.leader(),
		// The next replica takes over at once. It is safe only because main ends right after Start does.
		LeaderElectionReleaseOnCancel: true,
		// A killed operator is replaced within 15s; see docs/decisions/0005-shared-lease-name.md.
		LeaseDuration: new(15 * time.Second),
		RenewDeadline: new(10 * time.Second),
		RetryPeriod:   new(2 * time.Second),
	})
	if err != nil {
		return nil, err
	}
	// Nobody can ask before: the server begins with Start.
	ready = synced(mgr)
	return mgr, nil
}

// watched bounds what is kept in memory: one namespace where that is asked for, and of an object's record of
// owners, which is often larger than the object, our own part.
func watched(o *options) cache.Options {
	c := cache.Options{DefaultTransform: kube.TrimManagedFields}
	// With rights in one namespace only, a watch of all would be refused, and the caches never filled.
	if o.namespace != "" {
		c.DefaultNamespaces = map[string]cache.Config{o.namespace: {}}
	}
	return c
}

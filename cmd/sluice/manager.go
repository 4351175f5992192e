package main

import (
	"fmt"
	"net/http"
	"time"

	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/sluice-cd/sluice/pkg/controller"
)

// newManager has one port for metrics and probes, as installations of this API have it.
func newManager(config *rest.Config, o *options) (manager.Manager, error) {
	options, err := controller.ManagerOptions(o.watched().Namespaces...)
	if err != nil {
		return nil, err
	}
	var ready http.Handler
	probed := map[string]http.Handler{
		"/healthz": healthz.CheckHandler{Checker: healthz.Ping},
		// By way of a closure, since what is asked for needs the manager that is being made here.
		"/readyz": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { ready.ServeHTTP(w, r) }),
	}
	options.Metrics = metricsserver.Options{
		// Without TLS, as probes and scrapers of this API's installations expect.
		BindAddress:   fmt.Sprintf(":%d", o.port),
		ExtraHandlers: probed,
	}
	if o.securePort != 0 {
		// With TLS, since callers send tokens. Probes have none, and stay where they are.
		options.Metrics = metricsserver.Options{
			BindAddress: fmt.Sprintf(":%d", o.securePort), SecureServing: true, FilterProvider: reviewed,
		}
	}
	mgr, err := ctrl.NewManager(config, options)
	if err != nil {
		return nil, err
	}
	// Nobody can ask before: the server begins with Start.
	ready = synced(mgr)
	if o.securePort != 0 {
		return mgr, serveProbes(mgr, o.port, probed)
	}
	return mgr, nil
}

// serveProbes has probes answered apart from metrics, by replicas that wait for the lease as well.
func serveProbes(mgr manager.Manager, port int, probed map[string]http.Handler) error {
	mux := http.NewServeMux()
	for path, handler := range probed {
		mux.Handle(path, handler)
	}
	return mgr.Add(&manager.Server{
		Name:   "probes",
		Server: &http.Server{Addr: fmt.Sprintf(":%d", port), Handler: mux, ReadHeaderTimeout: 5 * time.Second},
	})
}

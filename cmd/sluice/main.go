// Command sluice is the operator: it watches Canaries and brings their rollouts forward.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
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
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/sluice-cd/sluice/pkg/analysis"
	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/controller"
	"github.com/sluice-cd/sluice/pkg/kube"
	"github.com/sluice-cd/sluice/pkg/notify"
	"github.com/sluice-cd/sluice/pkg/workload"
)

// version is set when the program is linked.
var version = "unknown"

func main() {
	err := run(ctrl.SetupSignalHandler(), os.Args[1:])
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "sluice:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	o, err := parse(args, os.Getenv, os.Stderr)
	if err != nil {
		return err
	}
	if o.showVersion {
		fmt.Println(version)
		return nil
	}
	log, err := logger(o)
	if err != nil {
		return err
	}
	ctrl.SetLogger(log)
	config, err := connect(o)
	if err != nil {
		return err
	}
	mgr, err := newManager(config, o)
	if err != nil {
		return fmt.Errorf("set up the manager: %w", err)
	}
	if err := assemble(mgr, o); err != nil {
		return err
	}
	log.Info("starting", "version", version, "provider", o.provider)
	return mgr.Start(ctx)
}

func newManager(config *rest.Config, o *options) (manager.Manager, error) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1beta1.AddToScheme} {
		if err := add(scheme); err != nil {
			return nil, err
		}
	}
	var ready http.Handler
	mgr, err := ctrl.NewManager(config, ctrl.Options{
		Scheme: scheme,
		Cache:  watched(o),
		Client: client.Options{Cache: &client.CacheOptions{
			Unstructured: true, // routes are read as what they are watched as
			DisableFor:   []client.Object{&corev1.Secret{}, &corev1.ConfigMap{}, &corev1.Pod{}},
		}},
		Metrics: metricsserver.Options{
			BindAddress: fmt.Sprintf(":%d", o.port),
			ExtraHandlers: map[string]http.Handler{
				"/healthz": healthz.CheckHandler{Checker: healthz.Ping},
				"/readyz":  http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { ready.ServeHTTP(w, r) }),
			},
		},
		LeaderElection:                o.leaderElection,
		LeaderElectionID:              "flagger-leader-election", // shared, so that two operators of this API never work at once
		LeaderElectionNamespace:       o.leader(),
		LeaderElectionReleaseOnCancel: true,
		LeaseDuration:                 new(15 * time.Second),
		RenewDeadline:                 new(10 * time.Second),
		RetryPeriod:                   new(2 * time.Second),
	})
	if err != nil {
		return nil, err
	}
	ready = synced(mgr)
	return mgr, nil
}

// watched bounds what is kept in memory: one namespace where that is asked for, and of an object's record of
// owners, which is often larger than the object, our own part.
func watched(o *options) cache.Options {
	c := cache.Options{DefaultTransform: kube.Trim}
	if o.namespace != "" {
		c.DefaultNamespaces = map[string]cache.Config{o.namespace: {}}
	}
	return c
}

// assemble hangs the parts into the manager.
func assemble(mgr manager.Manager, o *options) error {
	settle, err := time.ParseDuration(o.settle)
	if err != nil {
		return fmt.Errorf("-settle: %w", err)
	}
	telemetry, err := controller.NewTelemetry(metrics.Registry, mgr.GetClient(), version, o.provider)
	if err != nil {
		return fmt.Errorf("register metrics: %w", err)
	}
	queue := notify.NewQueue(notify.Limits{}, mgr.GetLogger().WithName("notify"))
	herald, err := newHerald(mgr, o, queue, telemetry)
	if err != nil {
		return err
	}
	routers, err := newRouters(mgr, o)
	if err != nil {
		return err
	}
	analyst := analysis.New(o.metricsServer, o.provider)
	analyst.Observe = telemetry.Observe
	r := &controller.Reconciler{
		Client:  mgr.GetClient(),
		Live:    mgr.GetAPIReader(),
		Applier: &kube.Applier{Client: mgr.GetClient(), Reader: mgr.GetClient(), Live: mgr.GetAPIReader(), Now: time.Now},
		Analyst: analyst,
		Herald:  herald,
		Routers: routers,
		Kind:    workload.Deployment{SelectorLabels: o.labels(), IncludeLabelPrefixes: o.prefixes()},
		Settle:  settle,
		Now:     time.Now,
	}
	if err := mgr.Add(manager.RunnableFunc(queue.Run)); err != nil {
		return err
	}
	return r.Setup(mgr, o.threads)
}

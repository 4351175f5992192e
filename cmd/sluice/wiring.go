package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/go-logr/logr"
	"go.uber.org/zap/zapcore"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/kubernetes"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/record"
	ctrl "sigs.k8s.io/controller-runtime"
	logzap "sigs.k8s.io/controller-runtime/pkg/log/zap"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	corev1 "k8s.io/api/core/v1"

	"github.com/sluice-cd/sluice/pkg/analysis"
	"github.com/sluice-cd/sluice/pkg/controller"
	"github.com/sluice-cd/sluice/pkg/kube"
	"github.com/sluice-cd/sluice/pkg/notify"
	"github.com/sluice-cd/sluice/pkg/router"
)

// connect finds the API server: by the flags, else by the usual places of a cluster or a user.
func connect(o *options) (*rest.Config, error) {
	config, err := ctrl.GetConfig()
	if o.kubeconfig != "" || o.master != "" {
		config, err = clientcmd.BuildConfigFromFlags(o.master, o.kubeconfig)
	}
	if err != nil {
		return nil, fmt.Errorf("find the API server: %w", err)
	}
	config.QPS, config.Burst = float32(o.qps), o.burst
	config.UserAgent = "sluice/" + version
	return config, nil
}

func logger(o *options) (logr.Logger, error) {
	level, err := zapcore.ParseLevel(o.logLevel)
	if err != nil {
		return logr.Logger{}, fmt.Errorf("-log-level: %w", err)
	}
	encode := logzap.JSONEncoder()
	switch o.logEncoding {
	case "json":
	case "console":
		encode = logzap.ConsoleEncoder()
	default:
		return logr.Logger{}, fmt.Errorf("-zap-encoding: %q is neither json nor console", o.logEncoding)
	}
	return logzap.New(logzap.Level(level), encode), nil
}

// The library's recorder drops what goes beyond 25 events of one object, which a single rollout with many
// steps and a failure after it reaches, and folds ten alike into one.
const (
	eventBurst = 100
	eventAlike = 50
)

func newHerald(mgr manager.Manager, o *options, t *controller.Telemetry) (*controller.Herald, error) {
	clients, err := kubernetes.NewForConfigAndClient(mgr.GetConfig(), mgr.GetHTTPClient())
	if err != nil {
		return nil, fmt.Errorf("set up the client of events: %w", err)
	}
	events := record.NewBroadcasterWithCorrelatorOptions(record.CorrelatorOptions{BurstSize: eventBurst, MaxEvents: eventAlike})
	events.StartRecordingToSink(&typedcorev1.EventSinkImpl{Interface: clients.CoreV1().Events("")})
	h := &controller.Herald{
		Events:    events.NewRecorder(mgr.GetScheme(), corev1.EventSource{Component: "sluice"}),
		Telemetry: t,
		Providers: mgr.GetClient(),
		Secrets:   mgr.GetAPIReader(),
		Cluster:   o.cluster,
		Local:     o.localRefs,
		Threads:   notify.NewThreads(),
		EventURL:  o.eventURL,
	}
	if h.Queue, err = newQueue(mgr, t, "alerts"); err != nil {
		return nil, err
	}
	if h.Calls, err = newQueue(mgr, t, "hooks"); err != nil {
		return nil, err
	}
	if h.Tracer, err = newTracer(mgr, o); err != nil {
		return nil, err
	}
	h.Default, err = o.notifier(h.Threads)
	return h, err
}

// newQueue is a queue that works while the manager runs.
func newQueue(mgr manager.Manager, t *controller.Telemetry, name string) (*notify.Queue, error) {
	q := notify.NewQueue(notify.Limits{}, mgr.GetLogger().WithName(name))
	t.Watch(name, q)
	return q, mgr.Add(manager.RunnableFunc(q.Run))
}

// newAnalyst is who answers the questions of rollouts.
func newAnalyst(mgr manager.Manager, o *options, t *controller.Telemetry, library analysis.Library) (*analysis.Analyst, error) {
	raw, err := kube.NewRaw(mgr.GetConfig())
	if err != nil {
		return nil, fmt.Errorf("set up the client of metrics: %w", err)
	}
	a := analysis.New(o.metricsServer, o.provider)
	a.Observe, a.Failed = t.Observe, t.QueryFailed
	a.Library, a.Cluster = library, raw
	return a, nil
}

// newRouters finds the provider of Canaries that name none, where no flag does.
func newRouters(mgr manager.Manager, o *options) (*controller.Routers, error) {
	d, err := discovery.NewDiscoveryClientForConfigAndClient(mgr.GetConfig(), mgr.GetHTTPClient())
	if err != nil {
		return nil, fmt.Errorf("set up discovery: %w", err)
	}
	r := &controller.Routers{
		Default:   o.provider,
		Discovery: d,
		Options:   router.Options{IngressClass: o.ingressClass, AnnotationsPrefix: o.annotations},
		Local:     o.localRefs,
		Now:       time.Now,
	}
	if o.provider != "" {
		return r, nil
	}
	why, err := r.Detect()
	if err != nil {
		return nil, fmt.Errorf("choose a provider: %w", err)
	}
	o.provider = r.Default
	mgr.GetLogger().Info("no -mesh-provider is given, one was chosen", "provider", o.provider, "because", why)
	return r, nil
}

// synced answers whether the caches hold what is watched: before that nothing could be decided.
func synced(mgr manager.Manager) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, stop := context.WithTimeout(r.Context(), time.Second)
		defer stop()
		if !mgr.GetCache().WaitForCacheSync(ctx) {
			http.Error(w, "caches are not filled yet", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	})
}

package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"go.uber.org/zap/zapcore"
	"k8s.io/apimachinery/pkg/runtime"
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
	"github.com/sluice-cd/sluice/pkg/announce"
	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/controller"
	"github.com/sluice-cd/sluice/pkg/kube"
	"github.com/sluice-cd/sluice/pkg/notify"
	"github.com/sluice-cd/sluice/pkg/observe"
	"github.com/sluice-cd/sluice/pkg/router"
)

// File wiring.go makes the parts that the reconciler is given, each from the manager and the flags.

// connect finds the API server: by the flags, else by the usual places of a cluster or a user.
func connect(o *options) (*rest.Config, error) {
	config, err := ctrl.GetConfig()
	// The flags win, and so does their error: what the usual places say does not matter then.
	if o.kubeconfig != "" || o.master != "" {
		config, err = clientcmd.BuildConfigFromFlags(o.master, o.kubeconfig)
	}
	if err != nil {
		return nil, fmt.Errorf("find the API server: %w", err)
	}
	// The defaults are those of three clients in other operators of this API, 100 and 250 each.
	config.QPS, config.Burst = float32(o.qps), o.burst
	config.UserAgent = "sluice/" + version
	return config, nil
}

// logger has JSON as its default, as installations collect it; levels and encodings are named as zap does. An error of a pass says
// by itself what was attempted: a stack is there for a panic only. Writers take the place of standard error.
func logger(o *options, to ...io.Writer) (logr.Logger, error) {
	level, err := zapcore.ParseLevel(o.logLevel)
	if err != nil {
		return logr.Logger{}, fmt.Errorf("-log-level: %w", err)
	}
	readable := func(c *zapcore.EncoderConfig) {
		c.EncodeTime = zapcore.TimeEncoderOfLayout("2006-01-02T15:04:05.000Z07:00")
	}
	encode := logzap.JSONEncoder(readable)
	switch o.logEncoding {
	case "json":
	case "console":
		encode = logzap.ConsoleEncoder(readable)
	default:
		return logr.Logger{}, fmt.Errorf("-zap-encoding: %q is neither json nor console", o.logEncoding)
	}
	set := []logzap.Opts{logzap.Level(level), encode, logzap.StacktraceLevel(zapcore.PanicLevel)}
	for _, w := range to {
		set = append(set, logzap.WriteTo(w))
	}
	return logzap.New(set...), nil
}

// The library's recorder drops what goes beyond 25 events of one object, which a single rollout with many
// steps and a failure after it reaches, and folds ten alike into one.
const (
	eventBurst = 100
	eventAlike = 50
)

// newAnnouncer is who tells people. Nothing of it may hold up a rollout, hence the queues.
func newAnnouncer(mgr manager.Manager, o *options, t *announce.Telemetry) (*announce.Announcer, error) {
	// As the manager's own clients have it: a rollout of five steps has ten events, and JSON costs more to read and write.
	config := rest.CopyConfig(mgr.GetConfig())
	config.ContentType = runtime.ContentTypeProtobuf
	clients, err := kubernetes.NewForConfigAndClient(config, mgr.GetHTTPClient())
	if err != nil {
		return nil, fmt.Errorf("set up the client of events: %w", err)
	}
	// In place of the manager's recorder, whose limits are the library's.
	events := record.NewBroadcasterWithCorrelatorOptions(record.CorrelatorOptions{BurstSize: eventBurst, MaxEvents: eventAlike})
	// Events of core/v1, as `kubectl describe` and scripts of installations read them.
	events.StartRecordingToSink(&typedcorev1.EventSinkImpl{Interface: clients.CoreV1().Events("")})
	to, err := o.addresses()
	if err != nil {
		return nil, err
	}
	h := &announce.Announcer{
		Addresses: to,
		Events:    events.NewRecorder(mgr.GetScheme(), corev1.EventSource{Component: "sluice"}),
		Telemetry: t,
		Providers: mgr.GetClient(),
		Secrets:   mgr.GetAPIReader(),
		Cluster:   o.cluster,
		Local:     o.localRefs,
		Threads:   notify.NewThreads(),
		EventURL:  o.eventURL,
		Console:   strings.TrimSuffix(o.consoleURL, "/"),
	}
	// Two queues: a chat service that is slow must not delay the hooks that programs wait for. A hook may take an hour.
	if h.Queue, err = newQueue(mgr, t, "alerts", notify.Limits{}); err != nil {
		return nil, err
	}
	if h.Calls, err = newQueue(mgr, t, "hooks", notify.Limits{Deadline: time.Hour}); err != nil {
		return nil, err
	}
	if h.Tracer, err = newTracer(mgr, o); err != nil {
		return nil, err
	}
	// Last, and an error of the start: a channel that is misspelt here would lose the messages of all Canaries.
	h.Default, err = o.notifier(h.Threads)
	return h, err
}

// newOtherOperators looks for other operators where all namespaces are followed, else it is nil: the rights to one namespace show
// no other's lease.
func newOtherOperators(mgr manager.Manager, o *options, a *announce.Announcer, leads func() bool) (*controller.OtherOperators, error) {
	if o.namespace != "" {
		return nil, nil
	}
	others := controller.NewOtherOperators(o.watched().Reader(mgr.GetClient()), mgr.GetAPIReader(), a.Events)
	others.Leads = leads
	// A lease of another name is none of those that are looked at.
	if o.leaderElection && o.lease() == controller.LeaseName {
		others.Own = o.leader()
	}
	return others, mgr.Add(others)
}

// newRunTotal bounds the CanaryRuns of all Canaries together; nil: nothing does.
func newRunTotal(mgr manager.Manager, o *options, leads func() bool) (*controller.RunTotal, error) {
	if o.runRecords == 0 {
		return nil, nil
	}
	total := controller.NewRunTotal(o.runRecords, mgr.GetAPIReader(), mgr.GetClient())
	total.Namespace, total.Leads = o.namespace, leads
	return total, mgr.Add(total)
}

// newQueue is a queue that works while the manager runs.
func newQueue(mgr manager.Manager, t *announce.Telemetry, name string, l notify.Limits) (*notify.Queue, error) {
	q := notify.NewQueue(l, mgr.GetLogger().WithName(name))
	// Its length and what it lost are exported under its name.
	t.Watch(name, q)
	return q, mgr.Add(manager.RunnableFunc(q.Run))
}

// validator says what is wrong with a spec: one after the other, since it is told in a condition, which is one line.
func validator(analyst *analysis.Analyst, templates *observe.Templates) func(*v1beta1.Canary) error {
	return func(c *v1beta1.Canary) error {
		if err := analysis.Validate(c, analyst.Meter(c)); err != nil {
			return err
		}
		if err := analysis.ValidateWords(c); err != nil {
			return err
		}
		return templates.Permit(c)
	}
}

// newAnalyst is who answers the questions of rollouts.
func newAnalyst(mgr manager.Manager, o *options, t *announce.Telemetry, library analysis.Library) (*analysis.Analyst, error) {
	// For Jobs and the metrics of other operators. Its rate is its own: polls must not slow writes.
	raw, err := kube.NewRaw(mgr.GetConfig())
	if err != nil {
		return nil, fmt.Errorf("set up the client of metrics: %w", err)
	}
	a := analysis.New(o.metricsServer, o.provider)
	to, err := o.addresses()
	if err != nil {
		return nil, err
	}
	a.Restrict(to, o.eventURL)
	// The package knows no metrics of ours; it tells who does.
	a.Observe, a.Failed = t.Observe, t.QueryFailed
	a.Library, a.Cluster, a.Identity, a.Local = library, raw, o.ambient, o.localRefs
	a.RestrictJobs = o.restrictJobs
	return a, nil
}

// newRouters finds the provider of Canaries that name none, where no flag does.
func newRouters(mgr manager.Manager, o *options) (*observe.Routers, error) {
	// What the cluster serves decides which version of a provider's API is written, whoever names the provider.
	d, err := discovery.NewDiscoveryClientForConfigAndClient(mgr.GetConfig(), mgr.GetHTTPClient())
	if err != nil {
		return nil, fmt.Errorf("set up discovery: %w", err)
	}
	r := &observe.Routers{
		Default:   o.provider,
		Discovery: d,
		Options:   router.Options{IngressClass: o.ingressClass, AnnotationsPrefix: o.annotations},
		Local:     o.localRefs,
		Now:       time.Now,
	}
	// A name that is given is never replaced by what is found.
	if o.provider != "" {
		return r, nil
	}
	// Once: a provider that changed in mid-rollout would leave routes behind, see
	// docs/decisions/0014-detection-at-start.md.
	why, err := r.Detect()
	if err != nil {
		return nil, fmt.Errorf("choose a provider: %w", err)
	}
	o.provider = r.Default
	mgr.GetLogger().Info("no -mesh-provider is given, one was chosen", "provider", o.provider, "because", why)
	return r, nil
}

// synced answers whether the caches hold what is watched from the start: before that nothing could be decided. What is
// watched later, for a Canary that needs it, keeps nobody from being ready.
func synced(mgr manager.Manager) http.Handler {
	var once atomic.Bool
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Less than the probe waits, so that it hears a reason and no timeout.
		ctx, stop := context.WithTimeout(r.Context(), time.Second)
		defer stop()
		// A replica that waits for the lease has filled its caches too, and counts as ready.
		if !once.Load() && !mgr.GetCache().WaitForCacheSync(ctx) {
			http.Error(w, "caches are not filled yet", http.StatusServiceUnavailable)
			return
		}
		once.Store(true)
		fmt.Fprintln(w, "ok")
	})
}

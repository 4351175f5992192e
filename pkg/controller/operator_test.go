package controller

import (
	"cmp"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/record"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/config"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/sluice-cd/sluice/pkg/analysis"
	"github.com/sluice-cd/sluice/pkg/announce"
	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/kube"
	"github.com/sluice-cd/sluice/pkg/kube/kubetest"
	"github.com/sluice-cd/sluice/pkg/notify"
	"github.com/sluice-cd/sluice/pkg/observe"
	"github.com/sluice-cd/sluice/pkg/rollout"
	"github.com/sluice-cd/sluice/pkg/workload"
)

// TestMain starts the API server that all tests share. Istio's CRDs come from its module.
func TestMain(m *testing.M) {
	ctrl.SetLogger(logr.Discard())
	os.Exit(kubetest.Main(m, ownCRDs, "testdata/keda.yaml", istioCRDs()))
}

const ownCRDs = "../../artifacts/crds"

func istioCRDs() string {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "istio.io/api").Output()
	if err != nil {
		panic(err)
	}
	return filepath.Join(strings.TrimSpace(string(out)), "kubernetes", "customresourcedefinitions.gen.yaml")
}

// pace is how much faster than real time the operator's clock runs in tests: an interval of ten seconds
// takes a quarter of one.
const pace = 40

// clock runs fast from the moment it is made.
type clock struct {
	from time.Time
	pace time.Duration // zero: as fast as those of most tests
}

func (c clock) now() time.Time { return c.from.Add(time.Since(c.from) * cmp.Or(c.pace, pace)) }

// paced asks the queue for the same instant as the reconciler, on the other clock.
type paced struct{ reconcile.Reconciler }

func (p paced) Reconcile(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	result, err := p.Reconciler.Reconcile(ctx, req)
	if result.RequeueAfter > 0 {
		result.RequeueAfter = max(result.RequeueAfter/pace, time.Millisecond)
	}
	return result, err
}

// judge answers a rollout's questions as a test wants it.
type judge struct {
	mu    sync.Mutex
	fails int              // checks to fail from now on; below zero: all
	from  int              // weight from which on they fail
	holds int              // weight from which on no metric is answered; zero: none
	shut  v1beta1.HookType // moment whose hooks do not agree; empty: all do
	turns chan struct{}    // closed when holds becomes another; nil: nobody waits for that
}

func (j *judge) fail(n int) { j.failFrom(0, n) }

// failFrom passes all checks below a weight. By weights, since a check may be asked for twice: what was decided by the
// first answer can come too late to be stored.
func (j *judge) failFrom(weight, n int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.from, j.fails = weight, n
}

// hold has a rollout stand at a weight, or above it, until it is told to go on, so that what a test looks for there
// cannot be over before it has looked. An interval, at this pace, soon is.
func (j *judge) hold(weight int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.holds = weight
	if j.turns != nil {
		close(j.turns)
		j.turns = nil
	}
}

func (j *judge) goOn() { j.hold(0) }

// shutGate has the hooks of a moment not agree, and all others do; empty: all do.
func (j *judge) shutGate(moment v1beta1.HookType) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.shut = moment
}

func (j *judge) Round(c *v1beta1.Canary) analysis.Answer {
	return func(ctx context.Context, q rollout.Question) rollout.Finding {
		if q.Metric != nil {
			j.wait(ctx, c.Status.CanaryWeight)
		}
		if ctx.Err() != nil {
			return rollout.Finding{} // nobody asks any more: no check has failed
		}
		j.mu.Lock()
		defer j.mu.Unlock()
		if q.Hook != nil && q.Hook.Moment() == j.shut {
			return rollout.Finding{Verdict: v1beta1.Failed, Message: "not yet"}
		}
		if q.Metric == nil || j.fails == 0 || c.Status.CanaryWeight < j.from {
			return rollout.Finding{Verdict: v1beta1.Passed}
		}
		j.fails = max(j.fails-1, -1)
		return rollout.Finding{Verdict: v1beta1.Failed, Message: "Halt advancement success rate 97.50% < 99%"}
	}
}

// wait returns when a rollout at a weight is not held, or nobody asks any more.
func (j *judge) wait(ctx context.Context, weight int) {
	for {
		j.mu.Lock()
		if j.holds == 0 || weight < j.holds {
			j.mu.Unlock()
			return
		}
		if j.turns == nil {
			j.turns = make(chan struct{})
		}
		turns := j.turns
		j.mu.Unlock()
		select {
		case <-turns:
		case <-ctx.Done():
			return
		}
	}
}

// operator is one process of the operator, as a test runs it.
type operator struct {
	*kubetest.Crasher
	manager ctrl.Manager
	reconcr *Reconciler
	metrics *prometheus.Registry
	workers int    // zero: 4
	beside  string // another namespace that it works in; empty: none
	stop    func() // and wait until it has ended
	said    []string
}

// start runs an operator on one namespace until the test ends or it is stopped.
func start(t *testing.T, ns string, tell clock, a Analyst, crash int, tune ...func(*Reconciler)) *operator {
	t.Helper()
	o := &operator{Crasher: &kubetest.Crasher{}}
	if crash > 0 {
		o.CrashAfter(crash)
	}
	o.launch(t, kubetest.Config(t), ns, tell, a, tune...)
	return o
}

// launch runs the operator against a server.
func (o *operator) launch(t *testing.T, cfg *rest.Config, ns string, tell clock, a Analyst, tune ...func(*Reconciler)) {
	t.Helper()
	cfg = kube.AwaitServer(o.Wrap(cfg), func() { o.reconcr.LookAtAll() })
	o.manager = manage(t, cfg, ns, o.beside)
	o.metrics = prometheus.NewRegistry()
	o.reconcr = assemble(t, o.manager, tell, a, o.metrics)
	o.reconcr.Watched.Namespaces = []string{ns}
	for _, f := range tune {
		f(o.reconcr)
	}
	require.NoError(t, o.reconcr.setup(o.manager, cmp.Or(o.workers, 4), func(r reconcile.Reconciler) reconcile.Reconciler { return paced{r} }))
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = o.manager.Start(ctx) // a crashed one fails, as it should
	}()
	o.stop = func() { cancel(); <-ended }
	t.Cleanup(o.stop)
}

func manage(t testing.TB, cfg *rest.Config, ns, beside string) ctrl.Manager {
	t.Helper()
	cfg.UserAgent = "sluice/test"
	o, err := ManagerOptions(ns)
	require.NoError(t, err)
	if beside != "" {
		o.Cache.DefaultNamespaces[beside] = cache.Config{}
	}
	o.Logger = logr.Discard()
	o.Controller = config.Controller{SkipNameValidation: new(true)}
	o.Metrics = metricsserver.Options{BindAddress: "0"}
	mgr, err := ctrl.NewManager(cfg, o)
	require.NoError(t, err)
	return mgr
}

func assemble(t testing.TB, mgr ctrl.Manager, tell clock, a Analyst, into prometheus.Registerer) *Reconciler {
	t.Helper()
	telemetry, err := announce.NewTelemetry(into, mgr.GetClient(), "test", "istio")
	require.NoError(t, err)
	d, err := discovery.NewDiscoveryClientForConfig(mgr.GetConfig())
	require.NoError(t, err)
	r := &Reconciler{
		Analyst: a,
		Announcer: &announce.Announcer{
			Events:    record.NewFakeRecorder(1000),
			Queue:     notify.NewQueue(notify.Limits{}, logr.Discard()),
			Telemetry: telemetry,
			Providers: mgr.GetClient(),
			Secrets:   mgr.GetAPIReader(),
		},
		Routers:  &observe.Routers{Default: "istio", Discovery: d, Now: tell.now},
		Kinds:    workload.Kinds{LabelRules: workload.LabelRules{SelectorLabels: []string{"app"}}},
		Tracking: true,
		Validate: func(c *v1beta1.Canary) error { return analysis.Validate(c, cmp.Or(c.Spec.Provider, "istio")) },
		Settle:   2 * time.Second,
	}
	r.Use(mgr, tell.now)
	return r
}

// events are those the operator has sent so far.
func (o *operator) events() []string {
	for {
		select {
		case e := <-o.reconcr.Announcer.Events.(*record.FakeRecorder).Events:
			o.said = append(o.said, e)
		default:
			return o.said
		}
	}
}

// passes is how many passes over Canaries were made.
func (o *operator) passes() uint64 {
	families, _ := o.metrics.Gather()
	var n uint64
	for _, f := range families {
		if f.GetName() != "flagger_canary_duration_seconds" {
			continue
		}
		for _, m := range f.GetMetric() {
			n += m.GetHistogram().GetSampleCount()
		}
	}
	return n
}

package console

import (
	"context"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/stretchr/testify/require"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/console"
	"github.com/sluice-cd/sluice/pkg/console/web"
	"github.com/sluice-cd/sluice/pkg/kube/kubetest"
)

func TestMain(m *testing.M) {
	if chromium() == "" { // and there is no need of an API server
		fmt.Println("NOT TESTED: chromium is not installed; `make systems` installs it")
		os.Exit(0)
	}
	os.Exit(kubetest.Main(m, "../../../artifacts/crds"))
}

// basePath is that of all pages here: what works below a path works without one.
const basePath = "/sluice"

// scene is a page over namespaces of a real API server.
type scene struct {
	*testing.T
	client.Client
	ns  string
	url string // of the page

	proxy    *proxy
	canaries cache.Cache
	began    time.Time
}

// proxy stands before the server: it counts streams, and can be down.
type proxy struct {
	next    atomic.Pointer[http.Handler]
	streams atomic.Int32 // that are open
	down    atomic.Bool

	mu   sync.Mutex
	cuts map[int]context.CancelFunc
	last int
}

func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if p.down.Load() {
		http.Error(w, "down", http.StatusBadGateway)
		return
	}
	if !strings.HasSuffix(r.URL.Path, "/stream") {
		(*p.next.Load()).ServeHTTP(w, r)
		return
	}
	p.streams.Add(1)
	defer p.streams.Add(-1)
	ctx, cut := context.WithCancel(r.Context())
	defer cut()
	p.mu.Lock()
	p.last++
	mine := p.last
	p.cuts[mine] = cut
	p.mu.Unlock()
	(*p.next.Load()).ServeHTTP(w, r.WithContext(ctx))
	p.mu.Lock()
	delete(p.cuts, mine)
	p.mu.Unlock()
}

// drop ends all streams, and has the server be away or come back.
func (p *proxy) drop(down bool) {
	p.down.Store(down)
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, cut := range p.cuts {
		cut()
	}
}

func newScene(t *testing.T) *scene {
	t.Helper()
	cfg := kubetest.Config(t)
	scheme := runtime.NewScheme()
	require.NoError(t, clientgoscheme.AddToScheme(scheme))
	require.NoError(t, v1beta1.AddToScheme(scheme))
	api, err := client.New(cfg, client.Options{Scheme: scheme})
	require.NoError(t, err)
	canaries, err := cache.New(cfg, cache.Options{Scheme: scheme})
	require.NoError(t, err)
	ctx, stop := context.WithCancel(context.Background())
	t.Cleanup(stop)
	go func() { _ = canaries.Start(ctx) }()
	p := &proxy{cuts: map[int]context.CancelFunc{}}
	srv := httptest.NewServer(p)
	t.Cleanup(srv.Close)
	s := &scene{T: t, Client: api, ns: kubetest.Namespace(t), url: srv.URL + basePath + "/", proxy: p, canaries: canaries, began: time.Now().Truncate(time.Second).Add(-12 * time.Minute)}
	s.serve()
	return s
}

// serve starts the server, or another one in its place, which knows no session of the one before.
func (s *scene) serve(change ...func(*console.Config, *console.Sessions)) {
	s.Helper()
	files, err := fs.Sub(web.Dist, "dist")
	require.NoError(s, err)
	sessions, err := console.NewSessions(nil, false, time.Now)
	require.NoError(s, err)
	config := console.Config{
		Cache: s.canaries, API: s.Client, Files: files, BasePath: basePath, Version: "v1.0.0", Cluster: "prod-eu", Provider: "istio", Log: logr.Discard(),
		Login: &console.TokenLogin{Client: s.Client, Sessions: sessions, Now: time.Now}, Rights: &console.Reviews{Client: s.Client, Now: time.Now},
	}
	for _, f := range change {
		f(&config, sessions)
	}
	server, err := console.New(config)
	require.NoError(s, err)
	s.Cleanup(server.Stop)
	handler := server.Handler()
	s.proxy.next.Store(&handler)
}

// allVerbs are what who is on call may do.
var allVerbs = []string{"get", "list", "patch", "promote", "promote-full", "override", "abort", "retry", "pause", "resume", "rollback", "skip-step"}

// account makes a service account with verbs on Canaries in some namespaces, and its token.
func (s *scene) account(name string, verbs []string, namespaces ...string) (token string) {
	s.Helper()
	ctx := s.Context()
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: s.ns, Name: name}}
	require.NoError(s, s.Create(ctx, account))
	s.permit(rbacv1.Subject{Kind: rbacv1.ServiceAccountKind, Namespace: s.ns, Name: name}, verbs, namespaces...)
	request := &authenticationv1.TokenRequest{}
	require.NoError(s, s.SubResource("token").Create(ctx, account, request))
	return request.Status.Token
}

// permit lets somebody use verbs on Canaries in some namespaces, and see their pods and events.
func (s *scene) permit(who rbacv1.Subject, verbs []string, namespaces ...string) {
	s.Helper()
	for _, ns := range append(namespaces, s.ns) {
		meta := metav1.ObjectMeta{Namespace: ns, Name: who.Name}
		require.NoError(s, s.Create(s.Context(), &rbacv1.Role{ObjectMeta: meta, Rules: []rbacv1.PolicyRule{
			{APIGroups: []string{"flagger.app"}, Resources: []string{"canaries", "canaryruns"}, Verbs: verbs},
			{APIGroups: []string{""}, Resources: []string{"pods", "events"}, Verbs: []string{"list"}},
		}}))
		require.NoError(s, s.Create(s.Context(), &rbacv1.RoleBinding{
			ObjectMeta: meta, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: who.Name}, Subjects: []rbacv1.Subject{who},
		}))
	}
}

// canary makes a Canary of four steps, at rest.
func (s *scene) canary(ns, name string) {
	s.Helper()
	most := 500.0
	require.NoError(s, s.Create(s.Context(), &v1beta1.Canary{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name}, Spec: v1beta1.CanarySpec{
		TargetRef: v1beta1.TargetRef{APIVersion: "apps/v1", Kind: "Deployment", Name: name},
		Service:   v1beta1.CanaryService{Port: 9898},
		Analysis: &v1beta1.CanaryAnalysis{
			Interval: "1m", Threshold: 5,
			Steps: []v1beta1.AnalysisStep{{Weight: new(5), Name: "first users"}, {Weight: new(20), Pause: &v1beta1.StepPause{}}, {Weight: new(50), Duration: "10m"}, {Weight: new(80)}},
			Metrics: []v1beta1.CanaryMetric{
				{Name: "request-success-rate", ThresholdRange: &v1beta1.ThresholdRange{Min: new(99.0)}},
				{Name: "request-duration", ThresholdRange: &v1beta1.ThresholdRange{Max: &most}},
			},
		},
	}}))
	s.status(ns, name, func(c *v1beta1.CanaryStatus) {
		c.Phase, c.LastAppliedSpec, c.LastPromotedSpec = v1beta1.PhaseInitialized, "r1-one", "r1-one"
	})
}

// status writes a status, as the operator does.
func (s *scene) status(ns, name string, change func(*v1beta1.CanaryStatus)) {
	s.Helper()
	require.NoError(s, retry.RetryOnConflict(retry.DefaultRetry, func() error {
		c := &v1beta1.Canary{}
		if err := s.Get(s.Context(), client.ObjectKey{Namespace: ns, Name: name}, c); err != nil {
			return err
		}
		change(&c.Status)
		return s.Status().Update(s.Context(), c)
	}))
}

// start begins a rollout of podinfo 6.0.1.
func (s *scene) start(c *v1beta1.CanaryStatus) {
	c.Phase, c.LastAppliedSpec, c.LastPromotedSpec = v1beta1.PhaseProgressing, "r1-two", "r1-one"
	c.Run = &v1beta1.Run{
		Number: 17, Revision: "r1-two", Images: "podinfod:6.0.1", From: &v1beta1.RunOrigin{Run: 16, Revision: "r1-one", Images: "podinfod:6.0.0"}, Started: metav1.NewTime(s.began), Attempt: 1,
	}
	c.History = []v1beta1.PastRun{
		{Number: 16, Revision: "r1-one", Images: "podinfod:6.0.0", Outcome: v1beta1.RunPromoted, By: "anna", Started: metav1.NewTime(s.began.Add(-75 * time.Hour)), Finished: metav1.NewTime(s.began.Add(-74 * time.Hour))},
		{Number: 15, Revision: "r1-zero", Images: "podinfod:5.9.9", Outcome: v1beta1.RunRolledBack, Reason: "request-duration 900 > 500", Started: metav1.NewTime(s.began.Add(-99 * time.Hour)), Finished: metav1.NewTime(s.began.Add(-98 * time.Hour))},
	}
	c.WaitingFor = ""
}

// step takes a step of the rollout, so many minutes after its beginning.
func (s *scene) step(c *v1beta1.CanaryStatus, number, weight, minute int) {
	at := s.began.Add(time.Duration(minute) * time.Minute)
	c.Step, c.CanaryWeight, c.WaitingFor = number, weight, ""
	c.StepStarted = &v1beta1.StepStart{Revision: "r1-two", Step: number, Time: metav1.NewMicroTime(at)}
	c.Run.Track = append(c.Run.Track, v1beta1.TrackPoint{T: int32(minute * 60), Weight: int32(weight), Step: int32(number)})
}

// measured adds a value of each metric, a minute each.
func (s *scene) measured(c *v1beta1.CanaryStatus, minute int, success, duration float64) {
	if c.Analysis == nil {
		c.Analysis = &v1beta1.AnalysisStatus{Metrics: []v1beta1.MetricStatus{{Name: "request-success-rate"}, {Name: "request-duration"}}}
	}
	verdict := map[bool]v1beta1.Verdict{true: v1beta1.Passed, false: v1beta1.Failed}
	for i, m := range []v1beta1.Measurement{
		{Value: fmt.Sprint(success), Limit: ">= 99", Verdict: verdict[success >= 99], Query: `sum(rate(istio_requests_total{destination_workload="podinfo",response_code!~"5.*"}[1m]))`},
		{Value: fmt.Sprint(duration), Limit: "<= 500", Verdict: verdict[duration <= 500]},
	} {
		m.Time = metav1.NewTime(s.began.Add(time.Duration(minute) * time.Minute))
		all := &c.Analysis.Metrics[i]
		all.Measurements = append([]v1beta1.Measurement{m}, all.Measurements...)
		all.Checks++
		if m.Verdict == v1beta1.Failed {
			all.Failures++
			c.FailedChecks++
			c.LastFailure = fmt.Sprintf("%s %s is not %s", all.Name, m.Value, m.Limit)
		}
	}
}

// pause has a rollout wait in its second step for a person.
func (s *scene) pause(c *v1beta1.CanaryStatus) {
	s.start(c)
	s.step(c, 1, 5, 0)
	s.step(c, 2, 20, 3)
	c.StepStarted.Paused = new(metav1.NewMicroTime(s.began.Add(5 * time.Minute)))
	c.WaitingFor = "StepPaused"
	c.Conditions = []metav1.Condition{{Type: v1beta1.ConditionWaiting, Status: metav1.ConditionTrue, Reason: "StepPaused", Message: "step 2 waits", LastTransitionTime: metav1.NewTime(s.began.Add(5 * time.Minute))}}
}

// asked is the action that the page has written; empty: none yet.
func (s *scene) asked(ns, name string) string {
	s.Helper()
	c := &v1beta1.Canary{}
	require.NoError(s, s.Get(s.Context(), client.ObjectKey{Namespace: ns, Name: name}, c))
	return c.Annotations[v1beta1.ActionAnnotation]
}

// answer answers the action that the page has written, as the operator does, and takes it away.
func (s *scene) answer(ns, name string, result v1beta1.ActionResult, message string) (text string) {
	s.Helper()
	require.Eventually(s, func() bool { text = s.asked(ns, name); return text != "" }, patience, 50*time.Millisecond, "the page writes an action")
	verb, rest, _ := strings.Cut(text, " id=")
	id, _, _ := strings.Cut(rest, " ")
	s.status(ns, name, func(c *v1beta1.CanaryStatus) {
		c.LastAction = &v1beta1.ActionRecord{ID: id, Verb: verb, By: "anna", At: metav1.Now().Rfc3339Copy(), Result: result, Message: message, Digest: "x"}
	})
	c := &v1beta1.Canary{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name}}
	require.NoError(s, s.Patch(s.Context(), c, client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"annotations":{"sluice.dev/action":null,"sluice.dev/action-by":null}}}`))))
	return text
}

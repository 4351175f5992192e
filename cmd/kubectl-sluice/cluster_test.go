package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/action"
	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/kube/kubetest"
	"github.com/sluice-cd/sluice/pkg/rollout"
)

// patience bounds every wait of a test.
const patience = time.Minute

// scene is a namespace with Canaries whose status the test writes.
type scene struct {
	*testing.T
	client.WithWatch
	ns string
}

func newScene(t *testing.T) *scene {
	t.Helper()
	scheme := runtime.NewScheme()
	require.NoError(t, clientgoscheme.AddToScheme(scheme))
	require.NoError(t, v1beta1.AddToScheme(scheme))
	c, err := client.NewWithWatch(kubetest.Config(t), client.Options{Scheme: scheme})
	require.NoError(t, err)
	return &scene{T: t, WithWatch: c, ns: kubetest.Namespace(t)}
}

// called runs a command in the namespace.
func (s *scene) called(args ...string) (code int, stdout, stderr string) {
	s.Helper()
	return called("", s.in(args)...)
}

func (s *scene) in(args []string) []string {
	return append(args, "-n", s.ns, "--kubeconfig", os.Getenv(kubetest.Kubeconfig))
}

// canary makes a Canary of three listed steps; its status is that of a rollout that is paused in the second.
func (s *scene) canary(name string, change ...func(*v1beta1.Canary)) *v1beta1.Canary {
	s.Helper()
	c := &v1beta1.Canary{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.ns, Name: name, Labels: map[string]string{"team": "web"}},
		Spec: v1beta1.CanarySpec{
			Provider:  "istio",
			TargetRef: v1beta1.TargetRef{APIVersion: "apps/v1", Kind: "Deployment", Name: name},
			Service:   v1beta1.CanaryService{Port: 9898},
			Analysis: &v1beta1.CanaryAnalysis{Interval: "1m", Threshold: 5, Steps: []v1beta1.AnalysisStep{
				{Weight: new(10)}, {Weight: new(30), Pause: &v1beta1.StepPause{}}, {Weight: new(60)},
			}},
		},
	}
	started := time.Now().Add(-10 * time.Minute).Truncate(time.Second)
	c.Status = v1beta1.CanaryStatus{
		Phase: v1beta1.PhaseProgressing, Step: 2, CanaryWeight: 30, LastAppliedSpec: "r1-two", LastPromotedSpec: "r1-one", Image: "podinfo:2",
		WaitingFor: string(rollout.WaitStepPaused), LastTransitionTime: metav1.NewTime(started),
		StepStarted: &v1beta1.StepStart{Revision: "r1-two", Step: 2, Time: metav1.NewMicroTime(started), Paused: new(metav1.NewMicroTime(started))},
		Run: &v1beta1.Run{Number: 2, Revision: "r1-two", Images: "podinfo:2", Attempt: 1, Started: metav1.NewTime(started),
			From: &v1beta1.RunOrigin{Run: 1, Revision: "r1-one", Images: "podinfo:1"}},
		History: []v1beta1.PastRun{{Number: 1, Revision: "r1-one", Images: "podinfo:1", Outcome: v1beta1.RunPromoted, By: "ben",
			Started: metav1.NewTime(started.Add(-time.Hour)), Finished: metav1.NewTime(started.Add(-30 * time.Minute))}},
	}
	for _, f := range change {
		f(c)
	}
	status := c.Status
	require.NoError(s, s.Create(s.Context(), c))
	c.Status = status
	require.NoError(s, s.Status().Update(s.Context(), c))
	return c
}

// edit changes the status of a Canary.
func (s *scene) edit(name string, change func(*v1beta1.CanaryStatus)) {
	s.Helper()
	c := s.live(name)
	before := c.DeepCopy()
	change(&c.Status)
	require.NoError(s, s.Status().Patch(s.Context(), c, client.MergeFrom(before)))
}

func (s *scene) live(name string) *v1beta1.Canary {
	s.Helper()
	c := &v1beta1.Canary{}
	require.NoError(s, s.Get(s.Context(), client.ObjectKey{Namespace: s.ns, Name: name}, c))
	return c
}

// deployment makes a target or a primary.
func (s *scene) deployment(name, image string, replicas int32, annotations map[string]string, change ...func(*appsv1.Deployment)) *appsv1.Deployment {
	s.Helper()
	labels := map[string]string{"app": name}
	d := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.ns, Name: name, Annotations: annotations},
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas,
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "podinfod", Image: image}}},
			},
		},
	}
	for _, f := range change {
		f(d)
	}
	require.NoError(s, s.Create(s.Context(), d))
	s.await(name+" runs", func() bool { return s.workload(name).Status.AvailableReplicas == replicas })
	s.report(name, replicas)
	return s.workload(name)
}

// report writes the status of the ReplicaSets of a Deployment, which nobody plays.
func (s *scene) report(name string, replicas int32) {
	s.Helper()
	sets := &appsv1.ReplicaSetList{}
	require.NoError(s, s.List(s.Context(), sets, client.InNamespace(s.ns), client.MatchingLabels{"app": name}))
	for _, rs := range sets.Items {
		before := rs.DeepCopy()
		rs.Status.Replicas, rs.Status.ReadyReplicas = replicas, replicas
		require.NoError(s, s.Status().Patch(s.Context(), &rs, client.MergeFrom(before)))
	}
}

func (s *scene) workload(name string) *appsv1.Deployment {
	s.Helper()
	d := &appsv1.Deployment{}
	require.NoError(s, s.Get(s.Context(), client.ObjectKey{Namespace: s.ns, Name: name}, d))
	return d
}

func (s *scene) await(what string, is func() bool) {
	s.Helper()
	require.Eventually(s, is, patience, 25*time.Millisecond, what)
}

// command is one that runs beside the test.
type command struct {
	s      *scene
	mu     sync.Mutex
	text   bytes.Buffer
	errs   bytes.Buffer
	code   int
	ended  chan struct{}
	cancel context.CancelFunc
}

func (c *command) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.text.Write(p)
}

func (c *command) said() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.text.String()
}

// start runs a command beside the test.
func (s *scene) start(args ...string) *command { return s.startOn(nil, args...) }

// startOn has it write to something else; nil: to what the test reads.
func (s *scene) startOn(out io.Writer, args ...string) *command {
	ctx, cancel := context.WithCancel(s.Context())
	c := &command{s: s, ended: make(chan struct{}), cancel: cancel}
	if out == nil {
		out = c
	}
	go func() {
		defer close(c.ended)
		c.code = execute(ctx, s.in(args), strings.NewReader(""), out, &c.errs)
	}()
	s.Cleanup(c.stop)
	return c
}

// stop interrupts the command.
func (c *command) stop() { c.cancel(); <-c.ended }

// await waits until the command has said something.
func (c *command) await(text string) {
	c.s.Helper()
	c.s.await("it says "+text, func() bool { return strings.Contains(c.said(), text) })
}

// end waits until it has ended, and returns its code and what it said on stderr.
func (c *command) end() (int, string) {
	c.s.Helper()
	select {
	case <-c.ended:
	case <-time.After(patience):
		require.FailNow(c.s, "the command does not end", c.said())
	}
	return c.code, c.errs.String()
}

// answering has the machine answer actions, as the operator does, until the test ends.
func (s *scene) answering(delay time.Duration) {
	s.Helper()
	ctx, cancel := context.WithCancel(s.Context())
	changes, err := s.Watch(ctx, &v1beta1.CanaryList{}, client.InNamespace(s.ns))
	require.NoError(s, err)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for e := range changes.ResultChan() {
			if c, is := e.Object.(*v1beta1.Canary); is && action.Pending(c) {
				time.Sleep(delay)
				s.decide(ctx, c)
			}
		}
	}()
	s.Cleanup(func() { cancel(); changes.Stop(); <-ended })
}

// decide stores what the machine makes of an action.
func (s *scene) decide(ctx context.Context, c *v1beta1.Canary) {
	plan, err := rollout.Compile(c.Spec, rollout.Weighted)
	if err != nil {
		return
	}
	st := c.Status
	d := rollout.Decide(rollout.Snapshot{
		Now: time.Now(), Plan: plan, Status: st, Revision: st.LastAppliedSpec, Routed: true, PreviousTemplateKept: true,
		Names:     rollout.Names{Namespace: c.Namespace, Canary: c.Name, Kind: "Deployment", Target: c.Name, Primary: c.Name + "-primary"},
		Target:    rollout.Workload{Revision: st.LastAppliedSpec, Health: rollout.Available, Replicas: 1, Available: 1},
		Primary:   rollout.Workload{Revision: st.LastPromotedSpec, Health: rollout.Available, Replicas: 1, Available: 1},
		Requested: rollout.Requested{Text: c.Annotations[v1beta1.ActionAnnotation], By: c.Annotations[v1beta1.ActionByAnnotation]},
	}, rollout.Findings{})
	next := c.DeepCopy()
	next.Status = d.Status
	_ = s.Status().Patch(ctx, next, client.MergeFrom(c))
}

func containsAll(t *testing.T, text string, wanted ...string) {
	t.Helper()
	for _, want := range wanted {
		require.Contains(t, text, want)
	}
}

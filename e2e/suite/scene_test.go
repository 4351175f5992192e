package suite

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/e2e/internal/install"
	"github.com/sluice-cd/sluice/e2e/internal/traffic"
	"github.com/sluice-cd/sluice/e2e/internal/walk"
)

// scene is a namespace with an application, for one test alone.
type scene struct {
	*world
	t                *testing.T
	namespace        string
	canaries, events *walk.Journal
}

// stage makes a namespace in which podinfo 3.1.0 runs.
func stage(t *testing.T, w *world, name string) *scene {
	t.Helper()
	s := watch(t, w, fmt.Sprintf("e2e-%s-%x", strings.ToLower(name), time.Now().Unix()&0xffff))
	s.kubectl("create", "namespace", s.namespace)
	t.Cleanup(func() {
		if t.Failed() {
			s.report()
		}
		_, _ = w.Quiet(context.WithoutCancel(t.Context()), "delete", "namespace", s.namespace, "--wait=false")
	})
	s.apply(fmt.Sprintf(application, s.namespace))
	s.kubectl("rollout", "status", "deployment/podinfo", "-n", s.namespace, "--timeout=120s")
	return s
}

// watch is a scene in a namespace that somebody else makes.
func watch(t *testing.T, w *world, namespace string) *scene {
	t.Helper()
	s := &scene{world: w, t: t, namespace: namespace}
	var err error
	s.canaries, err = walk.Follow(t.Context(), w.client, walk.Canaries(), client.InNamespace(namespace))
	require.NoError(t, err)
	s.events, err = walk.Follow(t.Context(), w.client, &corev1.EventList{}, client.InNamespace(namespace))
	require.NoError(t, err)
	return s
}

// application is podinfo as in kustomize/podinfo, but for one pod and a quick start.
const application = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: podinfo, namespace: %s}
spec:
  replicas: 1
  progressDeadlineSeconds: 60
  strategy: {rollingUpdate: {maxUnavailable: 0}}
  selector: {matchLabels: {app: podinfo}}
  template:
    metadata:
      labels: {app: podinfo}
      annotations: {prometheus.io/scrape: "true", prometheus.io/port: "9797"}
    spec:
      containers:
      - name: podinfod
        image: stefanprodan/podinfo:3.1.0
        imagePullPolicy: IfNotPresent
        command: [./podinfo, --port=9898, --port-metrics=9797, --level=error]
        ports: [{name: http, containerPort: 9898}, {name: http-metrics, containerPort: 9797}]
        readinessProbe: {httpGet: {path: /readyz, port: http}, periodSeconds: 1}
`

// canary is a Canary named podinfo. What a scenario is about comes in further lines of its spec.
func (s *scene) canary(spec string) string {
	return fmt.Sprintf(`
apiVersion: flagger.app/v1beta1
kind: Canary
metadata: {name: podinfo, namespace: %s}
spec:
  targetRef: {apiVersion: apps/v1, kind: Deployment, name: podinfo}
  progressDeadlineSeconds: 60
  service:
    port: 9898
    gateways: [public-gateway.istio-system.svc.cluster.local]
    hosts: [%s]
`, s.namespace, s.host()) + strings.ReplaceAll(spec, "NAMESPACE", s.namespace)
}

func (s *scene) host() string { return s.namespace + ".example.com" }

// begin applies a Canary and waits until users meet its primary.
func (s *scene) begin(spec string) {
	s.t.Helper()
	since := time.Now()
	s.apply(s.canary(spec))
	s.reach("Initialized", since)
}

// release changes the image, which is all that a user does, and says when.
func (s *scene) release(version string) time.Time {
	s.t.Helper()
	since := time.Now()
	s.kubectl("set", "image", "deployment/podinfo", "podinfod=stefanprodan/podinfo:"+version, "-n", s.namespace)
	return since
}

// reach waits until the Canary reads as wanted, `Phase` or `Phase weight`, at some time since. It is patient with
// every row anew: a rollout of many steps takes longer than anything between two.
func (s *scene) reach(want string, since time.Time) walk.Row {
	s.t.Helper()
	for known := 0; ; known = len(s.rows(since)) {
		err := s.canaries.Wait(within(s.t, patience), func([]walk.Entry) bool {
			rows := s.rows(since)
			_, ok := walk.First(rows, want)
			return ok || len(rows) > known
		})
		require.NoError(s.t, err, "waiting for %q, got %v", want, s.rows(since))
		if found, ok := walk.First(s.rows(since), want); ok {
			return found
		}
	}
}

// before is a field of the status as it was last before a phase.
func (s *scene) before(phase string, since time.Time, field string) (value any) {
	s.t.Helper()
	for _, e := range s.canaries.Entries() {
		u, ok := e.Object.(*unstructured.Unstructured)
		if !ok || u.GetName() != "podinfo" || e.At.Before(since) {
			continue
		}
		if now, _, _ := unstructured.NestedString(u.Object, "status", "phase"); now == phase {
			return value
		}
		value, _, _ = unstructured.NestedFieldNoCopy(u.Object, "status", field)
	}
	require.FailNow(s.t, "it was never in that phase", phase)
	return nil
}

func (s *scene) rows(since time.Time) []walk.Row {
	return walk.From(walk.Rows(s.canaries.Entries(), "podinfo"), since)
}

// said waits until the wanted events have come, in this order, since a moment.
func (s *scene) said(since time.Time, want ...string) {
	s.t.Helper()
	var err error
	_ = s.events.Wait(within(s.t, patience), func([]walk.Entry) bool {
		err = walk.InOrder(s.texts(since), want...)
		return err == nil
	})
	require.NoError(s.t, err)
}

func (s *scene) texts(since time.Time) []string {
	return walk.Texts(walk.Later(walk.Messages(s.events.Entries(), "podinfo"), since))
}

// users ask the application through the gateway, and must never be let down.
func (s *scene) users() *traffic.Client {
	s.t.Helper()
	return s.ask(traffic.Config{URL: s.gateway, Host: s.host(), Rate: 20})
}

// answered waits for so many answers to requests sent since a moment.
func (s *scene) answered(users *traffic.Client, since time.Time, many int) error {
	ctx := within(s.t, patience)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for users.Since(since).Total < many {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
	return nil
}

// neighbours ask the apex Service at its address, as other programs in the cluster do.
func (s *scene) neighbours() *traffic.Client {
	s.t.Helper()
	service := &corev1.Service{}
	s.get("podinfo", service)
	return s.ask(traffic.Config{URL: "http://" + service.Spec.ClusterIP + ":9898", Rate: 20})
}

// ask begins as soon as there is a way for requests at all: a route or a Service that was made just now is not
// everywhere yet. From then on until the test ends every request counts.
func (s *scene) ask(c traffic.Config) *traffic.Client {
	s.t.Helper()
	first := c
	first.Rate, first.Workers, first.Timeout = 20, 1, time.Second
	require.Eventually(s.t, func() bool {
		probe := traffic.Start(s.t.Context(), first)
		defer probe.Stop()
		return s.answered(probe, time.Time{}, 1) == nil && probe.Since(time.Time{}).Failed == 0
	}, patience, 100*time.Millisecond, "there is no way to %s %s", c.URL, c.Host)
	users := traffic.Start(s.t.Context(), c)
	s.t.Cleanup(users.Stop)
	return users
}

// lossless says that no request failed, and that there were any.
func (s *scene) lossless(users *traffic.Client) {
	s.t.Helper()
	seen := users.Since(time.Time{})
	s.t.Log(seen)
	require.Zero(s.t, seen.Failed, "requests were lost: %s", seen)
	require.NotZero(s.t, seen.Total)
}

// only says that since a moment nobody else answered.
func (s *scene) only(users *traffic.Client, version string, since time.Time) {
	s.t.Helper()
	var seen traffic.Report
	s.eventually("users to be answered", func() bool {
		seen = users.Since(since)
		return seen.Total-seen.Failed >= 20
	})
	require.Equal(s.t, map[string]int{version: seen.Total - seen.Failed}, seen.ByVersion)
}

// runs says which image a Deployment is to run, and on how many pods.
func (s *scene) runs(deployment, version string, replicas int32) {
	s.t.Helper()
	d := &appsv1.Deployment{}
	s.get(deployment, d)
	require.Equal(s.t, "stefanprodan/podinfo:"+version, d.Spec.Template.Spec.Containers[0].Image)
	require.Equal(s.t, replicas, *d.Spec.Replicas, "replicas of %s", deployment)
}

func (s *scene) get(name string, into client.Object) {
	s.t.Helper()
	require.NoError(s.t, s.client.Get(s.t.Context(), client.ObjectKey{Namespace: s.namespace, Name: name}, into))
}

// status reads the Canary as it is now.
func (s *scene) status(fields ...string) any {
	s.t.Helper()
	value, _, err := unstructured.NestedFieldNoCopy(s.own().Object, append([]string{"status"}, fields...)...)
	require.NoError(s.t, err)
	return value
}

// own is the scene's Canary as it is now.
func (s *scene) own() *unstructured.Unstructured {
	s.t.Helper()
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(walk.CanaryKind())
	s.get("podinfo", u)
	return u
}

func (s *scene) kubectl(args ...string) string {
	s.t.Helper()
	out, err := s.Quiet(s.t.Context(), args...)
	require.NoError(s.t, err)
	return out
}

func (s *scene) apply(text string) {
	s.t.Helper()
	require.NoError(s.t, s.Apply(s.t.Context(), install.Manifest{Inline: text}))
}

// report prints what a person would look at first.
func (s *scene) report() {
	s.t.Log("rows:", s.rows(time.Time{}))
	s.t.Log("events:\n" + strings.Join(s.texts(time.Time{}), "\n"))
	for _, args := range [][]string{
		{"get", "canary", "-o", "yaml"}, {"get", "deployments,pods,services,virtualservices", "-o", "wide"},
	} {
		out, _ := s.Quiet(context.WithoutCancel(s.t.Context()), append(args, "-n", s.namespace)...)
		s.t.Log(out)
	}
}

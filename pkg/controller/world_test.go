package controller

import (
	"context"
	"fmt"
	"hash/fnv"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/kube/kubetest"
)

// world is one namespace with a Deployment of podinfo in it, and who plays the rest of the cluster. A test reads as
//
//	given   newWorld; run a Canary, or begin: until it is initialised. createApexService, createAutoscaler …
//	when    setImage, editTarget, editCanary, delete, breakPods, healPods; judge.fail and judge.hold; restart
//	then    awaitPhase, awaitSettled, awaitWeights, awaitCondition, awaitEvent, await; live, status and weights read
//
// What only the tests of one file need is in that file.
type world struct {
	*testing.T
	client.Client
	ns    string
	clock clock
	judge *judge
	pods  *kubetest.Workloads
	// launch starts an operator in another way than start does; nil: in that way.
	launch func(tune ...func(*Reconciler)) *operator
}

const (
	imageOne = "podinfo:1"
	imageTwo = "podinfo:2"
	imageBad = "podinfo:bad"
)

// patience bounds every wait of a test: much longer than anything takes, much shorter than a run of CI.
const patience = 2 * time.Minute

// lookout is how often a test looks. Each look is a request or several: most of what the API server does in tests is
// to answer them.
const lookout = 25 * time.Millisecond

func newWorld(t *testing.T) *world {
	t.Helper()
	w := newEmptyWorld(t)
	w.pods = kubetest.Deployments(t, w.ns)
	require.NoError(t, w.Create(t.Context(), w.deployment()))
	w.await("the Deployment runs", func() bool { return w.live("podinfo").Status.AvailableReplicas == 2 })
	return w
}

// sampled says that a test is among those that run with -short, always the same third of them: under the race detector they take
// twice as long, and a part of them meets all of the code.
func sampled(t *testing.T) bool {
	sum := fnv.New32a()
	_, _ = sum.Write([]byte(t.Name()))
	return sum.Sum32()%3 == 0
}

// newEmptyWorld is one in which nothing runs yet.
func newEmptyWorld(t *testing.T) *world {
	t.Helper()
	if testing.Short() && !sampled(t) {
		t.Skip("run without -short")
	}
	scheme := runtime.NewScheme()
	require.NoError(t, clientgoscheme.AddToScheme(scheme))
	require.NoError(t, v1beta1.AddToScheme(scheme))
	c, err := client.New(kubetest.Config(t), client.Options{Scheme: scheme})
	require.NoError(t, err)
	ns := kubetest.Namespace(t)
	w := &world{T: t, Client: c, ns: ns, clock: clock{from: time.Now()}, judge: &judge{}}
	w.witness()
	return w
}

func (w *world) deployment() *appsv1.Deployment {
	labels := map[string]string{"app": "podinfo"}
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: "podinfo"},
		Spec: appsv1.DeploymentSpec{
			Replicas: new(int32(2)),
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "podinfod", Image: imageOne}}},
			},
		},
	}
}

// canary is a Canary of two steps that judges by one metric; change makes it another.
func (w *world) canary(change ...func(*v1beta1.Canary)) *v1beta1.Canary {
	c := &v1beta1.Canary{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: "podinfo"},
		Spec: v1beta1.CanarySpec{
			TargetRef: v1beta1.TargetRef{APIVersion: "apps/v1", Kind: "Deployment", Name: "podinfo"},
			Service:   v1beta1.CanaryService{Port: 9898},
			Analysis: &v1beta1.CanaryAnalysis{
				Interval: "10s", Threshold: 2, StepWeight: 50, MaxWeight: 100,
				Metrics: []v1beta1.CanaryMetric{{Name: "request-success-rate"}},
			},
			ProgressDeadlineSeconds: new(int32(1200)), // a busy machine is no bad revision
		},
	}
	for _, f := range change {
		f(c)
	}
	return c
}

// run applies a Canary and starts an operator.
func (w *world) run(change ...func(*v1beta1.Canary)) *operator {
	w.Helper()
	require.NoError(w, w.Create(w.Context(), w.canary(change...)))
	return w.start()
}

func (w *world) start(tune ...func(*Reconciler)) *operator {
	w.Helper()
	if w.launch != nil {
		return w.launch(tune...)
	}
	return start(w.T, w.ns, w.clock, w.judge, 0, tune...)
}

// begin is run until the Canary is initialised, its target stopped and without pods: what a test changes of it next would
// find the old ones else.
func (w *world) begin(change ...func(*v1beta1.Canary)) *operator {
	w.Helper()
	o := w.run(change...)
	w.awaitPhase(v1beta1.PhaseInitialized)
	w.awaitTargetStopped()
	w.await("its pods have ended", func() bool { return w.live("podinfo").Status.Replicas == 0 })
	return o
}

func (w *world) awaitTargetStopped() {
	w.Helper()
	w.await("the target is stopped", func() bool { return *w.live("podinfo").Spec.Replicas == 0 })
}

// set changes the image of the target.
func (w *world) setImage(image string) {
	w.Helper()
	w.editTarget(func(d *appsv1.Deployment) { d.Spec.Template.Spec.Containers[0].Image = image })
}

func (w *world) editTarget(change func(*appsv1.Deployment)) {
	w.Helper()
	d := w.live("podinfo")
	before := d.DeepCopy()
	change(d)
	require.NoError(w, w.Patch(w.Context(), d, client.MergeFrom(before)))
}

func (w *world) live(name string) *appsv1.Deployment {
	w.Helper()
	d := &appsv1.Deployment{}
	require.NoError(w, w.Get(w.Context(), client.ObjectKey{Namespace: w.ns, Name: name}, d))
	return d
}

func (w *world) status() v1beta1.CanaryStatus {
	w.Helper()
	c := &v1beta1.Canary{}
	require.NoError(w, w.Get(w.Context(), client.ObjectKey{Namespace: w.ns, Name: "podinfo"}, c))
	return c.Status
}

// await waits for something to become so. It asks often, since the operator's clock is fast.
func (w *world) await(what string, is func() bool) {
	w.Helper()
	require.Eventually(w, is, patience, lookout, what)
}

// awaitPhase waits for a phase, and says where the rollout hangs when it does not come.
func (w *world) awaitPhase(phase v1beta1.CanaryPhase) {
	w.Helper()
	deadline := time.Now().Add(patience)
	for tick := time.NewTicker(lookout); w.status().Phase != phase; <-tick.C {
		if time.Now().After(deadline) {
			require.FailNow(w, "phase "+string(phase)+" was not reached", "%+v", w.status())
		}
	}
}

// weights are what the VirtualService sends to the primary and to the canary, as `80/20`.
func (w *world) weights() string {
	w.Helper()
	u := &unstructured.Unstructured{}
	u.SetAPIVersion("networking.istio.io/v1")
	u.SetKind("VirtualService")
	err := w.Get(w.Context(), client.ObjectKey{Namespace: w.ns, Name: "podinfo"}, u)
	if apierrors.IsNotFound(err) {
		return "none"
	}
	require.NoError(w, err)
	http, _, err := unstructured.NestedSlice(u.Object, "spec", "http")
	require.NoError(w, err)
	shares := map[string]any{}
	for _, r := range http[0].(map[string]any)["route"].([]any) {
		host, _, _ := unstructured.NestedString(r.(map[string]any), "destination", "host")
		shares[host] = r.(map[string]any)["weight"]
	}
	return fmt.Sprintf("%v/%v", shares["podinfo-primary"], shares["podinfo-canary"])
}

func (w *world) selector(service string) string {
	w.Helper()
	s := &corev1.Service{}
	err := w.Get(w.Context(), client.ObjectKey{Namespace: w.ns, Name: service}, s)
	require.NoError(w, client.IgnoreNotFound(err))
	return s.Spec.Selector["app"]
}

func image(d *appsv1.Deployment) string { return d.Spec.Template.Spec.Containers[0].Image }

// versionOf is the number of an object's version: one etcd counts them.
func versionOf(o client.Object) int64 {
	n, _ := strconv.ParseInt(o.GetResourceVersion(), 10, 64)
	return n
}

// history notes every status that is stored, in order, up to what is so when it is asked for them.
func (w *world) history() func() []string {
	list := &v1beta1.CanaryList{}
	c, err := client.NewWithWatch(kubetest.Config(w), client.Options{Scheme: w.Scheme()})
	require.NoError(w, err)
	ctx, cancel := context.WithCancel(w.Context())
	watching, err := c.Watch(ctx, list, client.InNamespace(w.ns))
	require.NoError(w, err)
	seen, done, version, gone := []string{}, make(chan struct{}), &atomic.Int64{}, &atomic.Bool{}
	go func() {
		defer close(done)
		for e := range watching.ResultChan() {
			k, ok := e.Object.(*v1beta1.Canary)
			if !ok {
				continue // the watch was ended
			}
			line := fmt.Sprintf("%s %d", k.Status.Phase, k.Status.CanaryWeight)
			if len(seen) == 0 || seen[len(seen)-1] != line {
				seen = append(seen, line)
			}
			version.Store(versionOf(k))
			gone.Store(e.Type == watch.Deleted)
		}
	}()
	return func() []string {
		w.await("the last of it was seen", func() bool {
			k := &v1beta1.Canary{}
			err := w.Get(w.Context(), client.ObjectKey{Namespace: w.ns, Name: "podinfo"}, k)
			return apierrors.IsNotFound(err) && gone.Load() || err == nil && version.Load() >= versionOf(k)
		})
		cancel()
		<-done
		return seen
	}
}

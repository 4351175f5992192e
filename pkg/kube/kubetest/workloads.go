package kubetest

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"
)

// Fault is what goes wrong with the pods of an image.
type Fault string

// The faults that pods can have.
const (
	None       Fault = ""                 // they become ready
	NeverReady Fault = "NeverReady"       // they run, and their readiness probe fails
	CrashLoop  Fault = "CrashLoopBackOff" // their container exits, again and again
	ImagePull  Fault = "ImagePullBackOff" // their image can't be pulled
)

// Workloads plays the deployment controller and the kubelet for the Deployments
// of one namespace: ReplicaSets and Pods come and go, Pods become ready after a
// while, and the Deployment's status says how far things are.
//
// It rolls in one go: all new Pods at once beside the old ones, which go when
// all of the new ones are ready. minReadySeconds and paused are not heeded.
type Workloads struct {
	client client.Client
	live   client.Reader
	kick   chan event.GenericEvent
	list   func(context.Context) ([]client.Object, error)

	mu     sync.Mutex
	delay  time.Duration
	faults map[string]Fault
	ending bool // those that are ending count
}

// Deployments starts playing for a namespace, until the test ends.
func Deployments(t testing.TB, ns string) *Workloads {
	t.Helper()
	return play(t, ns, &appsv1.Deployment{}, &appsv1.DeploymentList{}, func(w *Workloads) reconcile.Reconciler { return w })
}

// play starts a controller for one kind of workload.
func play(t testing.TB, ns string, kind client.Object, kinds client.ObjectList, as func(*Workloads) reconcile.Reconciler) *Workloads {
	t.Helper()
	mgr := newManager(t, ns)
	w := &Workloads{client: mgr.GetClient(), live: mgr.GetAPIReader(), kick: make(chan event.GenericEvent), faults: map[string]Fault{}}
	w.list = func(ctx context.Context) (all []client.Object, err error) {
		list := kinds.DeepCopyObject().(client.ObjectList)
		if err := w.live.List(ctx, list, client.InNamespace(ns)); err != nil {
			return nil, err
		}
		err = meta.EachListItem(list, func(o runtime.Object) error {
			all = append(all, o.(client.Object))
			return nil
		})
		return all, err
	}
	err := builder.ControllerManagedBy(mgr).
		For(kind).
		WatchesRawSource(source.Channel(w.kick, &handler.EnqueueRequestForObject{})).
		Complete(as(w))
	require.NoError(t, err)
	run(t, mgr)
	return w
}

// Delay sets how long Pods take from when they are made until they are ready.
// It is zero at first.
func (w *Workloads) Delay(t testing.TB, d time.Duration) {
	w.mu.Lock()
	w.delay = d
	w.mu.Unlock()
	w.lookAgain(t)
}

// Fault sets what goes wrong with Pods of an image, also with those that run
// already; None ends it.
func (w *Workloads) Fault(t testing.TB, image string, f Fault) {
	w.mu.Lock()
	w.faults[image] = f
	w.mu.Unlock()
	w.lookAgain(t)
}

// FaultOf is Fault for the Pods of one workload only: a primary and its target
// have the same images.
func (w *Workloads) FaultOf(t testing.TB, workload, image string, f Fault) {
	w.Fault(t, workload+" "+image, f)
}

// CountEnding has the status of Deployments count Pods that are ending and ready, so that none is made instead of them: a
// Deployment that is stopped and started again in one moment does for a while. Those of DaemonSets always count.
func (w *Workloads) CountEnding(t testing.TB, count bool) {
	t.Helper()
	w.mu.Lock()
	w.ending = count
	w.mu.Unlock()
	w.lookAgain(t)
}

// lookAgain makes what was set take effect on what is there already.
func (w *Workloads) lookAgain(t testing.TB) {
	t.Helper()
	all, err := w.list(t.Context())
	require.NoError(t, err)
	for _, o := range all {
		w.kick <- event.GenericEvent{Object: o}
	}
}

// Reconcile brings the Pods of one Deployment a step further. It reads past the
// cache: a test waits for what this does, so it had better be right at once.
func (w *Workloads) Reconcile(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	d := &appsv1.Deployment{}
	if err := w.live.Get(ctx, req.NamespacedName, d); err != nil || d.DeletionTimestamp != nil {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	rs, err := w.replicaSet(ctx, d)
	if err != nil && again(err) == nil {
		// The ReplicaSet of a Deployment of this name that is gone was collected just now, which wakes nobody.
		return reconcile.Result{RequeueAfter: 10 * time.Millisecond}, nil
	}
	if err != nil {
		return reconcile.Result{}, err
	}
	pods, err := w.pods(ctx, d, rs)
	if err != nil {
		return reconcile.Result{}, err
	}
	after, err := w.advance(ctx, d, rs, pods)
	if err != nil {
		return reconcile.Result{}, again(err)
	}
	late, err := w.report(ctx, d, rs, pods)
	return reconcile.Result{RequeueAfter: sooner(after, late)}, again(err)
}

// advance makes, ages and removes Pods, and says when the next one is ready.
func (w *Workloads) advance(ctx context.Context, d *appsv1.Deployment, rs *appsv1.ReplicaSet, p *pods) (time.Duration, error) {
	var after time.Duration
	want := int(ptr.Deref(d.Spec.Replicas, 1))
	if err := w.scale(ctx, rs, p, want); err != nil {
		return 0, err
	}
	for i := range p.current {
		wait, err := w.age(ctx, &p.current[i])
		if err != nil {
			return 0, err
		}
		after = sooner(after, wait)
	}
	if count(p.current, ready) < want {
		return after, nil
	}
	return after, w.retire(ctx, d, rs, p)
}

// age gives a Pod the status of its age, and says how long until it is ready.
func (w *Workloads) age(ctx context.Context, pod *corev1.Pod) (time.Duration, error) {
	w.mu.Lock()
	wait := max(0, w.delay-time.Since(born(pod)))
	want := statusOf(pod, w.faults, wait == 0)
	w.mu.Unlock()
	if same(pod.Status, want) {
		return wait, nil
	}
	pod.Status = want
	return wait, w.client.Status().Update(ctx, pod)
}

// sooner is the smaller of two waits, of which zero means none.
func sooner(a, b time.Duration) time.Duration {
	if a == 0 || (b != 0 && b < a) {
		return b
	}
	return a
}

// again drops the errors of somebody having been faster: what they did wakes us.
func again(err error) error {
	if apierrors.IsNotFound(err) || apierrors.IsAlreadyExists(err) {
		return nil
	}
	return err
}

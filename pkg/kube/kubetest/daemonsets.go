package kubetest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// nodes is how many there are, without a label on any of them.
const nodes = 2

// daemons plays the DaemonSet controller: a Pod on each node, or none where the template asks for nodes with labels.
// It rolls like Workloads does, all Pods at once.
type daemons struct{ *Workloads }

// DaemonSets is Deployments for DaemonSets. A namespace may have both.
func DaemonSets(t testing.TB, ns string) *Workloads {
	t.Helper()
	return play(t, ns, &appsv1.DaemonSet{}, &appsv1.DaemonSetList{}, func(w *Workloads) reconcile.Reconciler { return daemons{w} })
}

// Reconcile brings the Pods of one DaemonSet a step further.
func (w daemons) Reconcile(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	d := &appsv1.DaemonSet{}
	if err := w.live.Get(ctx, req.NamespacedName, d); err != nil || d.DeletionTimestamp != nil {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	hash, err := templateHash(d.Spec.Template)
	if err != nil {
		return reconcile.Result{}, err
	}
	if err := w.keep(ctx, d, hash); err != nil {
		return reconcile.Result{}, again(err)
	}
	p, err := w.podsOf(ctx, d, hash)
	if err != nil {
		return reconcile.Result{}, err
	}
	after, err := w.advance(ctx, d, hash, p)
	if err != nil {
		return reconcile.Result{}, again(err)
	}
	return reconcile.Result{RequeueAfter: after}, again(w.report(ctx, d, p))
}

func templateHash(t corev1.PodTemplateSpec) (string, error) {
	text, err := json.Marshal(t)
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:5]), err
}

func (w daemons) podsOf(ctx context.Context, d *appsv1.DaemonSet, hash string) (*pods, error) {
	selector, err := metav1.LabelSelectorAsSelector(d.Spec.Selector)
	if err != nil {
		return nil, err
	}
	list := &corev1.PodList{}
	err = w.live.List(ctx, list, client.InNamespace(d.Namespace), client.MatchingLabelsSelector{Selector: selector})
	p := &pods{}
	for _, pod := range list.Items {
		switch {
		case !metav1.IsControlledBy(&pod, d):
		case pod.Labels[appsv1.DefaultDaemonSetUniqueLabelKey] == hash:
			p.current = append(p.current, pod)
		default:
			p.old = append(p.old, pod)
		}
	}
	return p, err
}

// eligible is how many nodes a DaemonSet's Pods may run on.
func eligible(d *appsv1.DaemonSet) int {
	if len(d.Spec.Template.Spec.NodeSelector) > 0 {
		return 0
	}
	return nodes
}

// advance makes, ages and removes Pods, and says when the next one is ready.
func (w daemons) advance(ctx context.Context, d *appsv1.DaemonSet, hash string, p *pods) (time.Duration, error) {
	var after time.Duration
	want := eligible(d)
	for len(p.current) < want {
		pod := daemon(d, hash)
		if err := w.client.Create(ctx, pod); err != nil {
			return 0, err
		}
		p.current = append(p.current, *pod)
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
	for i := range p.old {
		if err := w.remove(ctx, &p.old[i]); err != nil {
			return 0, err
		}
	}
	p.old = nil
	return after, w.forget(ctx, d)
}

func daemon(d *appsv1.DaemonSet, hash string) *corev1.Pod {
	pod := &corev1.Pod{ObjectMeta: *d.Spec.Template.ObjectMeta.DeepCopy(), Spec: *d.Spec.Template.Spec.DeepCopy()}
	pod.Namespace, pod.GenerateName = d.Namespace, d.Name+"-"
	pod.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(d, appsv1.SchemeGroupVersion.WithKind("DaemonSet"))}
	metav1.SetMetaDataLabel(&pod.ObjectMeta, appsv1.DefaultDaemonSetUniqueLabelKey, hash)
	metav1.SetMetaDataAnnotation(&pod.ObjectMeta, bornAt, time.Now().Format(time.RFC3339Nano))
	return pod
}

// report writes the DaemonSet's status if it has changed.
func (w daemons) report(ctx context.Context, d *appsv1.DaemonSet, p *pods) error {
	want, able := eligible(d), count(p.all(), ready)
	s := appsv1.DaemonSetStatus{
		ObservedGeneration:     d.Generation,
		DesiredNumberScheduled: int32(want),
		CurrentNumberScheduled: int32(min(want, len(p.all()))),
		NumberMisscheduled:     int32(max(0, len(p.all())-want)),
		UpdatedNumberScheduled: int32(len(p.current)),
		NumberReady:            int32(min(want, able)),
		NumberAvailable:        int32(min(want, able)),
		NumberUnavailable:      int32(max(0, want-able)),
	}
	if same(d.Status, s) {
		return nil
	}
	d.Status = s
	return w.client.Status().Update(ctx, d)
}

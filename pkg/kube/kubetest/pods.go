package kubetest

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// bornAt is an annotation with the time a Pod was made: creationTimestamp has
// whole seconds only, which is longer than most tests take.
const bornAt = "kubetest/born"

// pods are the Pods of a Deployment: those of its present template and others.
type pods struct{ current, old []corev1.Pod }

func (p *pods) all() []corev1.Pod { return append(append([]corev1.Pod{}, p.current...), p.old...) }

func count(pods []corev1.Pod, is func(*corev1.Pod) bool) (n int) {
	for i := range pods {
		if is(&pods[i]) {
			n++
		}
	}
	return n
}

func ready(p *corev1.Pod) bool {
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

func born(p *corev1.Pod) time.Time {
	at, err := time.Parse(time.RFC3339Nano, p.Annotations[bornAt])
	if err != nil {
		return p.CreationTimestamp.Time
	}
	return at
}

// replicaSet makes sure that the present template has its ReplicaSet.
func (w *Workloads) replicaSet(ctx context.Context, d *appsv1.Deployment) (*appsv1.ReplicaSet, error) {
	text, err := json.Marshal(d.Spec.Template)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(text)
	hash := hex.EncodeToString(sum[:5])
	rs := &appsv1.ReplicaSet{}
	err = w.live.Get(ctx, client.ObjectKey{Namespace: d.Namespace, Name: d.Name + "-" + hash}, rs)
	if err == nil {
		return rs, w.adopt(ctx, d, rs)
	}
	if !apierrors.IsNotFound(err) {
		return nil, err
	}
	rs = &appsv1.ReplicaSet{ObjectMeta: metav1.ObjectMeta{
		Namespace: d.Namespace, Name: d.Name + "-" + hash,
		OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(d, appsv1.SchemeGroupVersion.WithKind("Deployment"))},
	}}
	rs.Spec.Replicas = d.Spec.Replicas
	rs.Spec.Template = *d.Spec.Template.DeepCopy()
	rs.Spec.Template.Labels = labelled(d.Spec.Template.Labels, hash)
	rs.Spec.Selector = &metav1.LabelSelector{MatchLabels: rs.Spec.Template.Labels}
	rs.Labels = rs.Spec.Template.Labels
	if err := w.client.Create(ctx, rs); err != nil {
		return nil, err
	}
	return rs, w.adopt(ctx, d, rs)
}

func labelled(labels map[string]string, hash string) map[string]string {
	out := map[string]string{appsv1.DefaultDeploymentUniqueLabelKey: hash}
	maps.Copy(out, labels)
	return out
}

func (w *Workloads) pods(ctx context.Context, d *appsv1.Deployment, rs *appsv1.ReplicaSet) (*pods, error) {
	selector, err := metav1.LabelSelectorAsSelector(d.Spec.Selector)
	if err != nil {
		return nil, err
	}
	list := &corev1.PodList{}
	err = w.live.List(ctx, list, client.InNamespace(d.Namespace), client.MatchingLabelsSelector{Selector: selector})
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	ending := w.ending
	w.mu.Unlock()
	p := &pods{}
	for _, pod := range list.Items {
		switch {
		case leaving(&pod) && !ending:
		case metav1.IsControlledBy(&pod, rs):
			p.current = append(p.current, pod)
		case workloadOf(&pod) == d.Name:
			p.old = append(p.old, pod)
		}
	}
	return p, nil
}

// scale makes as many Pods of the present template as wanted, all at once, or
// removes those that are too many.
func (w *Workloads) scale(ctx context.Context, rs *appsv1.ReplicaSet, p *pods, want int) error {
	for len(p.current) > want {
		last := len(p.current) - 1
		if err := w.remove(ctx, &p.current[last]); err != nil {
			return err
		}
		p.current = p.current[:last]
	}
	for len(p.current) < want {
		pod := newPod(rs)
		if err := w.client.Create(ctx, pod); err != nil {
			return err
		}
		p.current = append(p.current, *pod)
	}
	return nil
}

func newPod(rs *appsv1.ReplicaSet) *corev1.Pod {
	pod := &corev1.Pod{ObjectMeta: *rs.Spec.Template.ObjectMeta.DeepCopy(), Spec: *rs.Spec.Template.Spec.DeepCopy()}
	pod.Namespace, pod.GenerateName = rs.Namespace, rs.Name+"-"
	pod.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(rs, appsv1.SchemeGroupVersion.WithKind("ReplicaSet"))}
	metav1.SetMetaDataAnnotation(&pod.ObjectMeta, bornAt, time.Now().Format(time.RFC3339Nano))
	return pod
}

// retire removes the Pods of former templates, and the oldest of these.
func (w *Workloads) retire(ctx context.Context, d *appsv1.Deployment, rs *appsv1.ReplicaSet, p *pods) error {
	for i := range p.old {
		if err := w.remove(ctx, &p.old[i]); err != nil {
			return err
		}
	}
	p.old = nil
	return w.forget(ctx, d, rs)
}

func (w *Workloads) remove(ctx context.Context, pod *corev1.Pod) error {
	return client.IgnoreNotFound(w.client.Delete(ctx, pod, client.GracePeriodSeconds(0)))
}

// statusOf is what a kubelet says of a Pod: the state of each container, and
// what follows for the whole.
func statusOf(pod *corev1.Pod, faults map[string]Fault, started bool) corev1.PodStatus {
	if faults[workloadOf(pod)] == nodeLost {
		return lostStatus(pod)
	}
	s := *pod.Status.DeepCopy()
	s.Phase, s.ContainerStatuses = corev1.PodRunning, nil
	whole := true
	for _, spec := range pod.Spec.Containers {
		c := corev1.ContainerStatus{Name: spec.Name, Image: spec.Image}
		state(&c, cmp.Or(faults[spec.Image], faults[workloadOf(pod)+" "+spec.Image]), started)
		if c.State.Running != nil {
			c.State.Running.StartedAt = metav1.NewTime(born(pod).Truncate(time.Second))
		} else if c.LastTerminationState.Terminated == nil {
			s.Phase = corev1.PodPending
		}
		whole = whole && c.Ready
		s.ContainerStatuses = append(s.ContainerStatuses, c)
	}
	s.Conditions = podConditions(pod.Status.Conditions, whole)
	return s
}

// workloadOf is the name of the DaemonSet, or read off the ReplicaSet's, which has a hash behind it.
func workloadOf(pod *corev1.Pod) string {
	set := metav1.GetControllerOf(pod)
	switch {
	case set == nil:
		return ""
	case set.Kind == "DaemonSet":
		return set.Name
	case set.Kind == "ReplicaSet":
		return set.Name[:max(strings.LastIndex(set.Name, "-"), 0)]
	}
	return ""
}

// state is that of one container. A broken image shows at once, since that is
// found out before anything can start.
func state(c *corev1.ContainerStatus, f Fault, started bool) {
	switch {
	case f == ImagePull:
		c.State.Waiting = waiting(f, fmt.Sprintf("Back-off pulling image %q", c.Image))
	case f == CrashLoop:
		c.RestartCount = 3
		c.State.Waiting = waiting(f, "back-off 40s restarting failed container")
		c.LastTerminationState.Terminated = &corev1.ContainerStateTerminated{ExitCode: 1, Reason: "Error"}
	case !started:
		c.State.Waiting = waiting("ContainerCreating", "")
	default:
		c.State.Running = &corev1.ContainerStateRunning{}
		c.Ready = f == None
	}
}

func waiting(reason Fault, message string) *corev1.ContainerStateWaiting {
	return &corev1.ContainerStateWaiting{Reason: string(reason), Message: message}
}

// podConditions has the time at which the Pod became, or ceased to be, ready.
func podConditions(before []corev1.PodCondition, ready bool) []corev1.PodCondition {
	status := corev1.ConditionFalse
	if ready {
		status = corev1.ConditionTrue
	}
	var out []corev1.PodCondition
	for _, kind := range []corev1.PodConditionType{corev1.PodReady, corev1.ContainersReady} {
		c := corev1.PodCondition{Type: kind, Status: status, LastTransitionTime: metav1.Now()}
		for _, b := range before {
			if b.Type == kind && b.Status == status {
				c.LastTransitionTime = b.LastTransitionTime
			}
		}
		out = append(out, c)
	}
	return out
}

func same[T any](a, b T) bool { return equality.Semantic.DeepEqual(a, b) }

package kube_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	appsv1ac "k8s.io/client-go/applyconfigurations/apps/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/kube"
)

// target makes a Deployment of the user's and waits until it is watched.
func (b *bench) target(image string, size int32) *appsv1.Deployment {
	b.t.Helper()
	labels := map[string]string{"app": "podinfo"}
	d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: b.ns, Name: "podinfo"}}
	d.Spec.Replicas = ptr.To(size)
	d.Spec.Selector = &metav1.LabelSelector{MatchLabels: labels}
	d.Spec.Template.Labels = labels
	d.Spec.Template.Spec.Containers = []corev1.Container{{Name: "podinfod", Image: image}}
	require.NoError(b.t, b.user.Create(b.t.Context(), d))
	b.watched(d)
	return d
}

// watched waits until the cache has an object.
func (b *bench) watched(obj client.Object) {
	b.t.Helper()
	require.Eventually(b.t, func() bool {
		seen := obj.DeepCopyObject().(client.Object)
		err := b.Reader.Get(b.t.Context(), client.ObjectKeyFromObject(obj), seen)
		return err == nil && seen.GetResourceVersion() == obj.GetResourceVersion()
	}, patience, tick)
}

func replicas(b *bench, n int32) *appsv1ac.DeploymentApplyConfiguration {
	return appsv1ac.Deployment("podinfo", b.ns).WithSpec(appsv1ac.DeploymentSpec().WithReplicas(n))
}

func TestPartial(t *testing.T) {
	b := newBench(t)
	before := b.target("podinfo:1", 3)
	require.True(t, b.apply(kube.Partial(replicas(b, 0))))
	after := get(b, &appsv1.Deployment{}, "podinfo")
	require.Zero(t, *after.Spec.Replicas)
	require.Equal(t, before.Spec.Template, after.Spec.Template, "the rest is the user's")
	require.Equal(t, before.Annotations, after.Annotations, "and no annotation is left there")
	require.True(t, kube.AppliedAt(after).IsZero())
	b.quiet("it is as desired", kube.Partial(replicas(b, 0)))
	b.restart()
	b.quiet("after a restart too", kube.Partial(replicas(b, 0)))

	edit(b, after, "podinfo", func(d *appsv1.Deployment) { d.Spec.Replicas = ptr.To[int32](2) })
	b.pends(kube.Partial(replicas(b, 0)))
	require.True(t, b.apply(kube.Partial(replicas(b, 0))))
	require.Zero(t, *get(b, after, "podinfo").Spec.Replicas)
}

func TestPartialMissing(t *testing.T) {
	b := newBench(t)
	want := kube.Partial(replicas(b, 0))
	_, err := b.Apply(t.Context(), b.owner, want)
	require.ErrorIs(t, err, kube.ErrMissing)
	require.ErrorContains(t, err, `Deployment "`+b.ns+`/podinfo"`, "the object is named")
	_, err = b.Snapshot().Pending(t.Context(), b.owner, want)
	require.ErrorIs(t, err, kube.ErrMissing)
	require.Zero(t, b.made.Writes())
}

func TestPartialGoneMeanwhile(t *testing.T) {
	b := newBench(t)
	port := corev1ac.ServiceSpec().WithPorts(corev1ac.ServicePort().WithPort(80))
	svc := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: b.ns, Name: "mine"}}
	svc.Spec.Ports = []corev1.ServicePort{{Port: 8080}}
	require.NoError(t, b.user.Create(t.Context(), svc))
	b.watched(svc)
	thaw := b.freeze()
	defer thaw()
	want := kube.Partial(corev1ac.Service("mine", b.ns).WithSpec(port))
	pending, err := b.Snapshot().Pending(t.Context(), b.owner, want)
	require.NoError(t, err)
	require.True(t, pending)

	require.NoError(t, b.user.Delete(t.Context(), svc))
	changed, err := b.Apply(t.Context(), b.owner, want)
	require.NoError(t, err)
	require.True(t, changed, "the cache was wrong")
	err = b.user.Get(t.Context(), client.ObjectKeyFromObject(svc), svc)
	require.True(t, apierrors.IsNotFound(err), "what is the user's is never made by us")
}

func TestRestore(t *testing.T) {
	b := newBench(t)
	svc := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: b.ns, Name: "podinfo"}}
	svc.Spec.Selector = map[string]string{"app": "podinfo"}
	svc.Spec.Ports = []corev1.ServicePort{{Name: "http", Port: 80, Protocol: corev1.ProtocolTCP}}
	require.NoError(t, b.user.Create(t.Context(), svc))
	b.watched(svc)
	b.apply(b.service())

	original := func() *corev1ac.ServiceApplyConfiguration {
		return corev1ac.Service("podinfo", b.ns).
			WithSpec(corev1ac.ServiceSpec().WithSelector(map[string]string{"app": "podinfo"}))
	}
	require.NoError(t, b.Restore(t.Context(), b.owner, original()))
	back := get(b, &corev1.Service{}, "podinfo")
	require.Equal(t, svc.Spec.Selector, back.Spec.Selector)
	require.Len(t, back.Spec.Ports, 1, "our second port goes, the user's stays")
	require.True(t, kube.AppliedAt(back).IsZero(), "nothing says any more that it was ours")
	require.Empty(t, back.OwnerReferences)

	require.NoError(t, b.user.Delete(t.Context(), back))
	require.NoError(t, b.Restore(t.Context(), b.owner, original()), "there is nobody to give it back to")
	err := b.user.Get(t.Context(), client.ObjectKeyFromObject(svc), svc)
	require.True(t, apierrors.IsNotFound(err), "and it is not made again")
}

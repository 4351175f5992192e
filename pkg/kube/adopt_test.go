package kube_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/kube"
)

// former makes an object as the controller did that the Canary had before us.
func former[T client.Object](b *bench, obj T, change func(T)) T {
	b.t.Helper()
	change(obj)
	require.NoError(b.t, b.user.Create(b.t.Context(), obj, client.FieldOwner("flagger")))
	b.watched(obj)
	return obj
}

func (b *bench) controlled() metav1.ObjectMeta {
	yes := true
	return metav1.ObjectMeta{Namespace: b.ns, OwnerReferences: []metav1.OwnerReference{{
		APIVersion: "flagger.app/v1beta1", Kind: "Canary", Name: b.owner.Name, UID: b.owner.UID,
		Controller: &yes, BlockOwnerDeletion: &yes,
	}}}
}

// as turns an apply configuration into the object it describes.
func as[T any](t testing.TB, config any, into T) T {
	text, err := json.Marshal(config)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, into))
	return into
}

func TestAdoptDeployment(t *testing.T) {
	b := newBench(t)
	want := b.deployment("podinfo:2")
	want.Spec.Replicas = nil // an autoscaler's
	before := former(b, as(t, want, &appsv1.Deployment{}), func(d *appsv1.Deployment) {
		d.Spec.Replicas = ptr.To[int32](5)
		d.Spec.Template.Spec.Containers[0].Image = "podinfo:1"
		d.Spec.Template.Spec.Containers[0].Env = append(d.Spec.Template.Spec.Containers[0].Env, corev1.EnvVar{Name: "GONE", Value: "1"})
	})
	edit(b, before, before.Name, func(d *appsv1.Deployment) {
		metav1.SetMetaDataAnnotation(&d.ObjectMeta, "team", "blue")
		d.Spec.Template.Spec.Containers[0].Env = append(d.Spec.Template.Spec.Containers[0].Env, corev1.EnvVar{Name: "INJECTED", Value: "1"})
	})
	b.watched(before)

	require.True(t, b.apply(want))
	after := get(b, &appsv1.Deployment{}, before.Name)
	env := map[string]string{}
	for _, e := range after.Spec.Template.Spec.Containers[0].Env {
		env[e.Name] = e.Value
	}
	require.Equal(t, map[string]string{"COLOR": "blue", "INJECTED": "1"}, env,
		"what only the predecessor set goes, what others set stays")
	require.Equal(t, "podinfo:2", after.Spec.Template.Spec.Containers[0].Image)
	require.EqualValues(t, 5, *after.Spec.Replicas, "the primary keeps its size")
	require.Equal(t, "blue", after.Annotations["team"])
	b.quiet("taken over once", want)
}

func TestAdoptInPlace(t *testing.T) {
	b := newBench(t)
	want := b.deployment("podinfo:1")
	before := former(b, as(t, want, &appsv1.Deployment{}), func(*appsv1.Deployment) {})
	require.True(t, b.apply(want))
	after := get(b, &appsv1.Deployment{}, before.Name)
	require.Equal(t, before.UID, after.UID)
	require.Equal(t, before.Spec, after.Spec, "taking over the same content changes nothing that would restart pods")
	require.False(t, kube.AppliedAt(after).IsZero())
}

func TestAdoptConfigMap(t *testing.T) {
	b := newBench(t)
	former(b, &corev1.ConfigMap{ObjectMeta: b.controlled()}, func(c *corev1.ConfigMap) {
		c.Name, c.Data = "settings-primary", map[string]string{"color": "red", "gone": "1"}
	})
	b.apply(b.configMap("blue"))
	require.Equal(t, map[string]string{"color": "blue"}, get(b, &corev1.ConfigMap{}, "settings-primary").Data)
}

func TestAdoptUsersService(t *testing.T) {
	b := newBench(t)
	svc := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: b.ns, Name: "podinfo", Labels: map[string]string{"team": "blue"}}}
	svc.Annotations = map[string]string{"note": "ours"}
	svc.Spec.Selector = map[string]string{"app": "podinfo"}
	svc.Spec.SessionAffinity = corev1.ServiceAffinityClientIP
	svc.Spec.Ports = []corev1.ServicePort{{Name: "http", Port: 80}, {Name: "metrics", Port: 9797}}
	require.NoError(t, b.user.Create(t.Context(), svc))
	b.watched(svc)

	require.True(t, b.apply(b.service()))
	after := get(b, &corev1.Service{}, "podinfo")
	require.Equal(t, svc.UID, after.UID)
	require.Equal(t, svc.Spec.ClusterIP, after.Spec.ClusterIP)
	require.Equal(t, map[string]string{"app": "podinfo-primary"}, after.Spec.Selector, "what we must own is ours")
	require.Equal(t, "blue", after.Labels["team"])
	require.Equal(t, "ours", after.Annotations["note"])
	require.Equal(t, corev1.ServiceAffinityClientIP, after.Spec.SessionAffinity, "a field that we do not set")
	require.Len(t, after.Spec.Ports, 3, "the user's other port stays")
	b.quiet("foreign fields are no drift", b.service())

	edit(b, after, "podinfo", func(s *corev1.Service) {
		s.Labels["more"] = "yes"
		s.Spec.Ports = append(s.Spec.Ports, corev1.ServicePort{Name: "admin", Port: 1})
	})
	b.watched(after)
	b.quiet("nor are those that come later", b.service())
}

func TestAlreadyOwned(t *testing.T) {
	b := newBench(t)
	b.apply(b.service())
	other := b.canary("other")
	_, err := b.Apply(t.Context(), other, b.service())
	var taken *kube.AlreadyOwnedError
	require.ErrorAs(t, err, &taken)
	require.Equal(t, `Canary "podinfo"`, taken.Controller)
	require.EqualError(t, err, `Service "`+b.ns+`/podinfo" is controlled by Canary "podinfo"`)
	_, err = b.Snapshot().Pending(t.Context(), other, b.service())
	require.ErrorAs(t, err, &taken)
	_, err = b.Delete(t.Context(), other, get(b, &corev1.Service{}, "podinfo"))
	require.ErrorAs(t, err, &taken, "nor is it deleted")
}

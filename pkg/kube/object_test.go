package kube_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/kube"
	"github.com/sluice-cd/sluice/pkg/kube/kubetest"
)

func TestForm(t *testing.T) {
	for name, tc := range map[string]struct {
		reason string
		kind   schema.GroupVersionKind
		want   client.Object
	}{
		"Typed":     {"a kind of Kubernetes' own", appsv1.SchemeGroupVersion.WithKind("Deployment"), &appsv1.Deployment{}},
		"ConfigMap": {"its content is of no use to us", corev1.SchemeGroupVersion.WithKind("ConfigMap"), &metav1.PartialObjectMetadata{}},
		"Secret":    {"its content is not for us", corev1.SchemeGroupVersion.WithKind("Secret"), &metav1.PartialObjectMetadata{}},
		"Other":     {"a kind that the scheme does not know", virtualServiceKind(), &unstructured.Unstructured{}},
	} {
		t.Run(name, func(t *testing.T) {
			obj, err := kube.NewWatched(clientgoscheme.Scheme, tc.kind)
			require.NoError(t, err)
			require.IsType(t, tc.want, obj, tc.reason)
		})
	}
	_, err := kube.NewWatched(clientgoscheme.Scheme, corev1.SchemeGroupVersion.WithKind("PodList"))
	require.Error(t, err, "a list is not an object")
}

func TestAppliedAt(t *testing.T) {
	for name, tc := range map[string]struct {
		reason string
		value  string
		want   time.Time
	}{
		"Ours":    {"to the nanosecond", "00ff 2026-11-22T01:02:03.000000004Z", time.Date(2026, 11, 22, 1, 2, 3, 4, time.UTC)},
		"NotOurs": {"no annotation", "", time.Time{}},
		"Edited":  {"somebody has played with it", "00ff yesterday", time.Time{}},
		"Cut":     {"the time is missing", "00ff", time.Time{}},
	} {
		t.Run(name, func(t *testing.T) {
			obj := &corev1.Service{}
			obj.Annotations = map[string]string{kube.AppliedAnnotation: tc.value}
			require.Equal(t, tc.want, kube.AppliedAt(obj), tc.reason)
		})
	}
}

func TestAppliedAtIsOnTheObject(t *testing.T) {
	b := newBench(t)
	now := time.Date(2026, 11, 22, 1, 2, 3, 4, time.UTC)
	b.Now = func() time.Time { return now }
	b.apply(b.service())
	require.Equal(t, now, kube.AppliedAt(get(b, &corev1.Service{}, "podinfo")))
	now = now.Add(time.Hour)
	b.quiet("time alone changes nothing", b.service())
	edit(b, &corev1.Service{}, "podinfo", func(s *corev1.Service) { s.Spec.Selector = map[string]string{"app": "other"} })
	b.pends(b.service())
	b.apply(b.service())
	require.Equal(t, now, kube.AppliedAt(get(b, &corev1.Service{}, "podinfo")), "putting back is a change")
}

func TestOneWatchPerKind(t *testing.T) {
	b := newBench(t)
	watched := &kubetest.Crasher{}
	s := b.Client.Scheme()
	c, err := cache.New(watched.Wrap(kubetest.Config(t)), cache.Options{Scheme: s, DefaultNamespaces: map[string]cache.Config{b.ns: {}}})
	require.NoError(t, err)
	go func() { _ = c.Start(t.Context()) }()
	for _, kind := range []schema.GroupVersionKind{
		appsv1.SchemeGroupVersion.WithKind("Deployment"), corev1.SchemeGroupVersion.WithKind("Service"),
		corev1.SchemeGroupVersion.WithKind("ConfigMap"), virtualServiceKind(),
		{Group: "autoscaling", Version: "v2", Kind: "HorizontalPodAutoscaler"},
	} {
		form, err := kube.NewWatched(s, kind)
		require.NoError(t, err)
		_, err = c.GetInformer(t.Context(), form)
		require.NoError(t, err)
	}
	b.Reader = c
	for resource, obj := range b.all() {
		require.True(t, b.apply(obj))
		require.Equal(t, 1, watched.Count("watch", resource), "what is read is what is watched: %s", resource)
		require.Zero(t, watched.Count("get", resource))
	}
}

func TestConcurrentOwners(t *testing.T) {
	b := newBench(t)
	const n = 8
	objs := make([]runtime.ApplyConfiguration, n)
	for i := range objs {
		objs[i] = corev1ac.ConfigMap(fmt.Sprintf("c%d", i), b.ns).WithData(map[string]string{"k": "v"})
	}
	b.apply(corev1ac.ConfigMap("first", b.ns)) // the watch runs
	b.made.Reset()
	var all sync.WaitGroup
	for _, obj := range objs {
		all.Go(func() {
			for range 20 {
				_, err := b.Apply(t.Context(), b.owner, obj)
				require.NoError(t, err)
			}
		})
	}
	all.Wait()
	require.Equal(t, n, b.made.Writes(), "each object once, however often it was asked for")
}

func BenchmarkPending(b *testing.B) {
	x := newBench(b)
	for resource, obj := range x.all() {
		x.apply(obj)
		b.Run(resource, func(b *testing.B) { x.pending(b, obj, func() {}) })
		b.Run(resource+"Forgotten", func(b *testing.B) { x.pending(b, obj, x.restart) })
	}
}

// pending measures one question, after whatever happens before each.
func (x *bench) pending(b *testing.B, obj runtime.ApplyConfiguration, before func()) {
	b.ReportAllocs()
	for b.Loop() {
		before()
		if due, err := x.Snapshot().Pending(b.Context(), x.owner, obj); due || err != nil {
			b.Fatal(due, err)
		}
	}
}

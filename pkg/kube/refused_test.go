package kube_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// unknownField is a route with a field that the CRD does not know, which the
// server therefore drops.
func unknownField(b *bench) runtime.ApplyConfiguration {
	u := &unstructured.Unstructured{Object: map[string]any{
		"metadata": map[string]any{"name": "podinfo", "namespace": b.ns},
		"spec":     map[string]any{"hosts": []any{"podinfo"}, "futureField": map[string]any{"a": int64(1)}},
	}}
	u.SetGroupVersionKind(virtualServiceKind())
	return client.ApplyConfigurationFromUnstructured(u)
}

func TestServerChangesWhatItIsSent(t *testing.T) {
	b := newBench(t)
	obj := unknownField(b)
	require.True(t, b.apply(obj))
	b.quiet("what the server makes of it is not fought over", obj)

	edit(b, anyVirtualService(), "podinfo", func(u *unstructured.Unstructured) {
		require.NoError(t, unstructured.SetNestedField(u.Object, "ok", "status", "note"))
	})
	touched := anyVirtualService()
	edit(b, touched, "podinfo", func(u *unstructured.Unstructured) {
		u.SetLabels(map[string]string{"team": "blue"})
	})
	b.watched(touched)
	b.quiet("nor when something else of the object changes", obj)

	edit(b, touched, "podinfo", func(u *unstructured.Unstructured) {
		require.NoError(t, unstructured.SetNestedStringSlice(u.Object, []string{"other"}, "spec", "hosts"))
	})
	b.pends(obj)
	require.True(t, b.apply(obj), "an edit of what the server does keep is still put back")
	hosts, _, err := unstructured.NestedStringSlice(get(b, anyVirtualService(), "podinfo").Object, "spec", "hosts")
	require.NoError(t, err)
	require.Equal(t, []string{"podinfo"}, hosts)
	b.quiet("once", obj)
}

func TestManagedFieldsStripped(t *testing.T) {
	b := newBench(t)
	b.Reader = stripped{b.Reader}
	objs := b.all()
	for _, obj := range objs {
		require.True(t, b.apply(obj))
		b.quiet("a cache without the record of owners will do", obj)
	}
	b.restart()
	for _, obj := range objs {
		b.quiet("after a restart too", obj)
	}
	edit(b, anyVirtualService(), "podinfo", setWeights(50, 50))
	b.pends(objs["virtualservices"])
}

// stripped is a cache that drops managedFields, as many do to save memory.
type stripped struct{ client.Reader }

func (s stripped) Get(ctx context.Context, key client.ObjectKey, obj client.Object, _ ...client.GetOption) error {
	err := s.Reader.Get(ctx, key, obj)
	obj.SetManagedFields(nil)
	return err
}

func TestBadWishes(t *testing.T) {
	b := newBench(t)
	nameless := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Service"}}
	unserved := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "example.com/v1", "kind": "Route", "metadata": map[string]any{"name": "x", "namespace": b.ns},
	}}
	misshapen := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Service", "metadata": map[string]any{"name": "x", "namespace": b.ns}, "spec": map[string]any{"ports": "80"},
	}}
	for name, tc := range map[string]struct {
		reason string
		obj    *unstructured.Unstructured
		want   string
	}{
		"Nameless":  {reason: "nothing could be found by it", obj: nameless, want: "no name"},
		"Unserved":  {reason: "the kind's CRD is not installed", obj: unserved, want: `read Route "` + b.ns + `/x": `},
		"Misshapen": {reason: "the server would refuse it", obj: misshapen, want: `apply Service "` + b.ns + `/x": `},
	} {
		t.Run(name, func(t *testing.T) {
			changed, err := b.Apply(t.Context(), b.owner, client.ApplyConfigurationFromUnstructured(tc.obj))
			require.ErrorContains(t, err, tc.want, tc.reason)
			require.False(t, changed)
		})
	}
	_, err := b.Apply(t.Context(), b.owner, b.service(), client.ApplyConfigurationFromUnstructured(nameless))
	require.Error(t, err)
	require.True(t, metav1.IsControlledBy(get(b, &corev1.Service{}, "podinfo"), b.owner), "what came before the bad one was made")
}

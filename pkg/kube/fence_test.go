package kube_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/kube"
	"github.com/sluice-cd/sluice/pkg/kube/kubetest"
)

// TestFence has a replica that does not lead send all that it sends.
func TestFence(t *testing.T) {
	ns := kubetest.Namespace(t)
	leads := false
	c, err := client.New(kube.Fence(kubetest.Config(t), func() bool { return leads }), client.Options{})
	require.NoError(t, err)
	settings := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "settings"}}
	require.ErrorIs(t, c.Create(t.Context(), settings), kube.ErrNotLeading)
	require.ErrorIs(t, c.Delete(t.Context(), settings), kube.ErrNotLeading)
	require.NoError(t, c.List(t.Context(), &corev1.ConfigMapList{}, client.InNamespace(ns)), "it reads")
	event := &corev1.Event{
		ObjectMeta:     metav1.ObjectMeta{Namespace: ns, Name: "told"},
		InvolvedObject: corev1.ObjectReference{Namespace: ns, Name: "settings"},
	}
	require.NoError(t, c.Create(t.Context(), event), "it tells what it has done")
	review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
		NonResourceAttributes: &authorizationv1.NonResourceAttributes{Path: "/metrics", Verb: "get"},
	}}
	require.NoError(t, c.Create(t.Context(), review), "its metrics are read as well")

	leads = true
	require.NoError(t, c.Create(t.Context(), settings))
	leads = false
	settings.Data = map[string]string{"a": "b"}
	require.ErrorIs(t, c.Update(t.Context(), settings), kube.ErrNotLeading)
	require.ErrorIs(t, c.Patch(t.Context(), settings, client.RawPatch("application/merge-patch+json", []byte(`{}`))), kube.ErrNotLeading)
}

// TestRefusedByFence has writes fail for longer than what counts as refused: that is no fault of the server's.
func TestRefusedByFence(t *testing.T) {
	b := newBench(t)
	c, err := client.New(kube.Fence(kubetest.Config(t), func() bool { return false }), client.Options{Scheme: b.Client.Scheme()})
	require.NoError(t, err)
	now := time.Now()
	b.Client, b.Now = c, func() time.Time { return now }
	for range 3 {
		_, err = b.Apply(t.Context(), b.owner, b.service())
		require.ErrorIs(t, err, kube.ErrNotLeading)
		require.NotErrorAs(t, err, new(*kube.RefusedError))
		now = now.Add(time.Minute)
	}
}

// TestLateWrite has a route, planned by what a cache holds, be written when another replica has written it already.
func TestLateWrite(t *testing.T) {
	for name, tc := range map[string]struct {
		reason string
		late   func(b *bench) runtime.ApplyConfiguration
		other  func(b *bench) runtime.ApplyConfiguration
		stays  func(b *bench) bool
	}{
		"Weight": {
			reason: "users stay where the other has led them",
			late:   func(b *bench) runtime.ApplyConfiguration { return virtualService(b, 10) },
			other:  func(b *bench) runtime.ApplyConfiguration { return virtualService(b, 50) },
			stays:  func(b *bench) bool { return canaryWeight(get(b, anyVirtualService(), "podinfo")) == 50 },
		},
		"Selector": {
			reason: "so do those outside of a mesh",
			late: func(b *bench) runtime.ApplyConfiguration {
				return b.service().WithLabels(map[string]string{"by": "late"})
			},
			other: func(b *bench) runtime.ApplyConfiguration {
				return b.service().WithLabels(map[string]string{"by": "other"})
			},
			stays: func(b *bench) bool { return get(b, &corev1.Service{}, "podinfo").Labels["by"] == "other" },
		},
	} {
		for _, first := range []bool{true, false} {
			t.Run(name+map[bool]string{true: "Made", false: "Changed"}[first], func(t *testing.T) {
				b := newBench(t)
				before := tc.late(b)
				if u, err := b.Snapshot().Pending(t.Context(), b.owner, before); err != nil || !u {
					require.NoError(t, err)
				}
				if !first {
					b.apply(map[bool]runtime.ApplyConfiguration{true: virtualService(b, 0), false: b.service()}[name == "Weight"])
				}
				thaw := b.freeze()
				_, err := b.Snapshot().Pending(t.Context(), b.owner, before) // what the cache holds is answered from now on
				require.NoError(t, err)
				other := &kube.Applier{Client: b.Client, Reader: b.cache, Live: b.Live, Now: time.Now}
				_, err = other.Apply(t.Context(), b.owner, tc.other(b))
				require.NoError(t, err)

				changed, err := b.Apply(t.Context(), b.owner, before)
				require.NoError(t, err, "nothing is wrong: it is looked at again")
				require.True(t, changed)
				require.True(t, tc.stays(b), tc.reason)
				thaw()
				b.pends(before)
				require.True(t, b.apply(before), "what is wanted still is written to what there is now")
			})
		}
	}
}

func canaryWeight(route client.Object) int64 {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(route)
	if err != nil {
		return -1
	}
	rules := content["spec"].(map[string]any)["http"].([]any)
	to := rules[0].(map[string]any)["route"].([]any)[1]
	return to.(map[string]any)["weight"].(int64)
}

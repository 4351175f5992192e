package kube_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/kube"
	"github.com/sluice-cd/sluice/pkg/kube/kubetest"
)

// TestServerAway has the server be away for so long that a watch by itself would wait for many seconds more.
func TestServerAway(t *testing.T) {
	t.Parallel()
	for name, after := range map[string]func(*kubetest.Faults){
		"Resumed":   func(*kubetest.Faults) {},
		"Compacted": (*kubetest.Faults).Compacted,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ns, line, back := kubetest.Namespace(t), &kubetest.Faults{}, atomic.Int32{}
			cached, err := cache.New(kube.AwaitServer(line.Wrap(kubetest.Config(t)), func() { back.Add(1) }), cache.Options{})
			require.NoError(t, err)
			go func() { _ = cached.Start(t.Context()) }()
			require.True(t, cached.WaitForCacheSync(t.Context()))
			require.NoError(t, cached.List(t.Context(), &corev1.ConfigMapList{}, client.InNamespace(ns)))
			require.Zero(t, back.Load())

			after(line)
			line.Away(true)
			time.Sleep(15 * time.Second)
			user, err := client.New(kubetest.Config(t), client.Options{})
			require.NoError(t, err)
			settings := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "settings"}}
			require.NoError(t, user.Create(t.Context(), settings))
			line.Away(false)
			began := time.Now()
			require.Eventually(t, func() bool {
				return cached.Get(t.Context(), client.ObjectKeyFromObject(settings), &corev1.ConfigMap{}) == nil
			}, patience, tick)
			require.Less(t, time.Since(began), 5*time.Second)
			require.Eventually(t, func() bool { return back.Load() > 0 }, patience, tick, "who waits for it is told")
		})
	}
}

// TestReadsDoNotWait has a pass read while the server is away: it is told at once, and holds no worker.
func TestReadsDoNotWait(t *testing.T) {
	line := &kubetest.Faults{}
	c, err := client.New(kube.AwaitServer(line.Wrap(kubetest.Config(t)), func() {}), client.Options{})
	require.NoError(t, err)
	line.Away(true)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	require.ErrorIs(t, c.List(ctx, &corev1.ConfigMapList{}), kubetest.ErrAway)
	require.ErrorIs(t, c.Get(ctx, client.ObjectKey{Namespace: "default", Name: "x"}, &corev1.ConfigMap{}), kubetest.ErrAway)
}

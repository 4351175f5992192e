package controller

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// An autoscaler makes the canary larger all the time, so that there is always a pod that is not ready. What is needed
// serves, and the rollout goes on.
func TestGrowthIsNoFailure(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := w.begin(hasty)
	w.judge.hold(50)
	w.setImage(imageTwo)
	w.await("the canary has requests", func() bool { return w.status().CanaryWeight == 50 })
	const start = 2 * time.Second
	w.await("its pods are older than a pod takes to start", func() bool {
		all := &corev1.PodList{}
		require.NoError(t, w.List(t.Context(), all, client.InNamespace(w.ns), client.MatchingLabels{"app": "podinfo"}))
		return !slices.ContainsFunc(all.Items, func(p corev1.Pod) bool { return time.Since(p.CreationTimestamp.Time) < start+time.Second })
	})
	w.pods.Delay(t, start)
	w.judge.goOn()
	// The next growth comes half a second after the last one was heeded: on a busy machine that takes a while.
	var heeded time.Time
	var observed int64
	size := int32(2)
	w.await("the rollout ends one way or the other", func() bool {
		d := w.live("podinfo")
		if d.Status.ObservedGeneration == d.Generation && d.Generation != observed {
			heeded, observed = time.Now(), d.Generation
		}
		if d.Generation == observed && time.Since(heeded) > start/4 && size < 30 {
			size++
			w.editTarget(func(d *appsv1.Deployment) { d.Spec.Replicas = &size })
		}
		return w.status().Phase != v1beta1.PhaseProgressing
	})
	require.NotEqual(t, v1beta1.PhaseFailed, w.status().Phase, "%v", o.events())
	w.pods.Delay(t, 0)
	w.awaitPhase(v1beta1.PhaseSucceeded)
}

package controller

import (
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// resize gives the target a size, and an image unless that is empty, in one change.
func (w *world) resize(size int32, image string) {
	w.Helper()
	w.editTarget(func(d *appsv1.Deployment) {
		d.Spec.Replicas = &size
		if image != "" {
			d.Spec.Template.Spec.Containers[0].Image = image
		}
	})
}

// awaitSize waits until the primary has a size, and the target is stopped.
func (w *world) awaitSize(size int32) {
	w.Helper()
	w.eventually(func() bool { return *w.live("podinfo-primary").Spec.Replicas == size },
		func() string { return "the primary does not get its size" }, func() any { return w.status() })
	w.awaitTargetStopped()
}

// Without an autoscaler the primary gets the size that somebody gives the target, with the next promotion.
func TestTargetSizeCountsAtPromotion(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		reason string
		play   func(*world)
		size   int32
	}{
		"WithImage": {"the manifest has both", func(w *world) { w.resize(1, imageTwo) }, 1},
		"Larger":    {"it may grow as well", func(w *world) { w.resize(3, imageTwo) }, 3},
		"OnlyImage": {"nobody wants another size", func(w *world) { w.setImage(imageTwo) }, 2},
		"BeforeThat": {"a size alone is no rollout, and is not forgotten", func(w *world) {
			w.resize(3, "")
			w.await("it is noted", func() bool { return w.status().TargetSize != nil })
			w.awaitTargetStopped()
			require.Equal(w, int32(2), *w.live("podinfo-primary").Spec.Replicas, "users are with that one")
			w.setImage(imageTwo)
		}, 3},
		"Midway": {"the canary is scaled by Sluice, and its user changes his mind", func(w *world) {
			w.judge.hold(50)
			w.setImage(imageTwo)
			w.await("the canary has grown for its next step", func() bool {
				return w.status().CanaryWeight == 50 && *w.live("podinfo").Spec.Replicas == 2
			})
			w.resize(1, "")
			w.await("it is noted", func() bool { return w.status().TargetSize != nil })
			w.judge.goOn()
		}, 1},
		"AfterFailure": {"what was wanted with a bad revision is wanted with the next", func(w *world) {
			w.judge.fail(-1)
			w.resize(1, imageBad)
			w.awaitPhase(v1beta1.PhaseFailed)
			w.awaitTargetStopped()
			require.Equal(w, int32(2), *w.live("podinfo-primary").Spec.Replicas, "nothing was promoted")
			w.judge.fail(0)
			w.setImage(imageTwo)
		}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.begin()
			tc.play(w)
			w.awaitSettled(v1beta1.PhaseSucceeded, imageTwo)
			w.awaitSize(tc.size)
			require.Nil(t, w.status().TargetSize, tc.reason)
		})
	}
}

// With one, sizes are the autoscaler's.
func TestTargetSizeOfAutoscaler(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.createAutoscaler()
	w.begin(func(c *v1beta1.Canary) {
		c.Spec.AutoscalerRef = &v1beta1.AutoscalerRef{APIVersion: "autoscaling/v2", Kind: "HorizontalPodAutoscaler", Name: "podinfo"}
	})
	w.resize(1, imageTwo)
	w.awaitSettled(v1beta1.PhaseSucceeded, imageTwo)
	require.Equal(t, int32(2), *w.live("podinfo-primary").Spec.Replicas)
	require.Nil(t, w.status().TargetSize)
}

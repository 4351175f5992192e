package controller

import (
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// TestPrimaryThatStopsOnUpdate gives a primary whose update takes all of its pods down another revision.
func TestPrimaryThatStopsOnUpdate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.editTarget(func(d *appsv1.Deployment) {
		d.Spec.Strategy = appsv1.DeploymentStrategy{Type: appsv1.RecreateDeploymentStrategyType}
	})
	w.begin(func(c *v1beta1.Canary) { c.Spec.Analysis.StepWeight, c.Spec.Analysis.StepWeights = 0, []int{50} })
	w.breakPods("podinfo-primary", imageTwo)
	w.setImage(imageTwo)
	w.await("the primary is given the revision", func() bool {
		return w.live("podinfo-primary").Spec.Template.Spec.Containers[0].Image == imageTwo
	})
	require.Equal(t, "0/100", w.weights(), "nobody is with it")
	w.healPods("podinfo-primary", imageTwo)
	w.awaitSettled(v1beta1.PhaseSucceeded, imageTwo)
}

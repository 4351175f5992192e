package controller

import (
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

func windowed(c *v1beta1.Canary) {
	c.Spec.History = &v1beta1.CanaryHistory{RollbackWindow: new(int32(1))}
}

// A revision that was promoted before is not judged again, whatever metrics would say.
func TestRollbackWindow(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		target func(*appsv1.Deployment)
		canary func(*v1beta1.Canary)
	}{
		"Weighted":     {canary: func(*v1beta1.Canary) {}},
		"Baked":        {canary: func(c *v1beta1.Canary) { c.Spec.Analysis.Promotion = &v1beta1.AnalysisPromotion{Bake: "30s"} }},
		"BlueGreen":    {canary: services},
		"ReplicaRatio": {canary: ratio},
		"Recreate": {canary: func(*v1beta1.Canary) {}, target: func(d *appsv1.Deployment) {
			d.Spec.Strategy = appsv1.DeploymentStrategy{Type: appsv1.RecreateDeploymentStrategyType}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			if tc.target != nil {
				w.editTarget(tc.target)
			}
			if name == "ReplicaRatio" {
				w.scaleToFive()
			}
			o := w.begin(tc.canary, windowed)
			w.setImage(imageTwo)
			w.awaitPhase(v1beta1.PhaseSucceeded)
			w.awaitTargetStopped()
			w.awaitRecorded(1)
			w.judge.fail(-1)
			seen := w.history()
			w.setImage(imageOne)
			w.await("it serves again", func() bool {
				s := w.status()
				return s.Phase == v1beta1.PhaseSucceeded && s.Run.Number == 2 && image(w.live("podinfo-primary")) == imageOne
			})
			s := w.status()
			require.Equal(t, v1beta1.RunFastPromoted, s.Run.Outcome)
			require.True(t, s.Run.Fast)
			require.Equal(t, s.History[0].Outcome, s.Run.Outcome)
			w.awaitEvent(o, "Normal RollbackWindow podinfo."+w.ns+" is back at ")
			if name != "Recreate" {
				require.NotContains(t, seen(), "Progressing 50", "no user meets it before it is promoted")
			}
			w.awaitRecorded(2)
			require.Equal(t, "FastPromoted", w.records()[w.recordName("2")].Labels[v1beta1.RunOutcomeLabel])
			require.Zero(t, s.FailedChecks)
		})
	}
}

func TestDaemonSetRollbackWindow(t *testing.T) {
	t.Parallel()
	w := newNodal(t)
	w.begin(windowed)
	w.setImage(imageTwo)
	w.awaitOutcome(outcome{phase: v1beta1.PhaseSucceeded, primary: imageTwo, weights: "100/0", selector: "podinfo-primary"})
	w.judge.fail(-1)
	w.setImage(imageOne)
	w.awaitOutcome(outcome{phase: v1beta1.PhaseSucceeded, primary: imageOne, weights: "100/0", selector: "podinfo-primary"})
	require.Equal(t, v1beta1.RunFastPromoted, w.status().Run.Outcome)
}

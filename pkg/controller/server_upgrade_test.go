package controller

import (
	"testing"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/workload"
)

// upgradeServer has revisions be what an API server made of them that knew one field less: a newer one reads the same templates,
// which nobody has changed, with another hash.
func (w *world) upgradeServer(primary client.Object) (lastApplied string) {
	w.Helper()
	before := w.named("podinfo")
	c := before.DeepCopy()
	older := func(revision string) string { return revision[:len(revision)-4] + "0000" }
	c.Status.LastAppliedSpec, c.Status.LastPromotedSpec = older(c.Status.LastAppliedSpec), older(c.Status.LastPromotedSpec)
	if c.Status.TargetTemplate != nil {
		c.Status.TargetTemplate.Revision = older(c.Status.TargetTemplate.Revision)
	}
	require.NoError(w, w.Status().Patch(w.Context(), c, client.MergeFrom(before)))
	noted := primary.DeepCopyObject().(client.Object)
	noted.GetAnnotations()[workload.RevisionAnnotation] = c.Status.LastPromotedSpec
	require.NoError(w, w.Patch(w.Context(), noted, client.MergeFrom(primary)))
	return c.Status.LastAppliedSpec
}

// awaitLooked waits until the operator has decided about a Canary as it is.
func (w *world) awaitLooked() {
	w.Helper()
	w.editCanary(func(c *v1beta1.Canary) { c.Spec.Analysis.Threshold++ })
	w.await("it was looked at", func() bool { c := w.named("podinfo"); return c.Status.ObservedGeneration == c.Generation })
}

func TestServerUpgradeStartsNoRollout(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		reason string
		fails  int
		phase  v1beta1.CanaryPhase
	}{
		"Promoted": {"the primary is still a copy of its target", 0, v1beta1.PhaseSucceeded},
		"Failed":   {"a revision that failed is not tried again", -1, v1beta1.PhaseFailed},
	} {
		rests := func(w *world, was string) {
			w.Helper()
			w.awaitLooked()
			require.Equal(w, tc.phase, w.status().Phase, tc.reason)
			require.Equal(w, was, w.status().LastAppliedSpec, tc.reason)
		}
		t.Run("Deployment"+name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			o := w.begin()
			w.judge.fail(tc.fails)
			w.setImage(imageTwo)
			w.awaitPhase(tc.phase)
			w.awaitTargetStopped()
			w.await("its controller has seen that", func() bool {
				d := w.live("podinfo")
				return d.Status.ObservedGeneration == d.Generation && d.Status.Replicas == 0
			})
			o.stop()
			was := w.upgradeServer(w.live("podinfo-primary"))
			o = w.restart(0)
			rests(w, was)
			w.judge.fail(0)
			w.setImage("podinfo:3")
			w.awaitSettled(v1beta1.PhaseSucceeded, "podinfo:3")
			require.NotEqual(t, was, w.status().LastAppliedSpec, "%v", o.events())
		})
		t.Run("DaemonSet"+name, func(t *testing.T) {
			t.Parallel()
			w := newNodal(t)
			o := w.begin()
			w.judge.fail(tc.fails)
			w.setImage(imageTwo)
			w.awaitPhase(tc.phase)
			w.await("the target is stopped", w.off)
			o.stop()
			was := w.upgradeServer(w.live("podinfo-primary"))
			w.restart(0)
			rests(w.world, was)
			w.judge.fail(0)
			w.setImage("podinfo:3")
			w.awaitOutcome(outcome{phase: v1beta1.PhaseSucceeded, primary: "podinfo:3", weights: "100/0", selector: "podinfo-primary"})
		})
	}
}

// What the newer server has added is on both sides, the configs have another content: that is a change like any other.
func TestServerUpgradeAndChangedConfig(t *testing.T) {
	t.Parallel()
	w := configured(t)
	o := w.begin()
	o.stop()
	was := w.upgradeServer(w.live("podinfo-primary"))
	w.restart(0)
	w.awaitLooked()
	require.Equal(t, v1beta1.PhaseInitialized, w.status().Phase)
	w.setColor("red")
	w.await("its content is rolled out", func() bool {
		return w.status().Phase == v1beta1.PhaseSucceeded && w.status().LastPromotedSpec != was
	})
	require.Equal(t, "red", w.colorOf("settings-primary"))
}

package controller

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/workload"
)

// ratio reaches weights by numbers of pods.
func ratio(c *v1beta1.Canary) {
	c.Spec.Provider = "kubernetes"
	c.Spec.Analysis.ReplicaRatio = true
	c.Spec.Analysis.StepWeight, c.Spec.Analysis.MaxWeight = 0, 0
	c.Spec.Analysis.StepWeights = []int{20, 80}
}

// scaleToFive gives the target five pods that the apex Service can find.
func (w *world) scaleToFive() {
	w.Helper()
	w.editTarget(func(d *appsv1.Deployment) {
		d.Spec.Replicas = new(int32(5))
		d.Spec.Template.Labels[workload.ApexLabel] = "podinfo"
	})
	w.await("five pods run", func() bool { return w.live("podinfo").Status.AvailableReplicas == 5 })
}

// sizes are the pods that both sides have, target first.
func (w *world) sizes() string {
	w.Helper()
	return fmt.Sprintf("%d/%d", w.live("podinfo").Status.AvailableReplicas, w.live("podinfo-primary").Status.AvailableReplicas)
}

// apexSelector is what the apex Service selects.
func (w *world) apexSelector() map[string]string {
	w.Helper()
	s := &corev1.Service{}
	require.NoError(w, w.Get(w.Context(), client.ObjectKey{Namespace: w.ns, Name: "podinfo"}, s))
	return s.Spec.Selector
}

func TestReplicaRatioPromotes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.scaleToFive()
	w.begin(ratio)
	w.judge.hold(20)
	w.setImage(imageTwo)
	for _, step := range []struct {
		sizes  string
		actual int
	}{{"1/4", 20}, {"4/1", 80}} {
		w.await("sizes of "+step.sizes, func() bool {
			s := w.status()
			return w.sizes() == step.sizes && s.ActualWeight != nil && *s.ActualWeight == step.actual
		})
		require.Equal(t, map[string]string{workload.ApexLabel: "podinfo"}, w.apexSelector(), "both sides stand behind the Service")
		w.judge.hold(80)
	}
	w.judge.goOn()
	w.awaitPhase(v1beta1.PhaseSucceeded)
	w.awaitTargetStopped()
	require.Equal(t, imageTwo, image(w.live("podinfo-primary")))
	w.await("the primary has its size", func() bool { return w.sizes() == "0/5" })
	require.Equal(t, map[string]string{"app": "podinfo-primary"}, w.apexSelector())
	require.Zero(t, *w.status().ActualWeight)
}

// An application that nobody asks by a Service is released by numbers of pods alone.
func TestReplicaRatioWithoutService(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.editTarget(scale(5))
	w.await("five pods run", func() bool { return w.live("podinfo").Status.AvailableReplicas == 5 })
	o := w.begin(ratio, func(c *v1beta1.Canary) { c.Spec.Service = v1beta1.CanaryService{} })
	w.awaitTargetStopped()
	w.judge.hold(20)
	w.setImage(imageTwo)
	for _, step := range []struct {
		sizes  string
		actual int
	}{{"1/4", 20}, {"4/1", 80}} {
		w.await("sizes of "+step.sizes, func() bool {
			s := w.status()
			return w.sizes() == step.sizes && s.ActualWeight != nil && *s.ActualWeight == step.actual
		})
		w.judge.hold(80)
	}
	w.judge.goOn()
	w.awaitPhase(v1beta1.PhaseSucceeded)
	w.awaitTargetStopped()
	w.await("the primary has its size", func() bool { return w.sizes() == "0/5" })
	require.Equal(t, imageTwo, image(w.live("podinfo-primary")))
	w.judge.fail(-1)
	w.setImage(imageBad)
	w.awaitPhase(v1beta1.PhaseFailed)
	w.await("a bad one is taken back", func() bool { return w.sizes() == "0/5" })
	all := &corev1.ServiceList{}
	require.NoError(t, w.List(t.Context(), all, client.InNamespace(w.ns)))
	require.Empty(t, all.Items, "nobody asked for one: %v", o.events())
	w.editCanary(func(c *v1beta1.Canary) { c.Spec.Analysis.Promotion = &v1beta1.AnalysisPromotion{Bake: "1m"} })
	w.awaitCondition(v1beta1.ConditionValid, metav1.ConditionFalse, "spec.analysis.promotion.bake: needs spec.service")
}

func TestReplicaRatioGoesBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.scaleToFive()
	w.begin(ratio)
	w.judge.failFrom(80, -1)
	w.judge.hold(80)
	w.setImage(imageTwo)
	w.await("the larger step", func() bool { return w.sizes() == "4/1" })
	w.judge.goOn()
	w.awaitPhase(v1beta1.PhaseFailed)
	w.await("the primary grows back first", func() bool { return w.live("podinfo-primary").Status.AvailableReplicas == 5 })
	w.awaitTargetStopped()
	require.Equal(t, imageOne, image(w.live("podinfo-primary")))
	w.await("users are with the primary", func() bool { return w.apexSelector()["app"] == "podinfo-primary" })
}

func TestReplicaRatioIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.run(ratio)
	w.awaitCondition(v1beta1.ConditionValid, metav1.ConditionFalse, "spec.analysis.replicaRatio: needs the label sluice.dev/apex: podinfo")
	w.scaleToFive()
	w.awaitCondition(v1beta1.ConditionValid, metav1.ConditionTrue, "The spec is valid for provider kubernetes.")
	w.awaitPhase(v1beta1.PhaseInitialized)
}

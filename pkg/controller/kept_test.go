package controller

import (
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/kube/kubetest"
	"github.com/sluice-cd/sluice/pkg/rollout"
)

// kept has a canary bake, and keep its pods when it fails.
func kept(c *v1beta1.Canary) {
	c.Spec.Analysis.OnFailure, c.Spec.Analysis.Promotion = v1beta1.FailureKeeps, &v1beta1.AnalysisPromotion{Bake: "24h"}
}

// A canary that fails while it bakes loses its users and keeps its pods, whatever its target and its provider are.
func TestKeptAfterBake(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		reason          string
		target          func(*world)
		change          func(*v1beta1.Canary)
		routes          func(*world) string // where users are led
		primary, canary string
	}{
		"Recreate": {
			reason: "its primary has no pods while it is updated, and was not yet",
			target: func(w *world) {
				w.editTarget(func(d *appsv1.Deployment) {
					d.Spec.Strategy = appsv1.DeploymentStrategy{Type: appsv1.RecreateDeploymentStrategyType}
				})
			},
			routes: (*world).weights, primary: "100/0", canary: "0/100",
		},
		"Autoscaled": {
			reason: "its autoscaler takes none of them away",
			target: func(w *world) { w.createAutoscaler() },
			change: scaled,
			routes: (*world).weights, primary: "100/0", canary: "0/100",
		},
		"ServicesAlone": {
			reason: "the Service leads back",
			change: blueGreenWithoutMesh,
			routes: func(w *world) string { return w.apexSelector()["app"] }, primary: "podinfo-primary", canary: "podinfo",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			if tc.target != nil {
				tc.target(w)
			}
			if tc.change == nil {
				tc.change = func(*v1beta1.Canary) {}
			}
			w.begin(tc.change, kept)
			w.setImage(imageTwo)
			w.awaitWaiting(rollout.WaitBaking)
			w.await("all users are with the canary", func() bool { return tc.routes(w) == tc.canary })
			require.Equal(t, imageOne, image(w.live("podinfo-primary")), "the primary keeps the revision before")
			require.Equal(t, int32(2), w.live("podinfo-primary").Status.AvailableReplicas, "at full size")
			w.pods.Fault(t, imageTwo, kubetest.CrashLoop)
			w.awaitPhase(v1beta1.PhaseFailed)
			w.awaitCondition(v1beta1.ConditionPromoted, metav1.ConditionFalse, "Deployment kept without traffic")
			w.await(tc.reason, func() bool { return tc.routes(w) == tc.primary })
			require.Equal(t, int32(2), *w.live("podinfo").Spec.Replicas, "it is kept to be looked at")
			w.act("abort", "", v1beta1.ActionAccepted, "podinfo."+w.ns+" is scaled down")
			w.awaitTargetStopped()
		})
	}
}

// A DaemonSet that is kept goes on running on its nodes.
func TestDaemonSetKeptAfterBake(t *testing.T) {
	t.Parallel()
	w := newNodal(t)
	w.begin(kept)
	w.setImage(imageTwo)
	w.awaitWaiting(rollout.WaitBaking)
	w.awaitWeights("0/100")
	w.pods.Fault(t, imageTwo, kubetest.CrashLoop)
	w.awaitPhase(v1beta1.PhaseFailed)
	w.awaitCondition(v1beta1.ConditionPromoted, metav1.ConditionFalse, "DaemonSet kept without traffic")
	w.awaitWeights("100/0")
	require.False(t, w.off(), "it is kept to be looked at")
	w.act("abort", "", v1beta1.ActionAccepted, "podinfo."+w.ns+" is scaled down")
	w.await("it is stopped", w.off)
}

// What a step's webhook has agreed to is not asked again in that step, also not by another process.
func TestStepWebhook(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := w.begin(listed(nil, v1beta1.AnalysisStep{Name: "smoke", Weight: new(0), Webhook: &v1beta1.StepWebhook{URL: "http://acceptance/"}, Pause: &v1beta1.StepPause{}},
		v1beta1.AnalysisStep{Weight: new(50)}))
	w.setImage(imageTwo)
	w.awaitWaiting(rollout.WaitStepPaused)
	require.True(t, w.status().StepStarted.WebhookDone, "it has agreed, and the API server has kept that")
	w.awaitEvent(o, "Normal HookPassed The webhook of step 1 of 2 (smoke) passed")
	require.Equal(t, 1, count(o, "Normal HookPassed The webhook of step 1 of 2 (smoke) passed"))
	o.stop()
	o = w.restart(0)
	w.act("promote", "", v1beta1.ActionAccepted, "step 1 of 2 (smoke) goes on when one more check has passed")
	w.awaitSettled(v1beta1.PhaseSucceeded, imageTwo)
	require.Zero(t, count(o, "Normal HookPassed The webhook of step 1 of 2 (smoke) passed"))
	require.Nil(t, w.status().StepStarted)
}

// httpRoutes is how many routes the VirtualService has.
func (w *world) httpRoutes() int {
	w.Helper()
	u := &unstructured.Unstructured{}
	u.SetAPIVersion("networking.istio.io/v1")
	u.SetKind("VirtualService")
	require.NoError(w, w.Get(w.Context(), client.ObjectKey{Namespace: w.ns, Name: "podinfo"}, u))
	http, _, err := unstructured.NestedSlice(u.Object, "spec", "http")
	require.NoError(w, err)
	return len(http)
}

// From a step on others are led to the canary at every weight, as the API server keeps an empty list.
func TestPreviewOfStep(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	one := []v1beta1.HTTPMatchRequest{{Headers: map[string]v1beta1.StringMatch{"x-insider": {Exact: new("true")}}}}
	w.begin(listed(nil,
		v1beta1.AnalysisStep{Weight: new(20), PreviewMatch: &one, Pause: &v1beta1.StepPause{}},
		v1beta1.AnalysisStep{Weight: new(50), PreviewMatch: &[]v1beta1.HTTPMatchRequest{}, Pause: &v1beta1.StepPause{}}))
	w.setImage(imageTwo)
	w.awaitWaiting(rollout.WaitStepPaused)
	require.Equal(t, 2, w.httpRoutes(), "one more for those who are known")
	w.act("promote", "", v1beta1.ActionAccepted, "step 1 of 2 goes on when one more check has passed")
	w.await("the next step", func() bool { return w.status().Step == 2 })
	w.await("there are none", func() bool { return w.httpRoutes() == 1 })
}

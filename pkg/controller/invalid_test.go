package controller

import (
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

func TestServerRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, tc := range map[string]struct {
		reason string
		change func(*v1beta1.Canary)
		want   string
	}{
		"Provider": {
			reason: "an unknown name is never taken for a default",
			change: func(c *v1beta1.Canary) { c.Spec.Provider = "envoy" },
			want:   `spec.provider: Unsupported value: "envoy"`,
		},
		"Interval": {
			reason: "what is no duration cannot be waited for",
			change: every("often"),
			want:   "spec.analysis.interval: Invalid value",
		},
		"Steps": {
			reason: "a rollout without a step leads nowhere",
			change: func(c *v1beta1.Canary) { c.Spec.Analysis.StepWeight = 0 },
			want:   "exactly one of the fields in [iterations stepWeight stepWeights steps] must be set",
		},
	} {
		t.Run(name, func(t *testing.T) {
			require.ErrorContains(t, w.Create(t.Context(), w.canary(tc.change)), tc.want, tc.reason)
		})
	}
}

// mistake is a spec that the schema lets pass and the operator cannot follow.
type mistake struct {
	change func(*v1beta1.Canary)
	want   string
}

func mistakes() map[string]mistake {
	return map[string]mistake{
		"Metric": {
			change: func(c *v1beta1.Canary) { c.Spec.Analysis.Metrics[0].Name = "happiness" },
			want:   `spec.analysis.metrics[0].name: "happiness" is not a built-in metric`,
		},
		"Interval": {change: every("10sec"), want: `spec.analysis.interval: "10sec" is not a duration above zero`},
		"StepWeight": {
			change: func(c *v1beta1.Canary) { c.Spec.Analysis.StepWeight = 120 },
			want:   "spec.analysis.stepWeight: 120 is not a percentage from 0 to 100",
		},
		"MaxWeight": {
			change: func(c *v1beta1.Canary) { c.Spec.Analysis.MaxWeight = 20 },
			want:   "spec.analysis.maxWeight: 20 is below stepWeight 50",
		},
		"Unable": {
			change: func(c *v1beta1.Canary) {
				c.Spec.Provider, c.Spec.Analysis.Mirror = "kubernetes", true
			},
			want: "spec.analysis.mirror: the provider cannot copy requests; these can: gatewayapi",
		},
		"Condition": {
			change: func(c *v1beta1.Canary) { c.Spec.Analysis.Metrics[0].SuccessCondition = "result >" },
			want:   "spec.analysis.metrics[0].successCondition: does not compile",
		},
		"NoIngress": {
			change: func(c *v1beta1.Canary) { c.Spec.Provider = "nginx" },
			want:   "spec.ingressRef: is missing",
		},
	}
}

func (w *world) requireValid(c *v1beta1.Canary) {
	good := w.canary(every("40s"))
	c.Spec = good.Spec
}

func TestNewCanaryIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := w.run(mistakes()["Metric"].change)
	for name, m := range mistakes() {
		w.editCanary(func(c *v1beta1.Canary) { w.requireValid(c); m.change(c) })
		w.awaitCondition(v1beta1.ConditionValid, metav1.ConditionFalse, m.want)
		w.awaitEvent(o, "Warning Invalid "+m.want)
		require.Empty(t, w.status().Phase, "%s: nothing has begun", name)
		require.Equal(t, "none", w.weights(), name)
		require.Empty(t, w.selector("podinfo"), name)
		require.Equal(t, int32(2), *w.live("podinfo").Spec.Replicas, name)
	}
	w.editCanary(w.requireValid)
	w.awaitCondition(v1beta1.ConditionValid, metav1.ConditionTrue, "The spec is valid for provider istio.")
	w.awaitSettled(v1beta1.PhaseInitialized, imageOne)
}

func TestRunningCanaryIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := w.begin(slowly)
	w.setImage(imageTwo)
	w.awaitWeights("50/50")
	for name, m := range mistakes() {
		w.editCanary(func(c *v1beta1.Canary) { w.requireValid(c); m.change(c) })
		w.awaitCondition(v1beta1.ConditionValid, metav1.ConditionFalse, m.want)
		require.Equal(t, "50/50", w.weights(), "%s: users stay where they are", name)
		require.Equal(t, v1beta1.PhaseProgressing, w.status().Phase, name)
	}
	w.editCanary(w.requireValid)
	w.awaitSettled(v1beta1.PhaseSucceeded, imageTwo)
	require.Equal(t, 1, count(o, "Normal AnalysisStarted"), "it went on and did not begin again")
}

// TestRefusedCanaryCanGo deletes a Canary that asked for its target back and cannot be followed.
func TestRefusedCanaryCanGo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.run(mistakes()["Metric"].change, revert)
	w.awaitCondition(v1beta1.ConditionValid, metav1.ConditionFalse, "happiness")
	w.delete("podinfo")
	require.Equal(t, int32(2), *w.live("podinfo").Spec.Replicas)
}

func TestTargetIsMissing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	require.NoError(t, w.Delete(t.Context(), w.live("podinfo")))
	w.gone(&appsv1.Deployment{}, "podinfo")
	o := w.run()
	w.awaitCondition(v1beta1.ConditionWaiting, metav1.ConditionTrue, "Waiting for Deployment "+w.ns+"/podinfo, which does not exist.")
	w.awaitEvent(o, "Warning TargetMissing Deployment podinfo."+w.ns+" not found, waiting for it")
	require.NoError(t, w.Create(t.Context(), w.deployment()))
	w.awaitSettled(v1beta1.PhaseInitialized, imageOne)
	require.Equal(t, 1, count(o, "TargetMissing"), "it is said once")
}

func TestTargetWithoutLabel(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	require.NoError(t, w.Delete(t.Context(), w.live("podinfo")))
	w.gone(&appsv1.Deployment{}, "podinfo")
	odd := w.deployment()
	odd.Spec.Selector.MatchLabels = map[string]string{"tier": "web"}
	odd.Spec.Template.Labels = map[string]string{"tier": "web"}
	require.NoError(t, w.Create(t.Context(), odd))
	o := w.run()
	w.awaitCondition(v1beta1.ConditionValid, metav1.ConditionFalse,
		"spec.targetRef: deployment podinfo."+w.ns+" spec.selector.matchLabels must contain one of [app]")
	w.awaitEvent(o, "Warning Invalid")
	require.Equal(t, "none", w.weights())
	require.Empty(t, w.selector("podinfo"))
	require.Equal(t, int32(2), *w.live("podinfo").Spec.Replicas)

	require.NoError(t, w.Delete(t.Context(), odd, client.GracePeriodSeconds(0)))
	w.gone(&appsv1.Deployment{}, "podinfo")
	require.NoError(t, w.Create(t.Context(), w.deployment()))
	w.awaitSettled(v1beta1.PhaseInitialized, imageOne)
}

// TestPrimaryIsNoTarget has a Canary for what another one has made, under a Service of its own.
func TestPrimaryIsNoTarget(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.begin()
	require.NoError(t, w.Create(t.Context(), w.canary(func(c *v1beta1.Canary) {
		c.Name, c.Spec.TargetRef.Name, c.Spec.Service.Name = "second", "podinfo-primary", "second"
	})))
	w.awaitConditionOf("second", v1beta1.ConditionValid, metav1.ConditionFalse,
		`spec.targetRef.name: deployment "podinfo-primary" is the primary of the Canary "podinfo"; name a workload of your own`)
	require.Equal(t, int32(2), *w.live("podinfo-primary").Spec.Replicas, "users are with it")
	w.setImage(imageTwo)
	w.awaitSettled(v1beta1.PhaseSucceeded, imageTwo)
}

func TestTwoCanariesOfOneTarget(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := w.begin()
	younger := w.canary(func(c *v1beta1.Canary) { c.Name = "zealot" })
	require.NoError(t, w.Create(t.Context(), younger))
	const collides = `spec.targetRef.name: Deployment "podinfo" already has the Canary "podinfo", which is older`
	w.awaitConditionOf("zealot", v1beta1.ConditionValid, metav1.ConditionFalse, collides)
	w.awaitEvent(o, "Warning Invalid "+collides)
	require.Equal(t, "100/0", w.weights())
	require.Equal(t, v1beta1.PhaseInitialized, w.status().Phase)

	w.garbageCollect()
	w.delete("podinfo")
	w.awaitConditionOf("zealot", v1beta1.ConditionValid, metav1.ConditionTrue, "")
	w.await("the younger takes over", func() bool { return w.named("zealot").Status.Phase == v1beta1.PhaseInitialized })
	w.await("traffic is with the primary", func() bool { return w.weights() == "100/0" && w.selector("podinfo") == "podinfo-primary" })
}

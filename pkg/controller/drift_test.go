package controller

import (
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

func (w *world) route() *unstructured.Unstructured {
	w.Helper()
	u := &unstructured.Unstructured{}
	u.SetAPIVersion("networking.istio.io/v1")
	u.SetKind("VirtualService")
	require.NoError(w, w.Get(w.Context(), client.ObjectKey{Namespace: w.ns, Name: "podinfo"}, u))
	return u
}

// setRouteWeights sets the weights of the VirtualService by hand.
func (w *world) setRouteWeights(primary, canary int64) {
	w.Helper()
	u := w.route()
	http, _, err := unstructured.NestedSlice(u.Object, "spec", "http")
	require.NoError(w, err)
	for i, n := range []int64{primary, canary} {
		http[0].(map[string]any)["route"].([]any)[i].(map[string]any)["weight"] = n
	}
	require.NoError(w, unstructured.SetNestedSlice(u.Object, http, "spec", "http"))
	require.NoError(w, w.Update(w.Context(), u, client.FieldOwner("kubectl-edit")))
}

func TestRouteEditedByHand(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := w.begin(slowly)
	w.setImage(imageTwo)
	w.awaitWeights("50/50")
	w.setRouteWeights(20, 80)
	w.awaitWeights("50/50")
	w.awaitEvent(o, "Warning DriftCorrected VirtualService podinfo was changed by somebody else, put back")

	version := w.route().GetResourceVersion()
	w.editCanary(every("10s"))
	w.awaitSettled(v1beta1.PhaseSucceeded, imageTwo)
	require.NotEqual(t, version, w.route().GetResourceVersion())
	require.Equal(t, 1, count(o, "DriftCorrected"), "it is put back once, and told once; our own changes are no drift")
}

func TestRouteEditedAtRest(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := w.begin()
	w.setRouteWeights(0, 100)
	w.awaitWeights("100/0")
	w.awaitEvent(o, "DriftCorrected VirtualService podinfo")
	require.NoError(t, w.Delete(t.Context(), w.route()))
	w.awaitWeights("100/0")
}

// TestShrunk drops what is kept of the objects of a Canary at rest: they are known to be as they should, and drift is found.
func TestShrunk(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := w.begin()
	o.reconcr.Shrink()
	writes, passes := o.Writes(), o.passes()
	d := w.live("podinfo")
	d.Labels = map[string]string{"changed": "by-somebody"}
	require.NoError(t, w.Update(t.Context(), d))
	w.await("the Canary is looked at", func() bool { return o.passes() > passes })
	require.Equal(t, writes, o.Writes())

	o.reconcr.Shrink()
	w.setRouteWeights(0, 100)
	w.awaitWeights("100/0")
	w.awaitEvent(o, "Warning DriftCorrected VirtualService podinfo was changed by somebody else, put back")
}

func TestServiceEditedByHand(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := w.begin()
	s := w.service("podinfo")
	s.Spec.Selector = map[string]string{"app": "podinfo"}
	require.NoError(t, w.Update(t.Context(), s, client.FieldOwner("kubectl-edit")))
	w.await("the apex selects the primary again", func() bool { return w.selector("podinfo") == "podinfo-primary" })
	w.awaitEvent(o, "Warning DriftCorrected Service podinfo was changed by somebody else, put back")
}

func TestPrimaryDeletedAtRest(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := w.begin()
	w.garbageCollect()
	require.NoError(t, w.Delete(t.Context(), w.live("podinfo-primary")))
	w.awaitEvent(o, "Warning WorkloadNotReady podinfo-primary."+w.ns+" is gone, making it again from podinfo."+w.ns)
	w.awaitSettled(v1beta1.PhaseInitialized, imageOne)
	w.await("it serves", func() bool { return w.live("podinfo-primary").Status.AvailableReplicas > 0 })
}

// TestPrimaryDeletedMidway takes away what half of the users are with. The canary has all of them until there is
// somebody to give them back to.
func TestPrimaryDeletedMidway(t *testing.T) {
	t.Parallel()
	const putBack = "put it back to that"
	for name, tc := range map[string]struct {
		reason string
		fails  int
		then   func(w *world)
		ends   v1beta1.CanaryPhase
		image  string
	}{
		"Passes": {
			reason: "the primary is made anew by the promotion",
			then:   func(w *world) { w.judge.goOn() }, ends: v1beta1.PhaseSucceeded, image: imageTwo,
		},
		"Fails": {
			reason: "bad pods are better than none, until the target brings the promoted revision back",
			fails:  -1,
			then: func(w *world) {
				w.judge.goOn()
				w.awaitPhase(v1beta1.PhaseFailed)
				w.awaitCondition(v1beta1.ConditionPromoted, metav1.ConditionFalse, "Canary analysis failed, primary is gone: Deployment keeps serving all traffic.")
				w.awaitCondition(v1beta1.ConditionWaiting, metav1.ConditionTrue, putBack)
				require.Equal(w, "0/100", w.weights())
				require.Equal(w, int32(2), w.live("podinfo").Status.AvailableReplicas)
				w.setImage(imageOne)
			},
			ends: v1beta1.PhaseInitialized, image: imageOne,
		},
		"PutBack": {
			reason: "the target serves while the primary is made again",
			then:   func(w *world) { w.setImage(imageOne) },
			ends:   v1beta1.PhaseInitialized, image: imageOne,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.garbageCollect()
			o := w.begin()
			w.judge.fail(tc.fails)
			w.judge.hold(50)
			w.setImage(imageTwo)
			w.awaitWeights("50/50")
			require.NoError(t, w.Delete(t.Context(), w.live("podinfo-primary")))
			w.awaitEvent(o, "Warning WorkloadNotReady podinfo-primary."+w.ns+" is gone, routing all traffic to podinfo."+w.ns)
			w.awaitWeights("0/100")
			seen := w.history()
			tc.then(w)
			w.awaitSettled(tc.ends, tc.image)
			w.awaitTargetStopped()
			require.Equal(t, "100/0", w.weights(), tc.reason)
			require.Equal(t, int32(2), w.live("podinfo-primary").Status.AvailableReplicas)
			require.NotContains(t, seen(), "Failed 0", tc.reason)
		})
	}
}

// createAutoscaler makes the target's autoscaler.
func (w *world) createAutoscaler() *autoscalingv2.HorizontalPodAutoscaler {
	w.Helper()
	h := &autoscalingv2.HorizontalPodAutoscaler{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: "podinfo"},
		Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
			ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: "podinfo"},
			MinReplicas:    new(int32(1)), MaxReplicas: 4,
			Metrics: []autoscalingv2.MetricSpec{{
				Type: autoscalingv2.ResourceMetricSourceType,
				Resource: &autoscalingv2.ResourceMetricSource{
					Name:   corev1.ResourceCPU,
					Target: autoscalingv2.MetricTarget{Type: autoscalingv2.UtilizationMetricType, AverageUtilization: new(int32(80))},
				},
			}},
		},
	}
	require.NoError(w, w.Create(w.Context(), h))
	return h
}

// autoscalerBounds are the least and the most pods that the primary's autoscaler keeps.
func (w *world) autoscalerBounds() [2]int32 {
	w.Helper()
	h := &autoscalingv2.HorizontalPodAutoscaler{}
	require.NoError(w, w.Get(w.Context(), client.ObjectKey{Namespace: w.ns, Name: "podinfo-primary"}, h))
	require.Equal(w, "podinfo-primary", h.Spec.ScaleTargetRef.Name)
	return [2]int32{*h.Spec.MinReplicas, h.Spec.MaxReplicas}
}

func (w *world) awaitAutoscalerBounds(least, most int32, why string) {
	w.Helper()
	w.eventually(func() bool { return w.autoscalerBounds() == [2]int32{least, most} }, func() string { return why }, func() any { return w.autoscalerBounds() })
}

func scaled(c *v1beta1.Canary) {
	c.Spec.AutoscalerRef = &v1beta1.AutoscalerRef{APIVersion: "autoscaling/v2", Kind: "HorizontalPodAutoscaler", Name: "podinfo"}
}

func TestAutoscaler(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := w.run(scaled, slowly)
	const missing = `spec.autoscalerRef.name: HorizontalPodAutoscaler "podinfo" does not exist in namespace`
	w.awaitCondition(v1beta1.ConditionValid, metav1.ConditionFalse, missing)
	w.awaitEvent(o, "Warning Invalid "+missing)
	require.Equal(t, "none", w.weights())
	source := w.createAutoscaler()
	w.awaitSettled(v1beta1.PhaseInitialized, imageOne)
	w.awaitAutoscalerBounds(1, 4, "the copy has the source's bounds")

	source.Spec.MaxReplicas = 6
	require.NoError(t, w.Update(t.Context(), source))
	w.awaitAutoscalerBounds(1, 6, "the copy follows the source at rest")

	w.setImage(imageTwo)
	w.awaitWeights("50/50")
	w.awaitAutoscalerBounds(2, 6, "the primary keeps the size that it needs to have everybody back")
	w.editCanary(every("10s"))
	w.awaitSettled(v1beta1.PhaseSucceeded, imageTwo)
	w.awaitAutoscalerBounds(1, 6, "with everybody back it may shrink again")
}

// TestPrimaryGrowsMidway has the primary's autoscaler act: the canary gets the pods for its share of that.
func TestPrimaryGrowsMidway(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.createAutoscaler()
	w.begin(scaled, slowly)
	w.setImage(imageTwo)
	w.awaitWeights("50/50")
	primary := w.live("podinfo-primary")
	before := primary.DeepCopy()
	scale(4)(primary)
	require.NoError(t, w.Patch(t.Context(), primary, client.MergeFrom(before), client.FieldOwner("kube-controller-manager")))
	w.await("the canary grows for its next step", func() bool { return *w.live("podinfo").Spec.Replicas == 4 })
	w.editCanary(every("10s"))
	w.awaitSettled(v1beta1.PhaseSucceeded, imageTwo)
	require.Equal(t, int32(4), *w.live("podinfo-primary").Spec.Replicas, "what an autoscaler chose stays")
}

// TestTargetScaledMidway has a person want more of the canary than its share.
func TestTargetScaledMidway(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.begin(slowly)
	w.setImage(imageTwo)
	w.awaitWeights("50/50")
	w.editTarget(func(d *appsv1.Deployment) { scale(5)(d) })
	w.editCanary(every("10s"))
	w.awaitSettled(v1beta1.PhaseSucceeded, imageTwo)
}

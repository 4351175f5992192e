package controller

import (
	"context"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
	"github.com/sluice-cd/sluice/pkg/workload"
)

func ruled(c *v1beta1.Canary) {
	c.Spec.AutoscalerRef = &v1beta1.AutoscalerRef{APIVersion: "keda.sh/v1alpha1", Kind: "ScaledObject", Name: "podinfo"}
}

// scaledObject makes the target's.
func (w *world) scaledObject() {
	w.Helper()
	u := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{
		"scaleTargetRef":  map[string]any{"name": "podinfo"},
		"minReplicaCount": int64(1), "maxReplicaCount": int64(5),
		"triggers": []any{map[string]any{
			"type": "prometheus", "metadata": map[string]any{"query": `sum(rate(requests{app="podinfo"}[1m]))`, "threshold": "5"},
		}},
	}}}
	u.SetGroupVersionKind(workload.ScaledObjectKind())
	u.SetNamespace(w.ns)
	u.SetName("podinfo")
	require.NoError(w, w.Create(w.Context(), u))
}

func (w *world) scaled(name string) *unstructured.Unstructured {
	w.Helper()
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(workload.ScaledObjectKind())
	require.NoError(w, w.Get(w.Context(), client.ObjectKey{Namespace: w.ns, Name: name}, u))
	return u
}

// minimum is the smallest size that the primary may be scaled to.
func (w *world) minimum() int64 {
	w.Helper()
	n, _, err := unstructured.NestedInt64(w.scaled("podinfo-primary").Object, "spec", "minReplicaCount")
	require.NoError(w, err)
	return n
}

func (w *world) awaitMinimum(most int64) {
	w.Helper()
	u := w.scaled("podinfo")
	before := u.DeepCopy()
	require.NoError(w, unstructured.SetNestedField(u.Object, most, "spec", "maxReplicaCount"))
	require.NoError(w, w.Patch(w.Context(), u, client.MergeFrom(before)))
}

func TestScaledObject(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.scaledObject()
	w.begin(ruled, slowly)
	w.await("it keeps a stopped target at zero", func() bool { return workload.ScaledObjectPaused(w.scaled("podinfo")) })
	made := w.scaled("podinfo-primary")
	require.False(t, workload.ScaledObjectPaused(made), "the primary's is never paused")
	target, _, err := unstructured.NestedString(made.Object, "spec", "scaleTargetRef", "name")
	require.NoError(t, err)
	require.Equal(t, "podinfo-primary", target)
	require.Equal(t, int64(1), w.minimum())

	w.awaitMinimum(7)
	w.await("the copy follows at rest", func() bool {
		n, _, _ := unstructured.NestedInt64(w.scaled("podinfo-primary").Object, "spec", "maxReplicaCount")
		return n == 7
	})
	w.setImage(imageTwo)
	w.awaitWeights("50/50")
	require.False(t, workload.ScaledObjectPaused(w.scaled("podinfo")), "the canary may grow")
	require.Equal(t, int64(2), w.minimum(), "the primary keeps the size that it needs to have everybody back")
	w.editCanary(every("10s"))
	w.awaitSettled(v1beta1.PhaseSucceeded, imageTwo)
	w.await("it is paused again", func() bool { return workload.ScaledObjectPaused(w.scaled("podinfo")) })
	w.await("with everybody back the primary may shrink", func() bool { return w.minimum() == 1 })
}

func TestScaledObjectIsLetGo(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		reason string
		change []func(*v1beta1.Canary)
	}{
		"Plain":  {reason: "nobody waited for it", change: []func(*v1beta1.Canary){ruled}},
		"Revert": {reason: "before the Canary goes", change: []func(*v1beta1.Canary){ruled, revert}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.scaledObject()
			w.begin(tc.change...)
			w.garbageCollect()
			w.delete("podinfo")
			w.await(tc.reason, func() bool {
				return !workload.ScaledObjectPaused(w.scaled("podinfo")) && w.live("podinfo").Status.AvailableReplicas == 2
			})
			w.gone(&appsv1.Deployment{}, "podinfo-primary")
		})
	}
}

// TestPauseOfSomebodyElse leaves alone what keeps the target at a size of its own.
func TestPauseOfSomebodyElse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.scaledObject()
	w.begin(ruled, slowly)
	w.setImage(imageTwo)
	w.awaitWeights("50/50")
	u := w.scaled("podinfo")
	w.rewrite(u, "kubectl-edit", func() { u.SetAnnotations(map[string]string{"autoscaling.keda.sh/paused-replicas": "4"}) })
	w.awaitWeights("50/50")
	require.Equal(t, "4", w.scaled("podinfo").GetAnnotations()["autoscaling.keda.sh/paused-replicas"])
	require.NotContains(t, w.scaled("podinfo-primary").GetAnnotations(), "autoscaling.keda.sh/paused-replicas")
}

func TestScaledObjectMissing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.run(ruled)
	w.awaitCondition(v1beta1.ConditionValid, metav1.ConditionFalse, `spec.autoscalerRef.name: ScaledObject "podinfo" does not exist in namespace`)
	w.scaledObject()
	w.awaitSettled(v1beta1.PhaseInitialized, imageOne)
}

func TestScalerMetadataIsKeptInSync(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	source := w.createAutoscaler()
	w.begin(scaled)
	notes := func() map[string]string {
		h := &autoscalingv2.HorizontalPodAutoscaler{}
		require.NoError(t, w.Get(t.Context(), client.ObjectKey{Namespace: w.ns, Name: "podinfo-primary"}, h))
		return h.Annotations
	}
	source.Annotations = map[string]string{"note": "one"}
	require.NoError(t, w.Update(t.Context(), source))
	w.await("it is copied", func() bool { return notes()["note"] == "one" })
	source.Annotations = nil
	require.NoError(t, w.Update(t.Context(), source))
	w.await("and goes with the original's", func() bool { _, there := notes()["note"]; return !there })
}

// TestPrimaryComesBackAtItsSize deletes a primary that its autoscaler had made larger.
func TestPrimaryComesBackAtItsSize(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.begin()
	w.garbageCollect()
	primary := w.live("podinfo-primary")
	before := primary.DeepCopy()
	scale(3)(primary)
	require.NoError(t, w.Patch(t.Context(), primary, client.MergeFrom(before)))
	w.await("it is larger", func() bool { return w.live("podinfo-primary").Status.AvailableReplicas == 3 })
	require.NoError(t, w.Delete(t.Context(), primary))
	w.await("it is as large as it was", func() bool {
		again := &appsv1.Deployment{}
		err := w.Get(t.Context(), client.ObjectKey{Namespace: w.ns, Name: "podinfo-primary"}, again)
		return err == nil && again.UID != primary.UID && again.Status.AvailableReplicas == 3
	})
}

// autoscaler is the target's as it is now.
func (w *world) autoscaler() *autoscalingv2.HorizontalPodAutoscaler {
	w.Helper()
	h := &autoscalingv2.HorizontalPodAutoscaler{}
	require.NoError(w, w.Get(w.Context(), client.ObjectKey{Namespace: w.ns, Name: "podinfo"}, h))
	return h
}

// least is the minimum of the target's autoscaler, and whether it is led.
func (w *world) least() string {
	w.Helper()
	h := w.autoscaler()
	_, led := workload.LeadOf(h)
	return fmt.Sprintf("%d %t", *h.Spec.MinReplicas, led)
}

// scales has the target's autoscaler want a number of pods, as its controller does: within its bounds, and not of a target that
// is stopped. It says how often it has taken pods away.
func (w *world) scales(wants int32) (fights func() int) {
	w.Helper()
	ctx, cancel := context.WithCancel(w.Context())
	done, n := make(chan struct{}), 0
	go func() {
		defer close(done)
		for tick := time.NewTicker(lookout); ; {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			h, d := &autoscalingv2.HorizontalPodAutoscaler{}, &appsv1.Deployment{}
			key := client.ObjectKey{Namespace: w.ns, Name: "podinfo"}
			if w.Get(ctx, key, d) != nil || w.Get(ctx, key, h) != nil || *d.Spec.Replicas == 0 {
				continue
			}
			if size := min(max(wants, *h.Spec.MinReplicas), h.Spec.MaxReplicas); size != *d.Spec.Replicas {
				before := d.DeepCopy()
				d.Spec.Replicas = &size
				err := w.Patch(ctx, d, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
				if err == nil && size < *before.Spec.Replicas {
					n++
				}
			}
		}
	}()
	stop := func() int { cancel(); <-done; return n }
	w.Cleanup(func() { stop() })
	return stop
}

// primaryOfFour has the primary be larger than its target's autoscaler wants the canary to be.
func primaryOfFour(c *v1beta1.Canary) {
	scaled(c)
	c.Spec.AutoscalerRef.PrimaryScalerReplicas = &v1beta1.ScalerReplicas{MinReplicas: new(int32(4))}
	c.Spec.Analysis.StepWeight, c.Spec.Analysis.StepWeights = 0, []int{10, 60}
}

// beginBesideAutoscaler has a target of four pods, and an autoscaler that lets it have one, at the first step of a rollout.
func (w *world) beginBesideAutoscaler() *operator {
	w.Helper()
	w.editTarget(scale(4))
	w.await("the target has its size", func() bool { return w.live("podinfo").Status.AvailableReplicas == 4 })
	w.createAutoscaler()
	o := w.begin(primaryOfFour)
	w.judge.hold(10)
	w.setImage(imageTwo)
	return o
}

// TestAutoscalerIsLed rolls out beside an autoscaler that wants one pod: it is led by its minimum, which it has back at the end.
func TestAutoscalerIsLed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := w.beginBesideAutoscaler()
	w.await("the canary begins", func() bool { return *w.live("podinfo").Spec.Replicas > 0 })
	require.Equal(t, int32(1), *w.live("podinfo").Spec.Replicas, "with its share")
	fights := w.scales(1)
	w.awaitWeights("90/10")
	w.await("it may have what its next step needs", func() bool { return w.least() == "3 true" })
	require.Equal(t, [2]int32{4, 4}, w.autoscalerBounds(), "the primary's is a copy of what it was")
	w.judge.goOn()
	w.awaitSettled(v1beta1.PhaseSucceeded, imageTwo)
	w.await("it is given back", func() bool { return w.least() == "1 false" })
	w.awaitTargetStopped()
	require.Zero(t, fights(), "nobody has fought: %v", o.events())
}

// TestAutoscalerOfAnotherManager has somebody put the minimum back, as a tool that follows Git does.
func TestAutoscalerOfAnotherManager(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := w.beginBesideAutoscaler()
	w.await("it is led", func() bool { return w.least() == "3 true" })
	h := w.autoscaler()
	before := h.DeepCopy()
	h.Spec.MinReplicas = new(int32(1))
	require.NoError(t, w.Patch(t.Context(), h, client.MergeFrom(before), client.FieldOwner("flux")))
	w.scales(1)
	w.awaitEvent(o, "Warning StrategyAdjusted The minimum of HorizontalPodAutoscaler podinfo")
	w.judge.hold(60)
	w.await("one pod is enough", func() bool {
		require.Equal(t, int32(1), *w.autoscaler().Spec.MinReplicas, "it is left")
		return w.status().CanaryWeight == 60
	})
	w.judge.goOn()
	w.awaitSettled(v1beta1.PhaseSucceeded, imageTwo)
	w.await("nothing of ours stays", func() bool { return w.least() == "1 false" })
}

// TestAutoscalerWithAMaximum has a canary that can be given fewer pods than its share.
func TestAutoscalerWithAMaximum(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	h := w.createAutoscaler()
	h.Spec.MaxReplicas = 2
	require.NoError(t, w.Update(t.Context(), h))
	o := w.begin(func(c *v1beta1.Canary) {
		scaled(c)
		c.Spec.AutoscalerRef.PrimaryScalerReplicas = &v1beta1.ScalerReplicas{MinReplicas: new(int32(8))}
	})
	require.Equal(t, [2]int32{8, 8}, w.autoscalerBounds(), "the primary's has what the Canary says")
	w.awaitEvent(o, "Warning StrategyAdjusted By spec.autoscalerRef.primaryScalerReplicas the primary can have 8 pods, but HorizontalPodAutoscaler podinfo gives the canary 2 at most")
	primary := w.live("podinfo-primary")
	before := primary.DeepCopy()
	scale(8)(primary)
	require.NoError(t, w.Patch(t.Context(), primary, client.MergeFrom(before)))
	w.await("it is as large", func() bool { return w.live("podinfo-primary").Status.AvailableReplicas == 8 })
	fights := w.scales(1)
	w.setImage(imageTwo)
	w.awaitSettled(v1beta1.PhaseSucceeded, imageTwo)
	require.Zero(t, fights(), "it is not set to what its autoscaler takes away again")
	require.Equal(t, "1 false", w.least())
}

// TestPrimaryMayHaveGrownUsersBack has users grow in number while all of them are with the canary.
func TestPrimaryMayHaveGrownUsersBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.createAutoscaler()
	w.begin(scaled, listed(&v1beta1.AnalysisPromotion{Bake: "24h"}, v1beta1.AnalysisStep{Weight: new(50)}))
	w.setImage(imageTwo)
	w.awaitWaiting(rollout.WaitBaking)
	w.awaitAutoscalerBounds(2, 4, "as large as it was")
	w.scales(3)
	w.awaitAutoscalerBounds(3, 4, "as large as the canary")
	w.scales(9)
	w.awaitAutoscalerBounds(4, 4, "up to its maximum")
	w.await("no more is waited for", func() bool { return w.status().PrimaryReplicas == 4 })
}

// TestScaledObjectIsLed is the same of KEDA's, which may have no minimum and an idle size.
func TestScaledObjectIsLed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.scaledObject()
	u := w.scaled("podinfo")
	require.NoError(t, unstructured.SetNestedField(u.Object, int64(0), "spec", "idleReplicaCount"))
	require.NoError(t, w.Update(t.Context(), u))
	bounds := func() any {
		spec, _, _ := unstructured.NestedMap(w.scaled("podinfo").Object, "spec")
		return []any{spec["minReplicaCount"], spec["idleReplicaCount"]}
	}
	w.begin(ruled, slowly)
	w.setImage(imageTwo)
	w.awaitWeights("50/50")
	w.await("as many as the next step needs, and never idle", func() bool { return reflect.DeepEqual([]any{int64(2), nil}, bounds()) })
	w.editCanary(every("10s"))
	w.awaitSettled(v1beta1.PhaseSucceeded, imageTwo)
	w.await("it is as it was", func() bool { return reflect.DeepEqual([]any{int64(1), int64(0)}, bounds()) })
	require.Equal(t, map[string]string{"autoscaling.keda.sh/paused-replicas": "0"}, w.scaled("podinfo").GetAnnotations())
}

// TestLedAutoscalerIsGivenBack takes the Canary away in mid-rollout.
func TestLedAutoscalerIsGivenBack(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		reason string
		change func(*v1beta1.Canary)
		goes   func(w *world, o *operator)
	}{
		"Deleted":  {reason: "it is given back with the target", goes: func(w *world, _ *operator) { w.delete("podinfo") }},
		"Reverted": {reason: "the target has its users first", change: revert, goes: func(w *world, _ *operator) { w.delete("podinfo") }},
		"Unseen":   {reason: "the note stands on it", goes: func(w *world, o *operator) { w.deleteWhileDown(o); w.restart(0) }},
		"Unnamed":  {reason: "the Canary does without it", goes: func(w *world, _ *operator) { w.editCanary(func(c *v1beta1.Canary) { c.Spec.AutoscalerRef = nil }) }},
		"Renamed": {reason: "the Canary has another, which is led as well", goes: func(w *world, _ *operator) {
			w.withAutoscaler("another")
			w.editCanary(func(c *v1beta1.Canary) { c.Spec.AutoscalerRef.Name = "another" })
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.garbageCollect()
			w.createAutoscaler()
			if tc.change == nil {
				tc.change = func(*v1beta1.Canary) {}
			}
			o := w.begin(scaled, slowly, tc.change)
			w.setImage(imageTwo)
			w.await("it is led", func() bool { return w.least() == "2 true" })
			tc.goes(w, o)
			w.await(tc.reason, func() bool { return w.least() == "1 false" })
		})
	}
}

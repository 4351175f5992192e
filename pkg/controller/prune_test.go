package controller

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/kube/kubetest"
	"github.com/sluice-cd/sluice/pkg/workload"
)

var (
	hpaKind            = autoscalingv2.SchemeGroupVersion.WithKind("HorizontalPodAutoscaler")
	serviceKind        = corev1.SchemeGroupVersion.WithKind("Service")
	virtualServiceKind = schema.GroupVersionKind{Group: "networking.istio.io", Version: "v1", Kind: "VirtualService"}
	destinationKind    = virtualServiceKind.GroupVersion().WithKind("DestinationRule")
)

// there says that an object is there.
func (w *world) there(kind schema.GroupVersionKind, name string) bool {
	w.Helper()
	o := &metav1.PartialObjectMetadata{}
	o.SetGroupVersionKind(kind)
	err := w.Get(w.Context(), client.ObjectKey{Namespace: w.ns, Name: name}, o)
	require.NoError(w, client.IgnoreNotFound(err))
	return !apierrors.IsNotFound(err) && o.DeletionTimestamp == nil
}

// recorded are the names of what the status says was made, each as `Kind name`.
func (w *world) recorded() (names []string) {
	w.Helper()
	for _, o := range w.status().Objects {
		names = append(names, o.Kind+" "+o.Name)
	}
	return names
}

// withAutoscaler makes an autoscaler of the target that is called name.
func (w *world) withAutoscaler(name string) {
	w.Helper()
	h := &autoscalingv2.HorizontalPodAutoscaler{ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: name}}
	h.Spec = autoscalingv2.HorizontalPodAutoscalerSpec{
		ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: "podinfo"}, MaxReplicas: 4,
	}
	require.NoError(w, w.Create(w.Context(), h))
}

func blueGreenWithoutMesh(c *v1beta1.Canary) {
	c.Spec.Provider = "kubernetes"
	c.Spec.Analysis.StepWeight, c.Spec.Analysis.MaxWeight, c.Spec.Analysis.Iterations = 0, 0, 1
}

type named struct {
	kind schema.GroupVersionKind
	name string
}

// TestPrune changes a spec at rest: what it no longer calls for is deleted, and nothing else.
func TestPrune(t *testing.T) {
	t.Parallel()
	keda := workload.ScaledObjectKind()
	for name, tc := range map[string]struct {
		reason string
		begin  func(*v1beta1.Canary)
		given  func(w *world)
		change func(*v1beta1.Canary)
		gone   []named
		kept   []named
		also   func(w *world) bool
	}{
		"AutoscalerRenamed": {
			reason: "two autoscalers would scale the primary", begin: scaled,
			given:  func(w *world) { w.createAutoscaler(); w.withAutoscaler("other") },
			change: func(c *v1beta1.Canary) { c.Spec.AutoscalerRef.Name = "other" },
			gone:   []named{{hpaKind, "podinfo-primary"}}, kept: []named{{hpaKind, "other-primary"}, {hpaKind, "podinfo"}},
		},
		"AutoscalerRemoved": {
			reason: "nobody scales the primary any more", begin: scaled, given: func(w *world) { w.createAutoscaler() },
			change: func(c *v1beta1.Canary) { c.Spec.AutoscalerRef = nil },
			gone:   []named{{hpaKind, "podinfo-primary"}}, kept: []named{{hpaKind, "podinfo"}},
		},
		"AutoscalerOfKEDA": {
			reason: "KEDA has an autoscaler of its own", begin: scaled, given: func(w *world) { w.createAutoscaler(); w.scaledObject() },
			change: ruled, gone: []named{{hpaKind, "podinfo-primary"}}, kept: []named{{keda, "podinfo-primary"}, {keda, "podinfo"}},
		},
		"ScaledObjectRemoved": {
			reason: "the user's is let go", begin: ruled, given: func(w *world) { w.scaledObject() },
			change: func(c *v1beta1.Canary) { c.Spec.AutoscalerRef = nil },
			gone:   []named{{keda, "podinfo-primary"}}, kept: []named{{keda, "podinfo"}},
			also: func(w *world) bool { return !workload.ScaledObjectPaused(w.scaled("podinfo")) },
		},
		"Provider": {
			reason: "no mesh divides requests any more", change: blueGreenWithoutMesh,
			gone: []named{{virtualServiceKind, "podinfo"}, {destinationKind, "podinfo-primary"}, {destinationKind, "podinfo-canary"}},
			kept: []named{{serviceKind, "podinfo"}, {serviceKind, "podinfo-primary"}, {serviceKind, "podinfo-canary"}},
		},
		"Service": {
			reason: "the apex Service stays, clients may know it", change: func(c *v1beta1.Canary) { c.Spec.Service.Name = "shop" },
			gone: []named{{serviceKind, "podinfo-primary"}, {serviceKind, "podinfo-canary"}, {virtualServiceKind, "podinfo"}},
			kept: []named{{serviceKind, "podinfo"}, {serviceKind, "shop"}, {serviceKind, "shop-primary"}, {serviceKind, "shop-canary"}, {virtualServiceKind, "shop"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			if tc.given != nil {
				tc.given(w)
			}
			change := func(*v1beta1.Canary) {}
			if tc.begin != nil {
				change = tc.begin
			}
			w.begin(change)
			w.await("what was made is recorded", func() bool { return len(w.recorded()) > 0 })
			for _, o := range tc.gone {
				require.True(t, w.there(o.kind, o.name), "%s %s", o.kind.Kind, o.name)
				require.Contains(t, w.recorded(), o.kind.Kind+" "+o.name)
			}
			w.editCanary(tc.change)
			for _, o := range tc.gone {
				w.await(tc.reason, func() bool { return !w.there(o.kind, o.name) })
			}
			w.await("they are no longer recorded", func() bool {
				now := w.recorded()
				return !slices.ContainsFunc(tc.gone, func(o named) bool { return slices.Contains(now, o.kind.Kind+" "+o.name) })
			})
			for _, o := range tc.kept {
				w.await(o.kind.Kind+" "+o.name+" is there", func() bool { return w.there(o.kind, o.name) })
			}
			if tc.also != nil {
				w.await(tc.reason, func() bool { return tc.also(w) })
			}
		})
	}
}

// TestPruneWaits has a spec that no longer calls for what there is while it must not be deleted.
func TestPruneWaits(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.createAutoscaler()
	w.begin(scaled)
	w.judge.hold(50)
	w.setImage(imageTwo)
	w.awaitWeights("50/50")
	w.editCanary(func(c *v1beta1.Canary) { c.Spec.AutoscalerRef = nil })
	w.await("the spec is looked at", func() bool { return w.status().ObservedGeneration == w.named("podinfo").Generation })
	require.True(t, w.there(hpaKind, "podinfo-primary"), "a rollout is under way")
	require.Contains(t, w.recorded(), "HorizontalPodAutoscaler podinfo-primary")
	w.judge.goOn()
	w.awaitSettled(v1beta1.PhaseSucceeded, imageTwo)
	w.await("it is over", func() bool { return !w.there(hpaKind, "podinfo-primary") })
}

// TestPruneInvalid leaves everything as it is for a spec that cannot be followed.
func TestPruneInvalid(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.createAutoscaler()
	w.begin(scaled)
	w.editCanary(func(c *v1beta1.Canary) { c.Spec.AutoscalerRef.Name = "nosuch" })
	w.awaitCondition(v1beta1.ConditionValid, metav1.ConditionFalse, "nosuch")
	require.True(t, w.there(hpaKind, "podinfo-primary"))
	require.Contains(t, w.recorded(), "HorizontalPodAutoscaler podinfo-primary")
}

// TestPruneDetected has an operator find another provider than the one before, which nobody has named.
func TestPruneDetected(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.begin(func(c *v1beta1.Canary) { blueGreenWithoutMesh(c); c.Spec.Provider = "" }).stop()
	before := w.status()
	start(t, w.ns, w.clock, w.judge, 0, func(r *Reconciler) {
		_, err := r.Routers.Detect()
		require.NoError(t, err)
		r.Routers.Default = "kubernetes" // as if the API were not served for a moment
	})
	w.awaitCondition(v1beta1.ConditionValid, metav1.ConditionTrue, "kubernetes")
	w.setImage(imageTwo)
	w.await("it goes on", func() bool {
		return w.status().Phase == v1beta1.PhaseSucceeded && w.status().LastPromotedSpec != before.LastPromotedSpec
	})
	require.True(t, w.there(virtualServiceKind, "podinfo"))
	require.Contains(t, w.recorded(), "VirtualService podinfo")
}

// TestPruneOfUsers leaves alone what carries the name of something that was made, and is not that.
func TestPruneOfUsers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.createAutoscaler()
	o := w.begin(scaled)
	o.stop()
	h := &autoscalingv2.HorizontalPodAutoscaler{ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: "podinfo-primary"}}
	require.NoError(t, w.Delete(t.Context(), h))
	w.withAutoscaler("podinfo-primary")
	w.editCanary(func(c *v1beta1.Canary) { c.Spec.AutoscalerRef = nil })
	w.restart(0)
	w.await("it is not taken for ours", func() bool { return !slices.Contains(w.recorded(), "HorizontalPodAutoscaler podinfo-primary") })
	require.True(t, w.there(hpaKind, "podinfo-primary"))
}

// TestPruneUnrecorded has a Canary of a version that kept no record.
func TestPruneUnrecorded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.createAutoscaler()
	w.begin(scaled).stop()
	c := w.named("podinfo")
	before := c.DeepCopy()
	c.Status.Objects = nil
	require.NoError(t, w.Status().Patch(t.Context(), c, client.MergeFrom(before)))
	require.Empty(t, w.recorded())
	w.restart(0)
	w.await("it gets one", func() bool { return len(w.recorded()) > 0 })
	require.ElementsMatch(t, before.Status.Objects, w.status().Objects)
	require.Equal(t, before.Status.LastTransitionTime, w.status().LastTransitionTime, "what is only noted is no change")
	w.editCanary(func(c *v1beta1.Canary) { c.Spec.AutoscalerRef = nil })
	w.await("it is pruned", func() bool { return !w.there(hpaKind, "podinfo-primary") })
}

// TestPruneRefused has an operator without the right to delete: that is told, and keeps no rollout.
func TestPruneRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.createAutoscaler()
	w.begin(scaled).stop()
	rules := append(everythingBut("autoscaling"),
		rbacv1.PolicyRule{APIGroups: []string{"autoscaling"}, Resources: []string{"*"}, Verbs: []string{"get", "list", "watch", "create", "patch"}})
	o := &operator{Crasher: &kubetest.Crasher{}}
	o.launch(t, w.entitled(rules...), w.ns, w.clock, w.judge)
	w.editCanary(func(c *v1beta1.Canary) { c.Spec.AutoscalerRef = nil })
	w.awaitCondition(v1beta1.ConditionReconciled, metav1.ConditionFalse, "delete HorizontalPodAutoscaler podinfo-primary")
	w.setImage(imageTwo)
	w.awaitSettled(v1beta1.PhaseSucceeded, imageTwo)
	require.True(t, w.there(hpaKind, "podinfo-primary"))
}

// TestPruneIsQuiet counts what a Canary at rest, and one that something was pruned of, cost.
func TestPruneIsQuiet(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.createAutoscaler()
	w.begin(scaled).stop()
	w.editCanary(func(c *v1beta1.Canary) { c.Spec.AutoscalerRef = nil })
	o := w.restart(0)
	w.await("it is pruned", func() bool {
		return !w.there(hpaKind, "podinfo-primary") && len(w.recorded()) > 0 && !slices.Contains(w.recorded(), "HorizontalPodAutoscaler podinfo-primary")
	})
	require.LessOrEqual(t, o.Writes(), 4, "the deletion, what the target carries, the status: %v", o.Calls())
}

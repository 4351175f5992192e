package controller

import (
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/kube"
	"github.com/sluice-cd/sluice/pkg/kube/kubetest"
)

func revert(c *v1beta1.Canary) { c.Spec.RevertOnDeletion = true }

// delete deletes a Canary and waits until it is gone.
func (w *world) delete(name string) {
	w.Helper()
	c := w.named(name)
	require.NoError(w, w.Delete(w.Context(), c))
	w.gone(&v1beta1.Canary{}, name)
}

func (w *world) gone(obj client.Object, name string) {
	w.Helper()
	w.await(name+" is gone", func() bool {
		return apierrors.IsNotFound(w.Get(w.Context(), client.ObjectKey{Namespace: w.ns, Name: name}, obj))
	})
}

// garbageCollect has what a deleted Canary owned go with it.
func (w *world) garbageCollect() {
	w.Helper()
	istio := schema.GroupVersion{Group: "networking.istio.io", Version: "v1"}
	kubetest.Collector(w, w.ns, istio.WithKind("VirtualService"), istio.WithKind("DestinationRule"), v1beta1.GroupVersion.WithKind("Canary"))
}

// createApexService makes an apex Service that the user has had before the Canary.
func (w *world) createApexService() *corev1.Service {
	w.Helper()
	s := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: "podinfo", Labels: map[string]string{"team": "web"}},
		Spec: corev1.ServiceSpec{
			Type:     corev1.ServiceTypeNodePort,
			Selector: map[string]string{"app": "podinfo"},
			Ports:    []corev1.ServicePort{{Name: "http", Port: 9898}},
		},
	}
	require.NoError(w, w.Create(w.Context(), s, client.FieldOwner("kubectl")))
	return s
}

func (w *world) service(name string) *corev1.Service {
	w.Helper()
	s := &corev1.Service{}
	require.NoError(w, w.Get(w.Context(), client.ObjectKey{Namespace: w.ns, Name: name}, s))
	return s
}

func TestDeletionGivesReplicasBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.begin()
	w.garbageCollect()
	require.Empty(t, w.named("podinfo").Finalizers, "nobody asked to be waited for")
	w.delete("podinfo")
	w.await("the target runs again", func() bool { return w.live("podinfo").Status.AvailableReplicas == 2 })
	w.gone(&appsv1.Deployment{}, "podinfo-primary")
}

func TestDeletionReverts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := w.begin(revert)
	w.garbageCollect()
	require.Equal(t, []string{v1beta1.Finalizer}, w.named("podinfo").Finalizers)
	phases := w.history()
	w.delete("podinfo")
	require.Equal(t, int32(2), w.live("podinfo").Status.AvailableReplicas, "the target runs before the Canary goes")
	require.Equal(t, []string{"Initialized 0", "Terminating 0", "Terminating 100", "Terminated 100"}, phases())
	w.gone(&appsv1.Deployment{}, "podinfo-primary")
	w.gone(&corev1.Service{}, "podinfo")
	require.Equal(t, 1, count(o, "Normal Terminating Terminated canary podinfo."+w.ns))
}

func TestDeletionWithoutTarget(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.begin(revert)
	require.NoError(t, w.Delete(t.Context(), w.live("podinfo")))
	w.gone(&appsv1.Deployment{}, "podinfo")
	w.delete("podinfo")
}

// TestDeletionMidway asks for the target back while half of the users are with a revision that is judged.
func TestDeletionMidway(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.begin(revert, slowly)
	w.setImage(imageTwo)
	w.awaitWeights("50/50")
	w.delete("podinfo")
	require.Equal(t, int32(2), w.live("podinfo").Status.AvailableReplicas)
	require.Equal(t, imageTwo, image(w.live("podinfo")), "the target is the user's")
}

// TestDeletionMidwayUnasked has a Canary go at once that did not ask for its target back: what had a pod for a fifth of
// the users is to serve all of them.
func TestDeletionMidwayUnasked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.garbageCollect()
	w.scaleToFive()
	o := w.begin(ratio)
	w.judge.hold(20)
	w.setImage(imageTwo)
	w.await("a fifth", func() bool { return w.sizes() == "1/4" })
	w.delete("podinfo")
	w.await("it serves everybody", func() bool { return w.targetReleased(5) })
	w.awaitEvent(o, "Normal GivenBack Canary podinfo is gone, started again at size 5")
}

func TestRevertIsCalledOff(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.begin(revert)
	w.editCanary(func(c *v1beta1.Canary) { c.Spec.RevertOnDeletion = false })
	w.await("the finalizer goes", func() bool { return len(w.named("podinfo").Finalizers) == 0 })
}

func TestApexIsAdopted(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		reason string
		change []func(*v1beta1.Canary)
	}{
		"Plain":  {reason: "what was the user's is given back though nothing waited for it"},
		"Revert": {reason: "what was the user's is given back before the Canary goes", change: []func(*v1beta1.Canary){revert}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			before := w.createApexService()
			w.begin(tc.change...)
			w.garbageCollect()
			s := w.service("podinfo")
			require.Equal(t, before.UID, s.UID)
			require.Equal(t, map[string]string{"app": "podinfo-primary"}, s.Spec.Selector)
			require.Equal(t, corev1.ServiceTypeNodePort, s.Spec.Type, "its type is the user's affair")
			require.Equal(t, before.Spec.Ports[0].NodePort, s.Spec.Ports[0].NodePort, "load balancers have that port")
			require.Equal(t, "web", s.Labels["team"])
			require.Empty(t, s.OwnerReferences, "it must not go with the Canary")

			w.delete("podinfo")
			w.gone(&appsv1.Deployment{}, "podinfo-primary")
			w.await(tc.reason, func() bool { return w.selector("podinfo") == "podinfo" })
			s = w.service("podinfo")
			require.Equal(t, before.UID, s.UID, "it is the same Service")
			require.Equal(t, before.Spec.Ports, s.Spec.Ports)
			require.NotContains(t, s.Annotations, "sluice.dev/original-selector")
			require.True(t, kube.AppliedAt(s).IsZero(), "nothing of ours stays on it")
			w.await("the target serves", func() bool { return w.live("podinfo").Status.AvailableReplicas == 2 })
		})
	}
}

// TestAbandonedCanaryCanGo deletes what cannot be followed any more, in the middle of its life.
func TestAbandonedCanaryCanGo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.begin(revert)
	w.editCanary(func(c *v1beta1.Canary) { c.Spec.Analysis.StepWeight = 120 })
	w.awaitCondition(v1beta1.ConditionValid, metav1.ConditionFalse, "stepWeight")
	w.delete("podinfo")
	require.Equal(t, int32(2), w.live("podinfo").Status.AvailableReplicas, "the target runs before the Canary goes")
}

package controller

import (
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/kube"
	"github.com/sluice-cd/sluice/pkg/kube/kubetest"
	"github.com/sluice-cd/sluice/pkg/router"
)

// TestKumaRoutes are outside of namespaces, so that nothing in Kubernetes ties them to their Canary.
func TestKumaRoutes(t *testing.T) {
	kubetest.Install(t, kubetest.Config(t), testdata("kuma")(t))
	for name, test := range map[string]func(*testing.T, provider){
		"Deleted": kumaDeleted, "Reverted": kumaReverted, "EditedAtRest": kumaEdited, "DeletedByHand": kumaMissing,
		"Apart": kumaApart, "Refused": kumaRefused, "Foreign": kumaForeign,
	} {
		t.Run(name, func(t *testing.T) { t.Parallel(); test(t, providers()["Kuma"]) })
	}
}

// finalizers are those of the Canary.
func (s *setting) finalizers() []string { return s.named("podinfo").Finalizers }

// kumaDeleted has the Canary wait for its route, though its target is not asked back.
func kumaDeleted(t *testing.T, p provider) {
	s, _ := p.open(t)
	require.Equal(t, []string{v1beta1.Finalizer}, s.finalizers(), "nobody else deletes the route")
	require.Equal(t, s.ns+"/podinfo", s.way().GetAnnotations()[router.CanaryAnnotation])
	require.Empty(t, s.way().GetOwnerReferences())
	s.garbageCollect()
	s.delete("podinfo")
	require.Nil(t, s.way(), "the route goes before the Canary")
	require.Positive(t, *s.live("podinfo").Spec.Replicas, "and the target has its replicas back")
	s.gone(&appsv1.Deployment{}, "podinfo-primary")
	s.await("the target serves", func() bool { return s.live("podinfo").Status.AvailableReplicas == 2 })
	s.await("nothing comes back", func() bool { return s.way() == nil })
}

// kumaReverted hands all traffic to the target before the route goes.
func kumaReverted(t *testing.T, p provider) {
	s, _ := p.open(t)
	s.editCanary(revert)
	phases := s.history()
	s.delete("podinfo")
	require.Nil(t, s.way())
	require.Equal(t, int32(2), s.live("podinfo").Status.AvailableReplicas, "the target runs before the Canary goes")
	require.Equal(t, []string{"Initialized 0", "Terminating 0", "Terminating 100", "Terminated 100"}, phases())
}

// reshare gives the canary everything by hand.
func (s *setting) reshare() {
	s.Helper()
	u := s.way()
	split, _, err := unstructured.NestedSlice(u.Object, "spec", "conf", "split")
	require.NoError(s, err)
	split[0].(map[string]any)["weight"], split[1].(map[string]any)["weight"] = int64(0), int64(100)
	require.NoError(s, unstructured.SetNestedSlice(u.Object, split, "spec", "conf", "split"))
	require.NoError(s, s.Update(s.Context(), u, client.FieldOwner("kubectl-edit")))
}

// kumaEdited has somebody move users to a target that is stopped.
func kumaEdited(t *testing.T, p provider) {
	s, o := p.open(t)
	s.reshare()
	s.at("100/0")
	s.awaitEvent(o, "Warning DriftCorrected TrafficRoute podinfo."+s.ns+" was changed by somebody else, put back")

	u := s.way()
	u.SetAnnotations(nil) // and with it whose it is
	require.NoError(t, s.Update(t.Context(), u, client.FieldOwner("kubectl-edit")))
	s.await("it says whose it is", func() bool { return s.way().GetAnnotations()[router.CanaryAnnotation] == s.ns+"/podinfo" })
	s.delete("podinfo")
	require.Nil(t, s.way())
}

// kumaMissing has somebody delete the route.
func kumaMissing(t *testing.T, p provider) {
	s, _ := p.open(t)
	require.NoError(t, s.Delete(t.Context(), s.way()))
	s.at("100/0")
}

// kumaApart has Canaries of one name in two namespaces: neither touches the other's route.
func kumaApart(t *testing.T, p provider) {
	a, _ := p.open(t)
	b, _ := p.open(t)
	require.NotEqual(t, a.way().GetName(), b.way().GetName())
	before := b.way().GetResourceVersion()
	a.setImage(imageTwo)
	a.phase(v1beta1.PhaseSucceeded)
	a.delete("podinfo")
	require.Nil(t, a.way())
	require.Equal(t, before, b.way().GetResourceVersion(), "nobody has written to it")
	b.delete("podinfo")
	require.Nil(t, b.way())
}

// kumaRefused deletes a Canary that nobody can follow any more.
func kumaRefused(t *testing.T, p provider) {
	s, _ := p.open(t)
	s.editCanary(func(c *v1beta1.Canary) { c.Spec.Analysis.StepWeight = 120 })
	s.awaitCondition(v1beta1.ConditionValid, metav1.ConditionFalse, "stepWeight")
	require.Equal(t, []string{v1beta1.Finalizer}, s.finalizers(), "what is wrong with the spec does not delete the route")
	s.delete("podinfo")
	require.Nil(t, s.way())
}

// kumaForeign leaves alone what says that it was made for another Canary.
func kumaForeign(t *testing.T, p provider) {
	s, o := p.open(t)
	o.stop() // or it would be put back
	u := s.way()
	u.SetAnnotations(map[string]string{router.CanaryAnnotation: "elsewhere/podinfo", kube.AppliedAnnotation: u.GetAnnotations()[kube.AppliedAnnotation]})
	require.NoError(t, s.Update(t.Context(), u, client.FieldOwner("kubectl-edit")))
	require.NoError(t, s.Delete(t.Context(), s.named("podinfo")))
	start(t, s.ns, s.clock, s.judge, 0)
	s.gone(&v1beta1.Canary{}, "podinfo")
	left := s.way()
	require.NotNil(t, left)
	require.NoError(t, client.IgnoreNotFound(s.Delete(t.Context(), left)))
	s.await("it is gone", func() bool { return apierrors.IsNotFound(s.Get(t.Context(), client.ObjectKeyFromObject(left), left)) })
}

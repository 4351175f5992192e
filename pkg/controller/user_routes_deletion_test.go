package controller

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/kube"
	"github.com/sluice-cd/sluice/pkg/workload"
)

// vanish deletes the Canary and waits until it is gone, while the provider answers.
func (s *setting) vanish() {
	s.Helper()
	require.NoError(s, s.Delete(s.Context(), s.named("podinfo")))
	is := func() bool {
		_ = s.split()
		return apierrors.IsNotFound(s.Get(s.Context(), client.ObjectKey{Namespace: s.ns, Name: "podinfo"}, &v1beta1.Canary{}))
	}
	s.eventually(is, func() string { return "the Canary does not go" }, func() any { return s.way() })
}

// home says that everything is the user's again: the apex Service has the requests and leads to the target, which
// serves, and nothing of ours is noted on the route.
func (s *setting) home() bool {
	s.Helper()
	weights := divided(s.way())
	return fmt.Sprint(weights["podinfo-primary"], weights["podinfo-canary"], weights["podinfo"]) == "0 0 100" &&
		s.selector("podinfo") == "podinfo" && s.live("podinfo").Status.AvailableReplicas == 2 && s.fieldsOf(kube.FieldManager) == ""
}

// deleted has the Canary go at once, in the middle of a rollout. Its Services go too, and what can still be done is
// done.
func (l lending) deleted(t *testing.T) {
	s, _, before := l.open(t, slowly)
	s.garbageCollect()
	s.setImage(imageTwo)
	s.at("50/50")
	s.vanish()
	s.eventually(s.home, func() string { return "users are not with their own again" }, func() any { return s.way() })
	require.Equal(t, l.weightless(s, before), l.weightless(s, s.way()))
}

// reverted has the Canary wait until the target has everything.
func (l lending) reverted(t *testing.T) {
	s, _, before := l.open(t, revert, slowly)
	s.garbageCollect()
	s.setImage(imageTwo)
	s.at("50/50")
	phases := s.history()
	s.vanish()
	require.True(t, s.home(), "it is done before the Canary goes: %v", s.way())
	require.Contains(t, phases(), "Terminating 100")
	require.Equal(t, l.weightless(s, before), l.weightless(s, s.way()))
	require.Equal(t, before.GetUID(), s.way().GetUID())

	rules, _, err := unstructured.NestedSlice(before.Object, "spec", l.rules)
	require.NoError(t, err)
	mine := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{l.rules: rules}}}
	mine.SetAPIVersion(l.api)
	mine.SetKind(l.kind)
	mine.SetNamespace(s.ns)
	mine.SetName("storefront")
	require.NoError(t, s.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(mine), client.FieldOwner("kubectl")),
		"whoever applies the route next meets no conflict")
}

// noApex is a route that does not name the apex Service: it stays with the canary's, which is all that it has.
func (l lending) noApex(t *testing.T) {
	s := l.enter(t)
	before := l.lend(s, func(rule map[string]any) {
		for _, key := range []string{"route", "backendRefs"} {
			if list, ok := rule[key].([]any); ok {
				list[1].(map[string]any)["weight"] = int64(100)
				rule[key] = list[1:]
			}
		}
	})
	s.run(l.refer, revert)
	s.phase(v1beta1.PhaseInitialized)
	s.at("100/0")
	s.rests()
	s.vanish()
	require.Equal(t, "0/100", s.split(), "the target is asked before the primary goes")
	require.Empty(t, s.fieldsOf(kube.FieldManager))
	require.Equal(t, l.weightless(s, before), l.weightless(s, s.way()))
}

// calledOff is a Canary that need not be waited for any more, and lives on: nothing is given back.
func (l lending) calledOff(t *testing.T) {
	s, _, _ := l.open(t, revert)
	s.editCanary(func(c *v1beta1.Canary) { c.Spec.RevertOnDeletion = false })
	s.await("the finalizer goes", func() bool { return len(s.named("podinfo").Finalizers) == 0 })
	s.setImage(imageTwo)
	s.phase(v1beta1.PhaseSucceeded)
	s.at("100/0")
	require.Equal(t, "podinfo-primary", s.selector("podinfo"))
	require.Contains(t, s.fieldsOf(kube.FieldManager), l.rules)
}

// early goes before it has moved anything: the route is not ours to change.
func (l lending) early(t *testing.T) {
	s := l.enter(t)
	s.breakPods("podinfo-primary", imageOne)
	before := l.lend(s)
	s.run(l.refer)
	s.garbageCollect()
	s.await("the primary is made", func() bool { return s.status().Phase == v1beta1.PhaseInitializing && s.starting() })
	require.NoError(t, s.Delete(t.Context(), s.named("podinfo")))
	s.gone(&v1beta1.Canary{}, "podinfo")
	s.gone(&appsv1.Deployment{}, "podinfo-primary")
	require.Equal(t, before.GetResourceVersion(), s.way().GetResourceVersion())
	require.Equal(t, "podinfo", s.selector("podinfo"))
}

// starting says that there is a primary.
func (s *setting) starting() bool {
	err := s.Get(s.Context(), client.ObjectKey{Namespace: s.ns, Name: "podinfo-primary"}, &appsv1.Deployment{})
	return err == nil
}

// abandoned has two routes, one of which is deleted first: the Canary cannot be followed any more, and the other route
// is left as it should be all the same.
func (l lending) abandoned(t *testing.T) {
	s := l.enter(t)
	before := l.lend(s)
	second := before.DeepCopy()
	second.SetName("backstage")
	second.SetResourceVersion("")
	require.NoError(t, s.Create(t.Context(), second))
	s.run(l.refer, revert, func(c *v1beta1.Canary) {
		c.Spec.Service.RouteRefs = append(c.Spec.Service.RouteRefs, v1beta1.OwnRoute{Kind: l.kind, Name: "backstage"})
	})
	other := &setting{world: s.world, provider: l.provider}
	other.name = routeNamed("backstage")
	both := func() bool {
		return other.split() == "100/0" && s.split() == "100/0" && workload.SizeOf(s.live("podinfo")) == 0
	}
	s.eventually(both, func() string { return "both routes are not moved" }, func() any { return other.way() })
	require.NoError(t, s.Delete(t.Context(), other.way()))
	s.awaitCondition(v1beta1.ConditionValid, metav1.ConditionFalse, `spec.service.routeRefs[1].name: `+l.kind+` "backstage" does not exist`)
	s.vanish()
	require.True(t, s.home(), "it is done before the Canary goes: %v", s.way())
	require.Equal(t, l.weightless(s, before), l.weightless(s, s.way()))
}

package controller

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/kube"
	"github.com/sluice-cd/sluice/pkg/kube/kubetest"
)

// TestLentRoutes moves users by routes that are theirs.
func TestLentRoutes(t *testing.T) {
	kubetest.Install(t, kubetest.Config(t), gatewayCRDs(t))
	for name, l := range lendings() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for name, test := range map[string]func(*testing.T){
				"Good": l.good, "Bad": l.bad, "Edited": l.edited, "Drift": l.drift,
				"Missing": l.missing, "Goes": l.goes, "NoPart": l.noPart,
				"Deleted": l.deleted, "Reverted": l.reverted, "NoApex": l.noApex, "CalledOff": l.calledOff,
				"Early": l.early, "Abandoned": l.abandoned,
			} {
				t.Run(name, func(t *testing.T) { t.Parallel(); test(t) })
			}
		})
	}
}

// good rolls a revision out: weights change, and nothing else of the route.
func (l lending) good(t *testing.T) {
	s, o, before := l.open(t)
	label := fmt.Sprintf(`{"apiVersion":%q,"kind":%q,"metadata":{"name":"storefront","namespace":%q,"labels":{"app":"web"}}}`, l.api, l.kind, s.ns)
	theirs := &unstructured.Unstructured{}
	require.NoError(t, json.Unmarshal([]byte(label), &theirs.Object))
	require.NoError(t, s.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(theirs), client.FieldOwner("argocd")))
	require.NoError(t, unstructured.SetNestedField(before.Object, "web", "metadata", "labels", "app"))
	s.judge.hold(50)
	s.setImage(imageTwo)
	for _, split := range []string{"50/50", "0/100"} {
		s.at(split)
		require.Equal(t, l.weightless(s, before), l.weightless(s, s.way()), "weights are all that changes")
		require.EqualValues(t, 0, divided(s.way())["podinfo"], "the apex would ask the route again")
		s.judge.hold(100)
	}
	s.judge.goOn()
	s.phase(v1beta1.PhaseSucceeded)
	s.at("100/0")
	s.rests()
	require.Equal(t, imageTwo, image(s.live("podinfo-primary")))
	require.Equal(t, l.weightless(s, before), l.weightless(s, s.way()))
	require.Equal(t, before.GetUID(), s.way().GetUID())
	require.Equal(t, `{"f:spec":{"f:`+l.rules+`":{}}}`, s.fieldsOf(kube.FieldManager), "the list that the weights are in is ours, and no more")
	require.Contains(t, s.fieldsOf("argocd"), `"f:app"`, "what another tool has applied is still its own")
	require.Zero(t, count(o, "DriftCorrected"), "our own changes are no drift")
}

func (l lending) bad(t *testing.T) {
	s, _, before := l.open(t)
	s.judge.fail(-1)
	s.judge.hold(50)
	s.setImage(imageTwo)
	s.at("50/50")
	s.judge.goOn()
	s.phase(v1beta1.PhaseFailed)
	s.at("100/0")
	s.rests()
	require.Equal(t, imageOne, image(s.live("podinfo-primary")))
	require.Equal(t, l.weightless(s, before), l.weightless(s, s.way()))
}

// edited has people change the list that we apply as a whole, in the middle of a rollout: no edit is lost.
func (l lending) edited(t *testing.T) {
	s, _, _ := l.open(t, slowly)
	s.setImage(imageTwo)
	s.at("50/50")
	after := l.edit(s, func(u *unstructured.Unstructured) {
		l.inRule(s, u, func(rule map[string]any) { rule["name"] = "the-rest" })
		rules, _, _ := unstructured.NestedSlice(u.Object, "spec", l.rules)
		first := rules[0].(map[string]any)
		first["name"] = "pictures"
		require.NoError(s, unstructured.SetNestedSlice(u.Object, rules, "spec", l.rules))
		u.SetAnnotations(map[string]string{"example.com/owner": "shop", keptNote: "kept"})
	})
	s.await("the weights are ours again", func() bool { return strings.Contains(s.fieldsOf(kube.FieldManager), l.rules) })
	s.judge.hold(100)
	s.editCanary(every("10s"))
	s.at("0/100")
	require.Equal(t, l.weightless(s, after), l.weightless(s, s.way()))
	s.judge.goOn()
	s.phase(v1beta1.PhaseSucceeded)
	s.at("100/0")
	require.Equal(t, l.weightless(s, after), l.weightless(s, s.way()))
	require.Contains(t, s.fieldsOf("kubectl-edit"), keptNote)

	clash := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{l.rules: []any{}}}}
	clash.SetAPIVersion(l.api)
	clash.SetKind(l.kind)
	clash.SetNamespace(s.ns)
	clash.SetName("storefront")
	err := s.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(clash), client.FieldOwner("flux"))
	require.True(t, apierrors.IsConflict(err), "who would overwrite the weights is told: %v", err)
}

// drift has somebody move users by hand, in a rollout and at rest.
func (l lending) drift(t *testing.T) {
	s, o, before := l.open(t, slowly)
	reweigh := func(primary, canary int64) {
		l.edit(s, func(u *unstructured.Unstructured) {
			l.inRule(s, u, func(rule map[string]any) {
				backends := firstOf(rule, "route", "backendRefs").([]any)
				backends[1].(map[string]any)["weight"], backends[2].(map[string]any)["weight"] = primary, canary
			})
		})
	}
	reweigh(0, 100)
	s.at("100/0")
	s.awaitEvent(o, "Warning DriftCorrected "+l.kind+" storefront was changed by somebody else, put back")
	s.setImage(imageTwo)
	s.at("50/50")
	reweigh(80, 20)
	s.at("50/50")
	require.Equal(t, 50, s.status().CanaryWeight, "the rollout is where it was")
	s.editCanary(every("10s"))
	s.phase(v1beta1.PhaseSucceeded)
	s.at("100/0")
	require.Equal(t, l.weightless(s, before), l.weightless(s, s.way()))
}

// missing tells that a route is not there before anything is made, and goes on when it comes.
func (l lending) missing(t *testing.T) {
	s := l.enter(t)
	s.run(l.refer)
	s.awaitCondition(v1beta1.ConditionValid, metav1.ConditionFalse, `spec.service.routeRefs[0].name: `+l.kind+` "storefront" does not exist in namespace`)
	err := s.Get(t.Context(), client.ObjectKey{Namespace: s.ns, Name: "podinfo-primary"}, &appsv1.Deployment{})
	require.True(t, apierrors.IsNotFound(err), "nothing is half made")
	require.Equal(t, "podinfo", s.selector("podinfo"))
	l.lend(s)
	s.phase(v1beta1.PhaseInitialized)
	s.at("100/0")
	s.awaitCondition(v1beta1.ConditionValid, metav1.ConditionTrue, "")
}

// goes has the route deleted and made again in the middle of a rollout.
func (l lending) goes(t *testing.T) {
	s, _, _ := l.open(t, slowly)
	s.setImage(imageTwo)
	s.at("50/50")
	require.NoError(t, s.Delete(t.Context(), s.way()))
	s.awaitCondition(v1beta1.ConditionValid, metav1.ConditionFalse, `"storefront" does not exist in namespace`)
	require.Nil(t, s.way(), "what is the user's is not made again")
	require.Equal(t, v1beta1.PhaseProgressing, s.status().Phase)
	l.lend(s)
	s.at("50/50")
	s.editCanary(every("10s"))
	s.phase(v1beta1.PhaseSucceeded)
	s.at("100/0")
}

// noPart is a route that leads to one side only.
func (l lending) noPart(t *testing.T) {
	s := l.enter(t)
	l.lend(s, func(rule map[string]any) {
		for key, backends := range rule {
			if list, ok := backends.([]any); ok && (key == "route" || key == "backendRefs") {
				rule[key] = slices.Clone(list[:2])
			}
		}
	})
	untouched := s.way().GetResourceVersion()
	s.run(l.refer)
	s.awaitCondition(v1beta1.ConditionValid, metav1.ConditionFalse,
		`spec.service.routeRefs[0]: no rule of `+l.kind+` "storefront" has both Services "podinfo-primary" and "podinfo-canary" among its backends`)
	require.Equal(t, untouched, s.way().GetResourceVersion())
	whole := &unstructured.Unstructured{}
	raw, err := yaml.YAMLToJSON([]byte(l.text))
	require.NoError(t, err)
	require.NoError(t, whole.UnmarshalJSON(raw))
	patch, err := json.Marshal(map[string]any{"spec": whole.Object["spec"]})
	require.NoError(t, err)
	require.NoError(t, s.Patch(t.Context(), s.way(), client.RawPatch(types.MergePatchType, patch)))
	s.phase(v1beta1.PhaseInitialized)
	s.at("100/0")
}

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

// The user's own routes have more in them than Sluice has words for, and lead to the apex Service, which is the
// user's as well, before there is a Canary.
const (
	ownVirtualService = `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: storefront, labels: {team: shop}, annotations: {example.com/owner: shop}}
spec:
  hosts: [app.example.com]
  gateways: [istio-system/public]
  http:
  - name: assets
    match: [{uri: {prefix: /assets/}}]
    route: [{destination: {host: assets}}]
  - name: everything
    timeout: 15s
    headers: {request: {set: {x-team: shop}}}
    route:
    - {destination: {host: podinfo}, weight: 100}
    - {destination: {host: podinfo-primary, port: {number: 9898}}, headers: {response: {add: {x-side: stable}}}}
    - {destination: {host: podinfo-canary}, weight: 0}
`
	ownHTTPRoute = `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: storefront, labels: {team: shop}, annotations: {example.com/owner: shop}}
spec:
  hostnames: [app.example.com]
  parentRefs: [{name: public, namespace: gateways}]
  rules:
  - name: assets
    matches: [{path: {type: PathPrefix, value: /assets}}]
    backendRefs: [{name: assets, port: 80, weight: 3}]
  - name: everything
    timeouts: {request: 15s}
    filters: [{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: x-team, value: shop}]}}]
    backendRefs:
    - {name: podinfo, port: 9898, weight: 100}
    - {name: podinfo-primary, port: 9898, weight: 0}
    - {name: podinfo-canary, port: 9898, weight: 0}
`
)

// lending is a kind of route that users lend.
type lending struct {
	provider
	text  string
	by    string // spec.provider
	rules string // the list in its spec
}

func lendings() map[string]lending {
	return map[string]lending{
		"VirtualService": {
			provider: provider{api: "networking.istio.io/v1", kind: "VirtualService", name: routeNamed("storefront"), shares: sides},
			text:     ownVirtualService, by: "istio", rules: "http",
		},
		"HTTPRoute": {
			provider: provider{api: "gateway.networking.k8s.io/v1", kind: "HTTPRoute", name: routeNamed("storefront"), shares: sides, answer: accepted},
			text:     ownHTTPRoute, by: "gatewayapi:v1", rules: "rules",
		},
	}
}

// divided are the weights, by Service, of the rule that divides users.
func divided(u *unstructured.Unstructured) map[string]any {
	spec, _ := u.Object["spec"].(map[string]any)
	rules, _ := firstOf(spec, "http", "rules").([]any)
	for _, rule := range rules {
		backends, _ := firstOf(rule, "route", "backendRefs").([]any)
		weights := map[string]any{}
		for _, b := range backends {
			host, _, _ := unstructured.NestedString(b.(map[string]any), "destination", "host")
			name, _ := b.(map[string]any)["name"].(string)
			weights[host+name] = b.(map[string]any)["weight"]
		}
		if _, ok := weights["podinfo-primary"]; ok {
			return weights
		}
	}
	return nil
}

func firstOf(from any, keys ...string) any {
	m, _ := from.(map[string]any)
	for _, key := range keys {
		if value, ok := m[key]; ok {
			return value
		}
	}
	return nil
}

func sides(u *unstructured.Unstructured) (primary, canary string) {
	weights := divided(u)
	return fmt.Sprint(weights["podinfo-primary"]), fmt.Sprint(weights["podinfo-canary"])
}

// enter makes a world with the user's apex Service, and no route yet.
func (l lending) enter(t *testing.T) *setting {
	t.Helper()
	s := &setting{world: newWorld(t), provider: l.provider}
	s.own()
	return s
}

// lend makes the user's route; change makes it another.
func (l lending) lend(s *setting, change ...func(rule map[string]any)) *unstructured.Unstructured {
	s.Helper()
	u := &unstructured.Unstructured{}
	raw, err := yaml.YAMLToJSON([]byte(l.text))
	require.NoError(s, err)
	require.NoError(s, u.UnmarshalJSON(raw))
	u.SetNamespace(s.ns)
	for _, f := range change {
		l.inRule(s, u, f)
	}
	require.NoError(s, s.Create(s.Context(), u, client.FieldOwner("kubectl-client-side-apply")))
	return u
}

// inRule changes the rule that divides users.
func (l lending) inRule(s *setting, u *unstructured.Unstructured, change func(rule map[string]any)) {
	s.Helper()
	rules, found, err := unstructured.NestedSlice(u.Object, "spec", l.rules)
	require.NoError(s, err)
	require.True(s, found)
	change(rules[1].(map[string]any))
	require.NoError(s, unstructured.SetNestedSlice(u.Object, rules, "spec", l.rules))
}

// refer has a Canary move the route.
func (l lending) refer(c *v1beta1.Canary) {
	c.Spec.Provider = l.by
	c.Spec.Service.RouteRefs = []v1beta1.OwnRoute{{Kind: l.kind, Name: "storefront"}}
	c.Spec.ProgressDeadlineSeconds = new(int32(1200)) // a busy machine is no bad revision
}

// open lends a route and runs its Canary to where it rests.
func (l lending) open(t *testing.T, change ...func(*v1beta1.Canary)) (*setting, *operator, *unstructured.Unstructured) {
	t.Helper()
	s := l.enter(t)
	before := l.lend(s)
	o := s.run(append([]func(*v1beta1.Canary){l.refer}, change...)...)
	s.phase(v1beta1.PhaseInitialized)
	s.at("100/0")
	s.rests()
	return s, o, before
}

// weightless is all that is the user's in a route: weights of the rule that divides users are left out.
func (l lending) weightless(s *setting, u *unstructured.Unstructured) map[string]any {
	s.Helper()
	u = u.DeepCopy()
	l.inRule(s, u, func(rule map[string]any) {
		for _, b := range firstOf(rule, "route", "backendRefs").([]any) {
			delete(b.(map[string]any), "weight")
		}
	})
	return map[string]any{
		"spec": u.Object["spec"], "labels": u.GetLabels(), "annotations": u.GetAnnotations(),
		"owners": u.GetOwnerReferences(), "finalizers": u.GetFinalizers(),
	}
}

// edit is what a person does to a route with kubectl.
func (l lending) edit(s *setting, change func(u *unstructured.Unstructured)) *unstructured.Unstructured {
	s.Helper()
	var u *unstructured.Unstructured
	s.await("the edit is taken", func() bool {
		u = s.way()
		change(u)
		err := s.Update(s.Context(), u, client.FieldOwner("kubectl-edit"))
		require.True(s, err == nil || apierrors.IsConflict(err), "%v", err)
		return err == nil
	})
	return u
}

// fieldsOf are the fields that a manager has.
func (s *setting) fieldsOf(manager string) string {
	s.Helper()
	var all []string
	for _, e := range s.way().GetManagedFields() {
		if e.Manager == manager && e.Subresource == "" {
			all = append(all, string(e.FieldsV1.GetRawBytes()))
		}
	}
	return strings.Join(all, " ")
}

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
	s.set(imageTwo)
	for _, split := range []string{"50/50", "0/100"} {
		s.at(split)
		require.Equal(t, l.weightless(s, before), l.weightless(s, s.way()), "weights are all that changes")
		require.EqualValues(t, 0, divided(s.way())["podinfo"], "the apex would ask the route again")
	}
	s.phase(v1beta1.PhaseSucceeded)
	s.at("100/0")
	s.rests()
	require.Equal(t, imageTwo, image(s.live("podinfo-primary")))
	require.Equal(t, l.weightless(s, before), l.weightless(s, s.way()))
	require.Equal(t, before.GetUID(), s.way().GetUID())
	require.Equal(t, `{"f:spec":{"f:`+l.rules+`":{}}}`, s.fieldsOf(kube.Manager), "the list that the weights are in is ours, and no more")
	require.Contains(t, s.fieldsOf("argocd"), `"f:app"`, "what another tool has applied is still its own")
	require.Zero(t, count(o, "DriftCorrected"), "our own changes are no drift")
}

func (l lending) bad(t *testing.T) {
	s, _, before := l.open(t)
	s.judge.fail(-1)
	s.set(imageTwo)
	s.at("50/50")
	s.phase(v1beta1.PhaseFailed)
	s.at("100/0")
	s.rests()
	require.Equal(t, imageOne, image(s.live("podinfo-primary")))
	require.Equal(t, l.weightless(s, before), l.weightless(s, s.way()))
}

// edited has people change the list that we apply as a whole, in the middle of a rollout: no edit is lost.
func (l lending) edited(t *testing.T) {
	s, _, _ := l.open(t, every("5m"))
	s.set(imageTwo)
	s.at("50/50")
	after := l.edit(s, func(u *unstructured.Unstructured) {
		l.inRule(s, u, func(rule map[string]any) { rule["name"] = "the-rest" })
		rules, _, _ := unstructured.NestedSlice(u.Object, "spec", l.rules)
		first := rules[0].(map[string]any)
		first["name"] = "pictures"
		require.NoError(s, unstructured.SetNestedSlice(u.Object, rules, "spec", l.rules))
		u.SetAnnotations(map[string]string{"example.com/owner": "shop", keptNote: "kept"})
	})
	s.await("the weights are ours again", func() bool { return strings.Contains(s.fieldsOf(kube.Manager), l.rules) })
	s.respec(every("10s"))
	s.at("0/100")
	require.Equal(t, l.weightless(s, after), l.weightless(s, s.way()))
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
	s, o, before := l.open(t, every("5m"))
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
	s.hears(o, "Warning DriftCorrected "+l.kind+" storefront was changed by somebody else, put back")
	s.set(imageTwo)
	s.at("50/50")
	reweigh(80, 20)
	s.at("50/50")
	require.Equal(t, 50, s.status().CanaryWeight, "the rollout is where it was")
	s.respec(every("10s"))
	s.phase(v1beta1.PhaseSucceeded)
	s.at("100/0")
	require.Equal(t, l.weightless(s, before), l.weightless(s, s.way()))
}

// missing tells that a route is not there before anything is made, and goes on when it comes.
func (l lending) missing(t *testing.T) {
	s := l.enter(t)
	s.run(l.refer)
	s.told(v1beta1.ConditionValid, metav1.ConditionFalse, `spec.service.routeRefs[0].name: `+l.kind+` "storefront" does not exist in namespace`)
	err := s.Get(t.Context(), client.ObjectKey{Namespace: s.ns, Name: "podinfo-primary"}, &appsv1.Deployment{})
	require.True(t, apierrors.IsNotFound(err), "nothing is half made")
	require.Equal(t, "podinfo", s.selector("podinfo"))
	l.lend(s)
	s.phase(v1beta1.PhaseInitialized)
	s.at("100/0")
	s.told(v1beta1.ConditionValid, metav1.ConditionTrue, "")
}

// goes has the route deleted and made again in the middle of a rollout.
func (l lending) goes(t *testing.T) {
	s, _, _ := l.open(t, every("5m"))
	s.set(imageTwo)
	s.at("50/50")
	require.NoError(t, s.Delete(t.Context(), s.way()))
	s.told(v1beta1.ConditionValid, metav1.ConditionFalse, `"storefront" does not exist in namespace`)
	require.Nil(t, s.way(), "what is the user's is not made again")
	require.Equal(t, v1beta1.PhaseProgressing, s.status().Phase)
	l.lend(s)
	s.at("50/50")
	s.respec(every("10s"))
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
	s.told(v1beta1.ConditionValid, metav1.ConditionFalse,
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

package controller

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
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
	s.createApexService()
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

// editTarget is what a person does to a route with kubectl.
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

package controller

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/kube"
)

// createUsers makes an object of the user's, of what is written as YAML.
func (w *world) createUsers(text string) *unstructured.Unstructured {
	w.Helper()
	u := &unstructured.Unstructured{}
	raw, err := yaml.YAMLToJSON([]byte(text))
	require.NoError(w, err)
	require.NoError(w, u.UnmarshalJSON(raw))
	u.SetNamespace(w.ns)
	require.NoError(w, w.Create(w.Context(), u, client.FieldOwner("kubectl-client-side-apply")))
	return u
}

// lookAt is an object as it is now.
func (w *world) lookAt(kind schema.GroupVersionKind, name string) *unstructured.Unstructured {
	w.Helper()
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(kind)
	require.NoError(w, w.Get(w.Context(), client.ObjectKey{Namespace: w.ns, Name: name}, u))
	return u
}

// asItWas says that an object of the user's is as it was before it was taken over.
func (w *world) asItWas(before *unstructured.Unstructured) bool {
	w.Helper()
	now := w.lookAt(before.GroupVersionKind(), before.GetName())
	spec := func(u *unstructured.Unstructured) string {
		text, err := json.Marshal(u.Object["spec"])
		require.NoError(w, err)
		return string(text)
	}
	return now.GetUID() == before.GetUID() && spec(now) == spec(before) &&
		len(now.GetAnnotations()) == len(before.GetAnnotations()) && fmt.Sprint(now.GetLabels()) == fmt.Sprint(before.GetLabels())
}

const (
	ownRoute = `{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: podinfo}, spec: {hosts: [podinfo], gateways: [mesh], http: [
		{name: admin, match: [{uri: {prefix: /admin}}], route: [{destination: {host: admin}}]},
		{name: all, route: [{destination: {host: podinfo}}]}]}}`
	ownRule        = `{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: podinfo-primary}, spec: {host: podinfo-primary, trafficPolicy: {loadBalancer: {simple: RANDOM}}}}`
	ownCanarySide  = `{apiVersion: v1, kind: Service, metadata: {name: podinfo-canary, labels: {team: web}}, spec: {type: NodePort, selector: {app: podinfo}, ports: [{port: 80}]}}`
	ownPrimarySide = `{apiVersion: v1, kind: Service, metadata: {name: podinfo-primary}, spec: {selector: {app: podinfo, tier: one}, ports: [{name: http, port: 9898}]}}`
	ownScaler      = `{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {name: podinfo-primary}, spec: {minReplicas: 3, maxReplicas: 9,
		scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: elsewhere}}}`
)

// TestAdoptedObjects has objects of the user's with names that a Canary calls for: they are taken over, and given back as they were
// however the Canary goes.
func TestAdoptedObjects(t *testing.T) {
	t.Parallel()
	for mode, end := range map[string]struct {
		canary func(*v1beta1.Canary)
		delete func(w *world, o *operator)
	}{
		"Plain":  {canary: func(*v1beta1.Canary) {}, delete: func(w *world, _ *operator) { w.delete("podinfo") }},
		"Revert": {canary: revert, delete: func(w *world, _ *operator) { w.delete("podinfo") }},
		"Unseen": {canary: func(*v1beta1.Canary) {}, delete: func(w *world, o *operator) { w.deleteWhileDown(o); w.restart(0) }},
	} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.garbageCollect()
			w.createAutoscaler()
			var before []*unstructured.Unstructured
			for _, text := range []string{ownRoute, ownRule, ownCanarySide, ownPrimarySide, ownScaler} {
				u := w.createUsers(text)
				before = append(before, w.lookAt(u.GroupVersionKind(), u.GetName()))
			}
			o := w.run(end.canary, scaled)
			w.awaitPhase(v1beta1.PhaseInitialized)
			w.awaitTargetStopped()
			w.awaitEvent(o, "Warning TakenOver What was there before is taken over")
			for _, u := range before {
				now := w.lookAt(u.GroupVersionKind(), u.GetName())
				require.Empty(t, now.GetOwnerReferences(), "%s %s is not owned", u.GetKind(), u.GetName())
				require.Contains(t, now.GetAnnotations(), kube.OriginalAnnotation)
				require.Contains(t, w.recorded(), u.GetKind()+" "+u.GetName())
			}
			require.Equal(t, []string{"admin", "podinfo-primary"}, w.hosts(), "the user's rule comes first")
			w.setImage(imageTwo)
			w.awaitPhase(v1beta1.PhaseSucceeded)
			w.awaitTargetStopped()
			require.Equal(t, []string{"admin", "podinfo-primary"}, w.hosts())
			end.delete(w, o)
			w.gone(&appsv1.Deployment{}, "podinfo-primary")
			for _, u := range before {
				w.eventually(func() bool { return w.asItWas(u) }, func() string { return u.GetKind() + " " + u.GetName() + " is not as it was" },
					func() any { return []any{u.Object, w.lookAt(u.GroupVersionKind(), u.GetName()).Object} })
			}
		})
	}
}

// hosts are the first destinations of the rules of the VirtualService.
func (w *world) hosts() (hosts []string) {
	w.Helper()
	rules, _, _ := unstructured.NestedSlice(w.lookAt(virtualServiceKind, "podinfo").Object, "spec", "http")
	for _, r := range rules {
		host, _, _ := unstructured.NestedString(r.(map[string]any)["route"].([]any)[0].(map[string]any), "destination", "host")
		hosts = append(hosts, host)
	}
	return hosts
}

// TestAdoptedRouteIsGivenBackAtRest has a spec that no longer calls for a route of the user's.
func TestAdoptedRouteIsGivenBackAtRest(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	u := w.createUsers(ownRoute)
	before := w.lookAt(u.GroupVersionKind(), "podinfo")
	w.begin()
	require.False(t, w.asItWas(before))
	w.editCanary(blueGreenWithoutMesh)
	w.await("it is as it was", func() bool { return w.asItWas(before) })
	w.await("it is no longer recorded", func() bool { return !strings.Contains(fmt.Sprint(w.recorded()), "VirtualService") })
}

// TestAdoptedRouteIsBounded has a route that cannot be noted.
func TestAdoptedRouteIsBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	rule := `{match: [{uri: {prefix: /` + strings.Repeat("x", 1000) + `}}], route: [{destination: {host: podinfo}}]}`
	u := w.createUsers(`{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: podinfo}, spec: {hosts: [podinfo], http: [` +
		strings.Repeat(rule+", ", 70) + rule + `]}}`)
	w.run()
	w.awaitCondition(v1beta1.ConditionValid, metav1.ConditionFalse, "spec.service: VirtualService podinfo was there before, and is too large to be taken over")
	require.True(t, w.asItWas(u))
}

// TestRouteAdoptedByAnother deletes a Canary whose route another controller of this API had taken over.
func TestRouteAdoptedByAnother(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.garbageCollect()
	u := w.createUsers(`{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: podinfo, annotations: {
		flagger.kubernetes.io/original-configuration: '{"hosts":["shop"],"http":[{"route":[{"destination":{"host":"podinfo"}}]}]}'}},
		spec: {hosts: [podinfo], http: [{route: [{destination: {host: podinfo-primary}, weight: 100}, {destination: {host: podinfo-canary}, weight: 0}]}]}}`)
	w.begin(revert)
	w.delete("podinfo")
	now := w.lookAt(u.GroupVersionKind(), "podinfo")
	hosts, _, _ := unstructured.NestedStringSlice(now.Object, "spec", "hosts")
	require.Equal(t, []string{"shop"}, hosts)
	require.Equal(t, []string{"podinfo"}, w.hosts())
}

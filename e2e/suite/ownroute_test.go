package suite

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/e2e/internal/install"
	"github.com/sluice-cd/sluice/e2e/internal/traffic"
	"github.com/sluice-cd/sluice/e2e/internal/walk"
)

// ownRoutes are rollouts through routes that users have written and keep.
func ownRoutes() map[string]scenario {
	return map[string]scenario{
		"OwnVirtualService": {
			reason: "The weights in a VirtualService of the user's own move; nothing else in it does, and nobody is lost from before the Canary until after it.",
			play: ownRoute{
				example: "istio/own-route.yaml", rules: "http", backends: "route",
				kind:   schema.GroupVersionKind{Group: "networking.istio.io", Version: "v1", Kind: "VirtualService"},
				edits:  []string{"istio-system/public\n", "istio-system/public-gateway\n"},
				revert: true,
			}.play,
		},
		"OwnHTTPRoute": {
			reason: "The same for an HTTPRoute. Deleted as printed, without revertOnDeletion, the Canary leaves a route that serves as soon as the target does.",
			play: ownRoute{
				example: "gatewayapi/own-route.yaml", rules: "rules", backends: "backendRefs",
				kind: schema.GroupVersionKind{Group: "gateway.networking.k8s.io", Version: "v1", Kind: "HTTPRoute"},
				edits: []string{
					"name: public\n    namespace: gateways", "name: edge\n    namespace: istio-system", "public-istio.gateways", "istio-ingressgateway.istio-system",
					"- name: request-success-rate\n", "- name: request-success-rate\n      templateRef: {name: request-success-rate}\n",
					"- name: request-duration\n", "- name: request-duration\n      templateRef: {name: request-duration}\n",
				},
				templates: labelled,
			}.play,
		},
	}
}

// ownRoute is an example of a route named storefront, in a cluster whose gateway has another name.
type ownRoute struct {
	example, rules, backends string
	kind                     schema.GroupVersionKind
	edits                    []string // what is replaced and by what
	templates                string   // where the built-in metrics do not fit
	revert                   bool     // the Canary is deleted with revertOnDeletion
}

// labelled are the built-in metrics by the names that this cluster's Prometheus has for pods and namespaces.
const labelled = `
apiVersion: flagger.app/v1beta1
kind: MetricTemplate
metadata: {name: request-success-rate, namespace: NAMESPACE}
spec:
  provider: {type: prometheus, address: "http://prometheus.istio-system:9090"}
  query: |
    100 * sum(rate(http_request_duration_seconds_count{namespace="{{ namespace }}", pod=~"{{ target }}-[0-9a-z]+-[0-9a-z]+", status!~"5.*"}[{{ interval }}]))
      / sum(rate(http_request_duration_seconds_count{namespace="{{ namespace }}", pod=~"{{ target }}-[0-9a-z]+-[0-9a-z]+"}[{{ interval }}]))
---
apiVersion: flagger.app/v1beta1
kind: MetricTemplate
metadata: {name: request-duration, namespace: NAMESPACE}
spec:
  provider: {type: prometheus, address: "http://prometheus.istio-system:9090"}
  query: |
    1000 * histogram_quantile(0.99, sum by (le) (rate(http_request_duration_seconds_bucket{namespace="{{ namespace }}", pod=~"{{ target }}-[0-9a-z]+-[0-9a-z]+"}[{{ interval }}])))
`

// manifests are the example's, for the scene's namespace: what is there before a Canary, and the Canary.
func (o ownRoute) manifests(s *scene) (before, canary string) {
	s.t.Helper()
	raw, err := os.ReadFile(s.File("artifacts", "examples", o.example))
	require.NoError(s.t, err)
	text := string(raw)
	edits := append([]string{
		"namespace: test\n", "namespace: " + s.namespace + "\n", "app.example.com", s.host(), "podinfo-canary.test:", "podinfo-canary." + s.namespace + ":",
	}, o.edits...)
	for pair := range slices.Chunk(edits, 2) {
		require.Contains(s.t, text, pair[0], "the example is not what it was thought to be")
		text = strings.ReplaceAll(text, pair[0], pair[1])
	}
	text = strings.ReplaceAll(text, "http://podinfo.test:", "http://podinfo."+s.namespace+":")
	at := strings.LastIndex(text, "---\n")
	return text[:at], text[at:]
}

// live is the route as it is now.
func (o ownRoute) live(s *scene) *unstructured.Unstructured {
	s.t.Helper()
	route := &unstructured.Unstructured{}
	route.SetGroupVersionKind(o.kind)
	s.get("storefront", route)
	return route
}

// split takes the weights out of a route, `apex primary canary`, and leaves the rest of what its author wrote.
func (o ownRoute) split(s *scene, route *unstructured.Unstructured) (weights [3]int64, rest map[string]any) {
	s.t.Helper()
	rest = runtime.DeepCopyJSON(route.Object["spec"].(map[string]any))
	for _, rule := range rest[o.rules].([]any) {
		backends, _ := rule.(map[string]any)[o.backends].([]any)
		for i, b := range backends {
			backend := b.(map[string]any)
			weights[i], _ = backend["weight"].(int64)
			delete(backend, "weight")
		}
	}
	return weights, rest
}

// mine is what a manager owns of the route, without the list that weights are in.
func (o ownRoute) mine(s *scene, route *unstructured.Unstructured, manager string) (owned map[string]any, list bool) {
	s.t.Helper()
	i := slices.IndexFunc(route.GetManagedFields(), func(m metav1.ManagedFieldsEntry) bool { return m.Manager == manager })
	if i < 0 {
		return nil, false
	}
	require.NoError(s.t, json.Unmarshal(route.GetManagedFields()[i].FieldsV1.GetRawBytes(), &owned))
	if spec, ok := owned["f:spec"].(map[string]any); ok {
		_, list = spec["f:"+o.rules]
		delete(spec, "f:"+o.rules)
	}
	return owned, list
}

// watched follows the route from now on.
func (o ownRoute) watched(s *scene) *walk.Journal {
	s.t.Helper()
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(o.kind.GroupVersion().WithKind(o.kind.Kind + "List"))
	journal, err := walk.Follow(s.t.Context(), s.client, list, client.InNamespace(s.namespace))
	require.NoError(s.t, err)
	return journal
}

// moved are the weights that the route has had, each once, none of which came with another change of it.
func (o ownRoute) moved(s *scene, journal *walk.Journal, was *unstructured.Unstructured) (all [][3]int64) {
	s.t.Helper()
	_, rest := o.split(s, was)
	for _, e := range journal.Entries() {
		route := e.Object.(*unstructured.Unstructured)
		weights, others := o.split(s, route)
		require.Equal(s.t, rest, others, "of the spec, weights alone are moved")
		require.Equal(s.t, was.GetLabels(), route.GetLabels())
		require.Equal(s.t, was.GetAnnotations(), route.GetAnnotations())
		require.Empty(s.t, route.GetOwnerReferences(), "it stays the user's")
		require.Empty(s.t, route.GetFinalizers())
		if len(all) == 0 || all[len(all)-1] != weights {
			all = append(all, weights)
		}
	}
	return all
}

// author is the manager of those who `kubectl apply`.
const author = "kubectl-client-side-apply"

func (o ownRoute) play(s *scene) {
	s.kubectl("wait", "gateway/edge", "-n", install.Namespace, "--for=condition=Programmed", "--timeout=120s")
	before, canary := o.manifests(s)
	if o.templates != "" {
		s.apply(strings.ReplaceAll(o.templates, "NAMESPACE", s.namespace))
	}
	s.apply(before)
	written, journal := o.live(s), o.watched(s)
	users := s.ask(traffic.Config{URL: s.gateway, Host: s.host(), Rate: 40})
	since := time.Now()
	s.apply(canary)
	s.reach("Initialized", since)
	s.settled()
	o.promote(s, users)
	s.only(users, "3.1.1", time.Now())

	s.kubectl("patch", "canary", "podinfo", "-n", s.namespace, "--type=merge", "-p", `{"spec":{"analysis":{"threshold":1}}}`)
	s.refuse()
	since = s.release("3.1.2")
	s.reach("Failed", since)
	require.NoError(s.t, walk.Sequence(s.rows(since), "Progressing 0", "Progressing 10", "Failed 0"))
	s.stopped()
	s.only(users, "3.1.1", time.Now())
	s.lossless(users)
	require.Equal(s.t, [][3]int64{
		{100, 0, 0},                                                                               // as it was written
		{0, 100, 0}, {0, 90, 10}, {0, 80, 20}, {0, 70, 30}, {0, 60, 40}, {0, 50, 50}, {0, 100, 0}, // good
		{0, 90, 10}, {0, 100, 0}, // bad
	}, o.moved(s, journal, written))
	o.owned(s, written)
	o.leave(s, users, journal, written)
}

// promote rolls a good revision out, and has users meet it as often as the first and the last step say.
func (o ownRoute) promote(s *scene, users *traffic.Client) {
	s.t.Helper()
	since := s.release("3.1.1")
	first := s.reach("Progressing 10", since)
	second := s.reach("Progressing 20", since)
	last := s.reach("Progressing 50", since)
	promoting := s.reach("Promoting", since)
	lag := s.lag(users, first)
	s.divided(users, first.At.Add(lag), second.At, 10)
	s.divided(users, last.At.Add(lag), promoting.At, 50)
	s.reach("Succeeded", since)
	require.NoError(s.t, walk.Sequence(s.rows(since), "Progressing 0", "Progressing 10", "Progressing 20", "Progressing 30",
		"Progressing 40", "Progressing 50", "Promoting 50", "Finalising 0", "Succeeded 0"))
	s.settled()
}

// owned says that the author still owns what was written, but for the list with the weights, and Sluice nothing else.
func (o ownRoute) owned(s *scene, written *unstructured.Unstructured) {
	s.t.Helper()
	now := o.live(s)
	was, had := o.mine(s, written, author)
	is, has := o.mine(s, now, author)
	require.True(s.t, had)
	require.False(s.t, has, "rules have no key, so that who moves a weight owns the list of them")
	require.Equal(s.t, was, is, "nothing else is taken from its author")
	ours, list := o.mine(s, now, "sluice")
	require.True(s.t, list)
	require.Equal(s.t, map[string]any{"f:spec": map[string]any{}}, ours, "nothing else is Sluice's")
}

// leave deletes the Canary: the route leads to the apex again, as it was written, and belongs to nobody else.
func (o ownRoute) leave(s *scene, users *traffic.Client, journal *walk.Journal, written *unstructured.Unstructured) {
	s.t.Helper()
	if o.revert {
		s.kubectl("patch", "canary", "podinfo", "-n", s.namespace, "--type=merge", "-p", `{"spec":{"revertOnDeletion":true}}`)
	}
	s.kubectl("delete", "canary", "podinfo", "-n", s.namespace, "--timeout=120s")
	s.kubectl("wait", "deployment/podinfo-primary", "-n", s.namespace, "--for=delete", "--timeout=120s")
	// Of no pods, rollout status would say at once that all are there.
	s.kubectl("wait", "deployment/podinfo", "-n", s.namespace, "--for=jsonpath={.spec.replicas}=1", "--timeout=120s")
	s.kubectl("rollout", "status", "deployment/podinfo", "-n", s.namespace, "--timeout=120s")
	s.runs("podinfo", "3.1.2", 1)
	s.eventually("the route to serve", func() bool {
		return o.serves(s)
	})
	s.only(users, "3.1.2", time.Now())
	if o.revert {
		s.lossless(users)
	}
	all := o.moved(s, journal, written)
	require.Equal(s.t, [3]int64{100, 0, 0}, all[len(all)-1], "the apex has everything again")
	now := o.live(s)
	require.Equal(s.t, written.Object["spec"], now.Object["spec"], "the route is as it was written")
	ours, list := o.mine(s, now, "sluice")
	require.False(s.t, list, "nothing in it is Sluice's: %v", ours)
	require.Empty(s.t, ours)
}

// serves says that twenty requests in a row are answered.
func (o ownRoute) serves(s *scene) bool {
	probe := traffic.Start(s.t.Context(), traffic.Config{URL: s.gateway, Host: s.host(), Rate: 20})
	defer probe.Stop()
	return s.answered(probe, time.Time{}, 20) == nil && probe.Since(time.Time{}).Failed == 0
}

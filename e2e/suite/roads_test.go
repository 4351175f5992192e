package suite

import (
	"context"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/stretchr/testify/require"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/e2e/internal/install"
	"github.com/sluice-cd/sluice/e2e/internal/traffic"
	"github.com/sluice-cd/sluice/e2e/internal/walk"
)

// roads are other ways for traffic than Istio's own.
func roads() map[string]scenario {
	return map[string]scenario{
		"GatewayAPI": {
			reason: "Weights of an HTTPRoute are what users meet, forth and back.",
			play:   gatewayAPI,
		},
		"GatewayAPIMatch": {
			reason: "A header decides in an HTTPRoute as well, and nobody else meets the canary.",
			play:   gatewayAPIMatch,
		},
		"Ingress": {
			reason: "The weights of an Ingress rise step by step until a person promotes it, and nothing of the user's own is touched.",
			play:   ingress,
		},
		"ReplicaRatio": {
			reason: "Without anything that divides requests, numbers of pods do.",
			play:   replicaRatio,
		},
	}
}

// gatewayAPI installs the Gateway API's own resources, of the version that the product is built with, and a Gateway.
func (w *world) gatewayAPI(ctx context.Context) error {
	found, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "sigs.k8s.io/gateway-api").Output()
	if err != nil {
		return err
	}
	args := []string{"apply", "--server-side", "--force-conflicts"}
	for _, kind := range []string{"gatewayclasses", "gateways", "httproutes", "grpcroutes", "referencegrants"} {
		file := "gateway.networking.k8s.io_" + kind + ".yaml"
		args = append(args, "-f", filepath.Join(strings.TrimSpace(string(found)), "config", "crd", "standard", file))
	}
	if _, err := w.Run(ctx, args...); err != nil {
		return err
	}
	if _, err := w.Run(ctx, "wait", "--for=condition=Established", "--timeout=120s", "crd/gateways.gateway.networking.k8s.io", "crd/httproutes.gateway.networking.k8s.io"); err != nil {
		return err
	}
	// The operator is that of the overlay for Istio.
	for _, provider := range []string{"gatewayapi", "nginx"} {
		if err := w.Apply(ctx, install.Manifest{Path: w.File("kustomize", "routes", provider+".yaml")}); err != nil {
			return err
		}
	}
	return w.Apply(ctx, install.Manifest{Path: w.File("e2e", "suite", "testdata", "gateway.yaml")})
}

// routed is a Canary whose traffic an HTTPRoute of a Gateway moves.
func (s *scene) routed(analysis string) {
	s.t.Helper()
	s.kubectl("wait", "gateway/edge", "-n", install.Namespace, "--for=condition=Programmed", "--timeout=120s")
	given := s.canary(analysis)
	meshed := "    gateways: [public-gateway.istio-system.svc.cluster.local]\n"
	require.Contains(s.t, given, meshed)
	given = strings.Replace(given, meshed, "    gatewayRefs: [{name: edge, namespace: istio-system}]\n", 1)
	since := time.Now()
	s.apply(strings.Replace(given, "\nspec:\n", "\nspec:\n  provider: gatewayapi:v1\n", 1))
	s.reach("Initialized", since)
}

// backends are the weights of the HTTPRoute's only rule.
func (s *scene) backends() map[string]int64 {
	s.t.Helper()
	route := &unstructured.Unstructured{}
	route.SetGroupVersionKind(schema.GroupVersionKind{Group: "gateway.networking.k8s.io", Version: "v1", Kind: "HTTPRoute"})
	s.get("podinfo", route)
	rules, _, err := unstructured.NestedSlice(route.Object, "spec", "rules")
	require.NoError(s.t, err)
	require.Len(s.t, rules, 1)
	weights := map[string]int64{}
	for _, b := range rules[0].(map[string]any)["backendRefs"].([]any) {
		backend := b.(map[string]any)
		weights[backend["name"].(string)] = backend["weight"].(int64)
	}
	return weights
}

func gatewayAPI(s *scene) {
	s.routed(`
  analysis: {interval: 10s, threshold: 1, stepWeights: [20, 60]}
`)
	users := s.ask(traffic.Config{URL: s.gateway, Host: s.host(), Rate: 40})
	since := s.release("3.1.1")
	first := s.reach("Progressing 20", since)
	second := s.reach("Progressing 60", since)
	promoting := s.reach("Promoting", since)
	lag := s.lag(users, first)
	s.divided(users, first.At.Add(lag), second.At, 20)
	s.divided(users, second.At.Add(lag), promoting.At, 60)
	s.reach("Succeeded", since)
	require.NoError(s.t, walk.Sequence(s.rows(since), "Progressing 0", "Progressing 20", "Progressing 60", "Promoting 60", "Finalising 0", "Succeeded 0"))
	s.settled()
	require.Equal(s.t, map[string]int64{"podinfo-primary": 100, "podinfo-canary": 0}, s.backends())
	s.only(users, "3.1.1", time.Now())

	s.refuse()
	since = s.release("3.1.2")
	s.reach("Failed", since)
	require.NoError(s.t, walk.Sequence(s.rows(since), "Progressing 0", "Progressing 20", "Failed 0"))
	s.stopped()
	require.Equal(s.t, map[string]int64{"podinfo-primary": 100, "podinfo-canary": 0}, s.backends())
	s.only(users, "3.1.1", time.Now())
	s.lossless(users)
}

func gatewayAPIMatch(s *scene) {
	s.routed(`
  analysis: {interval: 10s, threshold: 1, iterations: 2, match: [{headers: {x-insider: {exact: "true"}}}]}
`)
	others := s.users()
	insiders := s.ask(traffic.Config{URL: s.gateway, Host: s.host(), Rate: 20, Headers: map[string][]string{"X-Insider": {"true"}}})
	since := s.release("3.1.1")
	switched := s.reach("Progressing 100", since)
	promoting := s.reach("Promoting", since)
	met := insiders.Window(switched.At.Add(s.lag(insiders, switched)), promoting.At)
	require.NotZero(s.t, met.Total)
	require.Equal(s.t, met.Total, met.ByVersion["3.1.1"], "all who fit meet the canary: %s", met)
	require.Zero(s.t, others.Window(time.Time{}, promoting.At).ByVersion["3.1.1"], "others met it as well")
	s.reach("Succeeded", since)
	s.settled()
	s.only(insiders, "3.1.1", time.Now())
	s.lossless(insiders)
	s.lossless(others)
}

// ingressed is an Ingress that leads to the apex, and a Canary that divides its requests.
const ingressed = `
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: podinfo, namespace: NAMESPACE}
spec:
  ingressClassName: nginx
  rules:
  - host: HOST
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: podinfo, port: {number: 9898}}}}]}
---
apiVersion: flagger.app/v1beta1
kind: Canary
metadata: {name: podinfo, namespace: NAMESPACE}
spec:
  provider: nginx
  targetRef: {apiVersion: apps/v1, kind: Deployment, name: podinfo}
  ingressRef: {apiVersion: networking.k8s.io/v1, kind: Ingress, name: podinfo}
  progressDeadlineSeconds: 60
  service: {port: 9898}
  analysis: {interval: 10s, threshold: 1, stepWeights: [20, 40, 60, 80]}
`

// ingress has no controller that would read its objects: what is looked at are these, and those who ask the apex Service.
func ingress(s *scene) {
	since := time.Now()
	s.apply(strings.NewReplacer("NAMESPACE", s.namespace, "HOST", s.host()).Replace(ingressed))
	s.reach("Initialized", since)
	s.stopped()
	users := s.neighbours()
	journal, err := walk.Follow(s.t.Context(), s.client, &networkingv1.IngressList{}, client.InNamespace(s.namespace))
	require.NoError(s.t, err)
	since = s.release("3.1.1")
	step := s.reach("Progressing 40", since)
	s.only(users, "3.1.0", since)
	s.sluice("promote", "podinfo", "--full")
	promoting := s.reach("Promoting", since)
	require.Less(s.t, promoting.At.Sub(step.At), 9*time.Second, "no check is waited for")
	s.reach("Succeeded", since)
	require.NoError(s.t, walk.Sequence(s.rows(since), "Progressing 0", "Progressing 20", "Progressing 40", "Promoting 40", "Finalising 0", "Succeeded 0"))
	s.endedEarly()
	var weights []string
	for _, e := range journal.Entries() {
		found := e.Object.(*networkingv1.Ingress)
		weight := found.Annotations["nginx.ingress.kubernetes.io/canary-weight"]
		if found.Name == "podinfo" {
			require.Empty(s.t, found.Annotations["nginx.ingress.kubernetes.io/canary"])
			require.Empty(s.t, found.OwnerReferences, "it stays the user's")
			require.EqualValues(s.t, 1, found.Generation)
			continue
		}
		require.Equal(s.t, "true", found.Annotations["nginx.ingress.kubernetes.io/canary"])
		weights = append(weights, weight)
	}
	require.Equal(s.t, []string{"0", "20", "40", "0"}, slices.Compact(weights))
	s.settled()
	s.runs("podinfo-primary", "3.1.1", 1)
	s.only(users, "3.1.1", time.Now())
	s.lossless(users)
}

// replicaRatio has five pods, so that shares of fifths can be reached.
func replicaRatio(s *scene) {
	s.kubectl("patch", "deployment", "podinfo", "-n", s.namespace, "-p",
		`{"spec":{"replicas":5,"template":{"metadata":{"labels":{"sluice.dev/apex":"podinfo"}}}}}`)
	s.kubectl("rollout", "status", "deployment/podinfo", "-n", s.namespace, "--timeout=120s")
	s.begin(`
  provider: kubernetes
  analysis: {interval: 10s, threshold: 1, replicaRatio: true, stepWeights: [20, 60]}
`)
	users := s.dialling()
	since := s.release("3.1.1")
	s.reach("Progressing 20", since)
	first := s.reached(20)
	second := s.reach("Progressing 60", since)
	later := s.reached(60)
	promoting := s.reach("Promoting", since)
	s.divided(users, first.Add(settling), second.At.Add(-time.Second), 20)
	s.divided(users, later.Add(settling), promoting.At, 60)
	s.reach("Succeeded", since)
	require.NoError(s.t, walk.Sequence(s.rows(since), "Progressing 0", "Progressing 20", "Progressing 60", "Promoting 60", "Finalising 0", "Succeeded 0"))
	s.settled()
	s.runs("podinfo-primary", "3.1.1", 5)
	s.only(users, "3.1.1", time.Now())

	s.refuse()
	since = s.release("3.1.2")
	s.reach("Failed", since)
	require.NoError(s.t, walk.Sequence(s.rows(since), "Progressing 0", "Progressing 20", "Failed 0"))
	s.stopped()
	s.runs("podinfo-primary", "3.1.1", 5)
	s.only(users, "3.1.1", time.Now())
	s.lossless(users)
}

// reached waits until the share that was reached is the one wanted, and says when: the pods follow the step, and its
// time begins when they are there.
func (s *scene) reached(want int64) time.Time {
	s.t.Helper()
	s.eventually("status.actualWeight", func() bool { return s.status("actualWeight") == want })
	s.t.Log("actualWeight", want)
	return time.Now()
}

// dialling are neighbours who dial anew for each request: where connections are what is divided, those that are kept
// would stay with one pod.
func (s *scene) dialling() *traffic.Client {
	s.t.Helper()
	address := s.kubectl("get", "service", "podinfo", "-n", s.namespace, "-o", "jsonpath={.spec.clusterIP}")
	return s.ask(traffic.Config{URL: "http://" + address + ":9898", Rate: 40, Fresh: true})
}

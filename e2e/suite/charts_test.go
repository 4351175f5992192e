package suite

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/e2e/internal/chart"
)

// TestCharts installs the product by Helm, in namespaces that allow hardened pods only.
func TestCharts(t *testing.T) {
	w := newWorld(t)
	helm, err := chart.Find(t.Context(), w.Repository)
	require.NoError(t, err)
	helm.Kubeconfig = w.Config
	t.Run("Operator", func(t *testing.T) { chartOfOperator(stage(t, w, "chart"), helm) })
	t.Run("Tester", func(t *testing.T) { chartOfTester(stage(t, w, "tester"), helm) })
}

// release is one of Helm's, in a namespace of its own.
type release struct {
	*scene
	helm chart.Helm
	home string // the namespace
}

func (s *scene) install(helm chart.Helm, name string, set ...string) release {
	s.t.Helper()
	r := release{scene: s, helm: helm, home: s.namespace + "-home"}
	s.kubectl("create", "namespace", r.home)
	s.kubectl("label", "namespace", r.home, "pod-security.kubernetes.io/enforce=restricted")
	s.t.Cleanup(func() {
		after := context.WithoutCancel(s.t.Context())
		if s.t.Failed() {
			pods, _ := s.Quiet(after, "describe", "pods", "-n", r.home)
			logs, _ := s.Quiet(after, "logs", "-n", r.home, "-l", "app.kubernetes.io/instance=mine", "--tail=50")
			s.t.Log(pods, logs)
		}
		_, _ = helm.Run(after, "uninstall", "mine", "--namespace", r.home, "--ignore-not-found", "--wait") // usually gone by then
		_, _ = s.Quiet(after, "delete", "namespace", r.home, "--wait=false")
	})
	r.run("install", name, set...)
	return r
}

// run installs or upgrades and waits until the pods are ready.
func (r release) run(verb, name string, set ...string) {
	r.t.Helper()
	args := []string{verb, "mine", r.helm.Chart(name), "--namespace", r.home, "--wait", "--timeout", "120s"}
	for _, s := range set {
		args = append(args, "--set", s)
	}
	out, err := r.helm.Run(r.t.Context(), args...)
	require.NoError(r.t, err)
	r.t.Log(out)
}

// uninstall removes the release, and finds nothing of it anywhere.
func (r release) uninstall() {
	r.t.Helper()
	_, err := r.helm.Run(r.t.Context(), "uninstall", "mine", "--namespace", r.home, "--wait", "--timeout", "120s")
	require.NoError(r.t, err)
	kinds := "deployments,services,serviceaccounts,configmaps,secrets,roles,rolebindings,networkpolicies,poddisruptionbudgets"
	for _, namespace := range []string{r.home, r.namespace} {
		require.Empty(r.t, r.kubectl("get", kinds, "-n", namespace, "-l", "app.kubernetes.io/instance=mine", "-o", "name"))
		require.Empty(r.t, r.kubectl("get", "secrets", "-n", namespace, "-l", "owner=helm", "-o", "name"))
	}
	require.Empty(r.t, r.kubectl("get", "clusterroles,clusterrolebindings", "-l", "app.kubernetes.io/instance=mine", "-o", "name"))
}

// chartOfOperator takes one Canary through an installation that may do nothing outside of one namespace.
func chartOfOperator(s *scene, helm chart.Helm) {
	s.withoutOperator()
	set := []string{"namespace=" + s.namespace, "meshProvider=kubernetes", "podDisruptionBudget.enabled=true", "networkPolicy.enabled=true"}
	r := s.install(helm, "sluice", set...)
	s.apply(strings.ReplaceAll(`
apiVersion: flagger.app/v1beta1
kind: Canary
metadata: {name: podinfo, namespace: NAMESPACE}
spec:
  targetRef: {apiVersion: apps/v1, kind: Deployment, name: podinfo}
  service: {port: 9898}
  analysis: {interval: 10s, threshold: 1, iterations: 1}
  revertOnDeletion: true # the upgrade leaves a moment in which no replica would see the deletion
`, "NAMESPACE", s.namespace))
	s.kubectl("wait", "canary/podinfo", "-n", s.namespace, "--for=jsonpath={.status.phase}=Initialized", "--timeout=120s")
	s.kubectl("rollout", "status", "deployment/podinfo-primary", "-n", s.namespace, "--timeout=120s")
	before := s.kubectl("get", "canary", "podinfo", "-n", s.namespace, "-o", "jsonpath={.metadata.generation} {.status}")

	r.run("upgrade", "sluice", append(set, "leaderElection.replicaCount=2", "logLevel=debug")...)
	s.kubectl("rollout", "status", "deployment/mine-sluice", "-n", r.home, "--timeout=120s")
	require.Equal(s.t, "2", s.kubectl("get", "deployment", "mine-sluice", "-n", r.home, "-o", "jsonpath={.status.readyReplicas}"))
	require.Equal(s.t, before, s.kubectl("get", "canary", "podinfo", "-n", s.namespace, "-o", "jsonpath={.metadata.generation} {.status}"),
		"An upgrade starts no rollout.")

	s.kubectl("delete", "canary", "podinfo", "-n", s.namespace, "--timeout=120s")
	s.kubectl("wait", "deployment/podinfo", "-n", s.namespace, "--for=jsonpath={.spec.replicas}=1", "--timeout=120s")
	r.uninstall()
	s.kubectl("get", "crd", "canaries.flagger.app") // deleting it would have deleted the Canaries of others
}

// withoutOperator stops the operator that looks after all namespaces, until the test ends: two would write against
// each other.
func (s *scene) withoutOperator() {
	s.t.Helper()
	operators(s.t.Context(), s.t, s.world, "0")
	s.t.Cleanup(func() { operators(context.WithoutCancel(s.t.Context()), s.t, s.world, "1") })
}

// chartOfTester opens a gate in one of two replicas, and finds it open in the other, and after both have gone.
func chartOfTester(s *scene, helm chart.Helm) {
	r := s.install(helm, "loadtester", "networkPolicy.enabled=true")
	s.kubectl("create", "secret", "generic", "token", "-n", r.home, "--from-literal=token=s3cret")
	r.run("upgrade", "loadtester", "replicaCount=2", "token.secretName=token")
	one, two := r.testers()
	require.Equal(s.t, "401", r.code(one, "/gate/check", ""))
	require.Equal(s.t, "403", r.code(one, "/gate/check", "s3cret"), "closed at first")
	require.Equal(s.t, "202", r.code(one, "/gate/open", "s3cret"))
	require.Equal(s.t, "200", r.code(two, "/gate/check", "s3cret"), "the other replica")
	s.kubectl("delete", "pods", "-n", r.home, "-l", "app.kubernetes.io/instance=mine", "--wait")
	s.kubectl("rollout", "status", "deployment/mine-loadtester", "-n", r.home, "--timeout=120s")
	one, two = r.testers()
	require.Equal(s.t, "200", r.code(one, "/gate/check", "s3cret"), "after a restart")
	require.Equal(s.t, "202", r.code(two, "/gate/close", "s3cret"))
	require.Equal(s.t, "403", r.code(one, "/gate/check", "s3cret"))
	r.run("upgrade", "loadtester", "replicaCount=1", "token.secretName=token", "logLevel=debug")
	r.uninstall()
}

// testers are the two pods, once those of the release before are on their way out: Helm waits for the new ones only.
func (r release) testers() (one, two string) {
	r.t.Helper()
	var names []string
	r.eventually("two pods", func() bool {
		names = nil
		pods := &corev1.PodList{}
		err := r.client.List(r.t.Context(), pods, client.InNamespace(r.home), client.MatchingLabels{"app.kubernetes.io/instance": "mine"})
		for i := range pods.Items {
			if pods.Items[i].DeletionTimestamp.IsZero() {
				names = append(names, pods.Items[i].Name)
			}
		}
		return err == nil && len(names) == 2
	})
	return names[0], names[1]
}

// code is what a pod answers about the gate of podinfo.test.
func (r release) code(pod, path, token string) string {
	r.t.Helper()
	return r.kubectl("exec", pod, "-n", r.home, "--", "curl", "-s", "-o", "/dev/null", "-w", "%{http_code}",
		"-H", "Authorization: Bearer "+token, "-d", `{"name":"podinfo","namespace":"test"}`, "http://127.0.0.1:8080"+path)
}

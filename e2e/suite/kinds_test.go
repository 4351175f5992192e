package suite

import (
	"fmt"
	"strings"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/e2e/internal/walk"
)

// kinds are targets of other kinds, and what belongs to a target.
func kinds() map[string]scenario {
	return map[string]scenario{
		"DaemonSet": {
			reason: "A DaemonSet is stopped by a selector that no node has, and released like everything else.",
			play:   daemonSet,
		},
		"ConfigChange": {
			reason: "A changed ConfigMap is a new revision; the primary keeps a copy of the old one until that has passed.",
			play:   configChange,
		},
		"Autoscaled": {
			reason: "The primary has an autoscaler of its own and is never smaller than what it serves.",
			play:   autoscaled,
		},
	}
}

const agent = `
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: agent, namespace: NAMESPACE}
spec:
  updateStrategy: {rollingUpdate: {maxUnavailable: 0, maxSurge: 1}}
  selector: {matchLabels: {app: agent}}
  template:
    metadata: {labels: {app: agent}}
    spec:
      containers:
      - name: podinfod
        image: stefanprodan/podinfo:3.1.0
        imagePullPolicy: IfNotPresent
        command: [./podinfo, --port=9898, --port-metrics=9797, --level=error]
        ports: [{name: http, containerPort: 9898}]
        readinessProbe: {httpGet: {path: /readyz, port: http}, periodSeconds: 1}
---
apiVersion: flagger.app/v1beta1
kind: Canary
metadata: {name: podinfo, namespace: NAMESPACE}
spec:
  targetRef: {apiVersion: apps/v1, kind: DaemonSet, name: agent}
  progressDeadlineSeconds: 60
  revertOnDeletion: true
  service:
    port: 9898
    gateways: [public-gateway.istio-system.svc.cluster.local]
    hosts: [HOST]
  analysis: {interval: 10s, threshold: 1, stepWeights: [50]}
`

func daemonSet(s *scene) {
	since := time.Now()
	s.apply(strings.NewReplacer("NAMESPACE", s.namespace, "HOST", s.host()).Replace(agent))
	s.reach("Initialized", since)
	users := s.users()
	s.eventually("the target to be stopped", func() bool { return s.scheduled("agent") == 0 })
	since = time.Now()
	s.kubectl("set", "image", "daemonset/agent", "podinfod=stefanprodan/podinfo:3.1.1", "-n", s.namespace)
	s.reach("Succeeded", since)
	require.NoError(s.t, walk.Sequence(s.rows(since), "Progressing 0", "Progressing 50", "Promoting 50", "Finalising 0", "Succeeded 0"))
	s.eventually("the target to be stopped again", func() bool { return s.scheduled("agent") == 0 })
	s.only(users, "3.1.1", time.Now())
	s.lossless(users)
	users.Stop()
	s.kubectl("delete", "canary", "podinfo", "-n", s.namespace, "--timeout=120s")
	s.eventually("the target to run again", func() bool { return s.scheduled("agent") > 0 })
}

// scheduled is on how many nodes a DaemonSet is to run.
func (s *scene) scheduled(name string) int32 {
	s.t.Helper()
	d := &appsv1.DaemonSet{}
	s.get(name, d)
	if d.Status.ObservedGeneration < d.Generation {
		return -1
	}
	return d.Status.DesiredNumberScheduled
}

func (s *scene) eventually(what string, so func() bool) {
	s.t.Helper()
	require.Eventually(s.t, so, patience, 200*time.Millisecond, "waiting for %s", what)
}

func configChange(s *scene) {
	s.kubectl("create", "configmap", "settings", "-n", s.namespace, "--from-literal=PODINFO_UI_MESSAGE=one")
	s.kubectl("set", "env", "deployment/podinfo", "--from=configmap/settings", "-n", s.namespace)
	s.kubectl("rollout", "status", "deployment/podinfo", "-n", s.namespace, "--timeout=120s")
	s.begin(twoSteps)
	users := s.users()
	require.Equal(s.t, "one", s.setting("settings-primary"))
	since := time.Now()
	s.kubectl("patch", "configmap", "settings", "-n", s.namespace, "--type=merge", "-p", `{"data":{"PODINFO_UI_MESSAGE":"two"}}`)
	s.reach("Progressing 20", since)
	require.Equal(s.t, "one", s.setting("settings-primary"), "the primary keeps what it was promoted with")
	s.reach("Succeeded", since)
	require.Equal(s.t, "two", s.setting("settings-primary"))
	s.lossless(users)
}

func (s *scene) setting(name string) string {
	s.t.Helper()
	c := &corev1.ConfigMap{}
	s.get(name, c)
	return c.Data["PODINFO_UI_MESSAGE"]
}

const scaler = `
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: podinfo, namespace: %s}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: podinfo}
  minReplicas: 2
  maxReplicas: 4
  metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 99}}}]
`

func autoscaled(s *scene) {
	s.apply(fmt.Sprintf(scaler, s.namespace))
	s.begin(`
  autoscalerRef: {apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, name: podinfo, primaryScalerReplicas: {minReplicas: 2, maxReplicas: 5}}
  analysis: {interval: 10s, threshold: 1, stepWeights: [50]}
`)
	users := s.users()
	copied := &autoscalingv2.HorizontalPodAutoscaler{}
	s.get("podinfo-primary", copied)
	require.Equal(s.t, "podinfo-primary", copied.Spec.ScaleTargetRef.Name)
	require.Equal(s.t, int32(5), copied.Spec.MaxReplicas)
	s.kubectl("wait", "deployment/podinfo-primary", "-n", s.namespace, "--for=jsonpath={.status.availableReplicas}=2", "--timeout=120s")
	sizes, err := walk.Follow(s.t.Context(), s.client, &appsv1.DeploymentList{}, client.InNamespace(s.namespace))
	require.NoError(s.t, err)
	since := s.release("3.1.1")
	s.reach("Succeeded", since)
	s.runs("podinfo-primary", "3.1.1", 2)
	s.settled()
	for _, e := range sizes.Entries() {
		if d, ok := e.Object.(*appsv1.Deployment); ok && d.Name == "podinfo-primary" {
			require.GreaterOrEqual(s.t, *d.Spec.Replicas, int32(2), "at %s", e.At)
		}
	}
	s.lossless(users)
}

package suite

import (
	"fmt"
	"strings"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/e2e/internal/walk"
)

// stepping are rollouts whose steps, or whose end, are judged in ways of their own.
func stepping() map[string]scenario {
	return map[string]scenario{
		"JobAfterSwitch": {
			reason: "A Job that fails when everybody is with the new revision takes it back; the same revision can be tried again.",
			play:   jobAfterSwitch,
		},
		"PromotedIntoFailure": {
			reason: "Who promotes a pause gets the next step's checks: one that fails goes back at once, with the value that was found.",
			play:   promotedIntoFailure,
		},
		"WithoutService": {
			reason: "An application that nobody asks by a Service is released by numbers of pods, and never has fewer than before.",
			play:   withoutService,
		},
	}
}

func jobAfterSwitch(s *scene) {
	s.furnished()
	s.apply(strings.ReplaceAll(measures, "NAMESPACE", s.namespace))
	s.begin(`
  analysis:
    interval: 10s
    threshold: 1
    iterations: 1
    metrics: [{name: smoke, inline: true, templateRef: {name: smoke}, thresholdRange: {min: 1}}]
    promotion: {bake: 20s, bakeMetrics: [smoke]}
`)
	users := s.users()
	since := s.releaseBroken("3.1.1")
	s.reach("Progressing 100", since)
	s.reach("Failed", since)
	require.NoError(s.t, walk.Sequence(s.rows(since), "Progressing 0", "Progressing 100", "Failed 0"))
	s.said(since, "Rolling back podinfo."+s.namespace+" failed checks threshold reached 1")
	require.Equal(s.t, "Failed", s.measured("smoke")[0].Verdict)
	s.only(users, "3.1.0", time.Now().Add(slowly))
	s.runs("podinfo-primary", "3.1.0", 1)
	s.stopped()

	s.kubectl("patch", "metrictemplate", "smoke", "-n", s.namespace, "--type=json", "-p",
		`[{"op":"replace","path":"/spec/job/spec/template/spec/containers/0/command","value":["curl","--version"]}]`)
	since = time.Now()
	s.act("retry", "")
	s.reach("Succeeded", since)
	require.NoError(s.t, walk.Sequence(s.rows(since), "Progressing 0", "Progressing 100", "Promoting 100", "Finalising 0", "Succeeded 0"))
	s.runs("podinfo-primary", "3.1.1", 1)
	s.lossless(users)
}

// errorsOfCanary counts what the canary's pods have answered with 500 since they started.
const errorsOfCanary = `sum(http_request_duration_seconds_count{namespace="%s", pod=~"podinfo-[0-9a-z]+-[0-9a-z]+", status="500"})`

func promotedIntoFailure(s *scene) {
	count := fmt.Sprintf(errorsOfCanary, s.namespace)
	s.begin(`
  analysis:
    interval: 10s
    threshold: 1
    steps:
    - {name: half, weight: 50, pause: {}}
    - {name: judged, weight: 50, metrics: [errors]}
    metrics:
    - {name: errors, inline: true, query: '` + count + ` or vector(0)', thresholdRange: {max: 5}}
`)
	users := s.users()
	since := s.release("3.1.1")
	s.said(since, "Canary is paused at step 1 of 2 (half) and waits for promote.")
	visitors := s.visitors("/status/500", "curl", 10)
	s.eventually("Prometheus to know of the errors", func() bool {
		found := s.prometheus(count+" > 5", time.Time{})
		return len(found) == 1
	})
	visitors.Stop()
	require.Equal(s.t, "Progressing 50", walk.Last(s.rows(since)).String(), "nobody has promoted it")
	s.act("promote", " step=1")
	s.reach("Failed", since)
	s.said(since, "promote by anna of podinfo."+s.namespace+"*", "Rolling back podinfo."+s.namespace+" failed checks threshold reached 1")
	found := s.measured("errors")[0]
	require.Equal(s.t, "Failed", found.Verdict)
	require.NotEmpty(s.t, found.Value)
	s.only(users, "3.1.0", time.Now().Add(slowly))
	s.stopped()

	since = time.Now()
	s.act("retry", "")
	s.said(since, "Canary is paused at step 1 of 2 (half) and waits for promote.")
	s.eventually("Prometheus to have forgotten the pods before", func() bool { return len(s.prometheus(count+" > 5", time.Time{})) == 0 })
	s.act("promote", " step=1")
	s.reach("Succeeded", since)
	require.NoError(s.t, walk.Sequence(s.rows(since), "Progressing 0", "Progressing 50", "Promoting 50", "Finalising 0", "Succeeded 0"))
	s.runs("podinfo-primary", "3.1.1", 1)
	s.lossless(users)
}

// unasked is a Canary of an application without a Service.
const unasked = `
apiVersion: flagger.app/v1beta1
kind: Canary
metadata: {name: podinfo, namespace: %s}
spec:
  provider: kubernetes
  targetRef: {apiVersion: apps/v1, kind: Deployment, name: podinfo}
  progressDeadlineSeconds: 60
  analysis:
    interval: 10s
    threshold: 1
    replicaRatio: true
    steps: [{weight: 20, duration: 20s}, {weight: 80}]
`

func withoutService(s *scene) {
	s.kubectl("scale", "deployment", "podinfo", "-n", s.namespace, "--replicas=5")
	s.kubectl("rollout", "status", "deployment/podinfo", "-n", s.namespace, "--timeout=120s")
	sizes, err := walk.Follow(s.t.Context(), s.client, &appsv1.DeploymentList{}, client.InNamespace(s.namespace))
	require.NoError(s.t, err)
	since := time.Now()
	s.apply(fmt.Sprintf(unasked, s.namespace))
	s.reach("Initialized", since)
	s.stopped()
	since = s.release("3.1.1")
	s.reach("Progressing 20", since)
	s.reached(20)
	s.reach("Progressing 80", since)
	s.reached(80)
	s.reach("Succeeded", since)
	require.NoError(s.t, walk.Sequence(s.rows(since), "Progressing 0", "Progressing 20", "Progressing 80", "Promoting 80", "Finalising 0", "Succeeded 0"))
	s.settled()
	s.runs("podinfo-primary", "3.1.1", 5)
	available := map[string]int32{}
	for _, e := range sizes.Entries() {
		d, ok := e.Object.(*appsv1.Deployment)
		if !ok {
			continue
		}
		available[d.Name] = d.Status.AvailableReplicas
		require.GreaterOrEqual(s.t, available["podinfo"]+available["podinfo-primary"], int32(5), "at %s: %v", e.At, available)
	}
	all := &corev1.ServiceList{}
	require.NoError(s.t, s.client.List(s.t.Context(), all, client.InNamespace(s.namespace)))
	require.Empty(s.t, all.Items, "nobody has asked for one")
}

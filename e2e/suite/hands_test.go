package suite

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/e2e/internal/walk"
)

// hands are rollouts that people put a hand on.
func hands() map[string]scenario {
	return map[string]scenario{
		"Hands": {
			reason: "A rollout waits at a pause for as long as nobody promotes it, can be held and aborted, and be tried again.",
			play:   putHandsOn,
		},
		"Bake": {
			reason: "A revision whose pods fail their liveness probe when everybody has it is taken back by a change of routes, within seconds.",
			play:   bakeFails,
		},
	}
}

// stepwise has a pause, and a bake.
const stepwise = `
  analysis:
    interval: 10s
    threshold: 1
    steps:
    - {name: some, weight: 20, pause: {}}
    - {weight: 50, duration: 15s}
    promotion: {bake: 30s}
`

// sluice is a person's hand: kubectl's plugin, which waits for the operator's answer. What is refused is an error.
func (s *scene) sluice(args ...string) string {
	s.t.Helper()
	out := s.kubectl(append(append([]string{"sluice"}, args...), "-n", s.namespace)...)
	s.t.Logf("$ kubectl sluice %s\n%s", strings.Join(args, " "), out)
	return out
}

// paused waits, as a pipeline does, until the rollout of 3.1.1 waits for a person.
func (s *scene) paused() {
	s.t.Helper()
	s.sluice("status", "podinfo", "--image", "podinfod=stefanprodan/podinfo:3.1.1", "--until", "paused", "--timeout", patience.String())
}

// act asks for something by the annotation that the docs give, without the plugin.
func (s *scene) act(verb, more string) {
	s.t.Helper()
	revision := s.kubectl("get", "canary", "podinfo", "-n", s.namespace, "-o", "jsonpath={.status.lastAppliedSpec}")
	s.kubectl("annotate", "canary", "podinfo", "-n", s.namespace, "--overwrite",
		fmt.Sprintf("sluice.dev/action=%s id=%d revision=%s%s", verb, time.Now().Unix(), revision, more), "sluice.dev/action-by=anna")
}

func putHandsOn(s *scene) {
	s.begin(stepwise)
	users := s.users()
	since := s.release("3.1.1")
	s.paused()
	s.said(since, "Canary is paused at step 1 of 3 (some) and waits for promote.")
	// Longer than two intervals.
	time.Sleep(25 * time.Second)
	require.Equal(s.t, "Progressing 20", walk.Last(s.rows(since)).String())
	s.sluice("abort", "podinfo", "--reason", "not today")
	s.reach("Failed", since)
	s.said(since, "abort by * of podinfo."+s.namespace+": the canary is rolled back (not today)")
	s.stopped()
	since = time.Now()
	s.sluice("retry", "podinfo")
	s.paused()
	s.sluice("promote", "podinfo")
	s.reach("Progressing 50", since)
	s.act("pause", "")
	s.eventually("it is held", func() bool { return s.status("waitingFor") == "Held" })
	s.act("resume", "")
	s.reach("Succeeded", since)
	require.NoError(s.t, walk.Sequence(s.rows(since),
		"Progressing 0", "Progressing 20", "Progressing 50", "Progressing 100", "Promoting 100", "Finalising 0", "Succeeded 0"))
	s.runs("podinfo-primary", "3.1.1", 1)
	s.settled()

	since = time.Now()
	s.sluice("rollback", "podinfo", "--reason", "users complain")
	s.reach("Failed", since)
	s.runs("podinfo-primary", "3.1.0", 1)
	s.only(users, "3.1.0", time.Now().Add(slowly))
	s.lossless(users)
}

// watchfully has a revision that the kubelet ends when it says that it is not ready, which is no reason here to take it from its
// Service.
const watchfully = `[
	{"op":"replace","path":"/spec/template/spec/containers/0/image","value":"stefanprodan/podinfo:3.1.1"},
	{"op":"replace","path":"/spec/template/spec/containers/0/readinessProbe","value":{"httpGet":{"path":"/version","port":"http"},"periodSeconds":1,"failureThreshold":60}},
	{"op":"add","path":"/spec/template/spec/containers/0/startupProbe","value":{"httpGet":{"path":"/version","port":"http"},"periodSeconds":1,"failureThreshold":60}},
	{"op":"add","path":"/spec/template/spec/containers/0/livenessProbe","value":{"httpGet":{"path":"/readyz","port":"http"},"periodSeconds":1,"failureThreshold":2,"timeoutSeconds":5}}]`

// bakeFails has a process that ends in good order when it is told to, as most servers do: its exit code is 0.
func bakeFails(s *scene) {
	// Longer than the probe takes to fail, on a busy machine too.
	s.begin(`
  analysis: {interval: 10s, threshold: 1, iterations: 1, promotion: {bake: 60s}}
`)
	users := s.users()
	before := s.podsOf("podinfo-primary")
	pods, err := walk.Follow(s.t.Context(), s.client, &corev1.PodList{}, client.InNamespace(s.namespace), client.MatchingLabels{"app": "podinfo"})
	require.NoError(s.t, err)
	routes := ownRoute{kind: virtualService()}.watched(s)
	since := time.Now()
	s.kubectl("patch", "deployment", "podinfo", "-n", s.namespace, "--type=json", "-p", watchfully)
	switched := s.reach("Progressing 100", since)
	lag := s.lag(users, switched)
	s.only(users, "3.1.1", switched.At.Add(lag))
	time.Sleep(time.Until(switched.At.Add(20 * time.Second)))
	s.unready(s.podsOf("podinfo")[0])
	s.reach("Failed", since)

	ended, at := restarted(s, pods)
	back := restored(s, routes, switched.At)
	seen := users.Since(since)
	s.t.Logf("MEASURED a process ended: its status to routes at 100/0: %.3f s; %s", back.Sub(ended).Seconds(), seen)
	require.Less(s.t, back.Sub(ended), 2*time.Second)
	// The time at which a process ended is told in whole seconds.
	require.Zero(s.t, users.Window(time.Time{}, at.Add(-time.Second)).Failed, "its pods were still answering: %s", seen)
	require.Zero(s.t, users.Since(back.Add(lag)).Failed, "the revision before could have answered: %s", seen)
	s.said(since, "Rolling back podinfo."+s.namespace+": a pod of podinfo."+s.namespace+" failed while it baked: podinfod of *")
	s.only(users, "3.1.0", back.Add(lag))
	require.Equal(s.t, before, s.podsOf("podinfo-primary"), "no pod has to be started for it")
	s.stopped()
}

// unready has a pod say from now on that it is not ready.
func (s *scene) unready(pod string) {
	s.t.Helper()
	file := filepath.Join(s.t.TempDir(), "nothing.json")
	require.NoError(s.t, os.WriteFile(file, []byte("{}"), 0o600))
	// Its answer has no body, which kubectl takes for an error.
	_, _ = s.Quiet(s.t.Context(), "create", "--raw", "/api/v1/namespaces/"+s.namespace+"/pods/"+pod+":9898/proxy/readyz/disable", "-f", file)
}

// podsOf are the names of those that serve for a Deployment.
func (s *scene) podsOf(deployment string) []string {
	s.t.Helper()
	return strings.Fields(s.kubectl("get", "pods", "-n", s.namespace, "-l", "app="+deployment, "-o", "jsonpath={.items[*].metadata.name}"))
}

// restarted is when a container was seen to have ended, and when it did.
func restarted(s *scene, pods *walk.Journal) (seen, ended time.Time) {
	s.t.Helper()
	for _, e := range pods.Entries() {
		pod, ok := e.Object.(*corev1.Pod)
		if !ok || len(pod.Status.ContainerStatuses) == 0 {
			continue
		}
		c := pod.Status.ContainerStatuses[0]
		if t := cmp.Or(c.State.Terminated, c.LastTerminationState.Terminated); t != nil && pod.DeletionTimestamp == nil {
			s.t.Logf("%s ended with %d: %s", c.Name, t.ExitCode, t.Reason)
			return e.At, t.FinishedAt.Time
		}
	}
	require.FailNow(s.t, "no container has ended")
	return seen, ended
}

// restored is when, after a moment, everybody was routed to the primary.
func restored(s *scene, routes *walk.Journal, after time.Time) (at time.Time) {
	s.t.Helper()
	require.NoError(s.t, routes.Wait(within(s.t, patience), func(entries []walk.Entry) bool {
		for _, e := range entries {
			if u, ok := e.Object.(*unstructured.Unstructured); ok && e.At.After(after) && weightsOf(u)["podinfo-primary"] == 100 {
				at = e.At
				return true
			}
		}
		return false
	}))
	return at
}

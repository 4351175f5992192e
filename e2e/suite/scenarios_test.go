package suite

import (
	"maps"
	"os"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/sluice-cd/sluice/e2e/internal/walk"
	"github.com/stretchr/testify/require"
)

// scenario is one story about one Canary.
type scenario struct {
	reason string
	play   func(*scene)
}

func scenarios() map[string]scenario {
	all := map[string]scenario{}
	for _, some := range []map[string]scenario{
		strategies(), changes(), failures(), strangers(), audiences(), gates(), hands(), looks(), stepping(), keeping(), kinds(), judgements(), listeners(), roads(), recalls(),
		ownRoutes(), proxyless(), forecasts(), committed(),
	} {
		maps.Copy(all, some)
	}
	// They need steady traffic for minutes, which nothing may disturb: `make soak` plays them by themselves.
	if os.Getenv("SOAK") != "" {
		maps.Copy(all, comparisons())
	}
	return all
}

// strategies are the ways of a good revision.
func strategies() map[string]scenario {
	return map[string]scenario{
		"Lifetime": {
			reason: "From before there is a Canary until after it, through a promotion and a rollback, nobody is turned away.",
			play:   lifetime,
		},
		"Uninstalled": {
			reason: "Clients of the Service that Sluice made lose no request when the Canary goes, and then what it left behind.",
			play:   uninstalled,
		},
		"StepWeights": {
			reason: "The weights are those that were listed, in their order.",
			play: rollout(`
  analysis: {interval: 10s, threshold: 1, stepWeights: [5, 30, 80]}
`, "Progressing 0", "Progressing 5", "Progressing 30", "Progressing 80", "Promoting 80", "Finalising 0", "Succeeded 0"),
		},
		"StepWeightPromotion": {
			reason: "Traffic comes back to the new primary in steps as well.",
			play: rollout(`
  analysis: {interval: 10s, threshold: 1, stepWeight: 60, maxWeight: 60, stepWeightPromotion: 30}
`, "Progressing 0", "Progressing 60", "Promoting 60", "Promoting 30", "Finalising 0", "Succeeded 0"),
		},
		"SkipAnalysis": {
			reason: "Without an analysis a revision is promoted as soon as it is ready, and no user meets it before.",
			play: rollout(`
  skipAnalysis: true
  analysis: {interval: 10s, threshold: 1, stepWeight: 50}
`, "Progressing 0", "Promoting 0", "Finalising 0", "Succeeded 0"),
		},
		"BlueGreen": {
			reason: "All checks come before the first user; then all users come at once.",
			play:   blueGreen,
		},
		"BlueGreenRefused": {
			reason: "A revision that fails its checks is never met by a user.",
			play:   blueGreenRefused,
		},
		"ServicesAlone": {
			reason: "Without a mesh the apex Service itself moves, and loses nobody.",
			play:   servicesAlone,
		},
	}
}

// rollout plays a good revision under a spec and wants just these rows.
func rollout(spec string, want ...string) func(*scene) {
	return func(s *scene) {
		s.begin(spec)
		users := s.users()
		since := s.release("3.1.1")
		s.reach("Succeeded", since)
		require.NoError(s.t, walk.Sequence(s.rows(since), want...))
		s.runs("podinfo-primary", "3.1.1", 1)
		s.settled()
		s.lossless(users)
		s.only(users, "3.1.1", time.Now())
	}
}

// settled waits until the target is stopped, as it is between rollouts.
func (s *scene) settled() {
	s.t.Helper()
	s.stopped()
	s.kubectl("wait", "canary/podinfo", "-n", s.namespace, "--for=condition=promoted", "--timeout=120s")
	s.kubectl("wait", "canary/podinfo", "-n", s.namespace, "--for=condition=ready", "--timeout=30s")
}

// stopped waits until the target does not run, however its rollout ended.
func (s *scene) stopped() {
	s.t.Helper()
	s.kubectl("wait", "deployment/podinfo", "-n", s.namespace, "--for=jsonpath={.spec.replicas}=0", "--timeout=120s")
}

func blueGreen(s *scene) {
	s.begin(`
  analysis: {interval: 10s, threshold: 1, iterations: 2}
`)
	users := s.users()
	since := s.release("3.1.1")
	switched := s.reach("Progressing 100", since)
	before := users.Window(time.Time{}, switched.At)
	require.Zero(s.t, before.ByVersion["3.1.1"], "users met the new version while it was being checked")
	promoting := s.reach("Promoting", since)
	met := users.Window(switched.At.Add(s.lag(users, switched)), promoting.At)
	require.NotZero(s.t, met.Total)
	require.Equal(s.t, met.Total, met.ByVersion["3.1.1"], "all users meet the canary: %s", met)
	s.reach("Succeeded", since)
	require.NoError(s.t, walk.Sequence(s.rows(since), "Progressing 0", "Progressing 100", "Promoting 100", "Finalising 0", "Succeeded 0"))
	s.said(since,
		"New revision detected! Scaling up podinfo."+s.namespace,
		"Starting canary analysis for podinfo."+s.namespace,
		"Advance podinfo."+s.namespace+" canary iteration 1/2",
		"Advance podinfo."+s.namespace+" canary iteration 2/2",
		"Routing all traffic to canary",
		"Copying podinfo."+s.namespace+" template spec to podinfo-primary."+s.namespace,
		"Routing all traffic to primary",
		"Promotion completed! Scaling down podinfo."+s.namespace,
	)
	s.lossless(users)
}

// refusal fails every check that counts, as a broken acceptance test would.
const refusal = `
    webhooks:
    - {name: acceptance, type: rollout, url: "http://flagger-loadtester.test/gate/halt", timeout: 5s}
`

func blueGreenRefused(s *scene) {
	s.begin(`
  analysis:
    interval: 10s
    threshold: 2
    iterations: 3` + refusal)
	users := s.users()
	since := s.release("3.1.1")
	s.reach("Failed", since)
	require.NoError(s.t, walk.Sequence(s.rows(since), "Progressing 0", "Failed 0"))
	s.said(since,
		"Halt podinfo."+s.namespace+" advancement external check acceptance failed*",
		"Rolling back podinfo."+s.namespace+" failed checks threshold reached 2",
		"Canary failed! Scaling down podinfo."+s.namespace,
	)
	s.runs("podinfo-primary", "3.1.0", 1)
	s.only(users, "3.1.0", time.Time{})
	s.lossless(users)
}

func servicesAlone(s *scene) {
	s.begin(`
  provider: kubernetes
  analysis: {interval: 10s, threshold: 1, iterations: 1}
`)
	users := s.neighbours()
	since := s.release("3.1.1")
	switched := s.reach("Progressing 100", since)
	require.Zero(s.t, users.Window(time.Time{}, switched.At).ByVersion["3.1.1"])
	s.reach("Succeeded", since)
	require.NoError(s.t, walk.Sequence(s.rows(since), "Progressing 0", "Progressing 100", "Promoting 100", "Finalising 0", "Succeeded 0"))
	s.runs("podinfo-primary", "3.1.1", 1)
	s.refuse()
	since = s.release("3.1.2")
	s.reach("Failed", since)
	require.NoError(s.t, walk.Sequence(s.rows(since), "Progressing 0", "Failed 0"))
	require.Zero(s.t, users.Since(since).ByVersion["3.1.2"], "users met a version that failed its checks")
	s.lossless(users)
}

// refuse has a Canary that is there fail its checks from now on.
func (s *scene) refuse() {
	s.t.Helper()
	s.kubectl("patch", "canary", "podinfo", "-n", s.namespace, "--type=merge", "-p",
		`{"spec":{"analysis":{"webhooks":[{"name":"acceptance","type":"rollout","url":"http://flagger-loadtester.test/gate/halt","timeout":"5s"}]}}}`)
}

// service is the application's own Service, which was there before any Canary.
const service = `
apiVersion: v1
kind: Service
metadata: {name: podinfo, namespace: NAMESPACE, labels: {team: shop}}
spec:
  selector: {app: podinfo}
  ports: [{name: http, port: 9898, targetPort: http}]
`

// lifetime has two kinds of users: those who ask the application's own Service, from the beginning to the end,
// and those who come through the gateway while there are routes.
func lifetime(s *scene) {
	s.apply(strings.ReplaceAll(service, "NAMESPACE", s.namespace))
	neighbours := s.neighbours()
	s.begin(`
  revertOnDeletion: true
  analysis: {interval: 10s, threshold: 1, stepWeights: [20, 50]}
`)
	s.settled()
	users := s.users()
	since := s.release("3.1.1")
	s.reach("Succeeded", since)
	s.settled()
	s.refuse()
	since = s.release("3.1.2")
	s.reach("Failed", since)
	require.NoError(s.t, walk.Sequence(s.rows(since), "Progressing 0", "Progressing 20", "Failed 0"))
	s.stopped()
	s.lossless(users)
	users.Stop()

	s.kubectl("delete", "canary", "podinfo", "-n", s.namespace, "--timeout=120s")
	s.kubectl("wait", "deployment/podinfo-primary", "-n", s.namespace, "--for=delete", "--timeout=120s")
	s.kubectl("wait", "pods", "-l", "app=podinfo-primary", "-n", s.namespace, "--for=delete", "--timeout=120s")
	s.runs("podinfo", "3.1.2", 1)
	given := &corev1.Service{}
	s.get("podinfo", given)
	require.Equal(s.t, map[string]string{"app": "podinfo"}, given.Spec.Selector, "the Service is as it was")
	require.Equal(s.t, "shop", given.Labels["team"])
	require.Empty(s.t, given.OwnerReferences, "the Service stays")
	s.only(neighbours, "3.1.2", time.Now())
	s.lossless(neighbours)
}

// uninstalled follows docs/operations/lifecycle.md, with neighbours who ask the apex Service all the while.
func uninstalled(s *scene) {
	s.begin(`
  revertOnDeletion: true
  analysis: {interval: 10s, threshold: 1, stepWeights: [50]}
`)
	s.settled()
	neighbours := s.neighbours()
	since := s.release("3.1.1")
	s.reach("Succeeded", since)
	s.settled()
	s.kubectl("delete", "canary", "podinfo", "-n", s.namespace, "--cascade=orphan", "--timeout=120s")
	given := &corev1.Service{}
	s.get("podinfo", given)
	require.Equal(s.t, map[string]string{"app": "podinfo"}, given.Spec.Selector)
	require.Empty(s.t, given.OwnerReferences, "it must not go with the Canary")
	s.runs("podinfo-primary", "3.1.1", 1)
	s.kubectl("delete", "virtualservice", "podinfo", "-n", s.namespace)
	time.Sleep(settling)
	s.kubectl("delete", "service", "podinfo-canary", "podinfo-primary", "-n", s.namespace)
	s.kubectl("delete", "deployment", "podinfo-primary", "-n", s.namespace)
	s.kubectl("wait", "pods", "-l", "app=podinfo-primary", "-n", s.namespace, "--for=delete", "--timeout=120s")
	s.only(neighbours, "3.1.1", time.Now())
	s.lossless(neighbours)
}

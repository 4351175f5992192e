package suite

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-cd/sluice/e2e/internal/traffic"
	"github.com/sluice-cd/sluice/e2e/internal/walk"
)

// comparisons are rollouts that are judged by what canary and primary did at the same time.
func comparisons() map[string]scenario {
	return map[string]scenario{
		"OnePointWorse": {
			reason: "A canary that fails one request of a hundred more than its primary is stopped.",
			play:   onePointWorse,
		},
		"SlowTail": {
			reason: "A canary that is slow to two requests of a hundred, and as fast as its primary to all others, is stopped.",
			play:   slowTail,
		},
		"TwentyAlike": {
			reason: "Canaries that fail as their primaries do are promoted, twenty of twenty.",
			play:   twentyAlike,
		},
	}
}

// compared is a rollout whose half of all requests are the canary's. It ends with certainty about a point: the margin is
// half of that. A Prometheus that has a lot to do may miss all of a window, which is then part of the next one.
const compared = `
  analysis:
    interval: INTERVAL
    threshold: 5
    stepWeights: [50, 51, 52, 53, 54, 55, 56, 57]
    metrics: [{name: METRIC, baseline: primary, margin: 0.005, maxHold: 10m, onNoData: wait}]
`

// crowd is how many requests a second the application has: of ten seconds each side has about six hundred, and what is
// found here takes four to eight times as many.
const crowd = 120

// crowd asks so often on a machine that has a lot to do, too: else more than one of a hundred would fail.
func (s *scene) crowd() *traffic.Client {
	s.t.Helper()
	return s.ask(traffic.Config{URL: s.gateway, Host: s.host(), Rate: crowd, Workers: 24})
}

// onePointWorse has one request of four hundred fail on both sides, and one of a hundred on the canary alone.
func onePointWorse(s *scene) {
	s.furnished()
	s.begin(strings.NewReplacer("METRIC", "request-success-rate", "INTERVAL", "10s").Replace(compared))
	s.crowd()
	s.visitors("/status/500", "curl", crowd/400.)
	browsers := s.visitors("/", browser, crowd/100.)
	since := s.releaseBroken("3.1.1")
	s.reach("Progressing 50", since)
	s.eventually("evidence where people look", func() bool {
		told := s.kubectl("describe", "canary", "podinfo", "-n", s.namespace)
		return strings.Contains(told, "Against:") && strings.Contains(told, "For:") && strings.Contains(told, "Needed:")
	})
	failed := s.reach("Failed", since)
	s.said(since, "Halt podinfo."+s.namespace+" advancement success rate * of requests failed, primary *; would happen by chance once in * rollouts",
		"Rolling back podinfo."+s.namespace+": metric request-success-rate failed for good: *")
	found := s.measured("request-success-rate")[0]
	s.t.Logf("MEASURED one point worse: stopped %.0f s after its first step: %s", failed.At.Sub(s.reach("Progressing 50", since).At).Seconds(), found.Value)
	require.Greater(s.t, found.share(s), found.figure(s, `primary ([0-9.]+) %`))
	s.stopped()
	back := time.Now()
	require.NoError(s.t, s.answered(browsers, back, 10))
	require.Zero(s.t, browsers.Since(back).Failed, "after the rollback browsers are served again")
}

// slowTail has a backend that the new release alone asks, and that takes three seconds: longer than anything takes on a
// machine that has a lot to do. The first window says which bounds are compared, and has to see some of these answers.
func slowTail(s *scene) {
	s.begin(strings.NewReplacer("METRIC", "request-duration", "INTERVAL", "20s").Replace(compared))
	users := s.crowd()
	callers := s.ask(traffic.Config{URL: s.gateway + "/echo", Host: s.host(), Rate: crowd / 50., Workers: 24})
	since := time.Now()
	s.kubectl("patch", "deployment", "podinfo", "-n", s.namespace, "--type=json", "-p",
		`[{"op":"add","path":"/spec/template/spec/containers/0/command/-","value":"--backend-url=http://localhost:9898/chunked/3"},
		  {"op":"replace","path":"/spec/template/spec/containers/0/image","value":"stefanprodan/podinfo:3.1.1"}]`)
	step := s.reach("Progressing 50", since)
	failed := s.reach("Failed", since)
	s.said(since, "Halt podinfo."+s.namespace+" advancement request duration * of requests slower than * ms, primary *; would happen by chance once in * rollouts",
		"Rolling back podinfo."+s.namespace+": metric request-duration failed for good: *")
	s.t.Log(strings.Join(s.texts(since), "\n"))
	s.t.Logf("MEASURED slow tail: stopped %.0f s after its first step: %s", failed.At.Sub(step.At).Seconds(), s.measured("request-duration")[0].Value)
	// What most users see is the same, so that only the tail was found.
	require.Less(s.t, median(users, step.At.Add(s.lag(users, step)), failed.At, "3.1.1"), time.Second)
	s.lossless(users)
	s.lossless(callers)
}

// median is how long half of the answers of a version took at most.
func median(users *traffic.Client, from, to time.Time, version string) time.Duration {
	var took []time.Duration
	for _, answers := range users.ByWorker(from) {
		for _, a := range answers {
			if a.Version == version && a.Sent.Before(to) {
				took = append(took, a.Took)
			}
		}
	}
	slices.Sort(took)
	return took[len(took)/2]
}

// alike is a Canary of which there are many. What is wrong with one of them by chance would be wrong with the test: it is
// to happen once in ten thousand rollouts.
const alike = `
---
apiVersion: flagger.app/v1beta1
kind: Canary
metadata: {name: NAME, namespace: NAMESPACE}
spec:
  targetRef: {apiVersion: apps/v1, kind: Deployment, name: NAME}
  progressDeadlineSeconds: 120
  service:
    port: 9898
    gateways: [public-gateway.istio-system.svc.cluster.local]
    hosts: [NAME.NAMESPACE.example.com]
  analysis:
    interval: 10s
    threshold: 5
    stepWeights: [50]
    metrics: [{name: request-success-rate, baseline: primary, confidence: 0.9999, margin: 0.1, maxHold: 10m, onNoData: wait}]
`

// twentyAlike rolls out twenty applications at once, of which one request of fifty fails on either side.
func twentyAlike(s *scene) {
	var names, deployments []string
	text := ""
	for i := range 20 {
		name := fmt.Sprintf("shop-%02d", i)
		names, deployments = append(names, name), append(deployments, "deployment/"+name)
		text += "---" + strings.NewReplacer("name: podinfo,", "name: "+name+",", "app: podinfo", "app: "+name).Replace(fmt.Sprintf(application, s.namespace)) +
			strings.NewReplacer("NAMESPACE", s.namespace, "NAME", name).Replace(alike)
	}
	s.apply(text)
	s.all(names, "Initialized", time.Time{})
	for _, name := range names {
		host := name + "." + s.namespace + ".example.com"
		s.ask(traffic.Config{URL: s.gateway, Host: host, Rate: 8, Workers: 1})
		failing := traffic.Start(s.t.Context(), traffic.Config{URL: s.gateway + "/status/500", Host: host, Rate: 8. / 50, Workers: 1})
		s.t.Cleanup(failing.Stop)
	}
	since := time.Now()
	s.kubectl(append(append([]string{"set", "image"}, deployments...), "podinfod=stefanprodan/podinfo:3.1.1", "-n", s.namespace)...)
	s.all(names, "Succeeded", since)
	s.t.Logf("MEASURED twenty alike: promoted %.0f s after their release", time.Since(since).Seconds())
	for _, name := range names {
		rows := walk.From(walk.Rows(s.canaries.Entries(), name), since)
		require.NoError(s.t, walk.Sequence(rows, "Progressing 0", "Progressing 50", "Promoting 50", "Finalising 0", "Succeeded 0"), name)
	}
}

// all waits until all of these Canaries are in a phase. It is patient anew with each of them that gets on.
func (s *scene) all(names []string, phase string, since time.Time) {
	s.t.Helper()
	left := func() (missing []string, rows int) {
		for _, name := range names {
			its := walk.From(walk.Rows(s.canaries.Entries(), name), since)
			rows += len(its)
			if _, there := walk.First(its, phase); !there {
				missing = append(missing, fmt.Sprintf("%s (%s)", name, walk.Last(its)))
			}
		}
		return missing, rows
	}
	for missing, known := left(); len(missing) > 0; missing, known = left() {
		err := s.canaries.Wait(within(s.t, patience), func([]walk.Entry) bool {
			missing, rows := left()
			return len(missing) == 0 || rows > known
		})
		require.NoError(s.t, err, "waiting for %s of %v", phase, missing)
		for _, name := range names {
			if _, failed := walk.First(walk.From(walk.Rows(s.canaries.Entries(), name), since), "Failed"); failed {
				why := s.kubectl("get", "canary", name, "-n", s.namespace, "-o", "jsonpath={.status.lastFailure}")
				require.FailNow(s.t, name+" was taken for worse", why)
			}
		}
	}
}

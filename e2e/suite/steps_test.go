package suite

import (
	"fmt"
	"strings"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/e2e/internal/traffic"
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
			reason: "Who promotes a pause gets the next step's checks: one that fails goes back at once, with the value that was found. Of a route that others use too, weights alone move.",
			play:   promotedIntoFailure,
		},
		"Preview": {
			reason: "A revision that waits has an address of its own, which reaches nothing else, until a person has everybody get it.",
			play:   preview,
		},
		"BlueGreenOfFive": {
			reason: "Both sides keep their five pods, in sight and with the time that is left, until the new revision has had everybody for as long as was asked for, and no longer.",
			play:   blueGreenOfFive,
		},
		"PromotedInFull": {
			reason: "Who does not want to wait has everybody get the revision from the step that it is at, and is remembered for it.",
			play:   promotedInFull,
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

// shared is a user's own route for two programs: what rollouts move, and what they have nothing to do with.
const shared = `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: storefront, namespace: NAMESPACE}
spec:
  hosts: [HOST]
  gateways: [istio-system/public-gateway]
  http:
  - name: about
    match: [{uri: {prefix: /api}}]
    headers: {request: {set: {x-about: "yes"}}}
    route: [{destination: {host: podinfo, port: {number: 9898}}}]
  - name: primary
    match: [{uri: {exact: /}}, {uri: {prefix: /status/}}]
    route:
    - {destination: {host: podinfo-primary}, weight: 100}
    - {destination: {host: podinfo-canary}, weight: 0}
`

// byRoute is a Canary that moves the weights of a route named storefront.
func (s *scene) byRoute(analysis string) string {
	s.t.Helper()
	given := s.canary(analysis)
	shape := "    gateways: [public-gateway.istio-system.svc.cluster.local]\n    hosts: [" + s.host() + "]\n"
	require.Contains(s.t, given, shape)
	return strings.Replace(given, shape, "    routeRefs: [{kind: VirtualService, name: storefront}]\n", 1)
}

func promotedIntoFailure(s *scene) {
	count := fmt.Sprintf(errorsOfCanary, s.namespace)
	route := ownRoute{rules: "http", backends: "route", kind: virtualService()}
	s.apply(strings.NewReplacer("NAMESPACE", s.namespace, "HOST", s.host()).Replace(shared))
	written, journal := route.live(s), route.watched(s)
	since := time.Now()
	s.apply(s.byRoute(`
  analysis:
    interval: 10s
    threshold: 1
    steps:
    - {name: half, weight: 50, pause: {}}
    - {name: judged, weight: 50, metrics: [errors]}
    metrics:
    - {name: errors, inline: true, query: '` + count + ` or vector(0)', thresholdRange: {max: 5}}
`))
	s.reach("Initialized", since)
	s.stopped()
	users := s.users()
	since = s.release("3.1.1")
	half := s.reach("Progressing 50", since)
	s.paused()
	visitors := s.visitors("/status/500", "curl", 10)
	s.eventually("Prometheus to know of the errors", func() bool {
		found := s.prometheus(count+" > 5", time.Time{})
		return len(found) == 1
	})
	visitors.Stop()
	require.Equal(s.t, "Progressing 50", walk.Last(s.rows(since)).String(), "nobody has promoted it")
	from := half.At.Add(s.lag(users, half))
	s.eventually("users to be divided", func() bool { return users.Since(from).Total >= 100 })
	s.divided(users, from, time.Now(), 50)
	s.sluice("promote", "podinfo")
	s.reach("Failed", since)
	s.said(since, "promote by * of podinfo."+s.namespace+"*", "Rolling back podinfo."+s.namespace+" failed checks threshold reached 1")
	found := s.measured("errors")[0]
	require.Equal(s.t, "Failed", found.Verdict)
	require.NotEmpty(s.t, found.Value)
	require.Equal(s.t, "<= 5", found.Limit)
	s.only(users, "3.1.0", time.Now().Add(slowly))
	s.stopped()

	since = time.Now()
	s.sluice("retry", "podinfo")
	s.paused()
	s.eventually("Prometheus to have forgotten the pods before", func() bool { return len(s.prometheus(count+" > 5", time.Time{})) == 0 })
	s.sluice("promote", "podinfo")
	s.sluice("status", "podinfo", "--image", "podinfod=stefanprodan/podinfo:3.1.1", "--timeout", patience.String())
	s.reach("Succeeded", since)
	require.NoError(s.t, walk.Sequence(s.rows(since), "Progressing 0", "Progressing 50", "Promoting 50", "Finalising 0", "Succeeded 0"))
	s.runs("podinfo-primary", "3.1.1", 1)
	s.settled()
	require.Equal(s.t, [][3]int64{{100}, {50, 50}, {100}, {50, 50}, {100}}, route.moved(s, journal, written))
	require.Equal(s.t, written.Object["spec"], route.live(s).Object["spec"], "the route is as it was written")
	s.only(users, "3.1.1", time.Now())
	s.lossless(users)
}

// doorToCanary is a user's own route to the canary's Service, for those who look at a revision before it is promoted.
const doorToCanary = `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: preview, namespace: NAMESPACE}
spec:
  hosts: [preview.HOST]
  gateways: [istio-system/public-gateway]
  http: [{route: [{destination: {host: podinfo-canary}}]}]
`

func preview(s *scene) {
	s.begin(`
  analysis: {interval: 10s, threshold: 1, iterations: 1, promotion: {auto: false}}
`)
	s.apply(strings.NewReplacer("NAMESPACE", s.namespace, "HOST", s.host()).Replace(doorToCanary))
	s.stopped()
	users := s.users()
	since := s.release("3.1.1")
	s.paused()
	require.Equal(s.t, "WaitingPromotion 0", walk.Last(s.rows(since)).String())
	testers := s.ask(traffic.Config{URL: s.gateway, Host: "preview." + s.host(), Rate: 20})
	s.only(testers, "3.1.1", time.Time{})
	testers.Stop()
	s.only(users, "3.1.0", time.Time{})

	s.sluice("promote", "podinfo", "--full")
	s.reach("Succeeded", since)
	s.endedEarly()
	s.settled()
	s.runs("podinfo-primary", "3.1.1", 1)
	s.only(users, "3.1.1", time.Now())
	s.lossless(testers)
	s.lossless(users)
}

// blueGreenOfFive has a bake that ends between two checks.
func blueGreenOfFive(s *scene) {
	s.five()
	s.begin(`
  analysis: {interval: 30s, threshold: 1, steps: [{weight: 0}, {weight: 100}], promotion: {bake: 35s}}
`)
	s.apply(strings.NewReplacer("NAMESPACE", s.namespace, "HOST", s.host()).Replace(doorToCanary))
	s.stopped()
	users := s.users()
	since := s.release("3.1.1")
	testers := s.ask(traffic.Config{URL: s.gateway, Host: "preview." + s.host(), Rate: 20})
	switched := s.reach("Progressing 100", since)
	require.Zero(s.t, users.Window(time.Time{}, switched.At).ByVersion["3.1.1"], "nobody meets it before all do")
	s.only(testers, "3.1.1", time.Time{})
	testers.Stop()
	until := s.until()
	require.Contains(s.t, s.kubectl("get", "canary", "podinfo", "-n", s.namespace, "-o", `jsonpath={.status.conditions[?(@.type=="Waiting")].message}`), "bakes until")
	seen := s.sluice("get", "podinfo")
	require.Contains(s.t, seen, "podinfo 3.1.0 → 3.1.1")
	require.Equal(s.t, 10, strings.Count(seen, "ready:1/1"), "five of each")
	s.runs("podinfo", "3.1.1", 5)
	s.runs("podinfo-primary", "3.1.0", 5)
	s.only(users, "3.1.1", switched.At.Add(s.lag(users, switched)))
	promoting := s.reach("Promoting 100", since)
	s.endedAt(until, promoting)
	s.reach("Succeeded", since)
	require.NoError(s.t, walk.Sequence(s.rows(since), "Progressing 0", "Progressing 100", "Promoting 100", "Finalising 0", "Succeeded 0"))
	s.settled()
	s.runs("podinfo-primary", "3.1.1", 5)
	s.only(users, "3.1.1", time.Now())
	s.lossless(testers)
	s.lossless(users)
}

// five has the application run on five pods.
func (s *scene) five() {
	s.t.Helper()
	s.kubectl("scale", "deployment", "podinfo", "-n", s.namespace, "--replicas=5")
	s.kubectl("rollout", "status", "deployment/podinfo", "-n", s.namespace, "--timeout=120s")
}

// until is when the step, or its pause, ends by itself, in whole seconds.
func (s *scene) until() time.Time {
	s.t.Helper()
	at, err := time.Parse(time.RFC3339, s.status("stepUntil").(string))
	require.NoError(s.t, err)
	return at
}

// endedAt wants a row to come at the end that was told, and not with the next check that would have been made without it.
func (s *scene) endedAt(until time.Time, next walk.Row) {
	s.t.Helper()
	late := next.At.Sub(until)
	s.t.Logf("MEASURED from the end that was told to %q: %.2f s", next, late.Seconds())
	require.GreaterOrEqual(s.t, late, time.Duration(0), "it has its time")
	require.Less(s.t, late, 10*time.Second, "no check is waited for that comes later")
}

func promotedInFull(s *scene) {
	s.begin(`
  analysis: {interval: 30s, threshold: 1, stepWeights: [20, 40, 60]}
`)
	users := s.users()
	since := s.release("3.1.1")
	s.reach("Progressing 20", since)
	s.sluice("promote", "podinfo", "--full")
	s.reach("Succeeded", since)
	require.NoError(s.t, walk.Sequence(s.rows(since), "Progressing 0", "Progressing 20", "Promoting 20", "Finalising 0", "Succeeded 0"))
	s.endedEarly()
	s.settled()
	s.runs("podinfo-primary", "3.1.1", 1)
	s.only(users, "3.1.1", time.Now())
	s.lossless(users)
}

// endedEarly says that it is kept who has ended the last rollout before its time.
func (s *scene) endedEarly() {
	s.t.Helper()
	require.Equal(s.t, "Promoted", s.status("run", "outcome"))
	actions := s.status("run", "actions").([]any)
	last := actions[len(actions)-1].(map[string]any)
	require.Equal(s.t, "promote-full", last["verb"])
	require.NotEmpty(s.t, last["by"])
	require.Contains(s.t, s.sluice("history", "podinfo"), last["by"])
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
    interval: 30s
    threshold: 1
    replicaRatio: true
    steps: [{weight: 20, pause: {after: 33s}}, {weight: 80}]
`

func withoutService(s *scene) {
	s.five()
	sizes, err := walk.Follow(s.t.Context(), s.client, &appsv1.DeploymentList{}, client.InNamespace(s.namespace))
	require.NoError(s.t, err)
	since := time.Now()
	s.apply(fmt.Sprintf(unasked, s.namespace))
	s.reach("Initialized", since)
	s.stopped()
	since = s.release("3.1.1")
	s.reach("Progressing 20", since)
	s.reached(20)
	s.eventually("the pause", func() bool { return s.status("waitingFor") == "StepPaused" })
	until := s.until()
	require.Contains(s.t, s.sluice("list"), "StepPaused")
	seen := s.sluice("get", "podinfo")
	require.Contains(s.t, seen, "podinfo 3.1.0 → 3.1.1")
	require.Equal(s.t, 5, strings.Count(seen, "ready:1/1"), "one of five is the canary's")
	s.endedAt(until, s.reach("Progressing 80", since))
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

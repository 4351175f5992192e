package suite

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/sluice-cd/sluice/e2e/internal/traffic"
	"github.com/sluice-cd/sluice/e2e/internal/walk"
)

// judgements are rollouts that stand or fall by what was measured.
func judgements() map[string]scenario {
	return map[string]scenario{
		"Baseline": {
			reason: "Errors that both sides have are nobody's fault; errors that only the canary has are its own, and chance does not explain them.",
			play:   baseline,
		},
		"BuiltinMetrics": {
			reason: "The built-in queries return the very numbers of the requests that were sent, for either side.",
			play:   builtins,
		},
		"Templates": {
			reason: "A number may come from a query that has no answer yet, from any web server, or from a Job.",
			play:   templates,
		},
	}
}

// furnished gives the application the page that it shows to browsers.
func (s *scene) furnished() {
	s.t.Helper()
	s.kubectl("create", "configmap", "page", "-n", s.namespace, "--from-literal=vue.html=hello")
	s.kubectl("patch", "deployment", "podinfo", "-n", s.namespace, "--type=json", "-p", `[
		{"op":"add","path":"/spec/template/spec/containers/0/command/-","value":"--ui-path=/page"},
		{"op":"add","path":"/spec/template/spec/containers/0/volumeMounts","value":[{"name":"page","mountPath":"/page"}]},
		{"op":"add","path":"/spec/template/spec/volumes","value":[{"name":"page","configMap":{"name":"page"}}]}]`)
	s.kubectl("rollout", "status", "deployment/podinfo", "-n", s.namespace, "--timeout=120s")
}

// releaseBroken is a release that starts and is ready, answers programs as ever, and fails browsers, since it looks
// for its page in the wrong place.
func (s *scene) releaseBroken(version string) time.Time {
	s.t.Helper()
	since := time.Now()
	s.kubectl("patch", "deployment", "podinfo", "-n", s.namespace, "--type=json", "-p", fmt.Sprintf(
		`[{"op":"replace","path":"/spec/template/spec/containers/0/command/4","value":"--ui-path=/none"},
		  {"op":"replace","path":"/spec/template/spec/containers/0/image","value":"stefanprodan/podinfo:%s"}]`, version))
	return since
}

// visitors ask for one page, and may be let down.
func (s *scene) visitors(page, agent string, rate float64) *traffic.Client {
	s.t.Helper()
	header := http.Header{"User-Agent": {agent}}
	c := traffic.Start(s.t.Context(), traffic.Config{URL: s.gateway + page, Host: s.host(), Rate: rate, Headers: header})
	s.t.Cleanup(c.Stop)
	return c
}

const browser = "Mozilla/5.0"

func baseline(s *scene) {
	s.furnished()
	s.begin(`
  analysis:
    interval: 10s
    threshold: 1
    stepWeights: [50, 60]
    metrics: [{name: request-success-rate, baseline: primary, confidence: 0.999, margin: 0.1, maxHold: 5m}]
`)
	users := s.ask(traffic.Config{URL: s.gateway, Host: s.host(), Rate: 40})
	s.visitors("/status/500", "curl", 4) // what is wrong with both sides alike
	browsers := s.visitors("/", browser, 10)
	since := s.release("3.1.1")
	s.reach("Succeeded", since)
	require.NoError(s.t, walk.Sequence(s.rows(since), "Progressing 0", "Progressing 50", "Progressing 60", "Promoting 60", "Finalising 0", "Succeeded 0"))
	for _, m := range s.measured("request-success-rate") {
		require.Greater(s.t, m.share(s), 2., "the visitors' errors are in the figures, so that a fixed limit of 99 would have failed")
	}
	require.Zero(s.t, browsers.Since(time.Time{}).Failed)
	s.settled()

	since = s.releaseBroken("3.1.2")
	failed := s.reach("Failed", since)
	s.said(since, "Halt podinfo."+s.namespace+" advancement success rate * of requests failed, primary *; would happen by chance once in * rollouts",
		"Rolling back podinfo."+s.namespace+": metric request-success-rate failed for good: *")
	s.stopped()
	back := time.Now()
	require.NoError(s.t, s.answered(browsers, back, 50))
	after := browsers.Since(back)
	require.Zero(s.t, after.Failed, "after the rollback browsers are served again: %s", after)
	s.t.Logf("browsers during the bad rollout: %s", browsers.Window(since, failed.At))
	s.lossless(users)
}

// measurement is one of status.analysis.
type measurement struct {
	Time                         time.Time
	Value, Limit, Query, Verdict string
}

// measured are a metric's measurements in the Canary's status, the newest first.
func (s *scene) measured(name string) []measurement {
	s.t.Helper()
	found := measurements(s.t, s.own(), name)
	require.NotEmpty(s.t, found, "nothing is recorded of %s", name)
	for _, one := range found {
		s.t.Logf("MEASURED %s: %s, %s", name, one.Value, one.Verdict)
	}
	return found
}

// measurements are a metric's in a Canary's status.
func measurements(t *testing.T, canary *unstructured.Unstructured, name string) []measurement {
	t.Helper()
	var status struct {
		Analysis struct {
			Metrics []struct {
				Name         string
				Measurements []measurement
			}
		}
	}
	raw, err := json.Marshal(canary.Object["status"])
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(raw, &status))
	for _, m := range status.Analysis.Metrics {
		if m.Name == name {
			return m.Measurements
		}
	}
	return nil
}

// share is the canary's percentage of failures.
func (m measurement) share(s *scene) float64 { return m.figure(s, `^([0-9.]+) %`) }

func (m measurement) figure(s *scene, pattern string) float64 {
	s.t.Helper()
	found := regexp.MustCompile(pattern).FindStringSubmatch(m.Value)
	require.Len(s.t, found, 2, m.Value)
	number, err := strconv.ParseFloat(found[1], 64)
	require.NoError(s.t, err)
	return number
}

// measures are templates of three systems. The first has no answer before somebody asks the canary for the page
// that it counts.
const measures = `
apiVersion: flagger.app/v1beta1
kind: MetricTemplate
metadata: {name: tried, namespace: NAMESPACE}
spec:
  provider: {type: prometheus, address: "http://prometheus.istio-system:9090"}
  query: sum(http_request_duration_seconds_count{namespace="{{ namespace }}", pod=~"{{ target }}-[0-9a-z]+-[0-9a-z]+", path="{{ variables.page }}"})
---
apiVersion: flagger.app/v1beta1
kind: MetricTemplate
metadata: {name: processors, namespace: NAMESPACE}
spec:
  provider: {type: web, address: "http://podinfo-canary.NAMESPACE:9898/api/info"}
  web: {jsonPath: "{.num_cpu}"}
---
apiVersion: flagger.app/v1beta1
kind: MetricTemplate
metadata: {name: smoke, namespace: NAMESPACE}
spec:
  provider: {type: job}
  job:
    spec:
      activeDeadlineSeconds: 60
      template:
        spec:
          containers:
          - name: curl
            image: docker.io/sluicecd/loadtester:latest
            imagePullPolicy: IfNotPresent
            command: [curl, --silent, --show-error, --fail, --user-agent, Mozilla/5.0, "http://{{ service }}-canary.{{ namespace }}:9898/"]
`

func templates(s *scene) {
	s.furnished()
	s.apply(strings.ReplaceAll(measures, "NAMESPACE", s.namespace))
	s.begin(`
  analysis:
    interval: 10s
    threshold: 1
    stepWeights: [50]
    metrics:
    - {name: tried, templateRef: {name: tried}, templateVariables: {page: status}, successCondition: "result >= 5.0", onNoData: wait}
    - {name: processors, templateRef: {name: processors}, successCondition: "result >= 1.0", failureCondition: "result < 1.0"}
    - {name: smoke, templateRef: {name: smoke}, thresholdRange: {min: 1}}
`)
	users := s.users()
	since := s.release("3.1.1")
	step := s.reach("Progressing 50", since)
	s.eventually("the round to wait for values", func() bool { return s.status("analysis", "waitingSince") != nil })
	waiting := s.kubectl("get", "canary", "podinfo", "-n", s.namespace, "-o", `jsonpath={.status.conditions[?(@.type=="Waiting")].message}`)
	require.Contains(s.t, waiting, "tried")
	s.t.Logf("%.1f s after the step: %s", time.Since(step.At).Seconds(), waiting)
	require.Equal(s.t, "Progressing 50", walk.Last(s.rows(since)).String())
	s.visitors("/status/200", "curl", 20)
	s.reach("Succeeded", since)
	require.NoError(s.t, walk.Sequence(s.rows(since), "Progressing 0", "Progressing 50", "Promoting 50", "Finalising 0", "Succeeded 0"))
	require.Equal(s.t, "Passed", s.measured("tried")[0].Verdict)
	require.Equal(s.t, "Passed", s.measured("processors")[0].Verdict)
	require.Equal(s.t, "1", s.measured("smoke")[0].Value)
	s.settled()

	since = s.releaseBroken("3.1.2")
	s.reach("Failed", since)
	s.said(since, "Halt podinfo."+s.namespace+" advancement smoke*error: 500*", "Rolling back podinfo."+s.namespace+" failed checks threshold reached 1")
	require.Equal(s.t, "Failed", s.measured("smoke")[0].Verdict)
	s.lossless(users)
}

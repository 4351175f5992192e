package analysis

import (
	"context"
	"math"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/utils/ptr"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
)

func hooks(url string, names ...string) []v1beta1.CanaryWebhook {
	var all []v1beta1.CanaryWebhook
	for _, n := range names {
		all = append(all, v1beta1.CanaryWebhook{Name: n, URL: url, Metadata: map[string]string{"as": n}})
	}
	return all
}

func rate(least float64) v1beta1.CanaryMetric {
	return v1beta1.CanaryMetric{Name: "request-success-rate", Interval: "1m", ThresholdRange: &v1beta1.ThresholdRange{Min: &least}}
}

func TestAnswer(t *testing.T) {
	hook := &recorder{}
	url := serve(t, hook.ServeHTTP)
	found := ask(t.Context(), impatient(serve(t, measuring("100"))), podinfo(), checks{
		Hooks:   append(typed(v1beta1.PreRolloutHook, hooks(url, "smoke", "acceptance")), hooks(url, "load")...),
		Metrics: []v1beta1.CanaryMetric{rate(99), {Name: "errors", Query: "q", Threshold: 100}},
	})
	for i, f := range found {
		require.Equal(t, i >= 3, f.Measurement != nil, "Metrics are measured, hooks are not.")
		found[i].Measurement = nil
	}
	passed := rollout.Finding{Verdict: v1beta1.Passed}
	require.Equal(t, []rollout.Finding{passed, passed, passed, passed, passed}, found, "One answer to each question, and nothing said about what passed.")
}

func TestAnswerToNothing(t *testing.T) {
	require.Empty(t, ask(t.Context(), New("", "istio"), podinfo(), checks{}), "Nothing asked, nothing found.")
}

func TestAnswerMessages(t *testing.T) {
	cases := map[string]struct {
		reason string
		server http.HandlerFunc // Prometheus
		hook   http.HandlerFunc
		ask    func(url string) checks
		want   string // %s is the server's host
	}{
		"PreRollout": {
			reason: "The interface's text for a failed pre-rollout check.",
			hook:   saying(500, "token not found"),
			ask: func(url string) checks {
				return checks{Hooks: typed(v1beta1.PreRolloutHook, hooks(url, "acceptance-test"))}
			},
			want: "Halt podinfo.test advancement pre-rollout check acceptance-test failed 500 Internal Server Error: token not found",
		},
		"Rollout": {
			reason: "The interface's text for a failed check during the rollout.",
			hook:   saying(403, "not now"),
			ask:    func(url string) checks { return checks{Hooks: hooks(url, "load-test")} },
			want:   "Halt podinfo.test advancement external check load-test failed 403 Forbidden: not now",
		},
		"SuccessRate": {
			reason: "Too many requests failed.",
			server: measuring("97.5"),
			ask:    asking(rate(99)),
			want:   "Halt podinfo.test advancement success rate 97.50% < 99%",
		},
		"Duration": {
			reason: "Requests took too long.",
			server: measuring("1515.3"),
			ask:    asking(v1beta1.CanaryMetric{Name: "request-duration", Threshold: 500}),
			want:   "Halt podinfo.test advancement request duration 1.515s > 500ms",
		},
		"Query": {
			reason: "A metric of the user's own goes by its name.",
			server: measuring("12.345"),
			ask:    asking(v1beta1.CanaryMetric{Name: "404s percentage", Query: "q", ThresholdRange: ptr.To(between(0, 5))}),
			want:   "Halt podinfo.test advancement 404s percentage 12.35 > 5",
		},
		"NoTraffic": {
			reason: "No data most often means that nobody asks the canary.",
			server: measuring("NaN"),
			ask:    asking(rate(99)),
			want: "Halt advancement no values found for istio metric request-success-rate probably podinfo.test is not receiving traffic: no requests were counted in the last 1m " +
				`(prometheus "%s": query returned no data: the result is not a number)`,
		},
		"NoTrafficDuration": {
			reason: "The same for durations, in the words of the interface.",
			server: measuring("NaN"),
			ask:    asking(v1beta1.CanaryMetric{Name: "request-duration", Threshold: 500}),
			want:   "Halt advancement no values found for istio metric request-duration probably podinfo.test is not receiving traffic: no requests were counted in the last 1m",
		},
		"NoValues": {
			reason: "The operator cannot know what a query of the user's own is about.",
			server: measuring("NaN"),
			ask:    asking(v1beta1.CanaryMetric{Name: "errors", Query: "q"}),
			want:   "Halt advancement no values found for metric: errors",
		},
		"PrometheusDown": {
			reason: "A server that fails is not a canary without traffic.",
			server: saying(503, ""),
			ask:    asking(rate(99)),
			want:   `Prometheus query failed: prometheus "%s": server_error: server error: 503`,
		},
		"PrometheusDownQuery": {
			reason: "A query of the user's own goes by its name here too.",
			server: saying(503, ""),
			ask:    asking(v1beta1.CanaryMetric{Name: "errors", Query: "q"}),
			want:   `Prometheus query failed for errors: prometheus "%s": server_error: server error: 503`,
		},
		"MissingVariable": {
			reason: "A query that lacks a word is not asked.",
			server: measuring("1"),
			ask:    asking(v1beta1.CanaryMetric{Name: "errors", Query: `{{ variables.code }}`}),
			want: `Prometheus query failed for errors: rendering the query: template: query:1:3: executing "query" ` +
				`at <variables>: map has no entry for key "code"`,
		},
		"Unknown": {
			reason: "A metric that says nothing about what to ask has not passed.",
			server: measuring("1"),
			ask:    asking(v1beta1.CanaryMetric{Name: "latency"}),
			want:   "Metric query failed for no usable metrics template and query were configured: latency",
		},
		"Template": {
			reason: "A template that cannot be followed has not passed, even beside a query that could be.",
			server: measuring("1"),
			ask: asking(v1beta1.CanaryMetric{
				Name: "errors", Query: "q", TemplateRef: &v1beta1.CrossNamespaceRef{Name: "errors", Namespace: "flux"},
			}),
			want: "Metric template errors.flux error: nothing can be read from the cluster",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			server, hook := serve(t, orOK(tc.server)), serve(t, orOK(tc.hook))
			found := ask(t.Context(), impatient(server), podinfo(), tc.ask(hook))
			require.Len(t, found, 1)
			require.Equal(t, v1beta1.Failed, found[0].Verdict, tc.reason)
			want := strings.ReplaceAll(tc.want, "%s", strings.TrimPrefix(server, "http://"))
			require.Equal(t, want, found[0].Message, tc.reason)
		})
	}
}

func asking(m v1beta1.CanaryMetric) func(string) checks {
	return func(string) checks { return checks{Metrics: []v1beta1.CanaryMetric{m}} }
}

func orOK(h http.HandlerFunc) http.HandlerFunc {
	if h == nil {
		return saying(200, "")
	}
	return h
}

// TestOneRoundIsParallel lets every check wait until all the others have been asked too: were there an
// order among them, none would ever be answered.
func TestOneRoundIsParallel(t *testing.T) {
	const twelve = 12
	var asked sync.WaitGroup
	asked.Add(twelve)
	together := func(answer http.HandlerFunc) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			asked.Done()
			asked.Wait()
			answer(w, r)
		}
	}
	hook, server := serve(t, together(saying(200, ""))), serve(t, together(measuring("100")))
	q := checks{Hooks: hooks(hook, "a", "b")}
	for range twelve - 2 {
		q.Metrics = append(q.Metrics, rate(99))
	}
	found := ask(t.Context(), impatient(server), podinfo(), q)
	require.Len(t, found, twelve)
	require.True(t, agreed(found), "found %v", found)
}

func TestSlowHookHoldsUpNobodyElse(t *testing.T) {
	a := impatient("")
	slow := hooks(serve(t, stalled), "slow")
	slow[0].Timeout = "1h"
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan []rollout.Finding)
	go func() { ended <- ask(ctx, a, podinfo(), checks{Hooks: slow}) }()

	other := podinfo()
	other.Name = "other"
	found := ask(t.Context(), a, other, checks{Hooks: hooks(serve(t, saying(200, "")), "quick")})
	require.True(t, agreed(found), "Another Canary's checks are answered meanwhile.")

	cancel()
	require.False(t, agreed(<-ended), "A round that was broken off has not passed.")
}

func TestMetricsServer(t *testing.T) {
	c := podinfo()
	c.Spec.MetricsServer = serve(t, measuring("50"))
	found := ask(t.Context(), New(serve(t, measuring("100")), "istio"), c, asking(rate(99))(""))
	require.Equal(t, v1beta1.Failed, found[0].Verdict, "The Canary's own server is asked.")
	require.Equal(t, "Halt podinfo.test advancement success rate 50.00% < 99%", found[0].Message)
}

func TestQueries(t *testing.T) {
	cases := map[string]struct {
		reason string
		change func(c *v1beta1.Canary)
		metric v1beta1.CanaryMetric
		want   []string // parts of the query
	}{
		"Default": {
			reason: "The operator's provider, one minute.",
			metric: v1beta1.CanaryMetric{Name: "request-success-rate"},
			want:   []string{"istio_requests_total", `destination_workload=~"podinfo"`, `destination_workload_namespace="test"`, "offset 1m"},
		},
		"Interval": {
			reason: "The metric's own interval.",
			metric: v1beta1.CanaryMetric{Name: "request-duration", Interval: "30s"},
			want:   []string{"istio_request_duration_milliseconds_bucket", "[30s]"},
		},
		"Provider": {
			reason: "The Canary's own provider.",
			change: func(c *v1beta1.Canary) { c.Spec.Provider = "kubernetes" },
			metric: v1beta1.CanaryMetric{Name: "request-success-rate"},
			want:   []string{"http_request_duration_seconds_count", `kubernetes_namespace="test"`},
		},
		"Service": {
			reason: "The service is the apex, whatever the target is called.",
			change: func(c *v1beta1.Canary) { c.Spec.Service.Name = "front" },
			metric: v1beta1.CanaryMetric{Name: "x", Query: `{{ service }} {{ target }} {{ ingress }} {{ route }} {{ name }}`},
			want:   []string{"front" + strings.Repeat(" podinfo", 4)},
		},
		"References": {
			reason: "Ingress and route are those the Canary names.",
			change: func(c *v1beta1.Canary) {
				c.Spec.IngressRef = &v1beta1.IngressRef{Name: "door"}
				c.Spec.RouteRef = &v1beta1.RouteRef{Name: "way"}
			},
			metric: v1beta1.CanaryMetric{Name: "x", Query: `{{ ingress }} {{ route }}`},
			want:   []string{"door way"},
		},
		"Variables": {
			reason: "A query of the user's own has its variables, and looks back a minute too.",
			metric: v1beta1.CanaryMetric{Name: "x", Query: `{{ variables.code }}[{{ interval }}]`, TemplateVariables: map[string]string{"code": "404"}},
			want:   []string{"404[1m]"},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			var asked string
			server := serve(t, func(w http.ResponseWriter, r *http.Request) {
				asked = r.FormValue("query")
				measuring("100")(w, r)
			})
			c := podinfo()
			if tc.change != nil {
				tc.change(c)
			}
			ask(t.Context(), New(server, "istio"), c, asking(tc.metric)(""))
			for _, part := range tc.want {
				require.Contains(t, asked, part, tc.reason)
			}
		})
	}
}

func TestUnknownProviderHasNoBuiltins(t *testing.T) {
	c := podinfo()
	c.Spec.Provider = "isto"
	found := ask(t.Context(), New(serve(t, measuring("100")), "istio"), c, asking(rate(99))(""))
	require.Equal(t, `Prometheus query failed: there are no built-in metrics for provider "isto"`, found[0].Message,
		"No provider is ever taken for another.")
}

// TestObserveUnits has what is exported be in the interface's units, which dashboards rely on.
func TestObserveUnits(t *testing.T) {
	cases := map[string]struct {
		reason string
		metric v1beta1.CanaryMetric
		want   float64
	}{
		"Duration":    {reason: "Seconds, as Prometheus has durations.", metric: v1beta1.CanaryMetric{Name: "request-duration", Threshold: 500}, want: 0.1},
		"SuccessRate": {reason: "Percent.", metric: v1beta1.CanaryMetric{Name: "request-success-rate"}, want: 100},
		"OwnQuery":    {reason: "A query of the user's has a unit of its own, whatever its name.", metric: v1beta1.CanaryMetric{Name: "request-duration", Query: "q"}, want: 100},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			a := impatient(serve(t, measuring("100")))
			got := math.NaN()
			a.Observe = func(_ *v1beta1.Canary, _ string, value float64) { got = value }
			require.Equal(t, "100", one(t, a, tc.metric).Measurement.Value, "The status stays in the metric's unit.")
			require.InDelta(t, tc.want, got, 1e-12, tc.reason)
		})
	}
}

func TestObserve(t *testing.T) {
	seen := map[string]float64{}
	var mu sync.Mutex
	a := New(serve(t, measuring("42")), "istio")
	a.Observe = func(c *v1beta1.Canary, metric string, value float64) {
		mu.Lock()
		defer mu.Unlock()
		seen[c.Name+"/"+metric] = value
	}
	ask(t.Context(), a, podinfo(), checks{Metrics: []v1beta1.CanaryMetric{rate(99), {Name: "errors", Query: "q"}}})
	require.Equal(t, map[string]float64{"podinfo/request-success-rate": 42, "podinfo/errors": 42}, seen,
		"What was measured is told, whether it passed or not.")

	clear(seen)
	c := podinfo()
	c.Spec.MetricsServer = serve(t, measuring("NaN"))
	ask(t.Context(), a, c, asking(rate(99))(""))
	require.Empty(t, seen, "What was not measured is not a zero.")
}

func TestFailed(t *testing.T) {
	cases := map[string]struct {
		reason string
		server http.HandlerFunc
		want   int
	}{
		"Down":   {"whoever runs the system has to know", saying(http.StatusServiceUnavailable, ""), 1},
		"NoData": {"an answer without data is one", measuring("NaN"), 0},
		"Fine":   {"so is a number", measuring("42"), 0},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			failed := 0
			a := New(serve(t, tc.server), "istio")
			a.Failed = func(system string) {
				require.Equal(t, "prometheus", system)
				failed++
			}
			ask(t.Context(), a, podinfo(), checks{Metrics: []v1beta1.CanaryMetric{rate(99)}})
			require.Equal(t, tc.want, failed, tc.reason)
		})
	}
}

func typed(moment v1beta1.HookType, hooks []v1beta1.CanaryWebhook) []v1beta1.CanaryWebhook {
	for i := range hooks {
		hooks[i].Type = moment
	}
	return hooks
}

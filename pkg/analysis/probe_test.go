package analysis

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

func TestProbe(t *testing.T) {
	cases := map[string]struct {
		reason  string
		server  http.HandlerFunc
		metrics []v1beta1.CanaryMetric
		want    string // part of the error; empty: all is there
	}{
		"None":        {reason: "Nothing to ask for.", server: saying(500, "")},
		"Builtin":     {reason: "A Prometheus that answers.", server: measuring("1"), metrics: []v1beta1.CanaryMetric{rate(99)}},
		"Silent":      {reason: "It need not have the metric yet: nobody has asked the canary.", server: answersOnly("vector(1)"), metrics: []v1beta1.CanaryMetric{rate(99)}},
		"Template":    {reason: "A template that is there.", server: measuring("1"), metrics: []v1beta1.CanaryMetric{referring("here")}},
		"Down":        {reason: "One that does not.", server: saying(503, ""), metrics: []v1beta1.CanaryMetric{rate(99)}, want: "metric request-success-rate: prometheus "},
		"NoTemplate":  {reason: "A template that is not there.", server: measuring("1"), metrics: []v1beta1.CanaryMetric{rate(99), referring("gone")}, want: "Metric template gone.test error: it does not exist"},
		"NoWord":      {reason: "A query that cannot be asked.", server: measuring("1"), metrics: []v1beta1.CanaryMetric{{Name: "x", Query: "{{ variables.x }}"}}, want: `map has no entry for key "x"`},
		"UnknownName": {reason: "A metric that says nothing.", server: measuring("1"), metrics: []v1beta1.CanaryMetric{{Name: "latency"}}, want: "no usable metrics template and query were configured: latency"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			server := serve(t, tc.server)
			a := impatient(server)
			a.Library = &shelf{templates: map[string]v1beta1.MetricTemplateSpec{"test/here": template(server, "errors")}}
			c := podinfo()
			c.Spec.Analysis = &v1beta1.CanaryAnalysis{Metrics: tc.metrics}
			err := a.Probe(t.Context(), c)
			if tc.want == "" {
				require.NoError(t, err, tc.reason)
				return
			}
			require.ErrorContains(t, err, tc.want, tc.reason)
		})
	}
	require.NoError(t, impatient("").Probe(t.Context(), podinfo()), "Without an analysis there is nothing to probe.")
}

// answersOnly is a Prometheus that has data for one query only.
func answersOnly(query string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("query") == query {
			measuring("1")(w, r)
			return
		}
		vector()(w, r)
	}
}

func TestShown(t *testing.T) {
	cases := map[string]struct {
		reason, address, want string
	}{
		"Plain":      {reason: "An address without secrets.", address: "http://prometheus:9090/prom", want: "http://prometheus:9090/prom"},
		"Secrets":    {reason: "Neither its user nor its query.", address: "https://me:p4ss@prometheus/x?token=t0ken", want: "https://prometheus/x"},
		"Unreadable": {reason: "One that nobody can read is not quoted.", address: "http://a b:c", want: "the metrics server"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) { require.Equal(t, tc.want, shown(tc.address), tc.reason) })
	}
}

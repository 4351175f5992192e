package analysis

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
)

var errGone = errors.New("it does not exist")

// shelf is a Library of values, which counts how often it is read.
type shelf struct {
	mu        sync.Mutex
	templates map[string]v1beta1.MetricTemplateSpec // by namespace/name
	secrets   map[string]map[string]string          // the same
	reads     []string
}

func (s *shelf) read(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads = append(s.reads, what)
}

func (s *shelf) Template(_ context.Context, _ *v1beta1.Canary, ref v1beta1.CrossNamespaceRef) (*v1beta1.MetricTemplate, error) {
	key := ref.Namespace + "/" + ref.Name
	s.read("template " + key)
	spec, ok := s.templates[key]
	if !ok {
		return nil, errGone
	}
	return &v1beta1.MetricTemplate{ObjectMeta: metav1.ObjectMeta{Namespace: ref.Namespace, Name: ref.Name}, Spec: spec}, nil
}

func (s *shelf) Secret(_ context.Context, namespace, name string) (map[string][]byte, error) {
	key := namespace + "/" + name
	s.read("secret " + key)
	secret, ok := s.secrets[key]
	if !ok {
		return nil, errGone
	}
	data := map[string][]byte{}
	for k, v := range secret {
		data[k] = []byte(v)
	}
	return data, nil
}

// template is a query to a Prometheus.
func template(address, query string) v1beta1.MetricTemplateSpec {
	return v1beta1.MetricTemplateSpec{Provider: v1beta1.MetricProvider{Type: "prometheus", Address: address}, Query: query}
}

func referring(name string) v1beta1.CanaryMetric {
	return v1beta1.CanaryMetric{Name: "errors", TemplateRef: &v1beta1.CrossNamespaceRef{Name: name}, ThresholdRange: &v1beta1.ThresholdRange{Max: new(5.0)}}
}

// one asks an Analyst for one metric.
func one(t *testing.T, a *Analyst, m v1beta1.CanaryMetric) rollout.Finding {
	t.Helper()
	found := ask(t.Context(), a, podinfo(), checks{Metrics: []v1beta1.CanaryMetric{m}})
	require.Len(t, found, 1)
	require.NotNil(t, found[0].Measurement, "Every metric leaves a measurement.")
	require.Equal(t, found[0].Verdict, found[0].Measurement.Verdict)
	return found[0]
}

func TestTemplateMessages(t *testing.T) {
	cases := map[string]struct {
		reason    string
		server    http.HandlerFunc
		query     string
		change    func(spec *v1beta1.MetricTemplateSpec)
		metric    v1beta1.CanaryMetric
		variables map[string]string
		verdict   v1beta1.Verdict
		want      string // part of the message
	}{
		"Passes": {
			reason: "The value is in range.", server: measuring("3"), query: "errors", metric: referring("here"), verdict: v1beta1.Passed,
		},
		"TooMany": {
			reason: "A metric goes by its own name.", server: measuring("7"), query: "errors", metric: referring("here"),
			verdict: v1beta1.Failed, want: "Halt podinfo.test advancement errors 7.00 > 5",
		},
		"NoValue": {
			reason: "The interface's text for a template without a value.", server: measuring("NaN"), query: "errors", metric: referring("here"),
			verdict: v1beta1.Failed, want: "Halt advancement no values found for custom metric: errors: prometheus",
		},
		"ServerFails": {
			reason: "The interface's text for a query that failed.", server: saying(500, "boom"), query: "errors", metric: referring("here"),
			verdict: v1beta1.Failed, want: "Metric query failed for errors: prometheus",
		},
		"NoTemplate": {
			reason: "A template that is not there is named with its namespace.", metric: referring("gone"),
			verdict: v1beta1.Failed, want: "Metric template gone.test error: it does not exist",
		},
		"NoSecret": {
			reason: "So is its Secret.", query: "errors", metric: referring("here"),
			change:  func(spec *v1beta1.MetricTemplateSpec) { spec.Provider.SecretRef = &v1beta1.SecretRef{Name: "keys"} },
			verdict: v1beta1.Failed, want: "Metric template here.test secret keys error: it does not exist",
		},
		"UnknownType": {
			reason: "No system is ever taken for another.", query: "errors", metric: referring("here"),
			change:  func(spec *v1beta1.MetricTemplateSpec) { spec.Provider.Type = "graphana" },
			verdict: v1beta1.Failed, want: "Metric template here.test provider graphana error: ",
		},
		"NoAddress": {
			reason: "A provider that cannot be made says why.", query: "errors", metric: referring("here"),
			change:  func(spec *v1beta1.MetricTemplateSpec) { spec.Provider.Address = "" },
			verdict: v1beta1.Failed, want: "Metric template here.test provider prometheus error: ",
		},
		"UnknownVariable": {
			reason: "A word that is missing is named.", query: `errors{code="{{ variables.code }}"}`, metric: referring("here"),
			verdict: v1beta1.Failed, want: `Metric template here.test query render error: rendering the query: template: query:1:16: executing "query" at <variables>: map has no entry for key "code"`,
		},
		"UnknownFunction": {
			reason: "So is a function.", query: `errors{app="{{ workload }}"}`, metric: referring("here"),
			verdict: v1beta1.Failed, want: `Metric template here.test query render error: parsing the query: template: query:1: function "workload" not defined`,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			spec := template(serve(t, orOK(tc.server)), tc.query)
			if tc.change != nil {
				tc.change(&spec)
			}
			a := impatient("")
			a.Library = &shelf{templates: map[string]v1beta1.MetricTemplateSpec{"test/here": spec}}
			f := one(t, a, tc.metric)
			require.Equal(t, tc.verdict, f.Verdict, tc.reason)
			if tc.want == "" {
				require.Empty(t, f.Message, tc.reason)
				return
			}
			require.Contains(t, f.Message, tc.want, tc.reason)
			require.Equal(t, f.Message, f.Measurement.Message, "What is told is what is kept.")
		})
	}
}

func TestTemplateQuery(t *testing.T) {
	var asked string
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked = r.FormValue("query")
		measuring("1")(w, r)
	})
	a := impatient("")
	a.Library = &shelf{templates: map[string]v1beta1.MetricTemplateSpec{
		"other/there": template(server, `e{app="{{ target }}",ns="{{ namespace }}",code="{{ variables.code }}"}[{{ interval }}]`),
	}}
	f := one(t, a, v1beta1.CanaryMetric{
		Name:              "errors",
		TemplateRef:       &v1beta1.CrossNamespaceRef{Name: "there", Namespace: "other"},
		TemplateVariables: map[string]string{"code": "404"},
		Query:             "up",
		Threshold:         2,
	})
	require.Equal(t, v1beta1.Passed, f.Verdict, f.Message)
	require.Equal(t, `e{app="podinfo",ns="test",code="404"}[1m]`, asked,
		"The template goes before a query, may be elsewhere, is about the Canary's namespace, and looks back a minute.")
	require.Equal(t, asked, f.Measurement.Query, "The query is kept as it was sent.")
}

func TestRoundSharesTemplates(t *testing.T) {
	s := &shelf{templates: map[string]v1beta1.MetricTemplateSpec{"test/here": template(serve(t, measuring("1")), "errors")}}
	a := impatient("")
	a.Library = s
	q := checks{}
	for range 10 {
		q.Metrics = append(q.Metrics, referring("here"))
	}
	require.True(t, agreed(ask(t.Context(), a, podinfo(), q)))
	require.Equal(t, []string{"template test/here"}, s.reads, "Ten metrics of one template read it once.")
	ask(t.Context(), a, podinfo(), q)
	require.Len(t, s.reads, 2, "The next round reads it again: it may have changed.")
}

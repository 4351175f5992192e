package analysis

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// TestForeignTemplates has a Canary that fills words into the query of another team's template.
func TestForeignTemplates(t *testing.T) {
	cases := map[string]struct {
		reason, word string // empty: it is permitted
		change       func(*v1beta1.Canary, *v1beta1.CanaryMetric)
	}{
		"Plain": {reason: "Words are what templates are for.", change: func(_ *v1beta1.Canary, m *v1beta1.CanaryMetric) {
			m.TemplateVariables = map[string]string{"a": "GET /x.*|y"}
			m.Interval = "5min"
		}},
		"Quote": {reason: "A quote ends a text.", word: "variables.a", change: func(_ *v1beta1.Canary, m *v1beta1.CanaryMetric) {
			m.TemplateVariables = map[string]string{"a": `x"} or vector(0) #`}
		}},
		"Brace":     {reason: "A brace begins a selector.", word: "variables.a", change: func(_ *v1beta1.Canary, m *v1beta1.CanaryMetric) { m.TemplateVariables = map[string]string{"a": `{}`} }},
		"Backslash": {reason: "A backslash takes the quote after it along.", word: "variables.a", change: func(_ *v1beta1.Canary, m *v1beta1.CanaryMetric) { m.TemplateVariables = map[string]string{"a": `\`} }},
		"Interval":  {reason: "An interval is a number and a unit.", word: "interval", change: func(_ *v1beta1.Canary, m *v1beta1.CanaryMetric) { m.Interval = "1m]) or vector(0) #" }},
		"Ingress": {reason: "The name of an ingress is text.", word: "ingress", change: func(c *v1beta1.Canary, _ *v1beta1.CanaryMetric) {
			c.Spec.IngressRef = &v1beta1.IngressRef{Name: `x"}`}
		}},
		"Service": {reason: "So is that of a Service.", word: "service", change: func(c *v1beta1.Canary, _ *v1beta1.CanaryMetric) { c.Spec.Service.Name = `x"}` }},
	}
	for name, tc := range cases {
		for _, namespace := range []string{"there", "test", ""} {
			t.Run(name+strings.ToUpper(namespace), func(t *testing.T) {
				c, m := podinfo(), v1beta1.CanaryMetric{Name: "m", Threshold: 5, TemplateRef: &v1beta1.CrossNamespaceRef{Name: "t", Namespace: namespace}}
				tc.change(c, &m)
				c.Spec.Analysis = &v1beta1.CanaryAnalysis{Metrics: []v1beta1.CanaryMetric{m}}
				spec := v1beta1.MetricTemplateSpec{Query: "up", Provider: v1beta1.MetricProvider{Type: "prometheus", Address: serve(t, measuring("1"))}}
				a := impatient("")
				a.Library = &shelf{templates: map[string]v1beta1.MetricTemplateSpec{"there/t": spec, "test/t": spec}}
				valid, asked := ValidateWords(c), a.Probe(t.Context(), c)
				if tc.word == "" || namespace != "there" {
					require.NoError(t, valid, "Its own templates are the team's affair.")
					require.NoError(t, asked, tc.reason)
					return
				}
				require.ErrorContains(t, valid, "spec.analysis.metrics[0].templateRef: is in another namespace", tc.reason)
				require.ErrorContains(t, valid, "by "+tc.word)
				require.ErrorContains(t, asked, "by "+tc.word, "Nor is it asked.")
			})
		}
	}
}

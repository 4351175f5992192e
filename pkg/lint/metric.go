package lint

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/prometheus/prometheus/promql/parser"

	"github.com/sluice-cd/sluice/pkg/analysis"
	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/metric"
	"github.com/sluice-cd/sluice/pkg/notify"
	"github.com/sluice-cd/sluice/pkg/outbound"
)

// templateOf is the template of a metric; nil: it has none, or the files do not have it.
func (s *set) templateOf(c *canary, m v1beta1.CanaryMetric) *v1beta1.MetricTemplate {
	if m.TemplateRef == nil {
		return nil
	}
	at := m.TemplateRef.KeyFor(c.Canary)
	d := s.find(key{"MetricTemplate", at.Namespace, at.Name}, c.doc)
	if d == nil {
		return nil
	}
	t, err := decode[v1beta1.MetricTemplate](d.object)
	if err != nil {
		return nil
	}
	return t
}

// promql says that a metric is asked of Prometheus.
func (l *look) promql(c *canary, m v1beta1.CanaryMetric) bool {
	if m.TemplateRef == nil {
		return true
	}
	t := l.set.templateOf(c, m)
	return t != nil && t.Spec.Provider.Type == "prometheus"
}

// metric renders the query of one metric and reads it as Prometheus does.
func (l *look) metric(c *canary, path string, m v1beta1.CanaryMetric) {
	words := analysis.Words(c.Canary, m)
	t := l.set.templateOf(c, m)
	switch {
	case m.TemplateRef == nil && m.Query != "":
		if query, err := metric.Render(m.Query, words); err == nil { // else that was found before
			l.query(path+".query", query)
		}
	case t != nil:
		if _, err := metric.Render(t.Spec.Query, words); err == nil {
			return
		}
		// Whatever else is wrong with it is a finding of the template's.
		for _, name := range variables(t.Spec.Query) {
			if _, given := m.TemplateVariables[name]; !given {
				l.advise("template-variable", path+".templateVariables", fmt.Sprintf("Add templateVariables: {%s: …}", name), "MetricTemplate %s needs %q", t.Name, name)
			}
		}
	}
}

// query is a rendered one.
func (l *look) query(path, text string) {
	if what := wrongPromQL(text); what != "" {
		l.find("promql", path, "%s", what)
	}
}

// wrongPromQL is why a query is none; empty: it is one.
func wrongPromQL(text string) string {
	_, err := parser.NewParser(parser.Options{}).ParseExpr(text)
	var all parser.ParseErrors
	switch {
	case err == nil:
		return ""
	case errors.As(err, &all) && len(all) > 0:
		return fmt.Sprintf("at %s: %s", all[0].PositionRange.StartPosInput(all[0].Query, 0), all[0].Err)
	}
	return err.Error()
}

var variable = regexp.MustCompile(`\bvariables\.(\w+)`)

// variables are the names that a template calls, once each.
func variables(text string) []string {
	var names []string
	for _, m := range variable.FindAllStringSubmatch(text, -1) {
		names = append(names, m[1])
	}
	return names
}

// template looks at a MetricTemplate by itself. What its variables will be is not known: a query counts as PromQL if it is with
// a word, a duration or a number.
func (l *look) template(t *v1beta1.MetricTemplate) {
	var wrong *metric.FieldError
	if err := metric.Check(t.Spec); errors.As(err, &wrong) {
		l.find("metric-template", wrong.Field, "%s", wrong.Problem)
	}
	what := ""
	for _, example := range []string{"word", "5m", "1"} {
		words := metric.Vars{Name: "app", Namespace: "test", Target: "app", Service: "app", Backend: "app-canary", Ingress: "app", Route: "app", Interval: "1m", Variables: map[string]string{}}
		for _, name := range variables(t.Spec.Query) {
			words.Variables[name] = example
		}
		query, err := metric.Render(t.Spec.Query, words)
		if err != nil {
			l.find("query-template", "spec.query", "%s", err)
			return
		}
		if t.Spec.Provider.Type != "prometheus" || strings.TrimSpace(query) == "" {
			return
		}
		problem := wrongPromQL(query)
		if problem == "" {
			return
		}
		if what == "" {
			what = problem
		}
	}
	l.find("promql", "spec.query", "%s", what)
}

func (l *look) alertProvider(p *v1beta1.AlertProvider) {
	if err := notify.CheckTemplate(p.Spec.Template); err != nil {
		l.find("alert-template", "spec.template", "%s", err)
	}
	if p.Spec.Address == "" {
		return
	}
	if _, err := outbound.ParseURL(p.Spec.Address); err != nil {
		l.advise("webhook-url", "spec.address", "", "%s", err)
	}
}

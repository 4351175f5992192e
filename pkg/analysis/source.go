package analysis

import (
	"context"
	"fmt"
	"net/url"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/metric"
)

// defaultInterval is how far a metric looks back that does not say.
const defaultInterval = "1m"

// source is whom a metric is asked of, and what.
type source struct {
	canary   *v1beta1.Canary
	metric   v1beta1.CanaryMetric
	provider string // of the traffic
	kind     *kind
	system   metric.Provider
	template string // of the query
	hidden   hidden
}

// snag keeps a metric from being asked.
type snag struct {
	text  string
	final bool // the Canary has to be changed: no policy makes anything else of it than a failure
}

func (s *snag) Error() string { return s.text }

// source finds whom to ask. A template goes before a query, and that before what is built in.
func (a *Analyst) source(ctx context.Context, r *round, c *v1beta1.Canary, m v1beta1.CanaryMetric) (*source, error) {
	s := &source{canary: c, metric: m, provider: a.provider(c), kind: kindOf(m)}
	switch {
	case m.TemplateRef != nil:
		return s, a.refer(ctx, r, s)
	case s.kind == nil:
		s.kind = &inline
		return s, &snag{text: "Metric query failed for no usable metrics template and query were configured: " + m.Name, final: true}
	}
	s.template = m.Query
	if s.template == "" {
		builtin, err := s.builtin()
		if err != nil {
			return s, &snag{text: s.kind.failed(m, err), final: true}
		}
		s.template = builtin
	}
	address := orDefault(c.Spec.MetricsServer, a.MetricsServer)
	server, err := a.pool.Prometheus(address)
	if err != nil {
		return s, &snag{text: fmt.Sprintf("Error building Prometheus client for %s %v", shown(address), err), final: true}
	}
	s.system = server
	s.hidden = s.hidden.hideURL(address)
	return s, nil
}

// shown is an address without its secrets.
func shown(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "the metrics server"
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}

func (s *source) builtin() (string, error) {
	if s.metric.Baseline != "" {
		return metric.BuiltinSamples(s.provider, s.metric.Name)
	}
	return metric.Builtin(s.provider, s.metric.Name)
}

// refer fills in what the metric's template says.
func (a *Analyst) refer(ctx context.Context, r *round, s *source) error {
	ref := *s.metric.TemplateRef
	ref.Namespace = orDefault(ref.Namespace, s.canary.Namespace)
	found, err := r.once(ref, func() (*system, error) { return a.system(ctx, s.canary, ref) })
	if err != nil {
		return &snag{text: fmt.Sprintf("Metric template %s.%s %v", ref.Name, ref.Namespace, err)}
	}
	s.system, s.template, s.hidden = found.Provider, found.template.Spec.Query, found.hidden
	return nil
}

// system makes the monitoring system of a template, with the credentials as they are now.
func (a *Analyst) system(ctx context.Context, c *v1beta1.Canary, ref v1beta1.CrossNamespaceRef) (*system, error) {
	template, err := a.library().Template(ctx, c, ref)
	if err != nil {
		return nil, fmt.Errorf("error: %w", err)
	}
	p := template.Spec.Provider
	s := &system{template: template, hidden: hidden(nil).hideURL(p.Address)}
	var secret map[string][]byte
	if p.SecretRef != nil {
		if secret, err = a.library().Secret(ctx, ref.Namespace, p.SecretRef.Name); err != nil {
			return nil, fmt.Errorf("secret %s error: %w", p.SecretRef.Name, err)
		}
		s.hidden = s.hidden.hideData(secret)
	}
	for name, values := range p.Headers {
		if private(name) {
			s.hidden = s.hidden.hide(values...)
		}
	}
	if s.Provider, err = a.provide(template, secret); err != nil {
		return nil, fmt.Errorf("provider %s error: %s", p.Type, s.hidden.in(err.Error()))
	}
	return s, nil
}

// query is what to ask about one workload.
func (s *source) query(target string) (string, error) {
	text, err := s.render(target)
	if err == nil {
		return text, nil
	}
	if ref := s.metric.TemplateRef; ref != nil {
		return "", &snag{
			text:  fmt.Sprintf("Metric template %s.%s query render error: %v", ref.Name, orDefault(ref.Namespace, s.canary.Namespace), err),
			final: true,
		}
	}
	return "", &snag{text: s.kind.failed(s.metric, err), final: true}
}

func (s *source) render(target string) (string, error) {
	return metric.Render(s.template, s.vars(target))
}

func (s *source) vars(target string) metric.Vars {
	c := s.canary
	v := metric.Vars{
		Name:      c.Name,
		Namespace: c.Namespace,
		Target:    target,
		Service:   c.ApexName(),
		Ingress:   c.Spec.TargetRef.Name,
		Route:     c.Spec.TargetRef.Name,
		Interval:  orDefault(s.metric.Interval, defaultInterval),
		Variables: s.metric.TemplateVariables,
	}
	if ref := c.Spec.IngressRef; ref != nil {
		v.Ingress = ref.Name
	}
	if ref := c.Spec.RouteRef; ref != nil {
		v.Route = ref.Name
	}
	return v
}

func (a *Analyst) provider(c *v1beta1.Canary) string { return orDefault(c.Spec.Provider, a.Provider) }

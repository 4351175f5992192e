package analysis

import (
	"context"
	"errors"
	"fmt"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/metric"
	"github.com/sluice-cd/sluice/pkg/rollout"
)

// defaultInterval is how far a metric looks back that does not say.
const defaultInterval = "1m"

func (a *Analyst) measure(ctx context.Context, c *v1beta1.Canary, m v1beta1.CanaryMetric) rollout.Finding {
	f := rollout.Finding{Name: m.Name, Verdict: v1beta1.Passed, Message: a.judged(ctx, c, m)}
	if f.Message != "" {
		f.Verdict = v1beta1.Failed
	}
	return f
}

// judged is what is wrong with a metric, or nothing.
func (a *Analyst) judged(ctx context.Context, c *v1beta1.Canary, m v1beta1.CanaryMetric) string {
	if ref := m.TemplateRef; ref != nil {
		return fmt.Sprintf("Metric template %s.%s error: templates are not supported yet", ref.Name, ref.Namespace)
	}
	k := kindOf(m)
	if k == nil {
		return "Metric query failed for no usable metrics template and query were configured: " + m.Name
	}
	value, err := a.query(ctx, c, m)
	if errors.Is(err, metric.ErrNoData) {
		return k.silent(subject{canary: c, metric: m, provider: a.provider(c)}, err)
	}
	if err != nil {
		return k.failed(m, err)
	}
	if a.Observe != nil {
		a.Observe(c, m.Name, value)
	}
	if told := judge(value, k.limits(m), k.unit); told != "" {
		return fmt.Sprintf("Halt %s.%s advancement %s %s", c.Name, c.Namespace, k.title(m), told)
	}
	return ""
}

func (a *Analyst) query(ctx context.Context, c *v1beta1.Canary, m v1beta1.CanaryMetric) (float64, error) {
	text, err := a.text(c, m)
	if err != nil {
		return 0, err
	}
	address := a.MetricsServer
	if c.Spec.MetricsServer != "" {
		address = c.Spec.MetricsServer
	}
	server, err := a.pool.Prometheus(address)
	if err != nil {
		return 0, err
	}
	return server.Query(ctx, text)
}

// text is the query of a metric. One that the user wrote goes before a built-in one of the same name.
func (a *Analyst) text(c *v1beta1.Canary, m v1beta1.CanaryMetric) (string, error) {
	template := m.Query
	if template == "" {
		builtin, err := metric.Builtin(a.provider(c), m.Name)
		if err != nil {
			return "", err
		}
		template = builtin
	}
	return metric.Render(template, vars(c, m))
}

func (a *Analyst) provider(c *v1beta1.Canary) string {
	if c.Spec.Provider != "" {
		return c.Spec.Provider
	}
	return a.Provider
}

func vars(c *v1beta1.Canary, m v1beta1.CanaryMetric) metric.Vars {
	v := metric.Vars{
		Name:      c.Name,
		Namespace: c.Namespace,
		Target:    c.Spec.TargetRef.Name,
		Service:   c.ApexName(),
		Ingress:   c.Spec.TargetRef.Name,
		Route:     c.Spec.TargetRef.Name,
		Interval:  m.Interval,
		Variables: m.TemplateVariables,
	}
	if ref := c.Spec.IngressRef; ref != nil {
		v.Ingress = ref.Name
	}
	if ref := c.Spec.RouteRef; ref != nil {
		v.Route = ref.Name
	}
	if v.Interval == "" {
		v.Interval = defaultInterval
	}
	return v
}

package analysis

import (
	"fmt"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/metric"
)

// provide makes the monitoring system that a template describes.
func (a *Analyst) provide(t *v1beta1.MetricTemplate, secret map[string][]byte) (metric.Provider, error) {
	p := t.Spec.Provider
	if p.Type != "prometheus" || secret != nil || len(p.Headers) > 0 || p.InsecureSkipVerify {
		return nil, fmt.Errorf("type %q with these fields is not supported yet", p.Type)
	}
	return a.pool.Prometheus(p.Address)
}

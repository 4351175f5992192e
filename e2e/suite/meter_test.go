package suite

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"k8s.io/client-go/rest"

	"github.com/sluice-cd/sluice/e2e/internal/install"
)

// reading is what the operator says of itself, through the API server as Prometheus would through the network.
type reading map[string]*dto.MetricFamily

func (w *world) meter(ctx context.Context) (reading, error) {
	text, err := w.operatorSays(ctx, "metrics")
	if err != nil {
		return nil, err
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	return parser.TextToMetricFamilies(strings.NewReader(text))
}

// operatorSays asks the operator's own server.
func (w *world) operatorSays(ctx context.Context, path string) (string, error) {
	pod, err := w.operatorPod(ctx)
	if err != nil {
		return "", err
	}
	client, err := rest.HTTPClientFor(w.config)
	if err != nil {
		return "", err
	}
	url := fmt.Sprintf("%s/api/v1/namespaces/%s/pods/%s:8080/proxy/%s", w.config.Host, install.Namespace, pod.Name, path)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	resp, err := client.Do(r)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", path, resp.Status)
	}
	return string(body), err
}

// value is a metric without labels.
func (r reading) value(name string) float64 {
	family := r[name]
	if family == nil || len(family.Metric) == 0 {
		return 0
	}
	return family.Metric[0].GetGauge().GetValue()
}

// requests counts requests to the API server by method. Leases are renewed by PUT, which nothing else of the
// operator uses.
func (r reading) requests() map[string]int {
	counts := map[string]int{}
	for _, m := range r["rest_client_requests_total"].GetMetric() {
		for _, l := range m.Label {
			if l.GetName() == "method" && l.GetValue() != http.MethodPut {
				counts[l.GetValue()] += int(m.GetCounter().GetValue())
			}
		}
	}
	return counts
}

// since is what was requested between two readings, in words, by method.
func (r reading) since(before reading, per float64) string {
	was, is := before.requests(), r.requests()
	var parts []string
	for _, method := range slices.Sorted(maps.Keys(is)) {
		if more := is[method] - was[method]; more > 0 {
			parts = append(parts, fmt.Sprintf("%s %.2g", method, float64(more)/per))
		}
	}
	if parts == nil {
		return "none"
	}
	return strings.Join(parts, ", ")
}

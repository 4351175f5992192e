package gateway

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// labelNames are Istio's standard labels, see
// https://istio.io/latest/docs/reference/config/metrics/ ; dashboards and queries count on all of them.
var labelNames = []string{
	"reporter",
	"source_workload", "source_workload_namespace", "source_principal", "source_app", "source_version", "source_cluster",
	"destination_workload", "destination_workload_namespace", "destination_principal", "destination_app", "destination_version",
	"destination_service", "destination_service_name", "destination_service_namespace", "destination_cluster",
	"request_protocol", "response_code", "grpc_response_status", "response_flags", "connection_security_policy",
}

// durationBuckets are the bounds, in milliseconds, that Istio's proxies use.
var durationBuckets = []float64{
	0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000, 300000, 600000, 1800000, 3600000,
}

// Metrics are what Istio's proxies would report. There is no proxy beside the destination here, so this
// one reports for both ends: every request that reached an endpoint counts as seen by source and by destination.
type Metrics struct {
	registry  *prometheus.Registry
	requests  *prometheus.CounterVec
	durations *prometheus.HistogramVec
}

func newMetrics() *Metrics {
	m := &Metrics{
		registry:  prometheus.NewRegistry(),
		requests:  prometheus.NewCounterVec(prometheus.CounterOpts{Name: "istio_requests_total", Help: "Requests, by who sent and who answered them."}, labelNames),
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "istio_request_duration_milliseconds", Help: "Time from a request's beginning to its response's end.", Buckets: durationBuckets}, labelNames),
	}
	m.registry.MustRegister(m.requests, m.durations, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func (m *Metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

// observe counts a request at both ends, or only at the sender's if no endpoint was there to get it.
func (m *Metrics) observe(x *exchange) {
	m.count(x, "source", "unknown")
	if x.reached {
		m.count(x, "destination", "none")
	}
}

// observeCopy counts a mirrored request, which only its receiver reports.
func (m *Metrics) observeCopy(x *exchange) {
	if x.reached {
		m.count(x, "destination", "none")
	}
}

func (m *Metrics) count(x *exchange, reporter, security string) {
	values := x.labels(reporter, security)
	m.requests.WithLabelValues(values...).Inc()
	m.durations.WithLabelValues(values...).Observe(float64(time.Since(x.start)) / float64(time.Millisecond))
}

// labels are the values for labelNames, in that order.
func (x *exchange) labels(reporter, security string) []string {
	service := upstream{host: "unknown", serviceName: "unknown", serviceNamespace: "unknown"}
	if x.upstream != nil {
		service = *x.upstream
	}
	from, to := x.source.known(), x.workload.known()
	protocol := "http"
	if isGRPC(x.original.Header) {
		protocol = "grpc"
	}
	return []string{
		reporter,
		from.Name, from.Namespace, "unknown", from.App, from.Version, from.Cluster,
		to.Name, to.Namespace, "unknown", to.App, to.Version,
		service.host, service.serviceName, service.serviceNamespace, to.Cluster,
		protocol, strconv.Itoa(x.code), x.grpcStatus, x.flag, security,
	}
}

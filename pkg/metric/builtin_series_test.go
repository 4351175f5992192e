package metric

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-cd/sluice/pkg/metric/metrictest"
)

// exporter is how a provider's requests are counted. In the series stand SIDE for one of the sides, POD for who
// counts, CODE for how requests end and LE for the end of a bucket.
type exporter struct {
	provider, kind  string // kind of the target; empty: Deployment
	canary, primary string // no primary: the series do not tell the sides apart
	good, bad       string
	requests        string
	buckets         string  // of the durations; empty: there are none, and the mean is taken
	sum, count      string  // of a mean
	second          float64 // in the unit of the durations
}

// exporters are all families, and what kinds of targets change.
func exporters() map[string]exporter {
	return map[string]exporter{
		"apisix": {
			provider: "apisix", canary: "test_podinfo-route-podinfo-svc-canary_all", good: "200", bad: "503", second: 1000,
			requests: `apisix_http_status{route="SIDE",code="CODE",node="POD"}`,
			buckets:  `apisix_http_latency_bucket{type="request",route="SIDE",node="POD",le="LE"}`,
		},
		"appmesh": {
			provider: "appmesh", canary: "podinfo-7d9f", primary: "podinfo-primary-66b8", good: "200", bad: "503", second: 1000,
			requests: `envoy_cluster_upstream_rq{kubernetes_namespace="test",kubernetes_pod_name="SIDE-POD",envoy_response_code="CODE"}`,
			buckets:  `envoy_cluster_upstream_rq_time_bucket{kubernetes_namespace="test",kubernetes_pod_name="SIDE-POD",le="LE"}`,
		},
		"appmesh/DaemonSet": {
			provider: "appmesh:v1beta2", kind: "DaemonSet", canary: "podinfo", primary: "podinfo-primary", good: "200", bad: "503", second: 1000,
			requests: `envoy_cluster_upstream_rq{kubernetes_namespace="test",kubernetes_pod_name="SIDE-POD",envoy_response_code="CODE"}`,
			buckets:  `envoy_cluster_upstream_rq_time_bucket{kubernetes_namespace="test",kubernetes_pod_name="SIDE-POD",le="LE"}`,
		},
		"contour": {
			provider: "contour", canary: "test_podinfo-svc-canary_9898", primary: "test_podinfo-svc-primary_9898", good: "200", bad: "503", second: 1000,
			requests: `envoy_cluster_upstream_rq{envoy_cluster_name="SIDE",instance="POD",envoy_response_code="CODE"}`,
			buckets:  `envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="SIDE",instance="POD",le="LE"}`,
		},
		"gloo": {
			provider: "gloo", canary: "test-podinfo-svc-canaryupstream-9898_test", primary: "test-podinfo-svc-primaryupstream-9898_test",
			good: "200", bad: "503", second: 1000,
			requests: `envoy_cluster_upstream_rq{envoy_cluster_name="SIDE",instance="POD",envoy_response_code="CODE"}`,
			buckets:  `envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="SIDE",instance="POD",le="LE"}`,
		},
		"http": {
			provider: "kubernetes", canary: "podinfo-7d9f", primary: "podinfo-primary-66b8", good: "200", bad: "500", second: 1,
			requests: `http_request_duration_seconds_count{kubernetes_namespace="test",kubernetes_pod_name="SIDE-POD",status="CODE"}`,
			buckets:  `http_request_duration_seconds_bucket{kubernetes_namespace="test",kubernetes_pod_name="SIDE-POD",le="LE"}`,
		},
		"http/DaemonSet": {
			provider: "gatewayapi:v1", kind: "DaemonSet", canary: "podinfo", primary: "podinfo-primary", good: "200", bad: "500", second: 1,
			requests: `http_request_duration_seconds_count{kubernetes_namespace="test",kubernetes_pod_name="SIDE-POD",status="CODE"}`,
			buckets:  `http_request_duration_seconds_bucket{kubernetes_namespace="test",kubernetes_pod_name="SIDE-POD",le="LE"}`,
		},
		"istio": {
			provider: "istio", canary: "podinfo", primary: "podinfo-primary", good: "200", bad: "503", second: 1000,
			requests: `istio_requests_total{reporter="destination",destination_workload_namespace="test",destination_workload="SIDE",instance="POD",response_code="CODE",grpc_response_status="",response_flags="-"}`,
			buckets:  `istio_request_duration_milliseconds_bucket{reporter="destination",destination_workload_namespace="test",destination_workload="SIDE",instance="POD",le="LE"}`,
		},
		"knative": {
			provider: "knative", kind: "Service", canary: "test/podinfo-route", primary: "test/podinfo-00001", good: "200", bad: "503", second: 1000,
			requests: `envoy_cluster_upstream_rq{envoy_cluster_name="SIDE",instance="POD",envoy_response_code="CODE"}`,
			buckets:  `envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="SIDE",instance="POD",le="LE"}`,
		},
		"kuma": {
			provider: "kuma", canary: "podinfo-svc-canary_test_svc_9898", primary: "podinfo-svc-primary_test_svc_9898", good: "200", bad: "503", second: 1000,
			requests: `envoy_cluster_upstream_rq{service="SIDE",instance="POD",envoy_response_code="CODE"}`,
			buckets:  `envoy_cluster_upstream_rq_time_bucket{service="SIDE",instance="POD",le="LE"}`,
		},
		"linkerd": {
			provider: "linkerd", canary: "podinfo", primary: "podinfo-primary", good: "success", bad: "failure", second: 1000,
			requests: `response_total{namespace="test",deployment="SIDE",pod="POD",direction="inbound",classification="CODE"}`,
			buckets:  `response_latency_ms_bucket{namespace="test",deployment="SIDE",pod="POD",direction="inbound",le="LE"}`,
		},
		"linkerd/DaemonSet": {
			provider: "linkerd", kind: "DaemonSet", canary: "podinfo", primary: "podinfo-primary", good: "success", bad: "failure", second: 1000,
			requests: `response_total{namespace="test",daemonset="SIDE",pod="POD",direction="inbound",classification="CODE"}`,
			buckets:  `response_latency_ms_bucket{namespace="test",daemonset="SIDE",pod="POD",direction="inbound",le="LE"}`,
		},
		"nginx": {
			provider: "nginx", canary: "test-podinfo-svc-canary-9898", primary: "", good: "200", bad: "503", second: 1,
			requests: `nginx_ingress_controller_requests{namespace="test",ingress="podinfo-ingress",canary="SIDE",controller_pod="POD",status="CODE"}`,
			sum:      `nginx_ingress_controller_response_duration_seconds_sum{namespace="test",ingress="podinfo-ingress",canary="SIDE",controller_pod="POD"}`,
			count:    `nginx_ingress_controller_response_duration_seconds_count{namespace="test",ingress="podinfo-ingress",canary="SIDE",controller_pod="POD"}`,
		},
		"osm": {
			provider: "osm", canary: "podinfo", primary: "podinfo-primary", good: "200", bad: "503", second: 1000,
			requests: `osm_request_total{destination_namespace="test",destination_kind="Deployment",destination_name="SIDE",destination_pod="POD",response_code="CODE"}`,
			buckets:  `osm_request_duration_ms_bucket{destination_namespace="test",destination_kind="Deployment",destination_name="SIDE",destination_pod="POD",le="LE"}`,
		},
		"osm/DaemonSet": {
			provider: "osm", kind: "DaemonSet", canary: "podinfo", primary: "podinfo-primary", good: "200", bad: "503", second: 1000,
			requests: `osm_request_total{destination_namespace="test",destination_kind="DaemonSet",destination_name="SIDE",destination_pod="POD",response_code="CODE"}`,
			buckets:  `osm_request_duration_ms_bucket{destination_namespace="test",destination_kind="DaemonSet",destination_name="SIDE",destination_pod="POD",le="LE"}`,
		},
		"skipper": {
			provider: "skipper", canary: "kube_test__podinfo_ingress_canary__app_example____podinfo_svc_canary",
			primary: "kube_test__podinfo_ingress_canary__app_example____podinfo_svc_primary", good: "200", bad: "503", second: 1,
			requests: `skipper_response_duration_seconds_bucket{route="SIDE",instance="POD",code="CODE",le="+Inf"}`,
			sum:      `skipper_serve_route_duration_seconds_sum{route="SIDE",instance="POD"}`,
			count:    `skipper_serve_route_duration_seconds_count{route="SIDE",instance="POD"}`,
		},
		"traefik": {
			provider: "traefik", canary: "test-podinfo-svc-canary-9898@kubernetescrd", primary: "test-podinfo-svc-primary-9898@kubernetescrd",
			good: "200", bad: "503", second: 1,
			requests: `traefik_service_request_duration_seconds_bucket{service="SIDE",instance="POD",code="CODE",le="+Inf"}`,
			buckets:  `traefik_service_request_duration_seconds_bucket{service="SIDE",instance="POD",code="200",le="LE"}`,
		},
	}
}

// counted is a series of requests: of a pod of a side, and of how they ended.
func (e exporter) counted(side, pod, code, values string) string {
	return strings.NewReplacer("SIDE", side, "POD", pod, "CODE", code).Replace(e.requests) + " " + values
}

// took are the series of how long requests take: all of them so many seconds, which are in the buckets up to 0.1, 0.5,
// 10 and +Inf. The verb in values is for what is added at each scrape.
func (e exporter) took(side, pod, values string, each, seconds float64) []string {
	series := func(text, le string, more float64) string {
		return strings.NewReplacer("SIDE", side, "POD", pod, "LE", le).Replace(text) + " " + fmt.Sprintf(values, more)
	}
	if e.buckets == "" {
		return []string{series(e.sum, "", each*seconds), series(e.count, "", each)}
	}
	all := []string{series(e.buckets, "+Inf", each)}
	for _, le := range []float64{0.1, 0.5, 10} {
		more := each
		if seconds > le {
			more = 0
		}
		all = append(all, series(e.buckets, fmt.Sprint(le*e.second), more))
	}
	return all
}

// query is a built-in metric as it is asked of the target.
func (e exporter) query(t *testing.T, name string) string {
	t.Helper()
	text, err := Builtin(e.provider, name)
	require.NoError(t, err)
	v := podinfo()
	v.Kind = e.kind
	query, err := Render(text, v)
	require.NoError(t, err)
	return query
}

// TestSuccessRateOfSeries has the engine of Prometheus compute every built-in success rate: what is right is the same
// for all. Samples are 15 s apart, and the last one is now.
func TestSuccessRateOfSeries(t *testing.T) {
	cases := map[string]struct {
		reason string
		series func(e exporter) []string
		want   float64 // NaN: none, for requests that did not come
		none   bool    // no element at all
	}{
		"AllGood": {
			reason: "There is no series of failures yet.", want: 100,
			series: func(e exporter) []string { return []string{e.counted(e.canary, "x2x4z", e.good, "0+15x20")} },
		},
		"AllBad": {
			reason: "There is no series of successes yet.", want: 0,
			series: func(e exporter) []string { return []string{e.counted(e.canary, "x2x4z", e.bad, "0+15x20")} },
		},
		"AllBadFromNowOn": {
			reason: "There were successes.", want: 0,
			series: func(e exporter) []string {
				return []string{e.counted(e.canary, "x2x4z", e.good, "100x20"), e.counted(e.canary, "x2x4z", e.bad, "0+15x20")}
			},
		},
		"Half": {
			reason: "One of two requests.", want: 50,
			series: func(e exporter) []string {
				return []string{e.counted(e.canary, "x2x4z", e.good, "0+15x20"), e.counted(e.canary, "x2x4z", e.bad, "0+15x20")}
			},
		},
		"None": {
			reason: "Nobody counts.", none: true,
			series: func(e exporter) []string { return []string{`up{instance="x2x4z"} 1x20`} },
		},
		"Idle": {
			reason: "Nothing by nothing.", want: math.NaN(),
			series: func(e exporter) []string {
				return []string{e.counted(e.canary, "x2x4z", e.good, "100x20"), e.counted(e.canary, "x2x4z", e.bad, "7x20")}
			},
		},
		"IdleWithoutSuccess": {
			reason: "Nothing by nothing, also where no request has ever succeeded.", want: math.NaN(),
			series: func(e exporter) []string { return []string{e.counted(e.canary, "x2x4z", e.bad, "7x20")} },
		},
		"FirstScrape": {
			reason: "A pod counts from 0 on.", want: 100 * 95.0 / 100,
			series: func(e exporter) []string {
				return []string{e.counted(e.canary, "x2x4z", e.good, "_x20 95"), e.counted(e.canary, "x2x4z", e.bad, "_x20 5")}
			},
		},
		"FirstErrors": {
			reason: "Ten pods that fail once each have no series of failures before.", want: 100 * 990.0 / 1000,
			series: func(e exporter) []string {
				var all []string
				for _, pod := range strings.Split("bcdfghjklm", "") {
					all = append(all, e.counted(e.canary, pod, e.good, "0 0 0 25 50 74 99"), e.counted(e.canary, pod, e.bad, "_x6 1"))
				}
				return all
			},
		},
		"LateSuccess": {
			reason: "Nor has one that has just begun to succeed one of successes.", want: 100 * 4.0 / 13,
			series: func(e exporter) []string {
				return []string{e.counted(e.canary, "x2x4z", e.bad, "0 0 0 3 6 9 9"), e.counted(e.canary, "x2x4z", e.good, "_x6 4")}
			},
		},
		"NewPod": {
			reason: "A new pod counts with the 45 requests that it tells of, beside 60.", want: 100 * 60.0 / 105,
			series: func(e exporter) []string {
				return []string{e.counted(e.canary, "x2x4z", e.good, "0+15x20"), e.counted(e.canary, "b5n7q", e.bad, "_x17 0+15x3"), e.counted(e.canary, "x2x4z", e.bad, "0x20")}
			},
		},
		"Reset": {
			reason: "A pod that began to count anew has lost none.", want: 75,
			series: func(e exporter) []string {
				return []string{e.counted(e.canary, "x2x4z", e.good, "1000+45x18 45 90"), e.counted(e.canary, "x2x4z", e.bad, "1000+15x18 15 30")}
			},
		},
		"PrimaryAtOnce": {
			reason: "What the primary does is not the canary's.", want: 100,
			series: func(e exporter) []string {
				return []string{e.counted(e.canary, "x2x4z", e.good, "0+15x20"), e.counted(e.primary, "p6k8w", e.bad, "0+90x20")}
			},
		},
		"PrimaryAlone": {
			reason: "Requests of the primary are none of the canary.", none: true,
			series: func(e exporter) []string { return []string{e.counted(e.primary, "p6k8w", e.good, "0+90x20")} },
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			ofEach(t, SuccessRate, strings.HasPrefix(name, "Primary"), tc.series, tc.want, tc.none)
		})
	}
}

// ofEach asks for a metric of each exporter's series. Cases about both sides leave out who does not tell them apart.
func ofEach(t *testing.T, name string, apart bool, series func(e exporter) []string, want float64, none bool) {
	t.Helper()
	for family, e := range exporters() {
		if apart && e.provider == "apisix" {
			continue // one route leads to both sides, and is what is counted
		}
		t.Run(family, func(t *testing.T) {
			p, err := NewPrometheus(metrictest.Serve(t, series(e)...), Options{})
			require.NoError(t, err)
			got, err := p.(Sampler).Samples(t.Context(), e.query(t, name), time.Time{})
			if none {
				require.ErrorIs(t, err, ErrNoData, "%v", got)
				require.NotErrorIs(t, err, ErrNaN)
				return
			}
			if math.IsNaN(want) {
				require.ErrorIs(t, err, ErrNaN, "%v", got)
				return
			}
			require.NoError(t, err)
			require.Len(t, got, 1)
			require.InDelta(t, want, got[0].Value, 1e-6)
		})
	}
}

// TestDurationOfSeries is the same for durations.
func TestDurationOfSeries(t *testing.T) {
	cases := map[string]struct {
		reason string
		series func(e exporter) []string
		want   float64 // in milliseconds; NaN: none, for requests that did not come
		none   bool    // no element at all
	}{
		"Requests": { // the 99th percentile between 100 and 500
			reason: "In milliseconds, whatever the source measures in.", want: 496,
			series: func(e exporter) []string { return e.took(e.canary, "x2x4z", "0+%vx20", 15, 0.496) },
		},
		"None": {
			reason: "Nobody measures.", none: true,
			series: func(exporter) []string { return []string{`up{instance="x2x4z"} 1x20`} },
		},
		"Idle": {
			reason: "Nothing was measured.", want: math.NaN(),
			series: func(e exporter) []string { return e.took(e.canary, "x2x4z", "100+%vx20", 0, 0.496) },
		},
		"FirstScrape": {
			reason: "Which of them were in this minute is not known.", none: true,
			series: func(e exporter) []string { return e.took(e.canary, "x2x4z", "_x20 %v", 100, 0.496) },
		},
		"NewPod": {
			reason: "A new pod counts as those do that are there.", want: 496,
			series: func(e exporter) []string {
				return append(e.took(e.canary, "x2x4z", "100+%vx20", 0, 0.496), e.took(e.canary, "b5n7q", "_x17 0+%vx3", 15, 0.496)...)
			},
		},
		"Reset": {
			reason: "A pod that began to count anew has measured nothing below zero.", want: 496,
			series: func(e exporter) []string { return e.took(e.canary, "x2x4z", "1000+%[1]vx18 0+%[1]vx1", 15, 0.496) },
		},
		"PrimaryAtOnce": {
			reason: "What the primary does is not the canary's.", want: 496,
			series: func(e exporter) []string {
				slow := e.took(e.primary, "p6k8w", "0+%vx20", 90, 9)
				return append(e.took(e.canary, "x2x4z", "0+%vx20", 15, 0.496), slow...)
			},
		},
		"PrimaryAlone": {
			reason: "Requests of the primary are none of the canary.", none: true,
			series: func(e exporter) []string { return e.took(e.primary, "p6k8w", "0+%vx20", 90, 0.496) },
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			ofEach(t, Duration, strings.HasPrefix(name, "Primary"), tc.series, tc.want, tc.none)
		})
	}
}

// ofSide is what a comparison asks about one side.
func (e exporter) ofSide(t *testing.T, name, side string) string {
	t.Helper()
	text, err := BuiltinSamples(e.provider, name)
	require.NoError(t, err)
	v := podinfo()
	v.Kind = e.kind
	if side == e.primary {
		v.Target, v.Backend, v.Route = "podinfo-primary", "podinfo-svc-primary", "podinfo-00001"
	}
	query, err := Render(text, v)
	require.NoError(t, err)
	return query
}

// TestSamplesOfSeries has both sides asked about at once, each with its own numbers.
func TestSamplesOfSeries(t *testing.T) {
	for family, e := range exporters() {
		if family == "apisix" {
			_, err := BuiltinSamples("apisix", SuccessRate)
			require.ErrorContains(t, err, `the series of provider "apisix" do not tell the canary from the primary`)
			_, err = BuiltinSamples("apisix", Duration)
			require.Error(t, err)
			continue
		}
		t.Run(family, func(t *testing.T) {
			if e.buckets == "" { // of a histogram of which the metric alone takes the mean
				e.buckets = strings.Replace(e.count, "_count{", `_bucket{le="LE",`, 1)
			}
			series := []string{
				e.counted(e.canary, "x2x4z", e.good, "0+30x20"), e.counted(e.canary, "x2x4z", e.bad, "0+15x20"),
				e.counted(e.primary, "p6k8w", e.good, "0+90x20"),
			}
			if family != "traefik" { // which counts requests by their last bucket
				series = append(series, e.took(e.canary, "x2x4z", "0+%vx20", 45, 0.496)...)
				series = append(series, e.took(e.primary, "p6k8w", "0+%vx20", 90, 0.05)...)
			}
			p, err := NewPrometheus(metrictest.Serve(t, series...), Options{})
			require.NoError(t, err)
			for _, of := range []struct {
				side        string
				good, total float64
			}{{e.canary, 120, 180}, {e.primary, 360, 360}} {
				found, err := p.(Sampler).Samples(t.Context(), e.ofSide(t, SuccessRate, of.side), time.Time{})
				require.NoError(t, err)
				counts := map[string]float64{}
				for _, f := range found {
					counts[f.Labels["count"]] = f.Value
				}
				require.Equal(t, map[string]float64{"success": of.good, "total": of.total}, counts)
				found, err = p.(Sampler).Samples(t.Context(), e.ofSide(t, Duration, of.side), time.Time{})
				require.NoError(t, err)
				buckets := map[string]float64{}
				for _, f := range found {
					buckets[f.Labels["le"]] = f.Value
				}
				require.Equal(t, of.total, buckets["+Inf"], "%v", buckets)
			}
		})
	}
}

// TestDurationBeyondTheLastBucket has nobody read 10 s where no bucket tells how long requests take.
func TestDurationBeyondTheLastBucket(t *testing.T) {
	cases := map[string]struct {
		reason string
		fast   float64 // requests of half a second, beside one a second of a minute
		slow   float64
		want   float64 // in milliseconds
	}{
		"AllOfThem":    {reason: "All of them are above.", slow: 15, want: math.Inf(1)},
		"TwoOfHundred": {reason: "The 99th is above.", fast: 98, slow: 2, want: math.Inf(1)},
		"OneOfHundred": {reason: "The 99th is the last that was measured.", fast: 99, slow: 1, want: 500},
		"Fewer":        {reason: "The 99th is below.", fast: 1999, slow: 1, want: 100 + 400*0.99*2000/1999},
	}
	for name, tc := range cases {
		for family, e := range exporters() {
			if e.buckets == "" {
				continue // a mean has no end
			}
			t.Run(name+"/"+family, func(t *testing.T) {
				series := append(e.took(e.canary, "x2x4z", "0+%vx20", tc.fast, 0.496), e.took(e.canary, "b5n7q", "0+%vx20", tc.slow, 60)...)
				p, err := NewPrometheus(metrictest.Serve(t, series...), Options{})
				require.NoError(t, err)
				got, err := p.Query(t.Context(), e.query(t, Duration))
				require.NoError(t, err, tc.reason)
				if math.IsInf(tc.want, 1) {
					require.Equal(t, tc.want, got, tc.reason)
					return
				}
				require.InDelta(t, tc.want, got, 1e-6, tc.reason)
			})
		}
	}
}

// TestIstioCodes has each way in which a request can end counted, beside nine that are good.
func TestIstioCodes(t *testing.T) {
	cases := map[string]struct {
		reason            string
		code, grpc, flags string
		good              bool
	}{
		"OK":               {reason: "An answer.", code: "200", flags: "-", good: true},
		"NotFound":         {reason: "The caller's mistake.", code: "404", flags: "-", good: true},
		"Unavailable":      {reason: "A server's mistake.", code: "503", flags: "UF,URX"},
		"GRPCOK":           {reason: "gRPC's own zero.", code: "200", grpc: "0", flags: "-", good: true},
		"GRPCCancelled":    {reason: "The caller went.", code: "200", grpc: "1", flags: "-", good: true},
		"GRPCUnknown":      {reason: "What a panic is told as.", code: "200", grpc: "2", flags: "-"},
		"GRPCInvalid":      {reason: "The caller's mistake.", code: "200", grpc: "3", flags: "-", good: true},
		"GRPCDeadline":     {reason: "It took too long.", code: "200", grpc: "4", flags: "-"},
		"GRPCNotFound":     {reason: "The caller's mistake.", code: "200", grpc: "5", flags: "-", good: true},
		"GRPCExhausted":    {reason: "Too much for it.", code: "200", grpc: "8", flags: "-"},
		"GRPCInternal":     {reason: "A server's mistake.", code: "200", grpc: "13", flags: "-"},
		"GRPCUnavailable":  {reason: "It is not there.", code: "200", grpc: "14", flags: "-"},
		"GRPCDataLoss":     {reason: "A server's mistake.", code: "200", grpc: "15", flags: "-"},
		"GRPCUnauthorised": {reason: "The caller's mistake.", code: "200", grpc: "16", flags: "-", good: true},
		"NoAnswer":         {reason: "The connection was cut.", code: "0", flags: "UC"},
		"HungUp":           {reason: "The caller went before there was an answer.", code: "0", flags: "DC", good: true},
		"HungUpAmongOther": {reason: "Flags come as a list.", code: "0", flags: "DT,DC", good: true},
		"NoFlags":          {reason: "A mesh that leaves the label out does not say who hung up.", code: "0", flags: "", good: true},
	}
	series := func(code, grpc, flags, values string) string {
		return fmt.Sprintf(`istio_requests_total{reporter="destination",destination_workload_namespace="test",destination_workload="podinfo",`+
			`response_code=%q,grpc_response_status=%q,response_flags=%q} %s`, code, grpc, flags, values)
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			p, err := NewPrometheus(metrictest.Serve(t, series("201", "", "-", "0+135x20"), series(tc.code, tc.grpc, tc.flags, "0+15x20")), Options{})
			require.NoError(t, err)
			rate, err := p.Query(t.Context(), exporters()["istio"].query(t, SuccessRate))
			require.NoError(t, err)
			want := 90.0
			if tc.good {
				want = 100
			}
			require.InDelta(t, want, rate, 1e-9, tc.reason)
			text, err := BuiltinSamples("istio", SuccessRate)
			require.NoError(t, err)
			query, err := Render(text, podinfo())
			require.NoError(t, err)
			counts, err := p.(Sampler).Samples(t.Context(), query, time.Time{})
			require.NoError(t, err)
			found := map[string]float64{}
			for _, c := range counts {
				found[c.Labels["count"]] = c.Value
			}
			require.Equal(t, map[string]float64{"success": 6 * want, "total": 600}, found, "A comparison counts alike.")
		})
	}
}

package gateway

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	route "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

func retrying(on string, n uint32) *route.RetryPolicy {
	return &route.RetryPolicy{
		RetryOn: on, NumRetries: wrapperspb.UInt32(n), RetriableStatusCodes: []uint32{418},
		RetryBackOff: &route.RetryPolicy_RetryBackOff{BaseInterval: durationpb.New(time.Millisecond), MaxInterval: durationpb.New(2 * time.Millisecond)},
	}
}

// TestRetries has an upstream that answers with the statuses given, then with 200 for ever.
func TestRetries(t *testing.T) {
	cases := map[string]struct {
		reason   string
		policy   *route.RetryPolicy
		statuses []int
		status   int
		attempts int64
	}{
		"GatewayError":   {reason: "502 to 504 are tried again", policy: retrying("gateway-error,connect-failure", 3), statuses: []int{502, 503, 504}, status: 200, attempts: 4},
		"NotThatError":   {reason: "500 is none of them", policy: retrying("gateway-error", 3), statuses: []int{500}, status: 500, attempts: 1},
		"AnyServerError": {reason: "5xx is", policy: retrying("5xx", 3), statuses: []int{500, 599}, status: 200, attempts: 3},
		"NoMore":         {reason: "the last answer stands", policy: retrying("5xx", 2), statuses: []int{500, 500, 500, 500}, status: 500, attempts: 3},
		"Status":         {reason: "statuses by number", policy: retrying("retriable-status-codes", 2), statuses: []int{418}, status: 200, attempts: 2},
		"Conflict":       {reason: "409 by its own name", policy: retrying("retriable-4xx", 2), statuses: []int{409}, status: 200, attempts: 2},
		"NoPolicy":       {reason: "nothing asked, nothing repeated", statuses: []int{503}, status: 503, attempts: 1},
		"Success":        {reason: "nothing to repeat", policy: retrying("5xx", 3), status: 200, attempts: 1},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			var n atomic.Int64
			var bodies sync.Map
			upstream := backend(t, "a", func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				at := n.Add(1)
				bodies.Store(at, string(body))
				if int(at) <= len(tc.statuses) {
					w.WriteHeader(tc.statuses[at-1])
				}
			})
			address := freePort(t)
			i := startIstiod(t, clusterOf("a"), endpointsOf("a", upstream), httpListener(address, door),
				tableOf(door, to(func(_ *route.Route, a *route.RouteAction) { a.RetryPolicy = tc.policy })))
			startGateway(t, i)
			_, resp := fetch(t, http.MethodPost, "http://"+address+"/", func(r *http.Request) {
				r.Body, r.ContentLength = io.NopCloser(strings.NewReader("payload")), 7
			})
			require.Equal(t, tc.status, resp.StatusCode, tc.reason)
			require.Equal(t, tc.attempts, n.Load(), tc.reason)
			for at := int64(1); at <= tc.attempts; at++ {
				body, _ := bodies.Load(at)
				require.Equal(t, "payload", body, "attempt %d carries the whole body", at)
			}
		})
	}
}

// TestRetriesGoElsewhere has one endpoint that is gone: every request is answered by the other.
func TestRetriesGoElsewhere(t *testing.T) {
	address := freePort(t)
	i := startIstiod(t, clusterOf("a"), endpointsOf("a", freePort(t), backend(t, "alive", nil)), httpListener(address, door),
		tableOf(door, to(func(_ *route.Route, a *route.RouteAction) {
			a.RetryPolicy = retrying("connect-failure,refused-stream", 1)
		})))
	startGateway(t, i)
	for range 50 {
		body, resp := fetch(t, http.MethodGet, "http://"+address+"/")
		require.Equal(t, http.StatusOK, resp.StatusCode, "one retry is enough if it doesn't go to the same address")
		require.Equal(t, "alive", body)
	}
}

func TestPerTryTimeout(t *testing.T) {
	var n atomic.Int64
	upstream := backend(t, "a", func(_ http.ResponseWriter, r *http.Request) {
		if n.Add(1) == 1 {
			<-r.Context().Done()
		}
	})
	address := freePort(t)
	policy := retrying("gateway-error", 1)
	policy.PerTryTimeout = durationpb.New(100 * time.Millisecond)
	i := startIstiod(t, clusterOf("a"), endpointsOf("a", upstream), httpListener(address, door),
		tableOf(door, to(func(_ *route.Route, a *route.RouteAction) { a.RetryPolicy = policy })))
	startGateway(t, i)
	_, resp := fetch(t, http.MethodGet, "http://"+address+"/")
	require.Equal(t, http.StatusOK, resp.StatusCode, "the second attempt had time of its own")
	require.Equal(t, int64(2), n.Load())
}

func TestPauseGrowsUpToABound(t *testing.T) {
	p := compileRetry(&route.RetryPolicy{NumRetries: wrapperspb.UInt32(9)})
	require.Equal(t, 25*time.Millisecond, p.pause(1, 0.5))
	require.Equal(t, 125*time.Millisecond, p.pause(8, 0.5), "half of ten times the first")
	require.Equal(t, 9, p.limit)
	require.Equal(t, 1, compileRetry(&route.RetryPolicy{}).limit, "one unless told")
}

// TestRetryByReset lists which policies repeat a request that got no answer.
func TestRetryByReset(t *testing.T) {
	cases := map[string]struct {
		reason, on, flag string
		want             bool
	}{
		"ConnectFailure":       {reason: "nothing was sent", on: "connect-failure", flag: flagConnectFailed, want: true},
		"ConnectFailureBroken": {reason: "something was", on: "connect-failure", flag: flagConnectionBroken},
		"Reset":                {reason: "whatever broke", on: "reset", flag: flagConnectionBroken, want: true},
		"FiveHundred":          {reason: "no answer counts as one", on: "5xx", flag: flagConnectionBroken, want: true},
		"GatewayError":         {reason: "no answer counts as one", on: "gateway-error", flag: flagTimeout, want: true},
		"OnlyGRPC":             {reason: "another kind of failure", on: "cancelled", flag: flagConnectionBroken},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tc.want, compileRetry(&route.RetryPolicy{RetryOn: tc.on}).again(nil, tc.flag), tc.reason)
		})
	}
	unavailable := &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Grpc-Status": {"14"}}}
	require.True(t, compileRetry(&route.RetryPolicy{RetryOn: "cancelled, unavailable"}).again(unavailable, flagNone), "gRPC's own status")
	require.False(t, compileRetry(&route.RetryPolicy{RetryOn: "cancelled"}).again(unavailable, flagNone))
}

// TestMirror sends copies to a second cluster; what happens to them is nobody's business.
func TestMirror(t *testing.T) {
	const n = 400
	cases := map[string]struct {
		reason string
		policy *route.RouteAction_RequestMirrorPolicy
		share  float64
	}{
		"All":   {reason: "every request unless told", policy: &route.RouteAction_RequestMirrorPolicy{DisableShadowHostSuffixAppend: true}, share: 1},
		"Share": {reason: "a fraction of them", policy: &route.RouteAction_RequestMirrorPolicy{DisableShadowHostSuffixAppend: true, RuntimeFraction: &core.RuntimeFractionalPercent{DefaultValue: &typev3.FractionalPercent{Numerator: 30}}}, share: 0.3},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			var copies atomic.Int64
			shadow := backend(t, "shadow", func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				if r.Host == "app.example.com:80" && string(body) == "payload" && r.URL.RequestURI() == "/x?q=1" {
					copies.Add(1)
				}
				w.WriteHeader(http.StatusInternalServerError)
			})
			address := freePort(t)
			tc.policy.Cluster = outbound("shadow")
			i := startIstiod(t, clusterOf("a"), clusterOf("shadow"), endpointsOf("a", backend(t, "a", nil)), endpointsOf("shadow", shadow), httpListener(address, door),
				tableOf(door, to(func(_ *route.Route, a *route.RouteAction) {
					a.RequestMirrorPolicies = []*route.RouteAction_RequestMirrorPolicy{tc.policy}
				})))
			g := startGateway(t, i)
			for range n {
				body, resp := fetch(t, http.MethodPost, "http://"+address+"/x?q=1", func(r *http.Request) {
					r.Host, r.Body, r.ContentLength = "app.example.com:80", io.NopCloser(strings.NewReader("payload")), 7
				})
				require.Equal(t, http.StatusOK, resp.StatusCode, "users never see what became of copies")
				require.Equal(t, "a", body)
			}
			g.shadows.Wait()
			if tc.share == 1 {
				require.EqualValues(t, n, copies.Load(), tc.reason)
			}
			within4Sigma(t, int(copies.Load()), n, tc.share)
			require.EqualValues(t, copies.Load(), count(t, g, "reporter", "destination", "destination_workload", "shadow", "response_code", "500"), "receivers report copies")
			require.Zero(t, count(t, g, "reporter", "source", "destination_workload", "shadow"), "senders don't")
		})
	}
}

// count sums istio_requests_total over the series with these label values.
func count(t *testing.T, g *Gateway, labels ...string) float64 {
	t.Helper()
	families, err := g.metrics.registry.Gather()
	require.NoError(t, err)
	total := 0.0
	for _, f := range families {
		if f.GetName() != "istio_requests_total" {
			continue
		}
		for _, m := range f.GetMetric() {
			have := map[string]string{}
			for _, l := range m.GetLabel() {
				have[l.GetName()] = l.GetValue()
			}
			matches := true
			for n := 0; n < len(labels); n += 2 {
				matches = matches && have[labels[n]] == labels[n+1]
			}
			if matches {
				total += m.GetCounter().GetValue()
			}
		}
	}
	return total
}

// TestMetrics checks every label of what one request is reported as.
func TestMetrics(t *testing.T) {
	address := freePort(t)
	upstream := backend(t, "a", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/bad" {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	i := startIstiod(t, clusterOf("podinfo-canary"), clusterOf("empty"), endpointsOf("podinfo-canary", upstream), endpointsOf("empty"), httpListener(address, door),
		tableOf(door, &route.Route{Match: prefixMatch("/empty"), Action: shared("empty", 1).Action}, shared("podinfo-canary", 1)))
	g := startGateway(t, i)
	for _, path := range []string{"/good", "/good", "/bad", "/empty"} {
		fetch(t, http.MethodGet, "http://"+address+path)
	}
	require.Eventually(t, func() bool { return count(t, g, "reporter", "source") == 4 }, patience, time.Millisecond)
	for reporter, security := range map[string]string{"source": "unknown", "destination": "none"} {
		for code, want := range map[string]float64{"200": 2, "500": 1} {
			require.Equal(t, want, count(t, g,
				"reporter", reporter, "connection_security_policy", security, "response_code", code, "response_flags", "-", "request_protocol", "http", "grpc_response_status", "",
				"source_workload", "istio-ingressgateway", "source_workload_namespace", "istio-system", "source_app", "istio-ingressgateway", "source_version", "unknown",
				"source_cluster", "Kubernetes", "source_principal", "unknown", "destination_principal", "unknown",
				"destination_workload", "podinfo-canary", "destination_workload_namespace", "test", "destination_app", "podinfo", "destination_version", "latest", "destination_cluster", "Kubernetes",
				"destination_service", "podinfo-canary.test.svc.cluster.local", "destination_service_name", "podinfo-canary", "destination_service_namespace", "test",
			), "%s %s", reporter, code)
		}
	}
	require.EqualValues(t, 1, count(t, g, "reporter", "source", "response_code", "503", "response_flags", "UH", "destination_service_name", "empty", "destination_workload", "unknown"))
	require.Zero(t, count(t, g, "reporter", "destination", "response_code", "503"), "nobody was there to report it")

	metrics, resp := visit(t, g, "/stats/prometheus")
	require.Equal(t, http.StatusOK, resp)
	for _, le := range []string{"0.5", "5", "1000", "3.6e+06", "+Inf"} {
		require.Contains(t, metrics, fmt.Sprintf(`le=%q`, le))
	}
	require.Contains(t, metrics, "istio_request_duration_milliseconds_bucket{")
	ready, status := visit(t, g, "/healthz/ready")
	require.Equal(t, http.StatusOK, status, ready)
	config, _ := visit(t, g, "/config")
	require.Contains(t, config, "cluster "+outbound("podinfo-canary")+" "+upstream+"(podinfo-canary)")
	require.Contains(t, config, outbound("podinfo-canary")+"=1")
}

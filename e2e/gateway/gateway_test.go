package gateway

import (
	"context"
	"io"
	"math"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	route "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	"github.com/stretchr/testify/require"
)

const door = "http.8080"

// fetch asks the gateway once and returns the answer's body and the answer.
func fetch(t *testing.T, method, url string, change ...func(*http.Request)) (string, *http.Response) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	require.NoError(t, err)
	for _, c := range change {
		c(r)
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	defer client.CloseIdleConnections()
	resp, err := client.Do(r)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return string(body), resp
}

func within4Sigma(t *testing.T, hits, n int, p float64) {
	t.Helper()
	sigma := math.Sqrt(p * (1 - p) / float64(n))
	require.InDelta(t, p, float64(hits)/float64(n), 4*sigma, "share of requests")
}

func TestSplitFollowsWeights(t *testing.T) {
	address := freePort(t)
	i := startIstiod(t,
		clusterOf("podinfo-primary"), clusterOf("podinfo-canary"),
		endpointsOf("podinfo-primary", backend(t, "primary", nil)), endpointsOf("podinfo-canary", backend(t, "canary", nil)),
		httpListener(address, door), tableOf(door, shared("podinfo-primary", 90, "podinfo-canary", 10)))
	startGateway(t, i)
	const n = 2000
	canary := 0
	for range n {
		body, resp := fetch(t, http.MethodGet, "http://"+address+"/")
		require.Equal(t, http.StatusOK, resp.StatusCode)
		if body == "canary" {
			canary++
		}
	}
	within4Sigma(t, canary, n, 0.1)
}

// TestChangesCostNoRequest turns the weights and the endpoints over under load.
func TestChangesCostNoRequest(t *testing.T) {
	address := freePort(t)
	one, two := backend(t, "one", nil), backend(t, "two", nil)
	i := startIstiod(t,
		clusterOf("podinfo-primary"), clusterOf("podinfo-canary"),
		endpointsOf("podinfo-primary", one), endpointsOf("podinfo-canary", two),
		httpListener(address, door), tableOf(door, shared("podinfo-primary", 100, "podinfo-canary", 0)))
	startGateway(t, i)
	ctx, cancel := context.WithCancel(t.Context())
	var sent, failed atomic.Int64
	finished := make(chan struct{})
	for range 8 {
		go func() {
			defer func() { finished <- struct{}{} }()
			for ctx.Err() == nil {
				sent.Add(1)
				if resp, err := http.Get("http://" + address + "/"); err != nil || resp.StatusCode != http.StatusOK {
					failed.Add(1)
				} else {
					_, _ = io.Copy(io.Discard, resp.Body)
					_ = resp.Body.Close()
				}
			}
		}()
	}
	for change := range 40 {
		before := sent.Load()
		i.set(tableOf(door, shared("podinfo-primary", 100-change%2*100, "podinfo-canary", change%2*100)))
		if change%4 == 0 {
			i.set(endpointsOf("podinfo-primary", one, two), endpointsOf("podinfo-canary", two, one))
		}
		require.Eventually(t, func() bool { return sent.Load() > before+100 }, patience, time.Millisecond, "requests go on")
	}
	cancel()
	for range 8 {
		<-finished
	}
	require.Zero(t, failed.Load(), "of %d requests, over 40 changes", sent.Load())
}

func TestNewWeightsTakeEffect(t *testing.T) {
	address := freePort(t)
	i := startIstiod(t,
		clusterOf("a"), clusterOf("b"), endpointsOf("a", backend(t, "a", nil)), endpointsOf("b", backend(t, "b", nil)),
		httpListener(address, door), tableOf(door, shared("a", 100, "b", 0)))
	startGateway(t, i)
	body, _ := fetch(t, http.MethodGet, "http://"+address+"/")
	require.Equal(t, "a", body)
	i.set(tableOf(door, shared("a", 0, "b", 100)))
	require.Eventually(t, func() bool {
		body, _ := fetch(t, http.MethodGet, "http://"+address+"/")
		return body == "b"
	}, patience, time.Millisecond)
}

// TestUnreachable checks what a client is told when there is nowhere to go.
func TestUnreachable(t *testing.T) {
	gone := freePort(t)
	cases := map[string]struct {
		reason string
		route  *route.Route
		status int
		flag   string
	}{
		"NoEndpoints":   {reason: "a Service without ready pods", route: shared("empty", 1), status: 503, flag: flagNoHealthy},
		"NoCluster":     {reason: "a Service istiod doesn't know", route: shared("unknown", 1), status: 503, flag: flagNoCluster},
		"NoRoute":       {reason: "a path no route is for", route: &route.Route{Match: prefixMatch("/other"), Action: shared("a", 1).Action}, status: 404, flag: flagNoRoute},
		"NobodyListens": {reason: "a pod that is gone", route: shared("gone", 1), status: 503, flag: flagConnectFailed},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			address := freePort(t)
			i := startIstiod(t,
				clusterOf("a"), clusterOf("empty"), clusterOf("gone"), endpointsOf("a", backend(t, "a", nil)), endpointsOf("empty"), endpointsOf("gone", gone),
				httpListener(address, door), tableOf(door, tc.route))
			startGateway(t, i)
			_, resp := fetch(t, http.MethodGet, "http://"+address+"/")
			require.Equal(t, tc.status, resp.StatusCode, tc.reason)
			require.Equal(t, tc.flag, resp.Header.Get("X-Envoy-Response-Flags"), tc.reason)
		})
	}
}

func TestDrainLetsRequestsFinish(t *testing.T) {
	address := freePort(t)
	arrived, release := make(chan struct{}), make(chan struct{})
	slow := backend(t, "slow", func(w http.ResponseWriter, _ *http.Request) {
		close(arrived)
		<-release
		_, _ = io.WriteString(w, "done")
	})
	i := startIstiod(t, clusterOf("a"), endpointsOf("a", slow), httpListener(address, door), tableOf(door, shared("a", 1)))
	g := New(configFor(i))
	ctx, cancel := context.WithCancel(t.Context())
	stopped := make(chan error, 1)
	go func() { stopped <- g.Run(ctx) }()
	require.Eventually(t, func() bool { return g.Snapshot().Ready }, patience, time.Millisecond)
	answered := make(chan string, 1)
	go func() {
		body, _ := fetch(t, http.MethodGet, "http://"+address+"/")
		answered <- body
	}()
	<-arrived
	cancel()
	require.Eventually(t, func() bool {
		_, err := http.Get("http://" + address + "/")
		return err != nil && strings.Contains(err.Error(), "refused")
	}, patience, time.Millisecond, "nobody new is let in")
	close(release)
	require.Equal(t, "done", <-answered, "the request in flight is answered")
	require.NoError(t, <-stopped)
}

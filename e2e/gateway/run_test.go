package gateway

import (
	"context"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// freePort finds a port nobody listens on. That nobody takes it meanwhile is likely enough.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().String()
}

// backend answers every request with its name, and as the test says.
func backend(t *testing.T, name string, behave http.HandlerFunc) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Backend", name)
		if behave != nil {
			behave(w, r)
			return
		}
		_, _ = io.WriteString(w, name)
	})}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
	return l.Addr().String()
}

// startGateway runs a gateway until the test ends and waits until it is ready.
func startGateway(t *testing.T, i *istiod, change ...func(*Config)) *Gateway {
	t.Helper()
	cfg := configFor(i)
	for _, c := range change {
		c(&cfg)
	}
	g := New(cfg)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- g.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done, "nothing was in flight when the gateway was told to stop")
	})
	require.Eventually(t, func() bool { return g.Snapshot().Ready }, patience, 5*time.Millisecond, "istiod's answers arrive")
	return g
}

// configFor is a gateway's configuration with chance that repeats itself.
func configFor(i *istiod) Config {
	random := rand.New(rand.NewPCG(1, 2))
	var mu sync.Mutex
	return Config{
		XDSAddress: i.address, Log: slog.New(slog.DiscardHandler),
		Identity: Identity{
			Mode: Ingress, Name: "istio-ingressgateway-7c9b9d4f6-abcde", Namespace: "istio-system", IP: "10.244.0.9",
			Labels: map[string]string{"app": "istio-ingressgateway"},
		},
		Rand: func() float64 { mu.Lock(); defer mu.Unlock(); return random.Float64() },
	}
}

package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	certutil "k8s.io/client-go/util/cert"

	"github.com/sluice-cd/sluice/pkg/kube/kubetest"
)

func TestMain(m *testing.M) { os.Exit(kubetest.Main(m, "../../artifacts/crds")) }

// TestConsoleIsServed starts the operator with its page over TLS, as a deployment would.
func TestConsoleIsServed(t *testing.T) {
	kubetest.Config(t)
	certPEM, keyPEM, err := certutil.GenerateSelfSignedCertKey("127.0.0.1", nil, nil)
	require.NoError(t, err)
	cert, key := filepath.Join(t.TempDir(), "tls.crt"), filepath.Join(t.TempDir(), "tls.key")
	require.NoError(t, os.WriteFile(cert, certPEM, 0o600))
	require.NoError(t, os.WriteFile(key, keyPEM, 0o600))
	page := served(t, "-console-tls-cert-file="+cert, "-console-tls-key-file="+key)
	browser := &http.Client{Transport: &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	var me struct{ Mode string }
	require.Eventually(t, func() bool {
		res, err := browser.Get(fmt.Sprintf("https://%s/api/v1/me", page))
		if err != nil {
			return false
		}
		defer res.Body.Close()
		require.Equal(t, http.StatusUnauthorized, res.StatusCode)
		require.Equal(t, 2, res.ProtoMajor, "streams of many tabs share a connection")
		return json.NewDecoder(res.Body).Decode(&me) == nil
	}, time.Minute, 50*time.Millisecond)
	require.Equal(t, "token", me.Mode)
}

// served starts the operator with its page alone, until the test ends.
func served(t *testing.T, flags ...string) (page string) {
	t.Helper()
	page = "127.0.0.1:" + freePort(t)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	flags = append(flags, "-kubeconfig="+os.Getenv(kubetest.Kubeconfig), "-mesh-provider=kubernetes", "-port="+freePort(t), "-log-level=error",
		"-console-address="+page, "-console-mode=token", "-console-only")
	go func() { ended <- run(ctx, flags) }()
	t.Cleanup(func() {
		stop()
		require.NoError(t, <-ended)
	})
	return page
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	require.NoError(t, err)
	return port
}

// Somebody without a login opens streams as fast as they can, and keeps all that are answered.
func TestManyStreams(t *testing.T) {
	kubetest.Config(t)
	page := served(t)
	ask := func(within time.Duration) net.Conn {
		conn, err := net.DialTimeout("tcp", page, within)
		if err != nil {
			return nil
		}
		_ = conn.SetDeadline(time.Now().Add(within))
		_, err = fmt.Fprintf(conn, "GET /api/v1/stream HTTP/1.1\r\nHost: %s\r\n\r\n", page)
		if err == nil {
			_, err = http.ReadResponse(bufio.NewReader(conn), nil)
		}
		if err != nil {
			conn.Close()
			return nil
		}
		return conn
	}
	answers := func() bool {
		conn := ask(time.Second)
		if conn != nil {
			conn.Close()
		}
		return conn != nil
	}
	require.Eventually(t, answers, time.Minute, 50*time.Millisecond)

	const streams = 10_000
	ends := time.Now().Add(idle / 2) // later the first would be closed
	open := make(chan net.Conn, streams)
	var all sync.WaitGroup
	for range 500 {
		all.Go(func() {
			for range streams / 500 {
				if time.Now().After(ends) {
					return
				}
				if conn := ask(time.Second / 2); conn != nil {
					open <- conn
				}
			}
		})
	}
	all.Wait()
	t.Logf("%d connections", len(open))
	require.LessOrEqual(t, len(open), mostConnections)
	require.Greater(t, len(open), mostConnections/2, "the machine was too slow for this to be tried")
	close(open)
	for conn := range open {
		conn.Close()
	}
	require.Eventually(t, answers, time.Minute, 50*time.Millisecond, "places become free")
}

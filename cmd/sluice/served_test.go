package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
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
	port := func() string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		defer l.Close()
		_, port, err := net.SplitHostPort(l.Addr().String())
		require.NoError(t, err)
		return port
	}
	certPEM, keyPEM, err := certutil.GenerateSelfSignedCertKey("127.0.0.1", nil, nil)
	require.NoError(t, err)
	cert, key := filepath.Join(t.TempDir(), "tls.crt"), filepath.Join(t.TempDir(), "tls.key")
	require.NoError(t, os.WriteFile(cert, certPEM, 0o600))
	require.NoError(t, os.WriteFile(key, keyPEM, 0o600))
	page := "127.0.0.1:" + port()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, []string{
			"-kubeconfig=" + os.Getenv(kubetest.Kubeconfig), "-mesh-provider=kubernetes", "-port=" + port(), "-log-level=error",
			"-console-address=" + page, "-console-mode=token", "-console-only", "-console-tls-cert-file=" + cert, "-console-tls-key-file=" + key,
		})
	}()
	defer func() {
		stop()
		require.NoError(t, <-ended)
	}()
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

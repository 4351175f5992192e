package systems

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/metric"
)

// patience bounds every wait: a machine that has a lot to do starts a program slowly.
const patience = 2 * time.Minute

// program is where a system's program is.
func program(t *testing.T, name, from string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		untested(t, "%s is not installed; it comes with %s, and `make systems` installs it", name, from)
	}
	return path
}

// built is where a system's program is that is built from its module.
func built(t *testing.T, name string) string {
	t.Helper()
	said, err := exec.Command("../../../e2e/build/build", name).Output()
	if err != nil {
		untested(t, "%s cannot be built: %v", name, err)
	}
	return strings.TrimSpace(string(said))
}

// untested ends a test for want of its system. `make systems` says so where everybody sees it.
func untested(t *testing.T, why string, values ...any) {
	t.Helper()
	t.Skipf("NOT TESTED: "+why, values...)
}

// free is a port that nobody listens at.
func free(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// run runs a program until the test ends, and shows what it said if that failed.
func run(t *testing.T, environment []string, path string, args ...string) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	said := &bytes.Buffer{}
	cmd.Stdout, cmd.Stderr, cmd.Env, cmd.Dir = said, said, append(os.Environ(), environment...), t.TempDir()
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		stop()
		_ = cmd.Wait() // it was told to end
		if t.Failed() {
			t.Logf("%s said:\n%s", path, said)
		}
	})
}

// get asks until the server is up, and returns its answer.
func get(t *testing.T, url string) string {
	t.Helper()
	var body []byte
	require.Eventually(t, func() bool {
		resp, err := http.Get(url)
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		body, err = io.ReadAll(resp.Body)
		return err == nil && resp.StatusCode < 300
	}, patience, 50*time.Millisecond, "no answer from %s", url)
	return string(body)
}

// post sends a text.
func post(t *testing.T, url, text string) {
	t.Helper()
	resp, err := http.Post(url, "text/plain", strings.NewReader(text))
	require.NoError(t, err)
	defer resp.Body.Close()
	said, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Less(t, resp.StatusCode, 300, "%s: %s", url, said)
}

// provider asks a server as the operator does.
func provider(t *testing.T, kind v1beta1.MetricProviderType, address string) metric.Provider {
	t.Helper()
	p, err := metric.New(v1beta1.MetricProvider{Type: kind, Address: address}, metric.Settings{Timeout: patience, Quote: true})
	require.NoError(t, err)
	return p
}

// answer is one query and what is to come of it.
type answer struct {
	reason, query string
	want          float64
	none          bool   // there is no data
	err           string // part of it
}

// answers puts queries to a system.
func answers(t *testing.T, p metric.Provider, all map[string]answer) {
	t.Helper()
	for name, tc := range all {
		t.Run(name, func(t *testing.T) {
			got, err := p.Query(t.Context(), tc.query)
			switch {
			case tc.none:
				require.ErrorIs(t, err, metric.ErrNoData, "%s: %v", tc.reason, got)
			case tc.err != "":
				require.ErrorContains(t, err, tc.err, tc.reason)
				require.NotErrorIs(t, err, metric.ErrNoData, tc.reason)
			default:
				require.NoError(t, err, tc.reason)
				require.Equal(t, tc.want, got, tc.reason)
			}
		})
	}
}

func local(port int) string { return fmt.Sprintf("http://127.0.0.1:%d", port) }

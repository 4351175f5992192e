package bench

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/client-go/tools/clientcmd"
)

func TestFree(t *testing.T) {
	found, err := free(5)
	require.NoError(t, err)
	seen := map[string]bool{}
	for _, address := range found {
		require.False(t, seen[address], "no address is found twice")
		seen[address] = true
		l, err := net.Listen("tcp", address)
		require.NoError(t, err, "it can be listened on")
		require.NoError(t, l.Close())
	}
	require.Len(t, seen, 5)
}

func TestCredentials(t *testing.T) {
	p := &Plane{dir: t.TempDir(), address: "127.0.0.1:1234"}
	require.NoError(t, p.credentials())
	tokens, err := os.ReadFile(p.path("tokens.csv"))
	require.NoError(t, err)
	for user, group := range groups {
		config, err := clientcmd.BuildConfigFromFlags("", p.kubeconfig(user))
		require.NoError(t, err, user)
		require.Equal(t, "https://127.0.0.1:1234", config.Host, user)
		require.Contains(t, string(tokens), strings.Join([]string{config.BearerToken, user, user, `"` + group + `"`}, ","),
			"the API server knows the token of %s by that name", user)
	}
	require.Empty(t, groups[userSluice], "the operator has no rights but those of its manifests")
}

func TestPlaneFlags(t *testing.T) {
	p := &Plane{dir: t.TempDir(), address: "127.0.0.1:1234", etcd: "127.0.0.1:5678"}
	for name, flags := range map[string][]string{
		"etcd": p.etcdFlags(), "kube-apiserver": p.serverFlags(), "kube-controller-manager": p.managerFlags(), "kube-scheduler": p.schedulerFlags(),
	} {
		for _, f := range flags {
			require.NotContains(t, f, "0.0.0.0", "%s listens on this machine only", name)
		}
	}
	require.Contains(t, p.serverFlags(), "--secure-port=1234")
	require.Contains(t, p.serverFlags(), "--etcd-servers=http://127.0.0.1:5678")
	require.Contains(t, p.serverFlags(), "--audit-log-path="+p.AuditLog())
}

func TestAnswers(t *testing.T) {
	tests := map[string]struct {
		reason string
		code   int
		fails  bool
	}{
		"Ready":   {reason: "200 is the only yes", code: http.StatusOK},
		"NotYet":  {reason: "a server that starts says 503", code: http.StatusServiceUnavailable, fails: true},
		"Refused": {reason: "who may not ask has not been told", code: http.StatusUnauthorized, fails: true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(tc.code) }))
			defer s.Close()
			require.Equal(t, tc.fails, answers(t.Context(), s.Client(), s.URL) != nil, tc.reason)
		})
	}
	require.Error(t, answers(t.Context(), http.DefaultClient, "http://127.0.0.1:1"), "nobody there is not yet, too")
}

func TestProcess(t *testing.T) {
	dir := t.TempDir()
	p, err := launch(dir, "sleeper", []string{"SECONDS_TO_LIVE=60"}, "/bin/sh", "-c", `echo "for $SECONDS_TO_LIVE"; exec sleep "$SECONDS_TO_LIVE"`)
	require.NoError(t, err)
	require.NoError(t, p.until(t.Context(), time.Millisecond, func(context.Context) error { return logged(p.log, "for 60") }), "its output is in its log")
	require.NoError(t, syscall.Kill(p.pid(), 0), "it runs")
	p.end(syscall.SIGTERM)
	require.ErrorIs(t, syscall.Kill(p.pid(), 0), syscall.ESRCH, "it is gone when end returns")

	_, err = launch(dir, "missing", nil, "/does/not/exist")
	require.ErrorContains(t, err, `start "missing"`)
}

func TestProcessUntilIsNotWaitedForInVain(t *testing.T) {
	p, err := launch(t.TempDir(), "brief", nil, "/bin/sh", "-c", "echo no such flag; exit 1")
	require.NoError(t, err)
	err = p.until(t.Context(), time.Millisecond, func(context.Context) error { return os.ErrNotExist })
	require.ErrorContains(t, err, "it ended")
	require.ErrorContains(t, err, "no such flag", "its log says why")
}

// logged says whether a log has a text already.
func logged(file, text string) error {
	raw, err := os.ReadFile(file)
	if err == nil && !strings.Contains(string(raw), text) {
		return errors.New("not yet")
	}
	return err
}

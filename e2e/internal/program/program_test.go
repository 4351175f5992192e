package program

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestMain lets the test's own program be what Main runs.
func TestMain(m *testing.M) {
	switch os.Getenv("PROGRAM") {
	case "fails":
		Main("fails", func(context.Context) error { return io.ErrUnexpectedEOF })
	case "waits":
		Main("waits", func(ctx context.Context) error {
			_, _ = os.Stdout.WriteString("waiting\n")
			<-ctx.Done()
			return nil
		})
	default:
		os.Exit(m.Run())
	}
}

func command(t *testing.T, name string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), "PROGRAM="+name)
	return cmd
}

func TestMainTellsItsError(t *testing.T) {
	said, err := command(t, "fails").CombinedOutput()
	failed := &exec.ExitError{}
	require.ErrorAs(t, err, &failed)
	require.Equal(t, 1, failed.ExitCode())
	require.Equal(t, "fails: unexpected EOF\n", string(said))
}

func TestMainEndsWithASignal(t *testing.T) {
	for _, signal := range []os.Signal{syscall.SIGTERM, syscall.SIGINT} {
		cmd := command(t, "waits")
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		_, err = io.ReadFull(out, make([]byte, len("waiting\n")))
		require.NoError(t, err)
		require.NoError(t, cmd.Process.Signal(signal))
		require.NoError(t, cmd.Wait(), "to be told to stop is no failure")
	}
}

// TestServe has a request that never ends, as a reader of a stream has.
func TestServe(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := taken.Addr().String()
	require.ErrorContains(t, Serve(t.Context(), address, nil), address)
	require.NoError(t, taken.Close())

	ctx, stop := context.WithCancel(t.Context())
	asked, ended := make(chan struct{}), make(chan error)
	go func() {
		ended <- Serve(ctx, address, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			close(asked)
			<-r.Context().Done()
		}))
	}()
	require.Eventually(t, func() bool {
		conn, err := net.Dial("tcp", address)
		return err == nil && conn.Close() == nil
	}, 10*time.Second, time.Millisecond)
	go func() { _, _ = http.Get("http://" + address) }()
	<-asked
	stop()
	require.NoError(t, <-ended)
}

package kubetest

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const parentMode = "SLUICE_KUBETEST_PARENT"

// TestParent is no test of its own: it is what TestDiesWithUs runs and kills.
func TestParent(t *testing.T) {
	if os.Getenv(parentMode) == "" {
		return
	}
	p, err := spawn(os.DevNull, "sleep", "600")
	require.NoError(t, err)
	_, err = os.Stdout.WriteString("pid " + strconv.Itoa(p.cmd.Process.Pid) + "\n")
	require.NoError(t, err)
	<-p.done
}

func TestDiesWithUs(t *testing.T) {
	parent := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestParent$")
	parent.Env = append(os.Environ(), parentMode+"=1")
	out, err := parent.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, parent.Start())
	child := 0
	for lines := bufio.NewScanner(out); child == 0 && lines.Scan(); {
		if number, ok := strings.CutPrefix(lines.Text(), "pid "); ok {
			child, err = strconv.Atoi(number)
			require.NoError(t, err)
		}
	}
	require.True(t, alive(child), "it runs as long as its parent")
	require.NoError(t, parent.Process.Kill())
	_ = parent.Wait()
	require.Eventually(t, func() bool { return !alive(child) }, 20*time.Second, 10*time.Millisecond,
		"a test binary that is killed leaves no server behind")
}

// alive says whether a process runs; one that nobody has buried yet does not.
func alive(pid int) bool {
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return false
	}
	_, state, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(state, "Z")
}

func TestKill(t *testing.T) {
	p, err := spawn(os.DevNull, "sleep", "600")
	require.NoError(t, err)
	p.kill()
	require.ErrorIs(t, syscall.Kill(p.cmd.Process.Pid, 0), syscall.ESRCH)
	p.kill()
	_, err = spawn(os.DevNull, filepath.Join(t.TempDir(), "nothing"))
	require.Error(t, err)
}

func TestFolder(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	gone := exec.CommandContext(t.Context(), "true")
	require.NoError(t, gone.Run())
	left := filepath.Join(os.TempDir(), prefix+strconv.Itoa(gone.Process.Pid)+"-1")
	foreign := filepath.Join(os.TempDir(), prefix+"notes")
	for _, dir := range []string{left, foreign} {
		require.NoError(t, os.Mkdir(dir, 0o700))
	}
	mine, err := folder()
	require.NoError(t, err)
	other, err := folder()
	require.NoError(t, err)
	require.NotEqual(t, mine, other)
	require.DirExists(t, mine, "a process that runs keeps its folder")
	require.NoDirExists(t, left, "one that was killed can't have cleaned up")
	require.DirExists(t, foreign, "what is not ours stays")
}

func TestStartFails(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	_, err := start(t.Context(), "false")
	require.ErrorContains(t, err, "a process ended early")
	_, err = start(t.Context(), filepath.Join(t.TempDir(), "nothing"))
	require.ErrorIs(t, err, os.ErrNotExist)
	left, err := filepath.Glob(filepath.Join(os.TempDir(), prefix+"*"))
	require.NoError(t, err)
	require.Empty(t, left, "a server that did not start leaves nothing")
}

func TestBinary(t *testing.T) {
	t.Setenv(Binary, "/some/where")
	path, err := binary(context.Background())
	require.NoError(t, err)
	require.Equal(t, "/some/where", path, "a program that is there is not built")
	_, err = above("no/such/file")
	require.ErrorContains(t, err, `no "no/such/file"`)
	_, err = load("")
	require.ErrorContains(t, err, Kubeconfig)
}

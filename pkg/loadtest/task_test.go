package loadtest

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
)

func TestBash(t *testing.T) {
	cases := map[string]struct {
		reason   string
		metadata map[string]string
		code     int
		want     []string
		not      string
	}{
		"Succeeds": {
			reason:   "Its result is the answer; its output only if asked for.",
			metadata: map[string]string{"cmd": "echo token"},
			code:     200,
			want:     []string{"OK"},
			not:      "token",
		},
		"Output": {
			reason:   "Both of its outputs are.",
			metadata: map[string]string{"cmd": "echo out; echo err >&2", "returnCmdOutput": "true"},
			code:     200,
			want:     []string{"out\nerr\n"},
		},
		"Fails": {
			reason:   "Who reads the event wants to know why.",
			metadata: map[string]string{"cmd": "echo no token; exit 3"},
			code:     500,
			want:     []string{"command failed: bash: exit status 3", "no token"},
		},
		"Pipe": {
			reason:   "Acceptance tests look for a word in an answer.",
			metadata: map[string]string{"cmd": "echo '{\"token\":\"x\"}' | grep token"},
			code:     200,
		},
		"PipeFails": {
			reason:   "And fail when it is not there.",
			metadata: map[string]string{"cmd": "echo nothing | grep token"},
			code:     500,
			want:     []string{"exit status 1"},
		},
		"IsBash": {
			reason:   "It is bash and not a lesser shell.",
			metadata: map[string]string{"cmd": "set -o pipefail; [[ a =~ ^a$ ]] && a=(1 2) && echo ${#a[@]}", "returnCmdOutput": "true"},
			code:     200,
			want:     []string{"2\n"},
		},
		"Missing": {
			reason:   "A tool that is not installed is named.",
			metadata: map[string]string{"cmd": "no-such-tool --now"},
			code:     500,
			want:     []string{"exit status 127", "no-such-tool"},
		},
		"Background": {
			reason:   "What still talks after the shell is waited for, as a pipe would.",
			metadata: map[string]string{"cmd": "(sleep 0.1; echo late) & echo early", "returnCmdOutput": "true"},
			code:     200,
			want:     []string{"early\nlate\n"},
		},
		"Talkative": {
			reason:   "Output is cut off, and the command goes on.",
			metadata: map[string]string{"cmd": "head -c 200000 /dev/zero | tr '\\0' x; exit 4"},
			code:     500,
			want:     []string{"exit status 4", "and 134464 bytes more"},
		},
	}
	x := newTester(t, Options{})
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			tc.metadata["type"] = "bash"
			code, said := x.call("/", tc.metadata)
			require.Equal(t, tc.code, code, "%s: %s", tc.reason, said)
			for _, part := range tc.want {
				require.Contains(t, said, part, tc.reason)
			}
			if tc.not != "" {
				require.NotContains(t, said, tc.not, tc.reason)
			}
		})
	}
}

func TestBashAsksAServer(t *testing.T) {
	target := newTester(t, Options{}) // any web server will do
	x := newTester(t, Options{})
	code, said := x.call("/", map[string]string{"type": "bash", "cmd": "curl -sd 'test' " + target.url + "/healthz | grep OK"})
	require.Equal(t, 200, code, said)
	code, _ = x.call("/", map[string]string{"type": "bash", "cmd": "curl -sd 'test' " + target.url + "/healthz | grep token"})
	require.Equal(t, 500, code, "The same test fails where the word is missing.")
}

// lines is how many lines a file has by now.
func lines(file string) int {
	text, _ := os.ReadFile(file)
	return bytes.Count(text, []byte("\n"))
}

func soon(t *testing.T, what func() bool, reason string) {
	t.Helper()
	require.Eventually(t, what, 10*time.Second, 5*time.Millisecond, reason)
}

func TestCmdRunsInTheBackground(t *testing.T) {
	file := filepath.Join(t.TempDir(), "out")
	x := newTester(t, Options{})
	code, said := x.call("/", map[string]string{"cmd": "sleep 0.2; echo done >> " + file})
	require.Equal(t, 202, code, "A load test is accepted, not waited for.")
	require.Empty(t, said)
	require.Zero(t, lines(file), "It is not done yet.")
	soon(t, func() bool { return lines(file) == 1 }, "It is done after a while.")
}

func TestCmdRunsOnce(t *testing.T) {
	dir := t.TempDir()
	file, gate := filepath.Join(dir, "out"), filepath.Join(dir, "gate")
	require.NoError(t, syscall.Mkfifo(gate, 0o600))
	script := "echo started >> " + file + "; read line < " + gate
	x := newTester(t, Options{})
	again := func() {
		t.Helper()
		code, _ := x.call("/", map[string]string{"type": "cmd", "cmd": script})
		require.Equal(t, 202, code)
	}
	again()
	soon(t, func() bool { return lines(file) == 1 }, "It starts.")
	again()
	again()
	code, _ := x.post("/", `{"name":"other","namespace":"test","metadata":{"cmd":"echo started >> `+file+`"}}`)
	require.Equal(t, 202, code)
	soon(t, func() bool { return lines(file) == 2 }, "Another Canary's is another one.")

	require.NoError(t, os.WriteFile(gate, []byte("go\n"), 0o600)) // lets the first one end
	soon(t, func() bool { return len(x.srv.runner.slots[typeCmd]) == 0 }, "It ends.")
	require.Equal(t, 2, lines(file), "Asked three times, run once.")
	again()
	soon(t, func() bool { return lines(file) == 3 }, "Once it has ended it can be run again.")
}

func TestCommandsAreBounded(t *testing.T) {
	x := newTester(t, Options{Commands: 2})
	for _, script := range []string{"sleep 1000", "sleep 1001"} {
		code, _ := x.call("/", map[string]string{"cmd": script})
		require.Equal(t, 202, code)
	}
	code, said := x.call("/", map[string]string{"cmd": "sleep 1002"})
	require.Equal(t, http.StatusTooManyRequests, code, "Webhooks come back after a 429.")
	require.Contains(t, said, "too many commands are running: 2 of type cmd")
	code, _ = x.call("/", map[string]string{"cmd": "sleep 1000"})
	require.Equal(t, 202, code, "One that runs is not refused.")
	code, _ = x.call("/", map[string]string{"type": "bash", "cmd": "true"})
	require.Equal(t, 200, code, "Load tests keep no acceptance test out.")
}

// family is a script that starts a grandchild and writes down its process id.
func family(file string) string { return "sleep 1000 & echo $! > " + file + "; wait" }

func pidIn(t *testing.T, file string) int {
	t.Helper()
	soon(t, func() bool { return lines(file) == 1 }, "The script starts.")
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	require.NoError(t, err)
	return pid
}

// gone says that a process has ended; one that nobody has reaped yet counts.
func gone(pid int) bool {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return true
	}
	_, after, _ := strings.Cut(string(text), ") ")
	return strings.HasPrefix(after, "Z")
}

func TestGroupsAreEnded(t *testing.T) {
	cases := map[string]struct {
		reason  string
		timeout time.Duration
		kind    string
		end     func(hangUp, shutDown context.CancelFunc)
	}{
		"Timeout":         {reason: "A load test has its time.", timeout: 300 * time.Millisecond, kind: "cmd", end: func(_, _ context.CancelFunc) {}},
		"TimeoutAtOnce":   {reason: "So has an acceptance test.", timeout: 300 * time.Millisecond, kind: "bash", end: func(_, _ context.CancelFunc) {}},
		"HangUp":          {reason: "Nobody waits for its result.", timeout: time.Hour, kind: "bash", end: func(hangUp, _ context.CancelFunc) { hangUp() }},
		"ShutDown":        {reason: "Nothing outlives the tester.", timeout: time.Hour, kind: "cmd", end: func(_, shutDown context.CancelFunc) { shutDown() }},
		"ShutDownAtOnce":  {reason: "Nothing outlives the tester.", timeout: time.Hour, kind: "bash", end: func(_, shutDown context.CancelFunc) { shutDown() }},
		"ShutDownBoth":    {reason: "Whoever comes first.", timeout: time.Hour, kind: "bash", end: func(h, s context.CancelFunc) { s(); h() }},
		"HangUpThenClose": {reason: "Whoever comes first.", timeout: time.Hour, kind: "bash", end: func(h, s context.CancelFunc) { h(); s() }},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "pid")
			process, shutDown := context.WithCancel(t.Context())
			defer shutDown()
			s := New(process, Options{Timeout: tc.timeout})
			caller, hangUp := context.WithCancel(t.Context())
			defer hangUp()
			var all sync.WaitGroup
			todo, err := newTask(payload{Name: "podinfo", Namespace: "test", Metadata: map[string]string{"type": tc.kind, "cmd": family(file)}})
			require.NoError(t, err)
			all.Go(func() {
				if tc.kind == typeBash {
					_, _ = s.runner.run(caller, todo)
					return
				}
				_ = s.runner.start(todo)
			})
			pid := pidIn(t, file)
			tc.end(hangUp, shutDown)
			soon(t, func() bool { return gone(pid) }, tc.reason)
			all.Wait()
			s.runner.wait()
		})
	}
}

func TestTimeoutIsTold(t *testing.T) {
	x := newTester(t, Options{Timeout: 100 * time.Millisecond})
	code, said := x.call("/", map[string]string{"type": "bash", "cmd": "echo begun; sleep 1000"})
	require.Equal(t, 500, code)
	require.Equal(t, "command failed: ended after 100ms: context deadline exceeded\nbegun", said)
}

func TestHangingUpEndsTheCommand(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pid")
	x := newTester(t, Options{})
	ctx, hangUp := context.WithCancel(t.Context())
	body := `{"metadata":{"type":"bash","cmd":"` + family(file) + `"}}`
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, x.url, strings.NewReader(body))
	require.NoError(t, err)
	ended := make(chan error, 1)
	go func() {
		resp, err := http.DefaultClient.Do(req)
		if err == nil {
			resp.Body.Close()
		}
		ended <- err
	}()
	pid := pidIn(t, file)
	hangUp()
	require.ErrorIs(t, <-ended, context.Canceled)
	soon(t, func() bool { return gone(pid) }, "The caller's next attempt must not run beside it.")
}

func TestWhoLeavesTheGroupHoldsNobodyUp(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pid")
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- command(ctx, &output{}, "bash", "-c", "setsid sleep 1000 & echo $! > "+file+"; wait") }()
	pid := pidIn(t, file)
	t.Cleanup(func() { _ = syscall.Kill(pid, syscall.SIGKILL) })
	soon(t, func() bool { return leads(pid) }, "It leaves the group.")
	cancel()
	require.Error(t, <-ended)
	require.False(t, gone(pid), "It holds the pipe still, and is not waited for.")
}

// leads says that a process has a group of its own.
func leads(pid int) bool {
	group, err := syscall.Getpgid(pid)
	return err == nil && group == pid
}

func TestLog(t *testing.T) {
	cases := map[string]struct {
		reason   string
		metadata map[string]string
		want     string
		not      string
	}{
		"Silent":  {reason: "Output is the user's, and may be long.", metadata: map[string]string{"cmd": "echo he''llo"}, want: `"command ended"`, not: "hello"},
		"AskedTo": {reason: "Unless asked for.", metadata: map[string]string{"cmd": "echo he''llo", "logCmdOutput": "true"}, want: `"output":"hello\n"`},
		"Fails":   {reason: "Failures are never silent: nobody waits for a load test.", metadata: map[string]string{"cmd": "echo he''llo; exit 1"}, want: `"output":"hello\n"`},
		"Whose":   {reason: "A line says whose command it was.", metadata: map[string]string{"cmd": "true"}, want: `"canary":"podinfo.test"`},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			var said bytes.Buffer
			x := newTester(t, Options{Log: logr.FromSlogHandler(slog.NewJSONHandler(&said, nil))})
			tc.metadata["type"] = "bash" // whose end can be waited for
			x.call("/", tc.metadata)
			require.Contains(t, said.String(), tc.want, tc.reason)
			if tc.not != "" {
				require.NotContains(t, said.String(), tc.not, tc.reason)
			}
		})
	}
}

func TestPanicFailsACommand(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := New(ctx, Options{})
	broken := task{kind: typeNgrinder, job: job{name: "test", do: func(context.Context, io.Writer) error { panic("no answer") }}}
	_, err := s.runner.run(ctx, broken)
	require.EqualError(t, err, "panic: no answer", "What a server answers must not end the load tester.")
	require.NoError(t, s.runner.start(broken))
	cancel()
	s.runner.wait()
	require.InDelta(t, 2, testutil.ToFloat64(s.runner.done.WithLabelValues(typeNgrinder, "failed")), 0)
}

// TestCommandsAreNotLoggedWhole runs commands with a password in them.
func TestCommandsAreNotLoggedWhole(t *testing.T) {
	for command, want := range map[string]string{
		"true --header 's3cret-token'": "true (28 bytes, ",
		"PASSWORD=s3cret-token true":   "PASSWORD (26 bytes, ",
		"s3cret-token=x":               "s3cret-token (14 bytes, ", // the name of a variable is none
	} {
		require.Contains(t, summary(command), want)
	}
	var log strings.Builder
	x := newTester(t, Options{Log: funcr.New(func(_, args string) { log.WriteString(args + "\n") }, funcr.Options{})})
	code, _ := x.call("/", map[string]string{"type": "bash", "cmd": "true --header 's3cret-token'"})
	require.Equal(t, 200, code)
	x.call("/", map[string]string{"type": "bash", "cmd": "false --header 's3cret-token'"})
	require.Contains(t, log.String(), `"command"="true (28 bytes`)
	require.Contains(t, log.String(), `"command"="false (29 bytes`)
	require.NotContains(t, log.String(), "s3cret")
}

package cluster

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestUndo(t *testing.T) {
	cases := map[string]struct {
		reason string
		saved  string
		want   string
	}{
		"Empty":      {reason: "an untouched table stays untouched", saved: "", want: ""},
		"OnlyOthers": {reason: "rules of others are none of our business", saved: "*nat\n:DOCKER - [0:0]\n-A PREROUTING -j DOCKER\nCOMMIT\n", want: ""},
		"Chain": {
			reason: "emptied, no longer called, removed, in this order",
			saved:  "*nat\n:KUBE-SVC-1 - [5:60]\n-A PREROUTING -m comment --comment \"x y\" -j KUBE-SVC-1\n-A KUBE-SVC-1 -j ACCEPT\nCOMMIT\n",
			want:   "*nat\n:KUBE-SVC-1 - [0:0]\n-D PREROUTING -m comment --comment \"x y\" -j KUBE-SVC-1\n-X KUBE-SVC-1\nCOMMIT\n",
		},
		"Capture": {
			reason: "our own rule is known by its comment",
			saved:  "*nat\n-A PREROUTING -p tcp -m comment --comment sluice-e2e-mesh -j REDIRECT --to-ports 15001\n",
			want:   "*nat\n-D PREROUTING -p tcp -m comment --comment sluice-e2e-mesh -j REDIRECT --to-ports 15001\nCOMMIT\n",
		},
		"Mixed": {
			reason: "of two jumps only ours goes",
			saved:  "*nat\n:KUBE-A - [0:0]\n:DOCKER - [0:0]\n-A OUTPUT -j DOCKER\n-A OUTPUT -j KUBE-A\n",
			want:   "*nat\n:KUBE-A - [0:0]\n-D OUTPUT -j KUBE-A\n-X KUBE-A\nCOMMIT\n",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, c.want, undo("nat", c.saved), c.reason)
		})
	}
}

func TestMountsBelow(t *testing.T) {
	table := "22 1 0:1 / / rw - ext4 x rw\n" +
		"30 22 0:2 / /run/x/kubelet/a rw - tmpfs t rw\n" +
		"31 22 0:3 / /run/x/kubelet/a/b\\040c rw - tmpfs t rw\n" +
		"32 22 0:4 / /run/xy rw - tmpfs t rw\nbroken\n"
	cases := map[string]struct {
		reason string
		dir    string
		want   []string
	}{
		"Inside":  {reason: "the inner one goes first", dir: "/run/x", want: []string{"/run/x/kubelet/a/b c", "/run/x/kubelet/a"}},
		"Itself":  {reason: "a folder that is a mount counts", dir: "/run/xy", want: []string{"/run/xy"}},
		"Nothing": {reason: "no mount, no work", dir: "/srv"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, c.want, mountsBelow(c.dir, table), c.reason)
		})
	}
}

func TestOwns(t *testing.T) {
	l := Layout("/run/x")
	cases := map[string]struct {
		reason  string
		environ string
		part    string
		ours    bool
	}{
		"Ours":        {reason: "both names are there", environ: "A=1\x00SLUICE_E2E_OWNER=/run/x\x00SLUICE_E2E_PART=etcd\x00", part: "etcd", ours: true},
		"OtherOne":    {reason: "another cluster's process", environ: "SLUICE_E2E_OWNER=/run/xy\x00SLUICE_E2E_PART=etcd\x00", part: "etcd"},
		"Stranger":    {reason: "nobody's process", environ: "PATH=/run/x\x00"},
		"Kernel":      {reason: "threads of the kernel have no environment", environ: ""},
		"OnlyInValue": {reason: "a value that mentions us means nothing", environ: "X=SLUICE_E2E_OWNER=/run/x\x00"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			part, ours := l.owns([]byte(c.environ))
			require.Equal(t, c.ours, ours, c.reason)
			require.Equal(t, c.part, part, c.reason)
		})
	}
}

func TestProcessesAreFoundAndStopped(t *testing.T) {
	l := Layout(t.TempDir())
	require.NoError(t, l.make())
	one, err := l.start("one", []string{"sleep", "600"}, nil)
	require.NoError(t, err)
	two, err := l.start("two", []string{"sleep", "600"}, []string{"X=1"})
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		alive, err := l.alive()
		return err == nil && len(alive) == 2
	}, 10*time.Second, 10*time.Millisecond, "a process is ours from its start on")

	require.NoError(t, l.stop(t.Context(), "one"))
	<-one.exited
	require.True(t, one.gone())
	require.False(t, two.gone(), "only what was meant is stopped")
	require.NoError(t, l.stop(t.Context(), ""))
	<-two.exited
}

func TestAwaitSaysWhyAPartEnded(t *testing.T) {
	l := Layout(t.TempDir())
	require.NoError(t, l.make())
	r, err := l.start("broken", []string{"sh", "-c", "echo no such flag; exit 1"}, nil)
	require.NoError(t, err)
	never := part{name: "broken", ready: func(context.Context) error { return errors.New("not yet") }}
	err = l.await(t.Context(), never, r)
	require.ErrorContains(t, err, "it ended")
	require.ErrorContains(t, err, "no such flag", "its last words are in the message")
}

func TestStartOfMissingProgram(t *testing.T) {
	l := Layout(t.TempDir())
	require.NoError(t, l.make())
	_, err := l.start("ghost", []string{"/no/such/program"}, nil)
	require.ErrorContains(t, err, `starting "ghost"`)
}

func TestRememberOnlyOnce(t *testing.T) {
	l := Layout(t.TempDir())
	require.NoError(t, l.remember())
	first, err := os.ReadFile(l.path("before.json"))
	require.NoError(t, err)
	require.Contains(t, string(first), "net/ipv4/ip_forward")
	require.NoError(t, os.WriteFile(l.path("before.json"), []byte("{}"), 0o600))
	require.NoError(t, l.remember())
	again, err := os.ReadFile(l.path("before.json"))
	require.NoError(t, err)
	require.Equal(t, "{}", string(again), "what was before must not become what we made of it")
}

func TestRestoreWithoutMemory(t *testing.T) {
	require.NoError(t, Layout(t.TempDir()).restore(), "killed before it changed anything")
}

func TestState(t *testing.T) {
	l := Layout(t.TempDir())
	_, finished := l.saved()
	require.False(t, finished, "no state, no finished cluster")
	want := state{Options: Options{Audit: true}, Parts: []string{"etcd"}, Revision: "r1"}
	require.NoError(t, l.save(want))
	have, finished := l.saved()
	require.True(t, finished)
	require.True(t, have.same(want))
	cases := map[string]state{
		"Options":  {Parts: []string{"etcd"}, Revision: "r1"},
		"Parts":    {Options: Options{Audit: true}, Parts: []string{"etcd", "kubelet"}, Revision: "r1"},
		"Revision": {Options: Options{Audit: true}, Parts: []string{"etcd"}, Revision: "r2"},
		"Programs": {Options: Options{Audit: true}, Parts: []string{"etcd"}, Revision: "r1", Programs: programs{Kube: "/x"}},
	}
	for name, other := range cases {
		t.Run(name, func(t *testing.T) { require.False(t, have.same(other), "a difference here makes another cluster") })
	}
	require.NoError(t, os.WriteFile(l.path("state.json"), []byte("{"), 0o600))
	_, finished = l.saved()
	require.False(t, finished, "half a file is no state")
}

func TestParts(t *testing.T) {
	names := func(o Options) (all []string) {
		for _, p := range (&up{Layout: "/x", Options: o}).parts() {
			all = append(all, p.name)
		}
		return all
	}
	require.Equal(t, []string{"etcd", "kube-apiserver", "kube-controller-manager"}, names(Options{ControlPlaneOnly: true}))
	require.Subset(t, names(Options{}), []string{"kubelet", "containerd", "kube-proxy", "coredns", "istiod", "prometheus", "slack", "mesh"})
	require.NotContains(t, apiServer("/x", programs{}, false).argv, "--audit-log-path=/x/log/audit.log")
	require.Contains(t, apiServer("/x", programs{}, true).argv, "--audit-log-path=/x/log/audit.log")
}

func TestAnswers(t *testing.T) {
	status := http.StatusServiceUnavailable
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
	require.ErrorContains(t, Answers(server.URL)(t.Context()), "503")
	status = http.StatusOK
	require.NoError(t, Answers(server.URL)(t.Context()))
	address := server.Listener.Addr().String()
	require.NoError(t, accepts(address)(t.Context()))
	server.Close()
	require.Error(t, Answers(server.URL)(t.Context()), "nobody there is not ready either")
	require.Error(t, accepts(address)(t.Context()))
}

func TestSpeaker(t *testing.T) {
	var out bytes.Buffer
	now := time.Unix(0, 0)
	say := &Speaker{Out: &out, Now: func() time.Time { now = now.Add(1500 * time.Millisecond); return now }}
	require.NoError(t, say.Step("etcd", func() error { return nil }))
	require.EqualError(t, say.Step("kubelet", func() error { return errors.New("no node") }), "kubelet: no node")
	say.Say("bye %d", 1)
	require.Equal(t, "   1.5s  etcd\n   1.5s  kubelet: FAILED\nbye 1\n", out.String())
}

func TestSource(t *testing.T) {
	root := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(root, "e2e", "build"), 0o755))
	require.NoError(t, os.MkdirAll(filepath.Join(root, "pkg", "deep"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(root, "e2e", "build", "build"), nil, 0o755))
	for _, from := range []string{root, filepath.Join(root, "e2e"), filepath.Join(root, "pkg", "deep")} {
		t.Chdir(from)
		source, err := Source()
		require.NoError(t, err, from)
		require.Equal(t, filepath.Join(root, "e2e"), source)
	}
	t.Chdir(t.TempDir())
	_, err := Source()
	require.ErrorContains(t, err, "inside the repository")
}

// TestBuilder has the script build programs of a tree of its own, and says what is seen of it.
func TestBuilder(t *testing.T) {
	script, err := os.ReadFile("../../build/build")
	require.NoError(t, err)
	source := t.TempDir()
	t.Setenv("SLUICE_CACHE", t.TempDir())
	write := func(name, text string) {
		file := filepath.Join(source, "build", name)
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
		require.NoError(t, os.WriteFile(file, []byte(text), 0o755))
	}
	write("build", string(script))
	for name, body := range map[string]string{"kwok": "", "podinfo": "", "kube": "does not compile"} {
		write(name+"/go.mod", "module example.com/"+name+"\n\ngo 1.26.0\n")
		write(name+"/go.sum", "")
		write(name+"/main.go", "package main\n\nfunc main() {"+body+"}\n")
	}
	var said bytes.Buffer
	b := builder{source: source, progress: &said}
	built, err := b.build(t.Context(), "kwok", "podinfo@1.0.0", "podinfo@1.0.1")
	require.NoError(t, err)
	require.Len(t, built, 3)
	for _, file := range built {
		require.NoError(t, exec.Command(file).Run())
	}
	require.NotEqual(t, built[1], built[2], "each version is a program")
	for _, line := range []string{
		"build: 1 of 3: kwok into ", ", usually 1 minute\n", "build: 1 of 3: kwok took ",
		"build: 2 of 3: podinfo 1.0.0 into ", "build: 3 of 3: podinfo 1.0.1 into ",
	} {
		require.Contains(t, said.String(), line)
	}
	said.Reset()
	again, err := b.build(t.Context(), "kwok", "podinfo@1.0.0", "podinfo@1.0.1")
	require.NoError(t, err)
	require.Equal(t, built, again)
	require.Empty(t, said.String(), "what is there is not built, and nothing said of it")

	said.Reset()
	_, err = b.build(t.Context(), "--plan", "kwok", "podinfo@1.0.1", "kube")
	require.NoError(t, err)
	require.Regexp(t, `^build: to be compiled first, which takes up to \d+ minutes on two cores: kube(, Sluice's own packages)?\n$`, said.String())
	said.Reset()
	_, err = b.build(t.Context(), "--while", "a look", "sh", "-c", "echo it looks; exit 3")
	require.ErrorContains(t, err, "exit status 3")
	require.Equal(t, "it looks\n", said.String())

	_, err = b.build(t.Context(), "kube")
	require.Error(t, err)
	require.Contains(t, said.String(), "syntax error", "the compiler's words are shown")
	_, err = b.build(t.Context(), "none")
	require.Error(t, err)
	require.Contains(t, said.String(), "build: no such program: none")
}

func TestRunTellsWhatWentWrong(t *testing.T) {
	err := run(exec.Command("sh", "-c", "echo the reason >&2; exit 3"))
	require.ErrorContains(t, err, "the reason")
	require.ErrorContains(t, err, "exit status 3")
	require.LessOrEqual(t, len(tail(bytes.Repeat([]byte("x"), 10000))), 2100, "an error is no log")
}

func TestBuildArguments(t *testing.T) {
	b := Build{Dockerfile: "Dockerfile", Context: ".", Target: "loadtester", Tag: "localhost/t:1", Args: []string{"BASE=scratch", "V=1"}}
	require.Equal(t, []string{
		"bud", "--isolation", "chroot", "--pull-never", "--file", "Dockerfile", "--tag", "localhost/t:1",
		"--build-arg", "BASE=scratch", "--build-arg", "V=1", "--target", "loadtester", ".",
	}, b.argv())
	require.NotContains(t, Build{}.argv(), "--target", "the last stage needs no name")
}

func TestDeadSockets(t *testing.T) {
	dir := t.TempDir()
	listener, err := net.Listen("unix", filepath.Join(dir, "live"))
	require.NoError(t, err)
	defer listener.Close()
	left := filepath.Join(dir, "left")
	require.NoError(t, os.WriteFile(left, nil, 0o600))
	require.Equal(t, []string{left}, dead([]string{filepath.Join(dir, "live"), left}), "a socket that answers is somebody's")
}

func TestSandboxes(t *testing.T) {
	l := Layout(t.TempDir())
	require.Empty(t, l.sandboxes(), "killed before containerd ran")
	require.NoError(t, os.MkdirAll(l.path("containerd", "io.containerd.grpc.v1.cri", "sandboxes", "0123abc"), 0o755))
	require.Equal(t, []string{"0123abc"}, l.sandboxes())
}

func TestReadiness(t *testing.T) {
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n"}}
	require.ErrorContains(t, nodeReady(node), "has not reported")
	node.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionFalse, Message: "no network"}}
	require.ErrorContains(t, nodeReady(node), "no network")
	node.Status.Conditions[0].Status = corev1.ConditionTrue
	require.NoError(t, nodeReady(node))

	deployment := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "d", Generation: 2}}
	deployment.Status = appsv1.DeploymentStatus{ObservedGeneration: 1, AvailableReplicas: 1}
	require.Error(t, available(deployment), "pods of an older generation do not count")
	deployment.Status.ObservedGeneration = 2
	require.NoError(t, available(deployment))
}

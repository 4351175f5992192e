package loadtest

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-cd/sluice/pkg/kube/kubetest"
)

// tester is a load tester that listens.
type tester struct {
	t   *testing.T
	url string
	srv *Server
}

func newTester(t *testing.T, o Options) tester {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	s := New(ctx, o)
	web := httptest.NewServer(s.Handler())
	t.Cleanup(func() {
		cancel()
		s.runner.wait()
		web.Close()
	})
	return tester{t: t, url: web.URL, srv: s}
}

// post sends a raw body and returns status and answer.
func (x tester) post(path, body string) (int, string) {
	x.t.Helper()
	resp, err := http.Post(x.url+path, "application/json", strings.NewReader(body))
	require.NoError(x.t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(x.t, err)
	return resp.StatusCode, string(text)
}

// call sends a payload of podinfo.test with these metadata.
func (x tester) call(path string, metadata map[string]string) (int, string) {
	x.t.Helper()
	body, err := json.Marshal(payload{Name: "podinfo", Namespace: "test", Phase: "Progressing", Metadata: metadata})
	require.NoError(x.t, err)
	return x.post(path, string(body))
}

func TestCalls(t *testing.T) {
	cases := map[string]struct {
		reason, path, body string
		code               int
		want               string
	}{
		"Healthy":           {reason: "It lives.", path: "/healthz", code: 200, want: "OK"},
		"Approve":           {reason: "A gate that is always open.", path: "/gate/approve", code: 200, want: "OK"},
		"Halt":              {reason: "A gate that never is.", path: "/gate/halt", code: 403, want: "Forbidden"},
		"Unknown":           {reason: "There is nothing else.", path: "/gates", body: `{}`, code: 404},
		"NotJSON":           {reason: "A call without a payload is a mistake.", path: "/", body: `cmd=ls`, code: 400, want: "reading the payload"},
		"Empty":             {reason: "So is an empty one.", path: "/", body: ``, code: 400, want: "reading the payload"},
		"Trailing":          {reason: "So is one with something behind it.", path: "/", body: `{}{}`, code: 400, want: "reading the payload"},
		"WrongType":         {reason: "Metadata are words.", path: "/", body: `{"metadata":{"cmd":1}}`, code: 400, want: "reading the payload"},
		"NoMetadata":        {reason: "Nothing says what to run.", path: "/", body: `{"name":"podinfo"}`, code: 400, want: "metadata is missing"},
		"NoCommand":         {reason: "Nothing says what to run.", path: "/", body: `{"metadata":{"type":"bash"}}`, code: 400, want: "metadata.cmd is missing"},
		"BlankCommand":      {reason: "Blanks are nothing.", path: "/", body: `{"metadata":{"cmd":" \n"}}`, code: 400, want: "metadata.cmd is missing"},
		"UnknownType":       {reason: "It says what there is.", path: "/", body: `{"metadata":{"type":"python","cmd":"x"}}`, code: 400, want: `unknown type "python"; there are bash, cmd, concord, helm, helmv3, kubectl, ngrinder`},
		"UnknownWithout":    {reason: "Without a command as well.", path: "/", body: `{"metadata":{"type":"CMD"}}`, code: 400, want: `unknown type "CMD"`},
		"HelmNothing":       {reason: "Helm alone prints its help.", path: "/", body: `{"metadata":{"type":"helm"}}`, code: 400, want: "metadata.cmd is missing"},
		"KubectlQuote":      {reason: "What cannot be split is told at once.", path: "/", body: `{"metadata":{"type":"kubectl","cmd":"get 'x"}}`, code: 400, want: "a quote (') is not closed"},
		"TooLarge":          {reason: "A payload has an end.", path: "/", body: `{"name":"` + strings.Repeat("x", maxPayload) + `"}`, code: 400, want: "too large"},
		"GateNotJSON":       {reason: "A gate is somebody's.", path: "/gate/check", body: `no`, code: 400, want: "reading the payload"},
		"RollbackNotJSON":   {reason: "So is a rollback.", path: "/rollback/open", body: `no`, code: 400, want: "reading the payload"},
		"GateOfNobody":      {reason: "A gate that no Canary asks for is a misspelling.", path: "/gate/open", body: `{"namespace":"test"}`, code: 400, want: `name: "" is not the name of a Canary`},
		"GateOfNowhere":     {reason: "So is one without a namespace.", path: "/gate/check", body: `{"name":"podinfo"}`, code: 400, want: `namespace: "" is not the name of a namespace`},
		"RollbackOfNobody":  {reason: "The same goes for going back.", path: "/rollback/close", body: `{"name":"a/b","namespace":"test"}`, code: 400, want: `name: "a/b" is not`},
		"GateClosedAtFirst": {reason: "The safe side of a gate.", path: "/gate/check", body: `{"name":"podinfo","namespace":"test"}`, code: 403, want: "Forbidden"},
	}
	x := newTester(t, Options{})
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			code, said := x.post(tc.path, tc.body)
			require.Equal(t, tc.code, code, tc.reason)
			require.Contains(t, said, tc.want, tc.reason)
		})
	}
}

func TestGates(t *testing.T) {
	ofOther := `{"name":"other","namespace":"test"}`
	cases := map[string]struct {
		reason, kind, sibling string
	}{
		"Gate":     {reason: "A gate for approvals.", kind: "/gate", sibling: "/rollback"},
		"Rollback": {reason: "A gate for going back.", kind: "/rollback", sibling: "/gate"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			x := newTester(t, Options{})
			is := func(path, body, want string, code int) {
				t.Helper()
				got, said := x.post(path, body)
				require.Equal(t, code, got, tc.reason)
				require.Equal(t, want, said, tc.reason)
			}
			mine := `{"name":"podinfo","namespace":"test"}`
			is(tc.kind+"/check", mine, "Forbidden", 403)
			is(tc.kind+"/open", mine, "The "+tc.kind[1:]+" of test/podinfo is open.", 202)
			is(tc.kind+"/check", mine, "Approved", 200)
			is(tc.kind+"/check", ofOther, "Forbidden", 403)
			is(tc.sibling+"/check", mine, "Forbidden", 403)
			is(tc.kind+"/close", mine, "The "+tc.kind[1:]+" of test/podinfo is closed.", 202)
			is(tc.kind+"/check", mine, "Forbidden", 403)
			require.Empty(t, x.srv.gates.(*Memory).open, "Closed gates are forgotten.")
		})
	}
}

// TestSwitchLeftOpen has a switch end the rollout that it was opened in, and none after it.
func TestSwitchLeftOpen(t *testing.T) {
	asks := func(phase, checksum string) string {
		return `{"name":"podinfo","namespace":"test","phase":"` + phase + `","checksum":"` + checksum + `"}`
	}
	ns := kubetest.Namespace(t)
	for name, x := range map[string]tester{"Memory": newTester(t, Options{}), "ConfigMap": replica(t, ns)} {
		t.Run(name, func(t *testing.T) {
			is := func(body string, want int, reason string) {
				t.Helper()
				code, said := x.post("/rollback/check", body)
				require.Equal(t, want, code, "%s: %s", reason, said)
			}
			x.post("/rollback/open", of("podinfo"))
			is(asks("Progressing", "a"), 200, "it is open")
			is(asks("Promoting", "a"), 200, "and stays so for the same rollout")
			is(of("podinfo"), 200, "as everybody sees")
			is(asks("Waiting", "a"), 403, "a revision that waits is another one")
			is(asks("Progressing", "b"), 403, "and so is the next")
			is(of("podinfo"), 403, "it is closed by that")
			x.post("/rollback/open", of("podinfo"))
			is(asks("Waiting", "b"), 200, "it can be opened again")
		})
	}
}

// TestMisspeltGate has whoever opens a gate told that nobody asks for it.
func TestMisspeltGate(t *testing.T) {
	x := newTester(t, Options{})
	_, said := x.post("/gate/open", of("podinf"))
	require.Equal(t, "The gate of test/podinf is open. No Canary of this name has asked for it since the load tester began, nor has any other.", said)
	x.post("/gate/check", of("podinfo"))
	x.post("/rollback/check", of("other"))
	_, said = x.post("/gate/open", of("podinf"))
	require.Equal(t, "The gate of test/podinf is open. No Canary of this name has asked for it since the load tester began; asked for were those of test/podinfo.", said)
	_, said = x.post("/gate/open", of("podinfo"))
	require.Equal(t, "The gate of test/podinfo is open.", said)
}

func TestGatesHaveKeysOfTheirOwn(t *testing.T) {
	x := newTester(t, Options{})
	code, _ := x.post("/gate/open", `{"name":"rollback.podinfo","namespace":"test"}`)
	require.Equal(t, 202, code)
	code, _ = x.post("/rollback/check", `{"name":"podinfo","namespace":"test"}`)
	require.Equal(t, 403, code, "A Canary of this name must not send another one back.")
}

// broken is a place for gates that cannot be reached.
type broken struct{}

func (broken) Open(context.Context, string) (bool, error) { return true, io.ErrUnexpectedEOF }
func (broken) OpenFor(context.Context, string, string) (bool, error) {
	return true, io.ErrUnexpectedEOF
}
func (broken) Turn(_ context.Context, _ string, _ bool) error { return io.ErrUnexpectedEOF }

func TestGatesThatCannotBeReached(t *testing.T) {
	x := newTester(t, Options{Gates: broken{}})
	for _, path := range []string{"/gate/check", "/gate/open", "/gate/close", "/rollback/check", "/rollback/open", "/rollback/close"} {
		code, said := x.post(path, `{"name":"podinfo","namespace":"test"}`)
		require.Equal(t, 500, code, "%s neither approves nor claims to have been turned.", path)
		require.Contains(t, said, "unexpected EOF", path)
	}
}

func TestToken(t *testing.T) {
	cases := map[string]struct {
		reason, path, header string
		code                 int
	}{
		"Bears":        {reason: "Who has it may call.", path: "/gate/approve", header: "Bearer s3cret", code: 200},
		"LowerCase":    {reason: "The scheme's case means nothing.", path: "/gate/approve", header: "bearer s3cret", code: 200},
		"None":         {reason: "Without it nobody approves.", path: "/gate/approve", code: 401},
		"Wrong":        {reason: "Nor with another.", path: "/gate/approve", header: "Bearer s3cre", code: 401},
		"Longer":       {reason: "Nor with more.", path: "/gate/approve", header: "Bearer s3cretx", code: 401},
		"Basic":        {reason: "Nor by another scheme.", path: "/gate/approve", header: "Basic s3cret", code: 401},
		"Bare":         {reason: "Nor by none.", path: "/gate/approve", header: "s3cret", code: 401},
		"Check":        {reason: "Gates are behind it.", path: "/gate/check", code: 401},
		"Rollback":     {reason: "So is going back.", path: "/rollback/open", code: 401},
		"Command":      {reason: "So are commands.", path: "/", code: 401},
		"NotThere":     {reason: "What there is, is not told either.", path: "/other", code: 401},
		"Health":       {reason: "A kubelet has no token.", path: "/healthz", code: 200},
		"Measurements": {reason: "Nor has Prometheus.", path: "/metrics", code: 200},
	}
	x := newTester(t, Options{Token: DigestOf("s3cret")})
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			req, err := http.NewRequest(http.MethodPost, x.url+tc.path, strings.NewReader(`{"name":"podinfo","namespace":"test"}`))
			require.NoError(t, err)
			if tc.header != "" {
				req.Header["Authorization"] = []string{tc.header}
			}
			resp, err := http.DefaultClient.Do(req)
			require.NoError(t, err)
			defer resp.Body.Close()
			text, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			require.Equal(t, tc.code, resp.StatusCode, tc.reason)
			require.NotContains(t, string(text), "s3cret")
			if tc.code == 401 {
				require.Equal(t, "Bearer", resp.Header.Get("WWW-Authenticate"))
			}
		})
	}
}

func TestNamespaces(t *testing.T) {
	cases := map[string]struct {
		reason, only, namespace string
		code                    int
	}{
		"Matches":    {reason: "The namespace may.", only: "^(test|prod)$", namespace: "test", code: 200},
		"DoesNot":    {reason: "This one may not.", only: "^(test|prod)$", namespace: "testing", code: 403},
		"None":       {reason: "Nor may none.", only: "^(test|prod)$", namespace: "", code: 403},
		"Everything": {reason: "Without a rule all may.", namespace: "anything", code: 200},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			o := Options{}
			if tc.only != "" {
				o.Namespaces = regexp.MustCompile(tc.only)
			}
			x := newTester(t, o)
			body := `{"name":"podinfo","namespace":"` + tc.namespace + `","metadata":{"type":"bash","cmd":"true"}}`
			code, _ := x.post("/", body)
			require.Equal(t, tc.code, code, tc.reason)
			if tc.code == 403 {
				code, said := x.post("/gate/open", body)
				require.Equal(t, 403, code, "Gates are turned by the same namespaces.")
				require.Contains(t, said, "does not match")
			}
		})
	}
}

func TestMetrics(t *testing.T) {
	x := newTester(t, Options{})
	x.call("/", map[string]string{"type": "bash", "cmd": "true"})
	x.call("/", map[string]string{"type": "bash", "cmd": "false"})
	code, said := x.post("/metrics", "")
	require.Equal(t, 200, code)
	require.Contains(t, said, `loadtester_commands_total{result="ok",type="bash"} 1`)
	require.Contains(t, said, `loadtester_commands_total{result="failed",type="bash"} 1`)
	require.Contains(t, said, `loadtester_commands_running{type="bash"} 0`)
	require.Contains(t, said, "go_goroutines")
}

// TestRunEndsEverything shuts down beneath a command of each type.
func TestRunEndsEverything(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := New(ctx, Options{})
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx, l) }()
	x := tester{t: t, url: "http://" + l.Addr().String(), srv: s}

	code, _ := x.call("/", map[string]string{"cmd": "sleep 1000"})
	require.Equal(t, 202, code)
	type said struct {
		code int
		text string
	}
	sync := make(chan said, 1)
	go func() {
		resp, err := http.Post(x.url, "application/json", strings.NewReader(`{"metadata":{"type":"bash","cmd":"sleep 1000"}}`))
		if err != nil {
			sync <- said{text: err.Error()}
			return
		}
		defer resp.Body.Close()
		text, _ := io.ReadAll(resp.Body)
		sync <- said{resp.StatusCode, string(text)}
	}()
	require.Eventually(t, func() bool { return len(s.runner.slots[typeBash]) == 1 }, 5*time.Second, 5*time.Millisecond)
	began := time.Now()
	cancel()
	require.NoError(t, <-ended)
	require.Less(t, time.Since(began), grace, "Commands are ended, not waited for.")
	got := <-sync
	require.Equal(t, 500, got.code, "Who waits for a command is told: %s", got.text)
	require.Contains(t, got.text, "signal: killed")
	require.ErrorIs(t, s.runner.start(task{kind: typeCmd}), errClosed, "Nothing starts after the end.")
}

func TestRunTellsWhenItCannotServe(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	require.Error(t, New(t.Context(), Options{}).Run(t.Context(), l))
}

package loadtest

import (
	"encoding/base64"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// farm plays the part of a Concord or an nGrinder server that both are asked for: tests that are started by
// one request and looked at by others. It writes down what it was asked.
type farm struct {
	url string

	mu    sync.Mutex
	asked []string
	form  map[string]string
	auth  string
	left  []string // what it says of the test, the last for ever
}

func newFarm(t *testing.T, states ...string) *farm {
	t.Helper()
	f := &farm{left: states, form: map[string]string{}}
	web := httptest.NewServer(f)
	t.Cleanup(web.Close)
	f.url = web.URL
	return f
}

func (f *farm) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, r.Method+" "+r.URL.String())
	f.auth = r.Header.Get("Authorization")
	if r.Method != http.MethodGet {
		if err := r.ParseMultipartForm(1 << 20); err == nil {
			for k, v := range r.MultipartForm.Value {
				f.form[k] = v[0]
			}
		}
		fmt.Fprint(w, `{"instanceId":"7d1","id":380,"status":"READY"}`)
		return
	}
	if f.left[0] == "error" {
		http.Error(w, "out of order", http.StatusBadGateway)
		return
	}
	fmt.Fprintf(w, `{"id":380,"status":%q}`, f.left[0])
	if len(f.left) > 1 {
		f.left = f.left[1:]
	}
}

func (f *farm) heard() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string(nil), f.asked...)
}

func concordOn(t *testing.T, url string, more map[string]string) map[string]string {
	t.Helper()
	key := filepath.Join(t.TempDir(), "key")
	require.NoError(t, os.WriteFile(key, []byte("k3y\n"), 0o600))
	m := map[string]string{
		"type": "concord", "server": url, "org": "shop", "project": "tests", "repo": "main",
		"entrypoint": "smoke", "apiKeyPath": key, "pollInterval": "5ms", "arguments.target": "podinfo",
	}
	maps.Copy(m, more)
	return m
}

func TestConcord(t *testing.T) {
	cases := map[string]struct {
		reason string
		states []string
		more   map[string]string
		code   int
		want   string
		asked  int
	}{
		"Finishes":  {reason: "A process that ends well is a test that passed.", states: []string{"ENQUEUED", "RUNNING", "FINISHED"}, code: 200, want: "OK", asked: 4},
		"Output":    {reason: "Who asks for it reads which process it was.", states: []string{"FINISHED"}, more: map[string]string{"returnCmdOutput": "true"}, code: 200, want: "process 7d1\n", asked: 2},
		"Fails":     {reason: "One that fails did not.", states: []string{"RUNNING", "FAILED"}, code: 500, want: "process 7d1 ended as FAILED", asked: 3},
		"Cancelled": {reason: "Nor one that somebody stopped.", states: []string{"CANCELLED"}, code: 500, want: "ended as CANCELLED", asked: 2},
		"TimedOut":  {reason: "Nor one that ran out of time there.", states: []string{"TIMED_OUT"}, code: 500, want: "ended as TIMED_OUT", asked: 2},
		"Error":     {reason: "A server that cannot tell is no pass.", states: []string{"error"}, code: 500, want: "502 Bad Gateway: out of order", asked: 2},
		"Late":      {reason: "It has its own time.", states: []string{"RUNNING"}, more: map[string]string{"pollTimeout": "50ms"}, code: 500, want: "process 7d1 has not ended within 50ms"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			f := newFarm(t, tc.states...)
			x := newTester(t, Options{})
			code, said := x.call("/", concordOn(t, f.url, tc.more))
			require.Equal(t, tc.code, code, "%s: %s", tc.reason, said)
			require.Contains(t, said, tc.want, tc.reason)
			require.Equal(t, "POST /api/v1/process", f.heard()[0])
			require.Equal(t, map[string]string{"org": "shop", "project": "tests", "repo": "main", "entryPoint": "smoke", "arguments.target": "podinfo"}, f.form)
			require.Equal(t, "k3y", f.auth, "The key is read from its file.")
			if tc.asked > 0 {
				require.Len(t, f.heard(), tc.asked, tc.reason)
				require.Equal(t, "GET /api/v1/process/7d1", f.heard()[1])
			}
		})
	}
}

func TestConcordEndpoint(t *testing.T) {
	f := newFarm(t, "FINISHED")
	code, said := newTester(t, Options{}).call("/", concordOn(t, f.url+"/", map[string]string{"endpoint": "api/v2/start"}))
	require.Equal(t, 200, code, said)
	require.Equal(t, []string{"POST /api/v2/start", "GET /api/v1/process/7d1"}, f.heard())
}

func TestConcordRefuses(t *testing.T) {
	cases := map[string]struct {
		reason, key, value string
		code               int
		want               string
	}{
		"Server":     {reason: "An address has a scheme.", key: "server", value: "concord:8001", code: 400, want: "metadata.server"},
		"Org":        {reason: "Each part is named.", key: "org", code: 400, want: "metadata.org is missing"},
		"Project":    {reason: "Each part is named.", key: "project", code: 400, want: "metadata.project is missing"},
		"Repo":       {reason: "Each part is named.", key: "repo", code: 400, want: "metadata.repo is missing"},
		"Entrypoint": {reason: "Each part is named.", key: "entrypoint", code: 400, want: "metadata.entrypoint is missing"},
		"Key":        {reason: "Nobody is let in without one.", key: "apiKeyPath", code: 400, want: "metadata.apiKeyPath is missing"},
		"KeyFile":    {reason: "The file is not there.", key: "apiKeyPath", value: "/no/such/key", code: 500, want: "reading metadata.apiKeyPath"},
		"Interval":   {reason: "A time is a time.", key: "pollInterval", value: "often", code: 400, want: `metadata.pollInterval: "often" is neither seconds nor a duration`},
		"Timeout":    {reason: "And above zero.", key: "pollTimeout", value: "0", code: 400, want: `metadata.pollTimeout: "0"`},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			f := newFarm(t, "FINISHED")
			m := concordOn(t, f.url, map[string]string{tc.key: tc.value})
			code, said := newTester(t, Options{}).call("/", m)
			require.Equal(t, tc.code, code, "%s: %s", tc.reason, said)
			require.Contains(t, said, tc.want, tc.reason)
			require.Empty(t, f.heard(), "Nothing is started.")
		})
	}
}

func TestSpan(t *testing.T) {
	cases := map[string]struct {
		reason, text string
		want         time.Duration
	}{
		"Left":     {reason: "Without one there is a default.", want: time.Minute},
		"Seconds":  {reason: "A number is seconds.", text: "5", want: 5 * time.Second},
		"Duration": {reason: "A unit may be given.", text: "250ms", want: 250 * time.Millisecond},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := span(map[string]string{"k": tc.text}, "k", time.Minute)
			require.NoError(t, err)
			require.Equal(t, tc.want, got, tc.reason)
		})
	}
}

func ngrinderOn(url string, more map[string]string) map[string]string {
	m := map[string]string{
		"type": "ngrinder", "server": url, "clone": "100", "username": "admin",
		"passwd": base64.StdEncoding.EncodeToString([]byte("pa55")), "pollInterval": "5ms",
	}
	maps.Copy(m, more)
	return m
}

func TestNgrinder(t *testing.T) {
	cases := map[string]struct {
		reason string
		states []string
		want   string
		asked  []string
	}{
		"Finishes": {
			reason: "It is cloned, started and watched.",
			states: []string{"TESTING", "FINISHED"},
			want:   `loadtester_commands_total{result="ok",type="ngrinder"} 1`,
			asked:  []string{"POST /perftest/api/100/clone_and_start", "GET /perftest/api/380", "GET /perftest/api/380"},
		},
		"Stopped": {
			reason: "Stopped there, it has failed.",
			states: []string{"STOP_BY_ERROR"},
			want:   `loadtester_commands_total{result="failed",type="ngrinder"} 1`,
			asked:  []string{"POST /perftest/api/100/clone_and_start", "GET /perftest/api/380"},
		},
		"Canceled": {
			reason: "So it has when it never began.",
			states: []string{"READY", "CANCELED"},
			want:   `loadtester_commands_total{result="failed",type="ngrinder"} 1`,
			asked:  []string{"POST /perftest/api/100/clone_and_start", "GET /perftest/api/380", "GET /perftest/api/380"},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			f := newFarm(t, tc.states...)
			x := newTester(t, Options{})
			code, said := x.call("/", ngrinderOn(f.url, nil))
			require.Equal(t, 202, code, said)
			soon(t, func() bool {
				_, counted := x.post("/metrics", "")
				return strings.Contains(counted, tc.want)
			}, tc.reason)
			require.Equal(t, tc.asked, f.heard(), tc.reason)
			require.Equal(t, "Basic "+base64.StdEncoding.EncodeToString([]byte("admin:pa55")), f.auth)
		})
	}
}

func TestNgrinderIsStopped(t *testing.T) {
	f := newFarm(t, "TESTING")
	x := newTester(t, Options{Timeout: time.Second})
	for range 3 {
		code, _ := x.call("/", ngrinderOn(f.url, nil))
		require.Equal(t, 202, code)
	}
	soon(t, func() bool { return slices.Contains(f.heard(), "PUT /perftest/api/380?action=stop") }, "It does not outlive its time.")
	started := 0
	for _, request := range f.heard() {
		if strings.HasPrefix(request, "POST ") {
			started++
		}
	}
	require.Equal(t, 1, started, "Asked three times, started once.")
}

func TestNgrinderRefuses(t *testing.T) {
	cases := map[string]struct{ reason, key, value, want string }{
		"Server":   {reason: "An address is one of the web.", key: "server", value: "ftp://x", want: "metadata.server"},
		"Clone":    {reason: "Some test is meant.", key: "clone", want: "metadata.clone is missing"},
		"User":     {reason: "Nobody is let in without one.", key: "username", want: "metadata.username is missing"},
		"Password": {reason: "It is not repeated.", key: "passwd", value: "pa55!", want: "metadata.passwd is not base64"},
		"Interval": {reason: "A time is above zero.", key: "pollInterval", value: "-1", want: "metadata.pollInterval"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			code, said := newTester(t, Options{}).call("/", ngrinderOn("http://127.0.0.1:1", map[string]string{tc.key: tc.value}))
			require.Equal(t, 400, code, tc.reason)
			require.Contains(t, said, tc.want, tc.reason)
			require.NotContains(t, said, "pa55", tc.reason)
		})
	}
}

func TestAnswersThatAreNone(t *testing.T) {
	cases := map[string]struct {
		reason string
		code   int
		text   string
		want   string
	}{
		"NotJSON":  {reason: "A proxy's page is no answer.", code: 200, text: "<html>", want: "invalid character"},
		"NoID":     {reason: "Nothing is there to be watched.", code: 200, text: "{}", want: "the answer has no instanceId"},
		"Refused":  {reason: "What the server says is passed on.", code: 401, text: "who are you", want: "401 Unauthorized: who are you"},
		"Redirect": {reason: "A page to log in at is no answer.", code: 302, text: "", want: "starting the process"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(tc.code)
				_, _ = io.WriteString(w, tc.text)
			}))
			t.Cleanup(web.Close)
			code, said := newTester(t, Options{}).call("/", concordOn(t, web.URL, nil))
			require.Equal(t, 500, code, tc.reason)
			require.Contains(t, said, tc.want, tc.reason)
		})
	}
}

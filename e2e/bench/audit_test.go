package bench

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// noted is a line of an audit log, of a request that came so many seconds after midnight.
func noted(second int, user, agent, verb, resource, subresource, name string) string {
	return fmt.Sprintf(`{"kind":"Event","stage":"ResponseComplete","requestURI":"/apis/x?limit=1","verb":%q,"user":{"username":%q},`+
		`"userAgent":%q,"objectRef":{"resource":%q,"namespace":"bench-000","name":%q,"subresource":%q},"responseStatus":{"code":200},`+
		`"requestReceivedTimestamp":"2026-01-02T00:00:%02d.500000Z"}`+"\n", verb, user, agent, resource, name, subresource, second)
}

func at(second int) time.Time { return time.Date(2026, 1, 2, 0, 0, second, 5e8, time.UTC) }

func TestParse(t *testing.T) {
	step := noted(1, "sluice", "sluice/bench", "patch", "canaries", "status", "app-0")
	discovery := `{"requestURI":"/apis?timeout=32s","verb":"get","user":{"username":"sluice"},"userAgent":"sluice/1",` +
		`"requestReceivedTimestamp":"2026-01-02T00:00:02.500000Z"}` + "\n"
	tests := map[string]struct {
		reason, log string
		want        []Request
		read        int
		fails       bool
	}{
		"Object": {
			reason: "a subresource is part of what is asked for",
			log:    step,
			want: []Request{{At: at(1), Client: "sluice", User: "sluice", Verb: "patch", Resource: "canaries/status",
				Namespace: "bench-000", Name: "app-0", Code: 200}},
			read: len(step),
		},
		"NoObject": {
			reason: "discovery is told by its path, without its question",
			log:    discovery,
			want:   []Request{{At: at(2), Client: "sluice", User: "sluice", Verb: "get", Resource: "/apis"}},
			read:   len(discovery),
		},
		"LineBeingWritten": {
			reason: "half a line is left for the next time",
			log:    step + step[:40],
			want: []Request{{At: at(1), Client: "sluice", User: "sluice", Verb: "patch", Resource: "canaries/status",
				Namespace: "bench-000", Name: "app-0", Code: 200}},
			read: len(step),
		},
		"Empty":   {reason: "nobody has asked for anything"},
		"NotJSON": {reason: "a log that is not understood would be miscounted", log: "what\n", fails: true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got, n, err := parse(strings.NewReader(tc.log))
			require.Equal(t, tc.fails, err != nil, "%s: %v", tc.reason, err)
			require.Equal(t, tc.want, got, tc.reason)
			require.EqualValues(t, tc.read, n, tc.reason)
		})
	}
}

func TestProgram(t *testing.T) {
	tests := map[string]struct{ reason, agent, want string }{
		"Plain": {reason: "a version is not part of the name", agent: "kwok/v0.8.0 (linux/amd64)", want: "kwok"},
		"Controller": {
			reason: "controllers share a program, each with an account of its own",
			agent:  "kube-controller-manager/v1.36.3 (linux/amd64) kubernetes/abc/system:serviceaccount:kube-system:deployment-controller",
			want:   "deployment-controller",
		},
		"Part": {
			reason: "what else a program says of itself is left out",
			agent:  "kube-scheduler/v1.36.3 (linux/amd64) kubernetes/abc/scheduler", want: "kube-scheduler",
		},
		"NoVersion": {reason: "a bare name is a name", agent: "bench", want: "bench"},
		"Nothing":   {reason: "a client need not say who it is"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) { require.Equal(t, tc.want, program(tc.agent), tc.reason) })
	}
}

func TestLogBetween(t *testing.T) {
	file := filepath.Join(t.TempDir(), "audit.log")
	write := func(text string) {
		out, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		require.NoError(t, err)
		_, err = out.WriteString(text)
		require.NoError(t, err)
		require.NoError(t, out.Close())
	}
	names := func(from, to time.Time, l *Log) []string {
		found, err := l.between(from, to)
		require.NoError(t, err)
		out := []string{}
		for _, r := range found {
			out = append(out, r.Name)
		}
		return out
	}
	line := func(second int, name string) string {
		return noted(second, "sluice", "sluice/1", "get", "canaries", "", name)
	}
	l := &Log{file: file}
	_, err := l.between(at(0), at(9))
	require.Error(t, err, "a log that is not there is not an empty one")

	late := line(2, "second")
	write(line(3, "third") + late[:20])
	require.Equal(t, []string{"third"}, names(at(0), at(9), l), "half a line does not count yet")
	write(late[20:] + line(5, "fifth"))
	require.Equal(t, []string{"second", "third", "fifth"}, names(at(0), at(9), l), "sorted by when they came, not by when they were over")
	require.Equal(t, []string{"third"}, names(at(3), at(5), l), "the beginning of a span belongs to it, its end does not")
	require.Equal(t, []string{"second", "third", "fifth"}, names(at(0), at(9), l), "what was read is counted once")
}

func TestRequestWrite(t *testing.T) {
	for verb, want := range map[string]bool{
		"create": true, "update": true, "patch": true, "delete": true, "deletecollection": true,
		"get": false, "list": false, "watch": false,
	} {
		require.Equal(t, want, Request{Verb: verb}.write(), verb)
	}
}

func TestAuditPolicyKeepsWatches(t *testing.T) {
	objects, err := documents([]byte(auditPolicy))
	require.NoError(t, err)
	require.Len(t, objects, 1)
	rules, ok := objects[0].Object["rules"].([]any)
	require.True(t, ok)
	watches, _ := rules[0].(map[string]any)
	require.Equal(t, []any{"watch"}, watches["verbs"])
	require.NotContains(t, watches["omitStages"], "ResponseStarted", "a watch is noted when it begins")
	others, _ := rules[1].(map[string]any)
	require.NotContains(t, others, "verbs", "everything else is noted too")
	require.NotContains(t, others["omitStages"], "ResponseComplete", "once it is over")
}

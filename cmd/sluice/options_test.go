package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-cd/sluice/pkg/notify"
)

func nothing(string) string { return "" }

// An installation that runs another operator of this API is taken over by changing its image, so every
// flag that such installations set has to be understood.
func TestParseTakesInstallationsFlags(t *testing.T) {
	for name, tc := range map[string]struct {
		reason string
		args   []string
		env    map[string]string
		got    func(*options) any
		want   any
	}{
		"OneDash": {
			reason: "manifests in use write one dash",
			args:   []string{"-mesh-provider=kubernetes"},
			got:    func(o *options) any { return o.provider },
			want:   "kubernetes",
		},
		"TwoDashes": {
			reason: "people write two",
			args:   []string{"--mesh-provider", "kubernetes"},
			got:    func(o *options) any { return o.provider },
			want:   "kubernetes",
		},
		"SelectorLabels": {
			reason: "the first of these that a target has tells its pods",
			args:   []string{"-selector-labels=app, k8s-app,"},
			got:    func(o *options) any { return o.labels() },
			want:   []string{"app", "k8s-app"},
		},
		"NoPrefixes": {
			reason: "nothing is copied unless asked for",
			got:    func(o *options) any { return len(o.prefixes()) },
			want:   0,
		},
		"SlackFromEnvironment": {
			reason: "a secret is better given by the environment, which wins",
			args:   []string{"-slack-url=http://flag"},
			env:    map[string]string{"SLACK_URL": "http://environment"},
			got:    func(o *options) any { return o.slackURL },
			want:   "http://environment",
		},
		"TeamsFromEnvironment": {
			reason: "so is that of Teams, and its proxy",
			args:   []string{"-msteams-url=http://flag"},
			env:    map[string]string{"MSTEAMS_URL": "http://environment", "MSTEAMS_PROXY_URL": "http://proxy"},
			got:    func(o *options) any { return []string{o.teamsURL, o.teamsProxy} },
			want:   []string{"http://environment", "http://proxy"},
		},
		"EventsFromEnvironment": {
			reason: "and that of the event webhook",
			env:    map[string]string{"EVENT_WEBHOOK_URL": "http://environment"},
			got:    func(o *options) any { return o.eventURL },
			want:   "http://environment",
		},
		"HarmlessOnes": {
			reason: "flags that set nothing here are no reason not to start",
			args:   []string{"-control-loop-interval=10s", "-zap-replace-globals", "-enable-config-tracking=true", "-ingress-class=nginx"},
			got:    func(o *options) any { return o.threads },
			want:   128,
		},
		"LeaseWhereItIsAsked": {
			reason: "the lease goes into the namespace that is named",
			args:   []string{"-leader-election-namespace=ops"},
			got:    func(o *options) any { return o.leader() },
			want:   "ops",
		},
		"LeaseOfOneNamespace": {
			reason: "an operator of one namespace may have no rights elsewhere",
			args:   []string{"-namespace=team", "-leader-election-namespace=ops"},
			got:    func(o *options) any { return o.leader() },
			want:   "team",
		},
	} {
		t.Run(name, func(t *testing.T) {
			o, err := parse(tc.args, func(k string) string { return tc.env[k] }, io.Discard)
			require.NoError(t, err, tc.reason)
			require.Equal(t, tc.want, tc.got(o), tc.reason)
		})
	}
}

func TestDomain(t *testing.T) {
	require.Equal(t, "corp.internal", searched("nameserver 10.0.0.10\nsearch team-a.svc.corp.internal svc.corp.internal corp.internal example.com\noptions ndots:5\n"))
	require.Equal(t, "cluster.local", searched("nameserver 10.0.0.10\nsearch example.com\n"), "outside a cluster")
	o, err := parse([]string{"-cluster-domain=corp.internal"}, nothing, io.Discard)
	require.NoError(t, err)
	require.Equal(t, "corp.internal", o.domain())
}

func TestParseRefuses(t *testing.T) {
	for name, tc := range map[string]struct {
		reason string
		args   []string
		env    map[string]string
		says   string
	}{
		"Unknown":     {reason: "a mistyped flag would be ignored", args: []string{"-mesh-providr=istio"}, says: "mesh-providr"},
		"Argument":    {reason: "a flag without its dash would be", args: []string{"istio"}, says: `unexpected argument "istio"`},
		"OtherMesh":   {reason: "another cluster would be written to", args: []string{"-kubeconfig-service-mesh=x"}, says: "-kubeconfig-service-mesh"},
		"NoWorkers":   {reason: "nothing would ever happen", args: []string{"-threadiness=0"}, says: "-threadiness"},
		"NoSelectors": {reason: "no workload could be told", args: []string{"-selector-labels=,"}, says: "-selector-labels"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parse(tc.args, func(k string) string { return tc.env[k] }, io.Discard)
			require.ErrorContains(t, err, tc.says, tc.reason)
		})
	}
}

// TestLogIsReadable has times be such, and no stack beside an error of a pass.
func TestLogIsReadable(t *testing.T) {
	o, err := parse(nil, nothing, io.Discard)
	require.NoError(t, err)
	var said bytes.Buffer
	log, err := logger(o, &said)
	require.NoError(t, err)
	log.Error(errors.New("conflict"), "pass failed")
	line := map[string]any{}
	require.NoError(t, json.Unmarshal(said.Bytes(), &line))
	at, err := time.Parse(time.RFC3339, line["ts"].(string))
	require.NoError(t, err)
	require.WithinDuration(t, time.Now(), at, time.Minute)
	require.NotContains(t, line, "stacktrace")
}

func TestLoggerNamesTheFlag(t *testing.T) {
	o, err := parse([]string{"-log-level=loud"}, nothing, io.Discard)
	require.NoError(t, err)
	_, err = logger(o)
	require.ErrorContains(t, err, "-log-level")

	o, err = parse([]string{"-zap-encoding=xml"}, nothing, io.Discard)
	require.NoError(t, err)
	_, err = logger(o)
	require.ErrorContains(t, err, `"xml" is neither json nor console`)
}

func TestDefaultChannel(t *testing.T) {
	for name, tc := range map[string]struct {
		reason string
		args   []string
		posts  string // to where, at the host that stands for all
		says   string
	}{
		"None":     {reason: "nobody asked for one"},
		"Slack":    {reason: "a webhook is a channel", args: []string{"-slack-url=HOST/slack"}, posts: "/slack"},
		"Bot":      {reason: "so is a bot", args: []string{"-slack-url=HOST/api/chat.postMessage", "-slack-token=xoxb-1"}, posts: "/api/chat.postMessage"},
		"Teams":    {reason: "Teams takes the place of Slack", args: []string{"-slack-url=HOST/slack", "-msteams-url=HOST/teams"}, posts: "/teams"},
		"BadSlack": {reason: "a mistake is told at the start", args: []string{"-slack-url=s3cret"}, says: "slack: address: not an http or https URL"},
		"BadTeams": {reason: "and quotes nothing", args: []string{"-msteams-url=s3cret"}, says: "msteams: address: not an http or https URL"},
	} {
		t.Run(name, func(t *testing.T) {
			var posts string
			s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { posts = r.URL.Path }))
			t.Cleanup(s.Close)
			for i := range tc.args {
				tc.args[i] = strings.Replace(tc.args[i], "HOST", s.URL, 1)
			}
			o, err := parse(tc.args, nothing, io.Discard)
			require.NoError(t, err)
			n, err := o.notifier(notify.NewThreads())
			if tc.says != "" {
				require.ErrorContains(t, err, tc.says, tc.reason)
				require.NotContains(t, err.Error(), "s3cret", tc.reason)
				return
			}
			require.NoError(t, err)
			if tc.posts == "" {
				require.Nil(t, n, tc.reason)
				return
			}
			require.NoError(t, n.Notify(t.Context(), notify.Message{Text: "hello"}))
			require.Equal(t, tc.posts, posts, tc.reason)
		})
	}
}

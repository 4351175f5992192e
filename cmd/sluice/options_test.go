package main

import (
	"io"
	"testing"

	"github.com/stretchr/testify/require"
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

func TestParseRefuses(t *testing.T) {
	for name, tc := range map[string]struct {
		reason string
		args   []string
		env    map[string]string
		says   string
	}{
		"Unknown":     {reason: "a mistyped flag would be ignored", args: []string{"-mesh-providr=istio"}, says: "mesh-providr"},
		"Argument":    {reason: "a flag without its dash would be", args: []string{"istio"}, says: `unexpected argument "istio"`},
		"Teams":       {reason: "alerts would be lost", args: []string{"-msteams-url=http://x"}, says: "-msteams-url"},
		"TeamsByEnv":  {reason: "alerts would be lost", env: map[string]string{"MSTEAMS_URL": "http://x"}, says: "-msteams-url"},
		"EventHook":   {reason: "events would be lost", env: map[string]string{"EVENT_WEBHOOK_URL": "http://x"}, says: "-event-webhook"},
		"NoWorkers":   {reason: "nothing would ever happen", args: []string{"-threadiness=0"}, says: "-threadiness"},
		"NoSelectors": {reason: "no workload could be told", args: []string{"-selector-labels=,"}, says: "-selector-labels"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parse(tc.args, func(k string) string { return tc.env[k] }, io.Discard)
			require.ErrorContains(t, err, tc.says, tc.reason)
		})
	}
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

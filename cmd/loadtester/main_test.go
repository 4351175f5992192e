package main

import (
	"context"
	"net"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestParse(t *testing.T) {
	cases := map[string]struct {
		reason string
		args   []string
		token  string // of the environment
		want   flags
	}{
		"Defaults": {
			reason: "The interface's own.",
			want:   flags{port: 9090, timeout: time.Hour, level: "info"},
		},
		"OneDash": {
			reason: "Manifests of this interface write one dash.",
			args:   []string{"-port=8080", "-log-level=debug", "-timeout=2h", "-namespace-regexp=^test$"},
			want:   flags{port: 8080, timeout: 2 * time.Hour, namespace: "^test$", level: "debug"},
		},
		"TwoDashes": {
			reason: "People write two.",
			args:   []string{"--port", "8080"},
			want:   flags{port: 8080, timeout: time.Hour, level: "info"},
		},
		"Gates": {
			reason: "Two replicas need one place for their gates.",
			args:   []string{"-gates-configmap=flagger-loadtester-gates"},
			want:   flags{port: 9090, timeout: time.Hour, level: "info", gates: "flagger-loadtester-gates"},
		},
		"Token": {
			reason: "It may be a flag.",
			args:   []string{"-token=flag"},
			want:   flags{port: 9090, timeout: time.Hour, level: "info", token: "flag"},
		},
		"TokenOfEnvironment": {
			reason: "A Secret comes by the environment, and counts more.",
			args:   []string{"-token=flag"},
			token:  "environment",
			want:   flags{port: 9090, timeout: time.Hour, level: "info", token: "environment"},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := parse(tc.args, func(name string) string {
				require.Equal(t, "LOADTESTER_TOKEN", name)
				return tc.token
			})
			require.NoError(t, err, tc.reason)
			require.Equal(t, tc.want, got, tc.reason)
		})
	}
}

func TestRunRefuses(t *testing.T) {
	taken, err := net.Listen("tcp", ":0")
	require.NoError(t, err)
	t.Cleanup(func() { taken.Close() })
	port := strconv.Itoa(taken.Addr().(*net.TCPAddr).Port)
	cases := map[string]struct {
		reason string
		args   []string
		want   string
	}{
		"UnknownFlag": {reason: "A misspelling must not be taken for a default.", args: []string{"-prt=1"}, want: "prt"},
		"Argument":    {reason: "Nothing is left over.", args: []string{"serve"}, want: `unexpected argument "serve"`},
		"Level":       {reason: "The flag is named.", args: []string{"-log-level=loud"}, want: "-log-level"},
		"Regexp":      {reason: "A lock that cannot be read must not stand open.", args: []string{"-namespace-regexp=("}, want: "-namespace-regexp"},
		"Gates":       {reason: "Outside a cluster there is no such place, and memory would be another.", args: []string{"-gates-configmap=x"}, want: "-gates-configmap: find the API server"},
		"Port":        {reason: "The port is somebody else's.", args: []string{"-port=" + port}, want: "address already in use"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			require.ErrorContains(t, run(t.Context(), tc.args), tc.want, tc.reason)
		})
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	t.Setenv(tokenVariable, "s3cret")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, run(ctx, []string{"-port=0"}), "A signal is the usual end.")
	require.Empty(t, os.Getenv(tokenVariable), "Commands must not inherit the token.")
}

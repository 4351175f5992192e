package main

import (
	"context"
	"log/slog"
	"net"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/stretchr/testify/require"

	"github.com/sluice-cd/sluice/pkg/loadtest"
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
			want:   flags{port: 9090, timeout: time.Hour, level: "info", encoding: "json"},
		},
		"OneDash": {
			reason: "Manifests of this interface write one dash.",
			args:   []string{"-port=8080", "-log-level=debug", "-timeout=2h", "-namespace-regexp=^test$"},
			want:   flags{port: 8080, timeout: 2 * time.Hour, namespace: "^test$", level: "debug", encoding: "json"},
		},
		"TwoDashes": {
			reason: "People write two.",
			args:   []string{"--port", "8080"},
			want:   flags{port: 8080, timeout: time.Hour, level: "info", encoding: "json"},
		},
		"Zap": {
			reason: "Manifests of this interface may have these flags.",
			args:   []string{"-zap-encoding=console", "-zap-replace-globals"},
			want:   flags{port: 9090, timeout: time.Hour, level: "info", encoding: "console"},
		},
		"Gates": {
			reason: "Two replicas need one place for their gates.",
			args:   []string{"-gates-configmap=flagger-loadtester-gates"},
			want:   flags{port: 9090, timeout: time.Hour, level: "info", encoding: "json", gates: "flagger-loadtester-gates"},
		},
		"Token": {
			reason: "It may be a flag.",
			args:   []string{"-token=flag"},
			want:   flags{port: 9090, timeout: time.Hour, level: "info", encoding: "json", token: loadtest.DigestOf("flag")},
		},
		"TokenOfEnvironment": {
			reason: "A Secret comes by the environment, and counts more.",
			args:   []string{"-token=flag"},
			token:  "environment",
			want:   flags{port: 9090, timeout: time.Hour, level: "info", encoding: "json", token: loadtest.DigestOf("environment")},
		},
		"Digest": {
			reason: "Commands can read flags and environment, and are not to learn the token.",
			args:   []string{"-token-sha256=2BB80D537B1DA3E38BD30361AA855686BDE0EACD7162FEF6A25FE97BF527A25B"}, // of `secret`
			want:   flags{port: 9090, timeout: time.Hour, level: "info", encoding: "json", token: loadtest.DigestOf("secret")},
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
		"Digest":      {reason: "A lock that nobody can open is a mistake.", args: []string{"-token-sha256=secret"}, want: "-token-sha256: not the 64 hexadecimal digits"},
		"NoDigest":    {reason: "Nor is one that is empty an open door.", args: []string{"-token-sha256="}, want: "-token-sha256: not the 64 hexadecimal digits"},
		"Both":        {reason: "Which of the two would count?", args: []string{"-token=a", "-token-sha256=b"}, want: "give one of the two"},
		"Level":       {reason: "The flag is named.", args: []string{"-log-level=loud"}, want: "-log-level"},
		"Encoding":    {reason: "As the operator has it.", args: []string{"-zap-encoding=xml"}, want: `-zap-encoding: "xml" is neither json nor console`},
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

func TestLogger(t *testing.T) {
	cases := map[string]struct {
		reason      string
		info, error bool // what is said
	}{
		"debug":   {reason: "A name of both.", info: true, error: true},
		"warning": {reason: "zap has two names for it.", error: true},
		"WARN":    {reason: "Capitals are the same.", error: true},
		"fatal":   {reason: "An error is the worst that is said here.", error: true},
	}
	for level, tc := range cases {
		t.Run(level, func(t *testing.T) {
			for _, encoding := range []string{"json", "console"} {
				log, err := logger(level, encoding)
				require.NoError(t, err, tc.reason)
				require.Equal(t, tc.info, log.Enabled(), tc.reason)
				require.Equal(t, tc.error, slog.New(logr.ToSlogHandler(log)).Enabled(t.Context(), slog.LevelError), tc.reason)
			}
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

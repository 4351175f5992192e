package main

import (
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-cd/sluice/pkg/console"
)

// A page that would let in anybody, or nobody, keeps the operator from starting.
func TestConsoleFlags(t *testing.T) {
	tls := []string{"-console-tls-cert-file=c", "-console-tls-key-file=k"}
	for name, tc := range map[string]struct {
		reason string
		args   []string
		mode   string
		err    string
	}{
		"None":       {reason: "there is no page"},
		"Everywhere": {reason: "nobody says who may see it", args: []string{"-console-address=:9443"}, err: "who may see the page is not said"},
		"Wildcard":   {reason: "it is no address of this machine alone", args: []string{"-console-address=0.0.0.0:9443", "-console-mode=local"}, err: "local is for an address of this machine alone"},
		"Name":       {reason: "a name could lead anywhere", args: []string{"-console-address=localhost.example.com:9443"}, err: "who may see the page is not said"},
		"Loopback":   {reason: "who is on this machine is told the token", args: []string{"-console-address=127.0.0.1:9443"}, mode: console.ModeLocal},
		"Loopback6":  {reason: "so it is over IPv6", args: []string{"-console-address=[::1]:9443"}, mode: console.ModeLocal},
		"Token":      {reason: "something in front may end TLS", args: []string{"-console-address=:9443", "-console-mode=token"}, mode: console.ModeToken},
		"Unknown":    {reason: "a mode is one of four", args: []string{"-console-address=:9443", "-console-mode=none"}, err: `"none" is none of`},
		"NoPort":     {reason: "an address has a port", args: []string{"-console-address=localhost"}, err: "missing port"},
		"HalfTLS":    {reason: "a certificate has a key", args: []string{"-console-address=:1", "-console-mode=token", tls[0]}, err: "go together"},
		"Proxy":      {reason: "anybody could send the headers", args: []string{"-console-address=:1", "-console-mode=proxy"}, err: "a proxy is believed over TLS"},
		"ProxyNoCA":  {reason: "so they could over TLS", args: append([]string{"-console-address=:1", "-console-mode=proxy"}, tls...), err: "a proxy is believed over TLS"},
		"ProxyNear":  {reason: "and on this machine", args: []string{"-console-address=127.0.0.1:1", "-console-mode=proxy"}, err: "a proxy is believed over TLS"},
		"ProxyTLS":   {reason: "its certificate is looked at", args: append([]string{"-console-address=:1", "-console-mode=proxy", "-console-client-ca-file=ca"}, tls...), mode: console.ModeProxy},
		"OIDC":       {reason: "the way back is needed", args: []string{"-console-address=:1", "-console-mode=oidc", "-console-oidc-issuer=https://id.example.com", "-console-oidc-client-id=a"}, err: "-console-url"},
		"Issuer": {reason: "what it says decides who somebody is", args: []string{"-console-address=:1", "-console-mode=oidc", "-console-oidc-issuer=http://id.example.com", "-console-oidc-client-id=a",
			"-console-url=https://sluice.example.com"}, err: "begins with https://"},
		"Only": {reason: "then nothing is left", args: []string{"-console-only"}, err: "there is no page"},
	} {
		t.Run(name, func(t *testing.T) {
			o, err := parse(tc.args, nothing, io.Discard)
			if tc.err != "" {
				require.ErrorContains(t, err, tc.err, tc.reason)
				return
			}
			require.NoError(t, err, tc.reason)
			require.Equal(t, tc.mode, o.console.mode, tc.reason)
		})
	}
}

// A file of a secret has no line break that an editor has put at its end, and is not empty.
func TestSecretFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key")
	require.NoError(t, os.WriteFile(file, []byte("secret\n"), 0o600))
	text, err := secret(file)
	require.NoError(t, err)
	require.Equal(t, "secret", string(text))
	require.NoError(t, os.WriteFile(file, []byte("\n"), 0o600))
	_, err = secret(file)
	require.ErrorContains(t, err, "is empty")
	text, err = secret("")
	require.NoError(t, err)
	require.Nil(t, text)
}

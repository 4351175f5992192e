package cluster

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func issued(t *testing.T, now time.Time) Layout {
	t.Helper()
	l := Layout(t.TempDir())
	require.NoError(t, l.make())
	require.NoError(t, writePKI(l, now))
	return l
}

func readCert(t *testing.T, file string) *x509.Certificate {
	t.Helper()
	raw, err := os.ReadFile(file)
	require.NoError(t, err)
	block, rest := pem.Decode(raw)
	require.NotNil(t, block)
	require.Empty(t, rest)
	cert, err := x509.ParseCertificate(block.Bytes)
	require.NoError(t, err)
	return cert
}

func TestCertificatesNameTheirUsers(t *testing.T) {
	l := issued(t, time.Now())
	cases := map[string]struct {
		reason string
		name   string
		user   string
		groups []string
	}{
		"Admin": {
			reason: "whoever holds it may do everything",
			name:   "admin", user: "admin", groups: []string{"system:masters"},
		},
		"Kubelet": {
			reason: "the node authorizer takes a node by this name and group only",
			name:   "kubelet", user: "system:node:sluice-e2e", groups: []string{"system:nodes"},
		},
		"ControllerManager": {
			reason: "Kubernetes has a role bound to this user",
			name:   "controller-manager", user: "system:kube-controller-manager",
		},
		"Prometheus": {
			reason: "reading is all it needs",
			name:   "prometheus", user: "prometheus", groups: []string{readers},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			cert := readCert(t, l.cert(c.name))
			require.Equal(t, c.user, cert.Subject.CommonName, c.reason)
			require.Equal(t, c.groups, cert.Subject.Organization, c.reason)
		})
	}
}

func TestCertificatesVerify(t *testing.T) {
	now := time.Now()
	l := issued(t, now)
	roots := x509.NewCertPool()
	roots.AddCert(readCert(t, l.cert("ca")))
	cases := map[string]struct {
		reason string
		name   string
		host   string
		at     time.Time
		ok     bool
	}{
		"ByAddress":     {reason: "machines call the API server at the bridge", name: "apiserver", host: nodeIP, at: now, ok: true},
		"ByServiceIP":   {reason: "pods call it by the first Service address", name: "apiserver", host: apiIP, at: now, ok: true},
		"ByServiceName": {reason: "or by name", name: "apiserver", host: "kubernetes.default.svc", at: now, ok: true},
		"OtherHost":     {reason: "nobody else can pass for it", name: "apiserver", host: "example.com", at: now},
		"Expired":       {reason: "a forgotten key is worth nothing", name: "apiserver", host: nodeIP, at: now.Add(2 * certificateLife)},
		"KubeletHost":   {reason: "the API server checks the kubelet for logs and exec", name: "kubelet", host: nodeIP, at: now, ok: true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := readCert(t, l.cert(c.name)).Verify(x509.VerifyOptions{Roots: roots, DNSName: c.host, CurrentTime: c.at})
			require.Equal(t, c.ok, err == nil, "%s: %v", c.reason, err)
		})
	}
}

func TestKeysBelongToTheirCertificates(t *testing.T) {
	l := issued(t, time.Now())
	for _, id := range identities() {
		_, err := tls.LoadX509KeyPair(l.cert(id.name), l.key(id.name))
		require.NoError(t, err, id.name)
		info, err := os.Stat(l.key(id.name))
		require.NoError(t, err)
		require.Zero(t, info.Mode()&0o077, "a key of %q is its owner's only", id.name)
	}
	require.FileExists(t, l.path("pki", "tokens.pub"), "the API server checks tokens with it")
	require.FileExists(t, l.key("tokens"))
}

func TestWritePKIWithoutDirectory(t *testing.T) {
	err := writePKI(Layout(t.TempDir()+"/absent"), time.Now())
	require.ErrorIs(t, err, os.ErrNotExist)
}

package cluster

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDefaultLayout(t *testing.T) {
	cases := map[string]struct {
		reason string
		env    string
		want   Layout
	}{
		"Unset": {
			reason: "without a wish the cluster lives where a daemon's state does",
			want:   "/var/lib/sluice-e2e",
		},
		"Set": {
			reason: "a second cluster on one machine needs a directory of its own",
			env:    "/srv/other",
			want:   "/srv/other",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Setenv("SLUICE_E2E_DIR", c.env)
			require.Equal(t, c.want, DefaultLayout(), c.reason)
		})
	}
}

func TestLayoutStaysInItsDirectory(t *testing.T) {
	l := Layout("/run/x")
	for _, file := range []string{
		l.Kubeconfig(), l.Log("etcd"), l.AuditLog(), l.cert("ca"), l.key("ca"), l.socket(), l.conf("Corefile"), l.configPath("cni.conflist"),
	} {
		require.Contains(t, file, "/run/x/", "what lies elsewhere would not be removed")
	}
	require.Equal(t, "x", l.group(), "control groups are named after the directory")
}

func TestMakeCreatesPrivateFolders(t *testing.T) {
	l := Layout(t.TempDir())
	require.NoError(t, l.make())
	require.DirExists(t, l.path("pki"))
	require.DirExists(t, l.path("log"))
	require.NoError(t, l.make(), "a second time changes nothing")
}

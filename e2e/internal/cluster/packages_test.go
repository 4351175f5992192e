package cluster

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// maintainer is what Debian's debhelper writes into the scripts of a package with a service.
const maintainer = `#!/bin/sh
set -e
deb-systemd-helper unmask %[1]s >/dev/null || true
if deb-systemd-helper --quiet was-enabled %[1]s; then
	deb-systemd-helper enable %[1]s >/dev/null || true
else
	deb-systemd-helper update-state %[1]s >/dev/null || true
fi
`

// debian is a machine below a folder, as dpkg and the helpers of packages see it.
func debian(t *testing.T) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("packages are installed by root")
	}
	root := t.TempDir()
	for _, dir := range []string{"var/lib/dpkg/info", "var/lib/dpkg/updates", "etc/systemd/system"} {
		require.NoError(t, os.MkdirAll(filepath.Join(root, dir), 0o755))
	}
	require.NoError(t, os.WriteFile(filepath.Join(root, "var/lib/dpkg/status"), nil, 0o644))
	t.Setenv("DPKG_ROOT", root)
	return root
}

// deb installs a package with one service of its name, in a version.
func deb(t *testing.T, root, name, version string) {
	t.Helper()
	dir := t.TempDir()
	unit := name + ".service"
	for file, text := range map[string]string{
		"DEBIAN/control":             fmt.Sprintf("Package: %s\nVersion: %s\nArchitecture: all\nMaintainer: nobody <nobody@example.com>\nDescription: a service\n", name, version),
		"DEBIAN/postinst":            fmt.Sprintf(maintainer, unit),
		"lib/systemd/system/" + unit: "[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n",
	} {
		require.NoError(t, os.MkdirAll(filepath.Join(dir, filepath.Dir(file)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, file), []byte(text), 0o755))
	}
	archive := filepath.Join(t.TempDir(), name+".deb")
	for _, argv := range [][]string{
		{"dpkg-deb", "--root-owner-group", "--build", dir, archive},
		{"dpkg", "--root=" + root, "--force-script-chrootless", "--install", archive},
	} {
		out, err := exec.CommandContext(t.Context(), argv[0], argv[1:]...).CombinedOutput()
		require.NoError(t, err, string(out))
	}
}

// TestServicesOfNewPackagesAreDisabled installs packages as Debian does, on a machine without systemd: their scripts
// enable services all the same, and systemd would start them if it came with the next boot.
func TestServicesOfNewPackagesAreDisabled(t *testing.T) {
	root := debian(t)
	enabled := func(name string) bool {
		_, err := os.Lstat(filepath.Join(root, "etc/systemd/system/multi-user.target.wants", name+".service"))
		return err == nil
	}
	deb(t, root, "theirs", "1")
	before, err := packages(t.Context())
	require.NoError(t, err)
	require.Equal(t, map[string]string{"theirs": "installed"}, before)
	deb(t, root, "ours", "1")
	require.True(t, enabled("ours"), "that is what there is to undo")

	t.Setenv("PATH", withoutSystemctl(t))
	require.NoError(t, disableServices(t.Context(), before))
	require.False(t, enabled("ours"))
	require.True(t, enabled("theirs"), "what the machine had stays as it was")

	deb(t, root, "ours", "2")
	require.False(t, enabled("ours"), "nor does an update enable it again")
}

// withoutSystemctl is a PATH on which there is all that packages need, but no systemd.
func withoutSystemctl(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, from := range filepath.SplitList(os.Getenv("PATH")) {
		programs, err := os.ReadDir(from)
		if err != nil {
			continue // a folder that is not there holds nothing
		}
		for _, p := range programs {
			if p.Name() != "systemctl" {
				_ = os.Symlink(filepath.Join(from, p.Name()), filepath.Join(dir, p.Name())) // the first of a name counts
			}
		}
	}
	return dir
}

func TestDisabling(t *testing.T) {
	listed := "/.\n/etc\n/etc/init.d\n/etc/init.d/prometheus\n/etc/default/prometheus\n/lib/systemd/system/prometheus.service\n" +
		"/usr/lib/systemd/system/podman.socket\n/lib/systemd/system/netavark@.service\n/lib/systemd/system/x.service.d/y.conf\n/lib/systemd/system/some.target\n"
	require.Equal(t, [][]string{
		{"update-rc.d", "prometheus", "disable"},
		{"deb-systemd-helper", "disable", "prometheus.service"},
		{"deb-systemd-helper", "disable", "podman.socket"},
	}, disabling([]byte(listed)), "what would start, by whichever of Debian's ways to start things")
}

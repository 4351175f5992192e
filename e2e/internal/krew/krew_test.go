package krew

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// What krew's own index is held by accepts the manifest.
func TestManifestIsValid(t *testing.T) {
	text, err := exec.CommandContext(t.Context(), "../../build/build", "validate-krew-manifest").Output()
	require.NoError(t, err)
	sums := map[Platform]string{}
	for _, p := range Platforms() {
		sums[p], err = Pack(io.Discard, time.Unix(0, 0), File{Name: p.Program(), Mode: 0o755})
		require.NoError(t, err)
	}
	manifest, err := Manifest(Version("ed9c8e4-dirty"), "https://example.com/v1/", sums)
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "sluice.yaml")
	validate := func(manifest string) (string, error) {
		require.NoError(t, os.WriteFile(file, []byte(manifest), 0o600))
		out, err := exec.CommandContext(t.Context(), strings.TrimSpace(string(text)), "-manifest", file, "-skip-install").CombinedOutput()
		return string(out), err
	}
	said, err := validate(string(manifest))
	require.NoError(t, err, said)
	said, err = validate(strings.Replace(string(manifest), "version: v0.0.0", "version: 0.0.0", 1))
	require.Error(t, err, said)
	_, err = Manifest("v1.0.0", "https://example.com", map[Platform]string{{"linux", "amd64"}: "00"})
	require.ErrorContains(t, err, "there is no archive for linux/arm64")
}

func TestVersion(t *testing.T) {
	for described, want := range map[string]string{"v1.2.3": "v1.2.3", "v1.2.3-4-gabc": "v1.2.3-4-gabc", "0123456": "v0.0.0-g0123456", "a b/c": "v0.0.0-ga-b-c"} {
		require.Equal(t, want, Version(described))
	}
}

// The same files give the same archive.
func TestPack(t *testing.T) {
	files := []File{{"kubectl-sluice", []byte("program"), 0o755}, {"LICENSE", []byte("text"), 0o644}}
	var one, two bytes.Buffer
	sum, err := Pack(&one, time.Unix(1e9, 0), files...)
	require.NoError(t, err)
	again, err := Pack(&two, time.Unix(1e9, 0), files...)
	require.NoError(t, err)
	require.Equal(t, sum, again)
	require.Equal(t, one.Bytes(), two.Bytes())
	zipped, err := gzip.NewReader(&one)
	require.NoError(t, err)
	archive := tar.NewReader(zipped)
	for _, f := range files {
		h, err := archive.Next()
		require.NoError(t, err)
		require.Equal(t, f.Name, h.Name)
		require.Equal(t, f.Mode, h.Mode)
		data, err := io.ReadAll(archive)
		require.NoError(t, err)
		require.Equal(t, f.Data, data)
	}
}

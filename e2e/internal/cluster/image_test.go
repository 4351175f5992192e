package cluster

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// entries reads a tar into its names, in order, and bodies by name.
func entries(t *testing.T, raw []byte) (names []string, bodies map[string][]byte, modes map[string]int64) {
	t.Helper()
	bodies, modes = map[string][]byte{}, map[string]int64{}
	for reader := tar.NewReader(bytes.NewReader(raw)); ; {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return names, bodies, modes
		}
		require.NoError(t, err)
		body, err := io.ReadAll(reader)
		require.NoError(t, err)
		names = append(names, header.Name)
		bodies[header.Name], modes[header.Name] = body, header.Mode
	}
}

func sample(t *testing.T) Image {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"one", "two"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte("I am "+name), 0o600))
	}
	return Image{
		Names:      []string{"localhost/sample:1", "localhost/sample:2"},
		Files:      map[string]string{"/usr/bin/two": filepath.Join(dir, "two"), "/one": filepath.Join(dir, "one")},
		Entrypoint: []string{"/one"}, WorkDir: "/usr", User: "1000",
	}
}

func TestImageHoldsTogether(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, sample(t).Write(&out))
	_, bodies, _ := entries(t, out.Bytes())

	var index []manifest
	require.NoError(t, json.Unmarshal(bodies["manifest.json"], &index))
	require.Len(t, index, 1)
	require.Equal(t, []string{"localhost/sample:1", "localhost/sample:2"}, index[0].RepoTags)
	require.Equal(t, fmt.Sprintf("%x.json", sha256.Sum256(bodies[index[0].Config])), index[0].Config, "a configuration is named by its digest")

	var config imageConfig
	require.NoError(t, json.Unmarshal(bodies[index[0].Config], &config))
	require.Equal(t, []string{fmt.Sprintf("sha256:%x", sha256.Sum256(bodies[index[0].Layers[0]]))}, config.RootFS.DiffIDs)
	require.Equal(t, []string{"/one"}, config.Config.Entrypoint)
	require.Equal(t, "1000", config.Config.User)
	require.Contains(t, config.Config.Env[0], ":/usr", "programs in the working folder are found by name")
}

func TestLayer(t *testing.T) {
	layer, err := sample(t).layer()
	require.NoError(t, err)
	names, bodies, modes := entries(t, layer)
	require.Equal(t, []string{"tmp/", "usr/", "usr/bin/", "one", "usr/bin/two"}, names, "folders come before what they hold, once each")
	require.Equal(t, "I am two", string(bodies["usr/bin/two"]))
	require.EqualValues(t, 0o755, modes["one"], "whatever the mode here, anyone may run it there")
	require.EqualValues(t, 0o1777, modes["tmp/"], "any user may write there")
}

func TestImageIsRepeatable(t *testing.T) {
	image := sample(t)
	var first, second bytes.Buffer
	require.NoError(t, image.Write(&first))
	require.NoError(t, image.Write(&second))
	require.Equal(t, first.Bytes(), second.Bytes(), "what did not change need not be loaded again")
}

func TestImageOfMissingFile(t *testing.T) {
	err := Image{Names: []string{"localhost/x:1"}, Files: map[string]string{"/x": "/no/such/file"}}.Write(io.Discard)
	require.ErrorIs(t, err, os.ErrNotExist)
	require.ErrorContains(t, err, "localhost/x:1")
}

func TestPodinfo(t *testing.T) {
	image := podinfo("3.1.2", "/cache/podinfo-abc/podinfo")
	require.Equal(t, []string{"docker.io/stefanprodan/podinfo:3.1.2"}, image.Names)
	require.Equal(t, "/cache/podinfo-abc/podcli", image.Files["/home/app/podcli"], "both are built by one module")
	require.Equal(t, "/home/app", image.WorkDir, "manifests start ./podinfo")
	require.Subset(t, podinfoVersions(), []string{"3.1.0", "3.1.5", "6.0.0", "6.0.3"})
}

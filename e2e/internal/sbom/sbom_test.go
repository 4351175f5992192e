package sbom

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	spdxjson "github.com/spdx/tools-golang/json"
	"github.com/spdx/tools-golang/spdxlib"
	"github.com/stretchr/testify/require"
)

// TestDocument lists the modules of a program that is made here, reads that back, and compares it with what go says.
func TestDocument(t *testing.T) {
	file := filepath.Join(t.TempDir(), "sbom")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", file, "../../cmd/sbom")
	out, err := build.CombinedOutput()
	require.NoError(t, err, string(out))
	const digest = "96e378d7e6531ac9a15ad505478fcc2e69f371b10f5cdf87857c4b8188404716"
	s := Subject{File: file, Version: "v1", Base: "docker.io/library/debian:bookworm-slim@sha256:" + digest, Created: time.Unix(1700000000, 0)}
	var first, second bytes.Buffer
	require.NoError(t, Write(&first, s))
	require.NoError(t, Write(&second, s))
	require.Equal(t, first.String(), second.String())

	doc, err := spdxjson.Read(bytes.NewReader(first.Bytes()))
	require.NoError(t, err)
	require.NoError(t, spdxlib.ValidateDocument(doc), "every relation is one of something that is there")
	require.Equal(t, "2023-11-14T22:13:20Z", doc.CreationInfo.Created)
	purls := map[string]bool{}
	for _, p := range doc.Packages {
		purls[p.PackageExternalReferences[0].Locator] = true
	}
	require.Len(t, doc.Relationships, len(doc.Packages), "each of them is related")
	listed, err := exec.CommandContext(t.Context(), "go", "version", "-m", file).Output()
	require.NoError(t, err)
	seen := 0
	for line := range strings.Lines(string(listed)) {
		if words := strings.Fields(line); words[0] == "dep" {
			seen++
			require.Contains(t, purls, "pkg:golang/"+words[1]+"@"+words[2])
		}
	}
	require.Positive(t, seen)
	require.Len(t, doc.Packages, seen+3, "the program, Go's library and the base besides")
	require.Contains(t, purls, "pkg:oci/debian@sha256%3A"+digest+"?repository_url=docker.io/library/debian")

	s.Base = "docker.io/library/debian:bookworm-slim"
	require.ErrorContains(t, Write(&second, s), "is not named by digest")
	s.File = "sbom.go"
	require.ErrorContains(t, Write(&second, s), "read what sbom.go is made of")
}

// TestBasesAreNamedByDigest looks at what the images are built on.
func TestBasesAreNamedByDigest(t *testing.T) {
	text, err := os.ReadFile("../../../Dockerfile")
	require.NoError(t, err)
	require.NotContains(t, string(text), "latest")
	bases, err := Bases("../../../Dockerfile")
	require.NoError(t, err)
	require.Len(t, bases, 3)
	for stage, base := range bases {
		require.Regexp(t, `^[^@ ]+:[^@ ]+@sha256:[0-9a-f]{64}$`, base, stage)
	}
}

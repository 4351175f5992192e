// Package krew makes what kubectl's plugin is released as: an archive for each platform, and the manifest by which krew installs it.
package krew

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"

	"sigs.k8s.io/yaml"
)

// Platform is what a program runs on, in Go's words.
type Platform struct{ OS, Arch string }

// Platforms are those that the plugin is built for.
func Platforms() (all []Platform) {
	for _, system := range []string{"linux", "darwin", "windows"} {
		for _, arch := range []string{"amd64", "arm64"} {
			all = append(all, Platform{system, arch})
		}
	}
	return all
}

// Program is the name of the program on a platform.
func (p Platform) Program() string {
	if p.OS == "windows" {
		return "kubectl-sluice.exe"
	}
	return "kubectl-sluice"
}

// Archive is the name of the archive for a platform.
func (p Platform) Archive(version string) string {
	return fmt.Sprintf("kubectl-sluice_%s_%s_%s.tar.gz", version, p.OS, p.Arch)
}

// File is one that an archive has.
type File struct {
	Name string
	Data []byte
	Mode int64
}

// Pack writes an archive, which is the same whenever its files are, and returns its SHA-256 in hex.
func Pack(out io.Writer, at time.Time, files ...File) (string, error) {
	sum := sha256.New()
	zipped := gzip.NewWriter(io.MultiWriter(out, sum))
	archive := tar.NewWriter(zipped)
	for _, f := range files {
		h := &tar.Header{Name: f.Name, Size: int64(len(f.Data)), Mode: f.Mode, ModTime: at.UTC(), Format: tar.FormatUSTAR}
		if err := archive.WriteHeader(h); err != nil {
			return "", err
		}
		if _, err := io.Copy(archive, bytes.NewReader(f.Data)); err != nil {
			return "", err
		}
	}
	if err := archive.Close(); err != nil {
		return "", err
	}
	if err := zipped.Close(); err != nil {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

var semantic = regexp.MustCompile(`^v\d+\.\d+\.\d+`)

// Version is a version as krew takes it: of a commit without a tag one before all others.
func Version(described string) string {
	if semantic.MatchString(described) {
		return described
	}
	return "v0.0.0-g" + regexp.MustCompile(`[^0-9A-Za-z-]`).ReplaceAllString(described, "-")
}

// Manifest is that of a version whose archives, with their sums, are at an address.
func Manifest(version, address string, sums map[Platform]string) ([]byte, error) {
	var platforms []any
	for _, p := range Platforms() {
		sum, is := sums[p]
		if !is {
			return nil, fmt.Errorf("there is no archive for %s/%s", p.OS, p.Arch)
		}
		platforms = append(platforms, map[string]any{
			"selector": map[string]any{"matchLabels": map[string]string{"os": p.OS, "arch": p.Arch}},
			"uri":      strings.TrimSuffix(address, "/") + "/" + p.Archive(version), "sha256": sum, "bin": p.Program(),
		})
	}
	return yaml.Marshal(map[string]any{
		"apiVersion": "krew.googlecontainertools.github.com/v1alpha2", "kind": "Plugin", "metadata": map[string]string{"name": "sluice"},
		"spec": map[string]any{
			"version": version, "homepage": "https://github.com/sluice-cd/sluice", "shortDescription": "See canary rollouts and put a hand on them",
			"description": "Shows the rollouts of Canaries (flagger.app/v1beta1) with their pods, checks and history, promotes, pauses,\n" +
				"aborts and rolls them back, and looks at manifests before they are applied.\n",
			"caveats":   "For completion put the output of `kubectl sluice completion kubectl` on the PATH as kubectl_complete-sluice.\n",
			"platforms": platforms,
		},
	})
}

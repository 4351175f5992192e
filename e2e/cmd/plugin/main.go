// Command plugin builds kubectl's plugin for all platforms, and the archives and the manifest that it is released as: see internal/krew.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"github.com/sluice-cd/sluice/e2e/internal/krew"
)

func main() {
	r := release{}
	flag.StringVar(&r.version, "version", "unknown", "version of the program")
	flag.StringVar(&r.ldflags, "ldflags", "", "flags for the linker")
	flag.StringVar(&r.tags, "tags", "", "build tags")
	flag.StringVar(&r.root, "root", "..", "the repository")
	flag.StringVar(&r.out, "out", "../bin/plugin", "folder to write to")
	flag.StringVar(&r.address, "address", "", "where the archives will be; empty: the release of the version on GitHub")
	flag.Parse()
	if err := r.make(); err != nil {
		fmt.Fprintln(os.Stderr, "plugin:", err)
		os.Exit(1)
	}
}

// release is one version of the plugin.
type release struct{ version, ldflags, tags, root, out, address string }

func (r release) make() error {
	// The time of the sources, as other tools that build the same twice are told it.
	seconds, err := strconv.ParseInt(os.Getenv("SOURCE_DATE_EPOCH"), 10, 64)
	if err != nil {
		return fmt.Errorf("SOURCE_DATE_EPOCH: %w", err)
	}
	if err := os.MkdirAll(r.out, 0o755); err != nil {
		return err
	}
	version := krew.Version(r.version)
	sums := map[krew.Platform]string{}
	for _, p := range krew.Platforms() {
		if sums[p], err = r.archive(p, version, time.Unix(seconds, 0)); err != nil {
			return fmt.Errorf("%s/%s: %w", p.OS, p.Arch, err)
		}
	}
	if r.address == "" {
		r.address = "https://github.com/sluice-cd/sluice/releases/download/" + version
	}
	manifest, err := krew.Manifest(version, r.address, sums)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(r.out, "sluice.yaml"), manifest, 0o644)
}

// archive builds the program for a platform and packs it.
func (r release) archive(p krew.Platform, version string, at time.Time) (string, error) {
	folder, err := os.MkdirTemp("", "plugin")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(folder)
	file := filepath.Join(folder, p.Program())
	build := exec.Command("go", "build", "-tags", r.tags, "-trimpath", "-ldflags", r.ldflags, "-o", file, "./cmd/kubectl-sluice")
	build.Dir, build.Stderr = r.root, os.Stderr
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+p.OS, "GOARCH="+p.Arch)
	if err := build.Run(); err != nil {
		return "", err
	}
	program, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	license, err := os.ReadFile(filepath.Join(r.root, "LICENSE"))
	if err != nil {
		return "", err
	}
	var archive bytes.Buffer
	sum, err := krew.Pack(&archive, at, krew.File{Name: p.Program(), Data: program, Mode: 0o755}, krew.File{Name: "LICENSE", Data: license, Mode: 0o644})
	if err != nil {
		return "", err
	}
	fmt.Printf("%s  %s  %d MiB\n", sum, p.Archive(version), len(program)>>20)
	return sum, os.WriteFile(filepath.Join(r.out, p.Archive(version)), archive.Bytes(), 0o644)
}

package cluster

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Source is the e2e module's folder, found from the working directory upwards.
func Source() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; dir != "/"; dir = filepath.Dir(dir) {
		for _, candidate := range []string{dir, filepath.Join(dir, "e2e")} {
			if _, err := os.Stat(filepath.Join(candidate, "build", "build")); err == nil {
				return candidate, nil
			}
		}
	}
	return "", errors.New("no e2e module here or above: run this inside the repository")
}

// builder makes programs from the repository's sources.
type builder struct {
	source   string
	progress io.Writer
}

// build returns the paths of programs of e2e/build, in the order of their names.
func (b builder) build(ctx context.Context, names ...string) ([]string, error) {
	out, err := output(exec.CommandContext(ctx, filepath.Join(b.source, "build", "build"), names...), b.progress)
	return strings.Fields(out), err
}

// command compiles one of the e2e module's own commands, as a file that needs
// nothing but the kernel.
func (b builder) command(ctx context.Context, name, file string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", file, "./cmd/"+name)
	cmd.Dir = b.source
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	return run(cmd)
}

// module is the folder of a module that one of e2e/build depends on.
func (b builder) module(ctx context.Context, program, path string) (string, error) {
	download := exec.CommandContext(ctx, "go", "mod", "download", path)
	download.Dir = filepath.Join(b.source, "build", program)
	if err := run(download); err != nil {
		return "", err
	}
	list := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", path)
	list.Dir = download.Dir
	return output(list, b.progress)
}

// CacheDir is where built programs and images are kept between clusters.
func CacheDir() (string, error) {
	if dir := os.Getenv("SLUICE_CACHE"); dir != "" {
		return dir, nil
	}
	dir, err := os.UserCacheDir()
	return strings.TrimRight(dir, "/") + "/sluice", err
}

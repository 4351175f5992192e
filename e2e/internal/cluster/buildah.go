package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
)

// DebianBase is the image that the load tester is built on where no registry
// can be reached.
const DebianBase = "localhost/debian-base"

// Build is what buildah is asked to make.
type Build struct {
	Dockerfile string
	Context    string
	Target     string
	Tag        string
	Args       []string // NAME=VALUE
}

// buildah keeps its images in the cache, away from those of the machine.
type buildah struct {
	cache    string
	progress io.Writer
}

func buildahRoot(cache string) string { return filepath.Join(cache, "buildah") }

func (b buildah) command(ctx context.Context, argv ...string) *exec.Cmd {
	root := buildahRoot(b.cache)
	store := []string{"--root", filepath.Join(root, "store"), "--runroot", filepath.Join(root, "run")}
	cmd := exec.CommandContext(ctx, "buildah", append(store, argv...)...)
	cmd.Stdout, cmd.Stderr = b.progress, b.progress
	return cmd
}

// BuildImage builds a Dockerfile and puts the result into the cluster. The build
// has no network: a Dockerfile copies what was compiled before.
func (l Layout) BuildImage(ctx context.Context, build Build, progress io.Writer) error {
	cache, err := CacheDir()
	if err != nil {
		return err
	}
	if slices.Contains(build.Args, "BASE="+DebianBase) {
		if err := EnsureDebianBase(ctx, progress); err != nil {
			return err
		}
	}
	b := buildah{cache: cache, progress: progress}
	if err := b.command(ctx, build.argv()...).Run(); err != nil {
		return fmt.Errorf("building %q: %w", build.Tag, err)
	}
	archive := filepath.Join(buildahRoot(cache), fmt.Sprintf("push-%d.tar", os.Getpid()))
	defer os.Remove(archive)
	if err := b.command(ctx, "push", build.Tag, "docker-archive:"+archive+":"+build.Tag).Run(); err != nil {
		return fmt.Errorf("writing %q to a file: %w", build.Tag, err)
	}
	return l.LoadArchive(ctx, archive)
}

func (build Build) argv() []string {
	argv := []string{"bud", "--isolation", "chroot", "--pull-never", "--file", build.Dockerfile, "--tag", build.Tag}
	for _, arg := range build.Args {
		argv = append(argv, "--build-arg", arg)
	}
	if build.Target != "" {
		argv = append(argv, "--target", build.Target)
	}
	return append(argv, build.Context)
}

// EnsureDebianBase makes the base image once: Debian's own installer of minimal
// systems, and what the load tester's commands call.
func EnsureDebianBase(ctx context.Context, progress io.Writer) error {
	cache, err := CacheDir()
	if err != nil {
		return err
	}
	b := buildah{cache: cache, progress: progress}
	if b.command(ctx, "inspect", "--type", "image", "--format", "{{.FromImageID}}", DebianBase).Run() == nil {
		return nil
	}
	dir := filepath.Join(buildahRoot(cache), "debian")
	if err := errors.Join(unmount(dir), os.RemoveAll(dir), os.MkdirAll(dir, 0o755)); err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	return b.debian(ctx, dir)
}

func (b buildah) debian(ctx context.Context, dir string) error {
	root := filepath.Join(dir, "root")
	install := exec.CommandContext(ctx, "debootstrap", "--variant=minbase",
		"--include=bash,curl,ca-certificates,hey,jq", "bookworm", root)
	install.Stdout, install.Stderr = b.progress, b.progress
	if err := install.Run(); err != nil {
		return fmt.Errorf("making a minimal Debian: %w", err)
	}
	file := filepath.Join(dir, "Dockerfile")
	text := "FROM scratch\nCOPY root/ /\nENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n"
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		return err
	}
	// The package lists and downloads would be half of the image.
	for _, useless := range []string{"var/cache/apt/archives", "var/lib/apt/lists", "usr/share/doc", "usr/share/locale"} {
		if err := os.RemoveAll(filepath.Join(root, useless)); err != nil {
			return err
		}
	}
	build := Build{Dockerfile: file, Context: dir, Tag: DebianBase}
	return b.command(ctx, build.argv()...).Run()
}

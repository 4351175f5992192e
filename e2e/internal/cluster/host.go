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

// debianPackages are what the cluster needs that cannot be built from Go modules
// in reasonable time, or is the machine's own business.
func debianPackages() []string {
	return []string{
		"containerd", "runc", "containernetworking-plugins", "iptables", "iproute2", "conntrack", "prometheus", "hey",
		"buildah", "debootstrap", "curl", "ca-certificates",
	}
}

// policyFile is how Debian is told not to start the services of packages while
// they are installed.
const (
	policyFile = "/usr/sbin/policy-rc.d"
	policyText = "#!/bin/sh\n# Written by Sluice's e2e cluster while it installs packages.\nexit 101\n"
)

// installPackages installs what is missing, and nothing of it is started or will
// be at the next boot: the cluster runs its own.
func installPackages(ctx context.Context, progress io.Writer) error {
	missing := missingPackages(ctx)
	if len(missing) == 0 {
		return nil
	}
	if _, err := os.Stat(policyFile); errors.Is(err, os.ErrNotExist) {
		if err := os.WriteFile(policyFile, []byte(policyText), 0o755); err != nil {
			return err
		}
	}
	defer removePolicy()
	for _, argv := range [][]string{{"update", "-q"}, append([]string{"install", "-q", "-y", "--no-install-recommends"}, missing...)} {
		cmd := exec.CommandContext(ctx, "apt-get", argv...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		cmd.Stdout, cmd.Stderr = progress, progress
		if err := cmd.Run(); err != nil {
			return err
		}
	}
	disableServices(ctx, missing)
	return nil
}

func missingPackages(ctx context.Context) []string {
	var missing []string
	for _, name := range debianPackages() {
		out, err := exec.CommandContext(ctx, "dpkg-query", "-W", "-f", "${db:Status-Status}", name).Output()
		if err != nil || string(out) != "installed" {
			missing = append(missing, name)
		}
	}
	return missing
}

// disableServices keeps what was installed just now from starting at the next
// boot. Packages that were there before are not touched.
func disableServices(ctx context.Context, installed []string) {
	if _, err := exec.LookPath("systemctl"); err != nil {
		return
	}
	for _, name := range installed {
		unit := name + ".service"
		if _, err := os.Stat(filepath.Join("/lib/systemd/system", unit)); err == nil {
			_ = exec.CommandContext(ctx, "systemctl", "disable", unit).Run() // off already is as good
		}
	}
}

// removePolicy takes away our own file, not one the machine had before.
func removePolicy() {
	if raw, err := os.ReadFile(policyFile); err == nil && string(raw) == policyText {
		_ = os.Remove(policyFile)
	}
}

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

// build returns the path of one of the programs of e2e/build.
func (b builder) build(ctx context.Context, name string, env ...string) (string, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(b.source, "build", "build"), name)
	cmd.Env = append(os.Environ(), env...)
	return output(cmd, b.progress)
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

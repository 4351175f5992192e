package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path"
	"slices"
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
	had, err := packages(ctx)
	if err != nil {
		return err
	}
	missing := slices.DeleteFunc(debianPackages(), func(name string) bool { return had[name] == "installed" })
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
		if err = cmd.Run(); err != nil {
			err = fmt.Errorf("apt-get %s: %w", strings.Join(argv, " "), err)
			break
		}
	}
	// What was installed before something failed, or before we were told to stop, would start as well.
	return errors.Join(err, disableServices(context.WithoutCancel(ctx), had))
}

// packages are those that Debian knows of on this machine, and the state that each is in.
func packages(ctx context.Context) (map[string]string, error) {
	out, err := output(exec.CommandContext(ctx, "dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n"), io.Discard)
	if err != nil {
		return nil, err
	}
	states := map[string]string{}
	for line := range strings.Lines(out) {
		if name, state, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
			states[name] = state
		}
	}
	return states, nil
}

// disableServices keeps the services of packages that were not installed before, whether we named them or another
// package wanted them, from starting at the next boot. It asks Debian's helpers, which are on machines without
// systemd too, where systemctl is not: packages enable their services there as well.
func disableServices(ctx context.Context, before map[string]string) error {
	now, err := packages(ctx)
	if err != nil {
		return err
	}
	var problems []error
	for _, name := range slices.Sorted(maps.Keys(now)) {
		if before[name] == "installed" || now[name] == "not-installed" || now[name] == "config-files" {
			continue
		}
		listed, err := exec.CommandContext(ctx, "dpkg-query", "-L", name).Output()
		problems = append(problems, err)
		for _, argv := range disabling(listed) {
			cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
			cmd.Env = append(os.Environ(), "DPKG_MAINTSCRIPT_PACKAGE="+name) // it serves nobody but packages
			problems = append(problems, run(cmd))
		}
	}
	return errors.Join(problems...)
}

// disabling are the commands that keep what is among a package's files from starting.
func disabling(listed []byte) (commands [][]string) {
	for line := range bytes.Lines(listed) {
		dir, file := path.Split(strings.TrimSpace(string(line)))
		switch dir {
		case "/etc/init.d/":
			commands = append(commands, []string{"update-rc.d", file, "disable"})
		case "/lib/systemd/system/", "/usr/lib/systemd/system/":
			started := slices.Contains([]string{".service", ".socket", ".timer", ".path"}, path.Ext(file))
			if started && !strings.Contains(file, "@.") { // a template starts nothing
				commands = append(commands, []string{"deb-systemd-helper", "disable", file})
			}
		}
	}
	return commands
}

// removePolicy takes away our own file, not one the machine had before.
func removePolicy() {
	if raw, err := os.ReadFile(policyFile); err == nil && string(raw) == policyText {
		_ = os.Remove(policyFile)
	}
}

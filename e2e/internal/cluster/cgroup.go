package cluster

import (
	"bufio"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"syscall"
)

// controlRoots are the folders in which control groups are made: one for each
// controller with the first version, one for all with the second.
func controlRoots() []string {
	if _, err := os.Stat("/sys/fs/cgroup/cgroup.controllers"); err == nil {
		return []string{"/sys/fs/cgroup"}
	}
	var roots []string
	entries, _ := os.ReadDir("/sys/fs/cgroup")
	for _, entry := range entries {
		dir := filepath.Join("/sys/fs/cgroup", entry.Name())
		// Controllers mounted together have a link for each name.
		if info, err := os.Stat(filepath.Join(dir, "cgroup.procs")); err == nil && info != nil && entry.IsDir() {
			roots = append(roots, dir)
		}
	}
	return roots
}

// groupUp makes the group that all pods are below. kubelet insists that it is
// there.
func (l Layout) groupUp() error {
	for _, root := range controlRoots() {
		if err := os.MkdirAll(filepath.Join(root, l.group()), 0o755); err != nil {
			return err
		}
		// Second version only: controllers reach children when told so.
		_ = os.WriteFile(filepath.Join(root, "cgroup.subtree_control"), []byte("+cpu +cpuset +memory +pids +io"), 0o644)
	}
	return nil
}

// killContainers ends all that runs in our groups: containers do not know whose
// they are, and stay when their shim is gone.
func (l Layout) killContainers() error {
	for _, dir := range l.groups() {
		file, err := os.Open(filepath.Join(dir, "cgroup.procs"))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		for lines := bufio.NewScanner(file); lines.Scan(); {
			if pid, err := strconv.Atoi(lines.Text()); err == nil && pid > 0 {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
		file.Close()
	}
	return nil
}

// groupDown removes the groups, innermost first. One that still holds a dying
// process refuses; the caller tries again.
func (l Layout) groupDown() error {
	var failed error
	for _, dir := range l.groups() {
		if err := syscall.Rmdir(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
			failed = errors.Join(failed, &fs.PathError{Op: "rmdir", Path: dir, Err: err})
		}
	}
	return failed
}

// groups are all of ours, the innermost first.
func (l Layout) groups() []string {
	var dirs []string
	for _, root := range controlRoots() {
		_ = filepath.WalkDir(filepath.Join(root, l.group()), func(path string, entry fs.DirEntry, err error) error {
			if err == nil && entry.IsDir() {
				dirs = append(dirs, path)
			}
			return nil // groups vanish while one looks
		})
	}
	sort.Slice(dirs, func(i, j int) bool { return strings.Count(dirs[i], "/") > strings.Count(dirs[j], "/") })
	return dirs
}

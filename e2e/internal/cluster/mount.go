package cluster

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// mountsBelow reads the mount points below a folder from the kernel's table,
// the latest first: what was mounted last has to go first.
func mountsBelow(dir, table string) []string {
	var points []string
	for _, line := range strings.Split(table, "\n") {
		fields := strings.Fields(line)
		if len(fields) < 5 {
			continue
		}
		point := strings.ReplaceAll(fields[4], `\040`, " ")
		if point == dir || strings.HasPrefix(point, dir+"/") {
			points = append(points, point)
		}
	}
	slices.Reverse(points)
	return points
}

// unmount takes away every mount below the folder, and fails when one stays:
// removing files through it would remove somebody else's.
func unmount(dir string) error {
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return err
	}
	for _, point := range mountsBelow(dir, string(table)) {
		_ = syscall.Unmount(point, syscall.MNT_DETACH) // looked at again below
	}
	if table, err = os.ReadFile("/proc/self/mountinfo"); err != nil {
		return err
	}
	if left := mountsBelow(dir, string(table)); len(left) > 0 {
		return fmt.Errorf("still mounted: %s", strings.Join(left, ", "))
	}
	return nil
}

// sweep removes what containerd's shims and libcni leave in folders that they
// share with the machine's own: sockets nobody answers, results of our network.
func (l Layout) sweep() error {
	results, _ := filepath.Glob("/var/lib/cni/results/" + l.group() + "-*")
	for _, sandbox := range l.sandboxes() {
		// Under another name, since every network's loopback has the same.
		loopbacks, _ := filepath.Glob("/var/lib/cni/results/cni-loopback-" + sandbox + "-*")
		results = append(results, loopbacks...)
	}
	sockets, _ := filepath.Glob("/run/containerd/s/*")
	var failed error
	for _, file := range append(results, dead(sockets)...) {
		failed = errors.Join(failed, os.Remove(file))
	}
	for _, dir := range []string{"/var/lib/cni/results", "/var/lib/cni", "/run/containerd/s", "/run/containerd"} {
		_ = syscall.Rmdir(dir) // stays when somebody has something in it
	}
	return failed
}

// sandboxes are the pods that containerd knew: it keeps a folder for each.
func (l Layout) sandboxes() []string {
	folders, _ := filepath.Glob(l.path("containerd", "io.containerd.grpc.v1.cri", "sandboxes", "*"))
	for i, folder := range folders {
		folders[i] = filepath.Base(folder)
	}
	return folders
}

func dead(sockets []string) []string {
	return slices.DeleteFunc(sockets, func(socket string) bool {
		conn, err := net.DialTimeout("unix", socket, time.Second)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
}

package cluster

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
)

// before is how the machine was: what Down puts back. It is stored before the
// first change and never again.
type before struct {
	// Settings of the kernel that kubelet, kube-proxy and we change.
	Settings map[string]string
	// Absent are folders that were not there.
	Absent []string
}

func kernelSettings() []string {
	return []string{
		"net/ipv4/ip_forward", "net/ipv4/conf/all/route_localnet", "net/bridge/bridge-nf-call-iptables",
		"net/netfilter/nf_conntrack_tcp_be_liberal", "vm/overcommit_memory", "vm/panic_on_oom",
		"kernel/panic", "kernel/panic_on_oops", "kernel/keys/root_maxkeys", "kernel/keys/root_maxbytes",
	}
}

// foreignFolders are outside of the cluster's directory because kubelet knows
// no other place for them.
func foreignFolders() []string {
	return []string{"/var/lib/kubelet", "/var/log/containers", "/var/log/pods", "/usr/libexec/kubernetes"}
}

func (l Layout) remember() error {
	file := l.path("before.json")
	if _, err := os.Stat(file); err == nil {
		return nil
	}
	seen := before{Settings: map[string]string{}}
	for _, name := range kernelSettings() {
		if raw, err := os.ReadFile(filepath.Join("/proc/sys", name)); err == nil {
			seen.Settings[name] = strings.TrimSpace(string(raw))
		}
	}
	for _, dir := range foreignFolders() {
		if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
			seen.Absent = append(seen.Absent, dir)
		}
	}
	raw, err := json.MarshalIndent(seen, "", "  ")
	if err != nil {
		return err
	}
	return replaceFile(file, raw)
}

// restore puts everything back as remembered.
func (l Layout) restore() error {
	raw, err := os.ReadFile(l.path("before.json"))
	if errors.Is(err, os.ErrNotExist) {
		return nil // killed before it changed anything
	}
	if err != nil {
		return err
	}
	var seen before
	if err := json.Unmarshal(raw, &seen); err != nil {
		return err
	}
	for name, value := range seen.Settings {
		_ = setKernel(name, value) // a setting may belong to a module that is gone
	}
	for _, dir := range seen.Absent {
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
	}
	return nil
}

// setKernel writes only what differs: some settings refuse even their own value
// on machines inside another.
func setKernel(name, value string) error {
	file := filepath.Join("/proc/sys", name)
	raw, err := os.ReadFile(file)
	if err != nil || strings.TrimSpace(string(raw)) == value {
		return err
	}
	return os.WriteFile(file, []byte(value), 0o644)
}

// replaceFile leaves either the old file or the new one, never half of it.
func replaceFile(file string, raw []byte) error {
	if err := os.WriteFile(file+".new", raw, 0o600); err != nil {
		return err
	}
	return os.Rename(file+".new", file)
}

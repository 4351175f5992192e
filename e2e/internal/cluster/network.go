package cluster

import (
	"context"
	"os/exec"
	"path/filepath"
	"strings"
)

// bridgeUp makes the bridge before the first pod would: the control plane
// listens on its address. The route gives the machine that address as source
// when it calls a Service, so that the answer finds back whatever its own
// network looks like.
func bridgeUp(ctx context.Context) error {
	return runs(ctx,
		[]string{"ip", "link", "add", bridge, "type", "bridge"},
		[]string{"ip", "address", "add", nodeIP + "/24", "dev", bridge},
		[]string{"ip", "link", "set", bridge, "up"},
		[]string{"ip", "route", "add", serviceIPs, "dev", bridge, "src", nodeIP},
	)
}

// bridgeDown removes the bridge and what is still plugged into it. That a link
// is gone already is no error: pods take theirs along.
func bridgeDown(ctx context.Context) {
	links, _ := filepath.Glob("/sys/class/net/" + bridge + "/brif/*")
	for _, link := range append(links, bridge) {
		_ = exec.CommandContext(ctx, "ip", "link", "delete", filepath.Base(link)).Run()
	}
}

// ruleChains are the beginnings of the names of chains that kube-proxy makes.
// kubelet is told to make none, and no pod of ours has a port on the host.
const ruleChains = "KUBE-"

// rulesDown removes every packet filter rule of the cluster.
func rulesDown(ctx context.Context) error {
	for _, table := range []string{"mangle", "nat", "filter"} {
		out, err := exec.CommandContext(ctx, "iptables-save", "-t", table).Output()
		if err != nil {
			return err
		}
		rules := undo(table, string(out))
		if rules == "" {
			continue
		}
		restore := exec.CommandContext(ctx, "iptables-restore", "--noflush")
		restore.Stdin = strings.NewReader(rules)
		if err := run(restore); err != nil {
			return err
		}
	}
	return nil
}

// undo is the input of iptables-restore that takes our rules and chains out of
// a table: first the jumps from elsewhere, then, all at once so that their
// order does not matter, the chains. It is empty when there is nothing of ours.
func undo(table, saved string) string {
	var jumps, flushes, deletes []string
	for _, line := range strings.Split(saved, "\n") {
		switch {
		case strings.HasPrefix(line, ":"+ruleChains):
			chain := strings.Fields(line)[0][1:]
			flushes = append(flushes, ":"+chain+" - [0:0]")
			deletes = append(deletes, "-X "+chain)
		case strings.HasPrefix(line, "-A "+ruleChains):
			continue // goes with its chain
		case strings.HasPrefix(line, "-A ") && (strings.Contains(line, "-j "+ruleChains) || strings.Contains(line, captureMark)):
			jumps = append(jumps, "-D "+strings.TrimPrefix(line, "-A "))
		}
	}
	if len(flushes)+len(jumps) == 0 {
		return ""
	}
	lines := append([]string{"*" + table}, flushes...)
	lines = append(append(lines, jumps...), deletes...)
	return strings.Join(append(lines, "COMMIT", ""), "\n")
}

// captureMark is the comment on our own rule, by which it is found again.
const captureMark = "sluice-e2e-mesh"

// captureUp sends what pods send to Services through the mesh process first, as
// a sidecar would get it. It has to stand before kube-proxy's rules, which would
// already choose a pod.
func captureUp(ctx context.Context) error {
	return runs(ctx, append([]string{"iptables", "-w", "-t", "nat", "-I", "PREROUTING", "1"}, captureRule()...))
}

// unmeshed are the ports of the cluster's own Services: DNS, the API server,
// Prometheus and istiod, which have to be reached whatever becomes of the mesh.
// All others are captured: a request that passes the mesh by is in no metric.
const unmeshed = "53,443,9090,15010"

func captureRule() []string {
	return []string{
		"-s", podRange, "-d", serviceIPs, "-p", "tcp", "-m", "multiport", "!", "--dports", unmeshed,
		"-m", "comment", "--comment", captureMark, "-j", "REDIRECT", "--to-ports", "15001",
	}
}

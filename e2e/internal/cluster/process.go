package cluster

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// A process belongs to the cluster whose directory its environment names. The
// environment is inherited, so containerd's shims belong as well, and unlike a
// number in a file it cannot come to mean another process.
const (
	ownerVariable = "SLUICE_E2E_OWNER"
	partVariable  = "SLUICE_E2E_PART"
)

// process is one that runs now.
type process struct {
	pid  int
	part string
}

// running is a process that this program started. exited is closed when it
// ends, so that nobody waits for the readiness of something that is gone.
type running struct {
	part   string
	exited chan struct{}
}

// start runs a part in a session of its own: it outlives this program, and the
// terminal's signals do not reach it.
func (l Layout) start(part string, argv, env []string) (*running, error) {
	log, err := os.OpenFile(l.Log(part), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Dir = string(l)
	cmd.Env = append(os.Environ(), ownerVariable+"="+string(l), partVariable+"="+part)
	cmd.Env = append(cmd.Env, env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %q: %w", part, err)
	}
	r := &running{part: part, exited: make(chan struct{})}
	go func() {
		_ = cmd.Wait() // how it ended is in its log
		close(r.exited)
	}()
	return r, nil
}

func (r *running) gone() bool {
	select {
	case <-r.exited:
		return true
	default:
		return false
	}
}

// processes are all that belong to this cluster, whoever started them.
func (l Layout) processes() ([]process, error) {
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil, err
	}
	var found []process
	for _, dir := range dirs {
		pid, _ := strconv.Atoi(filepath.Base(dir)) // the pattern has digits only
		raw, err := os.ReadFile(filepath.Join(dir, "environ"))
		if err != nil || pid == os.Getpid() {
			continue // gone meanwhile, or this program itself
		}
		if part, ours := l.owns(raw); ours {
			found = append(found, process{pid: pid, part: part})
		}
	}
	return found, nil
}

// owns reads an environment as the kernel gives it, entries parted by zero bytes.
func (l Layout) owns(environ []byte) (part string, ours bool) {
	for _, entry := range bytes.Split(environ, []byte{0}) {
		name, value, _ := strings.Cut(string(entry), "=")
		switch name {
		case ownerVariable:
			ours = value == string(l)
		case partVariable:
			part = value
		}
	}
	return part, ours
}

// kill ends the processes that match. They get no time to tidy up: Down removes
// all they have, and what it removes must not be written to any more.
func (l Layout) kill(match func(process) bool) error {
	all, err := l.processes()
	if err != nil {
		return err
	}
	for _, p := range all {
		if match(p) {
			_ = syscall.Kill(p.pid, syscall.SIGKILL) // gone already is as good
		}
	}
	return nil
}

// alive are the names of the parts that run.
func (l Layout) alive() (map[string]int, error) {
	all, err := l.processes()
	if err != nil {
		return nil, err
	}
	parts := map[string]int{}
	for _, p := range all {
		// The lowest number is the part itself, later ones its children.
		if pid, seen := parts[p.part]; !seen || p.pid < pid {
			parts[p.part] = p.pid
		}
	}
	return parts, nil
}

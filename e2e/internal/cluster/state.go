package cluster

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// Options say how much of a cluster there is to be.
type Options struct {
	// ControlPlaneOnly leaves out the node and everything that runs on one:
	// objects are stored and controllers act on them, but no pod ever starts.
	ControlPlaneOnly bool
	// Audit writes a line for each request to the API server.
	Audit bool
}

// state is what a finished Up leaves behind. One that differs from what would be
// made now, or that lacks processes, makes the next Up begin anew.
type state struct {
	Options  Options
	Programs programs
	Parts    []string
	// Revision tells whether the configuration, the manifests and our own
	// programs are still what they were.
	Revision string
}

func (l Layout) saved() (state, bool) {
	var s state
	raw, err := os.ReadFile(l.path("state.json"))
	if err != nil || json.Unmarshal(raw, &s) != nil {
		return state{}, false
	}
	return s, true
}

func (l Layout) save(s state) error {
	raw, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	return replaceFile(l.path("state.json"), raw)
}

// lock keeps two commands from working on one cluster at a time. It lies beside
// the directory, which comes and goes.
func (l Layout) lock() (func(), error) {
	if err := os.MkdirAll(filepath.Dir(string(l)), 0o755); err != nil {
		return nil, err
	}
	file, err := os.OpenFile("/run/lock/"+strings.ReplaceAll(strings.Trim(string(l), "/"), "/", "-")+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	// Children must not keep the lock: it belongs to this program's lifetime.
	syscall.CloseOnExec(int(file.Fd()))
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX); err != nil {
		file.Close()
		return nil, fmt.Errorf("lock of %q: %w", l, err)
	}
	return func() { file.Close() }, nil
}

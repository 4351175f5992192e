package loadtest

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// The types of task, as metadata.type names them.
const (
	typeCmd  = "cmd"  // in the background: load tests
	typeBash = "bash" // at once, its result is the answer: acceptance tests
)

// notBuilt are types of the same interface that are answered with what they lack, not as a misspelling.
var notBuilt = []string{"helm", "helmv3", "kubectl", "concord", "ngrinder"}

// task is a command that a Canary asked for.
type task struct {
	kind   string
	canary string
	script string
	log    bool // write what it says into the log
	reply  bool // and into the answer
}

// newTask reads the metadata of a payload.
func newTask(p payload) (task, error) {
	if p.Metadata == nil {
		return task{}, errors.New("metadata is missing; give at least cmd")
	}
	t := task{
		kind:   p.Metadata["type"],
		canary: p.canary(),
		script: p.Metadata["cmd"],
		log:    p.Metadata["logCmdOutput"] == "true",
		reply:  p.Metadata["returnCmdOutput"] == "true",
	}
	if t.kind == "" {
		t.kind = typeCmd
	}
	switch {
	case slices.Contains(notBuilt, t.kind):
		return task{}, fmt.Errorf("type %q is not built in this version; there are %s and %s", t.kind, typeCmd, typeBash)
	case t.kind != typeCmd && t.kind != typeBash:
		return task{}, fmt.Errorf("unknown type %q; there are %s and %s", t.kind, typeCmd, typeBash)
	case strings.TrimSpace(t.script) == "":
		return task{}, errors.New("metadata.cmd is missing")
	}
	return t, nil
}

func (t task) shell() string {
	if t.kind == typeBash {
		return "bash"
	}
	return "sh"
}

// key is the same for a task that is asked for again while it runs.
func (t task) key() string { return t.canary + "\x00" + t.script }

func (s *Server) task(w http.ResponseWriter, r *http.Request, p payload) {
	t, err := newTask(p)
	if err != nil {
		answer(w, http.StatusBadRequest, err.Error())
		return
	}
	if t.kind == typeBash {
		s.now(w, r, t)
		return
	}
	s.later(w, t)
}

func (s *Server) later(w http.ResponseWriter, t task) {
	if err := s.runner.start(t); err != nil {
		answer(w, refused(err), err.Error())
		return
	}
	answer(w, http.StatusAccepted, "")
}

// now ends the command when the caller hangs up: nobody would hear of its result, and the caller's next
// attempt would run beside it.
func (s *Server) now(w http.ResponseWriter, r *http.Request, t task) {
	said, err := s.runner.run(r.Context(), t)
	switch {
	case errors.Is(err, errBusy), errors.Is(err, errClosed):
		answer(w, refused(err), err.Error())
	case err != nil:
		answer(w, http.StatusInternalServerError, strings.TrimSpace(fmt.Sprintf("command failed: %v\n%s", err, said)))
	case t.reply:
		answer(w, http.StatusOK, said)
	default:
		answer(w, http.StatusOK, "OK")
	}
}

// refused is a code that a webhook with retries comes back after.
func refused(err error) int {
	if errors.Is(err, errBusy) {
		return http.StatusTooManyRequests
	}
	return http.StatusServiceUnavailable
}

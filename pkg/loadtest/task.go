package loadtest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// The types of task, as metadata.type names them.
const (
	typeCmd      = "cmd"      // a line for sh: load tests
	typeBash     = "bash"     // a line for bash: acceptance tests
	typeHelm     = "helm"     // arguments of helm: tests of a release
	typeHelm3    = "helmv3"   // the same: older manifests tell the two apart
	typeKubectl  = "kubectl"  // arguments of kubectl
	typeConcord  = "concord"  // a process on a Concord server
	typeNgrinder = "ngrinder" // a load test on an nGrinder controller
)

// kind is what there is to know of a type of task.
type kind struct {
	// background says that the caller does not wait for the result, since a load test takes longer than a
	// webhook may.
	background bool
	// read makes a job of a payload's metadata, or says what is wrong with them.
	read func(metadata map[string]string) (job, error)
}

func kinds() map[string]kind {
	return map[string]kind{
		typeCmd:      {background: true, read: script("sh")},
		typeBash:     {read: script("bash")},
		typeHelm:     {read: tool("helm")},
		typeHelm3:    {read: tool("helm")},
		typeKubectl:  {read: tool("kubectl")},
		typeConcord:  {read: newConcord},
		typeNgrinder: {background: true, read: newNgrinder},
	}
}

// job is one thing to do. Its name is logged and tells it from others, so there is no secret in it.
type job struct {
	name string
	do   func(ctx context.Context, out io.Writer) error
}

// task is a job that a Canary asked for.
type task struct {
	job
	kind       string
	canary     string
	background bool
	log        bool // write what it says into the log
	reply      bool // and into the answer
}

// newTask reads the metadata of a payload.
func newTask(p payload) (task, error) {
	if p.Metadata == nil {
		return task{}, errors.New("metadata is missing; give at least cmd")
	}
	name := cmp.Or(p.Metadata["type"], typeCmd)
	all := kinds()
	k, known := all[name]
	if !known {
		there := strings.Join(slices.Sorted(maps.Keys(all)), ", ")
		return task{}, fmt.Errorf("unknown type %q; there are %s", name, there)
	}
	j, err := k.read(p.Metadata)
	if err != nil {
		return task{}, err
	}
	return task{
		job:        j,
		kind:       name,
		canary:     p.canary(),
		background: k.background,
		log:        p.Metadata["logCmdOutput"] == "true",
		reply:      p.Metadata["returnCmdOutput"] == "true",
	}, nil
}

// key is the same for a task that is asked for again while it runs.
func (t task) key() string { return t.canary + "\x00" + t.kind + "\x00" + t.name }

func (s *Server) task(w http.ResponseWriter, r *http.Request, p payload) {
	t, err := newTask(p)
	switch {
	case err != nil:
		answer(w, http.StatusBadRequest, err.Error())
	case t.background:
		s.later(w, t)
	default:
		s.now(w, r, t)
	}
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

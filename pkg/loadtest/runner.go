package loadtest

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

var (
	errBusy   = errors.New("too many commands are running")
	errClosed = errors.New("shutting down")
)

// runner runs tasks, each type within its own number, so that load tests that take an hour do not keep
// acceptance tests out.
type runner struct {
	ctx     context.Context // of the process
	options Options
	done    *prometheus.CounterVec
	active  *prometheus.GaugeVec

	mu      sync.Mutex
	closed  bool
	running map[string]time.Time // background tasks, by key, and when one was asked for again
	near    func(asked, began, ended time.Time) bool
	slots   map[string]chan struct{}
	all     sync.WaitGroup
}

func newRunner(ctx context.Context, o Options, into prometheus.Registerer) *runner {
	r := &runner{
		ctx:     ctx,
		options: o,
		done: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "loadtester_commands_total",
			Help: "Commands that ended, by type and result (ok, failed).",
		}, []string{"type", "result"}),
		active: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "loadtester_commands_running",
			Help: "Commands that are running, by type.",
		}, []string{"type"}),
		running: map[string]time.Time{},
		near:    nearEnd,
		slots:   map[string]chan struct{}{},
	}
	for name := range kinds() {
		r.slots[name] = make(chan struct{}, o.Commands)
	}
	into.MustRegister(r.done, r.active)
	return r
}

// nearEnd says that a task was asked for again so shortly before its end that it is run once more. A load of an interval's length,
// asked for at each check, would else be over a moment after it was asked for, and the next interval would have none.
func nearEnd(asked, began, ended time.Time) bool {
	const shortly, share = 5 * time.Second, 10
	return !asked.IsZero() && ended.Sub(asked) < min(shortly, ended.Sub(began)/share)
}

// start runs a task in the background. One that already runs is not started again: a rollout asks for
// its load test at every check, and it is meant to run through. One that was asked for near its end runs once more.
func (r *runner) start(t task) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, runs := r.running[t.key()]; runs {
		r.running[t.key()] = time.Now()
		return nil
	}
	if err := r.enter(t); err != nil {
		return err
	}
	r.running[t.key()] = time.Time{}
	go func() {
		defer r.leave(t)
		for again := true; again; {
			began := time.Now()
			_, err := r.do(r.ctx, t) // nobody waits for the answer; it is logged
			again = r.goesOn(t, began, err)
		}
	}()
	return nil
}

// goesOn says that a task which has ended was asked for near its end; else it does not run any more. One that failed is left to the
// next check.
func (r *runner) goesOn(t task, began time.Time, err error) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err == nil && !r.closed && r.ctx.Err() == nil && r.near(r.running[t.key()], began, time.Now()) {
		r.running[t.key()] = time.Time{}
		return true
	}
	delete(r.running, t.key())
	return false
}

// run runs a task and returns what it said. It ends with ctx, with the process and with the timeout.
func (r *runner) run(ctx context.Context, t task) (string, error) {
	r.mu.Lock()
	err := r.enter(t)
	r.mu.Unlock()
	if err != nil {
		return "", err
	}
	defer r.leave(t)
	either, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(r.ctx, cancel)()
	return r.do(either, t)
}

func (r *runner) do(ctx context.Context, t task) (string, error) {
	within, cancel := context.WithTimeout(ctx, r.options.Timeout)
	defer cancel()
	began := time.Now()
	said := &output{left: maxOutput}
	err := r.attempt(within, t, said)
	if within.Err() == context.DeadlineExceeded {
		err = fmt.Errorf("ended after %s: %w", r.options.Timeout, within.Err())
	}
	r.report(t, said, err, time.Since(began))
	return said.String(), err
}

// attempt does a task's job. One that panics has failed: what other servers answer must not end the process.
func (r *runner) attempt(ctx context.Context, t task, said *output) (err error) {
	defer func() {
		if why := recover(); why != nil {
			err = fmt.Errorf("panic: %v", why)
			r.options.Log.Error(err, "command panicked", "canary", t.canary, "type", t.kind, "stack", string(debug.Stack()))
		}
	}()
	return t.do(ctx, said)
}

func (r *runner) report(t task, said *output, err error, took time.Duration) {
	result := "ok"
	if err != nil {
		result = "failed"
	}
	r.done.WithLabelValues(t.kind, result).Inc()
	facts := []any{"canary", t.canary, "type", t.kind, "command", summary(t.name), "took", took.String()}
	if t.log || err != nil {
		facts = append(facts, "output", said.String())
	}
	if err != nil {
		r.options.Log.Error(err, "command failed", facts...)
		return
	}
	r.options.Log.Info("command ended", facts...)
}

// summary tells commands apart in a log, without what may be a secret in them: the program, the length and a few digits of a
// hash. Of a variable that is set before the program it has the name.
func summary(command string) string {
	program, _, _ := strings.Cut(strings.TrimSpace(command), " ")
	program, _, _ = strings.Cut(program, "=")
	if len(program) > maxProgram {
		program = program[:maxProgram] + "…"
	}
	hash := sha256.Sum256([]byte(command))
	return fmt.Sprintf("%s (%d bytes, %x)", strings.ToValidUTF8(program, "?"), len(command), hash[:4])
}

// maxProgram is how much of a program's name is logged.
const maxProgram = 40

// enter takes a slot, with the lock held: nothing may start once wait has begun.
func (r *runner) enter(t task) error {
	if r.closed || r.ctx.Err() != nil {
		return errClosed
	}
	select {
	case r.slots[t.kind] <- struct{}{}:
	default:
		return fmt.Errorf("%w: %d of type %s", errBusy, cap(r.slots[t.kind]), t.kind)
	}
	r.all.Add(1)
	r.active.WithLabelValues(t.kind).Inc()
	return nil
}

func (r *runner) leave(t task) {
	<-r.slots[t.kind]
	r.active.WithLabelValues(t.kind).Dec()
	r.all.Done()
}

// wait returns when no command is left. Call it when the process's context is done, which ends them.
func (r *runner) wait() {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.all.Wait()
}

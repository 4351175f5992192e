package notify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"

	"github.com/sluice-cd/sluice/pkg/fair"
)

// File queue.go is between rollouts and everybody who is told of them. Chat messages go through one queue, event and
// post-rollout hooks through another, so that a slow chat service delays no hook.
//
//	Enqueue ─▶ line of the Canary ─▶ its namespace's turn ─▶ under way ─▶ done, dropped, or again later
//
// A receiver that hangs holds one line and a slot of its own namespace. Whoever is to be left alone for a while waits in
// its line without a slot.

// Job is a piece of work that may be slow or fail, and that nobody waits for.
type Job struct {
	// Namespace and Name are those of the Canary that it is about. Of two jobs about the same one the first is done first.
	Namespace, Name string
	// Do is called until it succeeds, fails for good, or has failed often enough.
	Do func(ctx context.Context) error
}

// Send is the job of delivering a message.
func Send(to Notifier, m Message) Job {
	return Job{
		Namespace: m.Namespace, Name: m.Canary,
		Do: func(ctx context.Context) error { return to.Notify(ctx, m) },
	}
}

// Limits bound a Queue. Zero fields take the defaults.
//
// What waits keeps all that is behind it in its line, since order is promised. Patience, attempts and the deadline are
// therefore small: news that are minutes old help nobody.
type Limits struct {
	Own, Shared         int           // jobs under way, of each namespace and beyond that; 2 and 32
	OwnRoom, SharedRoom int           // jobs that are not done yet, of each namespace and beyond that; 64 and 2048
	Attempts            int           // at each job; 4
	Backoff             time.Duration // before the second attempt, doubled from there; 1s
	Patience            time.Duration // the longest wait that a service may ask for; 1m
	Deadline            time.Duration // of a job, from when it was taken; 10m
	Grace               time.Duration // to finish what is waiting, at shutdown; 5s
}

func (l Limits) orDefaults() Limits {
	l.Own, l.Shared = cmp.Or(max(0, l.Own), 2), cmp.Or(max(0, l.Shared), 32)
	l.OwnRoom, l.SharedRoom = cmp.Or(max(0, l.OwnRoom), 64), cmp.Or(max(0, l.SharedRoom), 2048)
	l.Attempts = cmp.Or(max(0, l.Attempts), 4)
	l.Backoff = cmp.Or(max(0, l.Backoff), time.Second)
	l.Patience = cmp.Or(max(0, l.Patience), time.Minute)
	l.Deadline = cmp.Or(max(0, l.Deadline), 10*time.Minute)
	l.Grace = cmp.Or(max(0, l.Grace), 5*time.Second)
	return l
}

// Queue does jobs behind the caller's back. Make one with NewQueue and Run it.
type Queue struct {
	limits  Limits
	log     logr.Logger
	dropped atomic.Uint64

	mu      sync.Mutex
	working context.Context // of what is under way; nil: it does not run yet
	closed  bool
	room    *fair.Shares
	slots   *fair.Turns[*line]
	lines   map[string]*line // by Canary, of those with jobs that are not done
	empty   chan struct{}    // told when there is no line any more
	calls   sync.WaitGroup
}

// line are the jobs about one Canary that are not done, in their order. Nothing but the first is tried.
type line struct {
	key, namespace string
	jobs           []*attempted
	underWay       bool // the first one is
}

// attempted is a job with what came of it so far.
type attempted struct {
	Job
	attempts int           // begun
	backoff  time.Duration // before the next one
	until    time.Time
}

// NewQueue makes a queue. It takes jobs at once, and does them once it runs.
func NewQueue(l Limits, log logr.Logger) *Queue {
	l = l.orDefaults()
	return &Queue{
		limits: l, log: log, lines: map[string]*line{}, empty: make(chan struct{}, 1),
		room: fair.NewShares(l.OwnRoom, l.SharedRoom), slots: fair.NewTurns[*line](fair.NewShares(l.Own, l.Shared)),
	}
}

// Enqueue takes a job, or says that it could not: too many of its namespace are waiting, or the queue has ended. It
// never blocks.
// It is called within a pass over a Canary, where every wait would hold up a rollout.
func (q *Queue) Enqueue(j Job) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed || !q.room.Take(j.Namespace) {
		q.drop(j, "no room")
		return false
	}
	l := q.lines[j.about()]
	if l == nil {
		l = &line{key: j.about(), namespace: j.Namespace}
		q.lines[l.key] = l
		q.slots.Join(l.namespace, l)
	}
	l.jobs = append(l.jobs, &attempted{Job: j, backoff: q.limits.Backoff, until: time.Now().Add(q.limits.Deadline)})
	q.dispatch()
	return true
}

func (j Job) about() string { return j.Namespace + "/" + j.Name }

// Dropped is how many jobs were lost so far: not taken, failed for good, or unfinished at the end.
func (q *Queue) Dropped() uint64 { return q.dropped.Load() }

// Waiting is how many jobs have been taken and not begun.
func (q *Queue) Waiting() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := 0
	for _, l := range q.lines {
		n += len(l.jobs)
		if l.jobs[0].attempts > 0 {
			n--
		}
	}
	return n
}

// Run works until ctx is done, and then on what is waiting for no longer than the grace. It returns
// nil; manager.RunnableFunc makes a controller-runtime Runnable of it.
func (q *Queue) Run(ctx context.Context) error {
	// A context of its own: at the end of ctx a message under way is not broken off, it may have arrived already.
	working, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	q.mu.Lock()
	q.working = working
	q.dispatch()
	q.mu.Unlock()
	<-ctx.Done()
	// When the grace is over, what is under way ends too.
	defer time.AfterFunc(q.limits.Grace, stop).Stop()
	for !q.close(working) {
		select {
		case <-q.empty:
		case <-working.Done():
		}
	}
	q.calls.Wait()
	return nil
}

// close refuses further jobs, once all are done or working is over. What has waited until then is lost, and counted;
// what is under way says itself what came of it.
func (q *Queue) close(working context.Context) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.lines) > 0 && working.Err() == nil {
		return false
	}
	q.closed = true
	for _, l := range q.lines {
		lost := l.jobs
		if l.underWay {
			lost = lost[1:]
		}
		for _, j := range lost {
			q.drop(j.Job, "shut down")
		}
	}
	return true
}

// dispatch begins what there are slots for.
func (q *Queue) dispatch() {
	for q.working != nil && !q.closed {
		l, ok := q.slots.Next()
		if !ok {
			return
		}
		j := l.jobs[0]
		j.attempts++
		l.underWay = true
		q.calls.Go(func() { q.conclude(l, j, q.do(q.working, j)) })
	}
}

// conclude has the next job of a line wait for its turn, or the same one again.
func (q *Queue) conclude(l *line, j *attempted, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.slots.Give(l.namespace)
	l.underWay = false
	defer q.dispatch()
	if err != nil {
		if q.again(l, j, err) {
			return
		}
		q.drop(j.Job, err.Error())
	}
	q.room.Give(l.namespace)
	if l.jobs = l.jobs[1:]; len(l.jobs) > 0 {
		q.slots.Join(l.namespace, l)
		return
	}
	if delete(q.lines, l.key); len(q.lines) == 0 {
		select {
		case q.empty <- struct{}{}:
		default:
		}
	}
}

// again has a job that failed tried once more, after a while in which its line holds no slot. Not so where that is in
// vain, or would be too late: to send before the time that was asked for would only be refused, and count against us.
func (q *Queue) again(l *line, j *attempted, err error) bool {
	asked, again := retriable(err)
	wait := max(j.backoff, asked)
	j.backoff *= 2
	if !again || q.closed || j.attempts == q.limits.Attempts || asked > q.limits.Patience || time.Now().Add(wait).After(j.until) {
		return false
	}
	time.AfterFunc(wait, func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		if !q.closed {
			q.slots.Join(l.namespace, l)
			q.dispatch()
		}
	})
	return true
}

// do does a job once. One that panics has failed for good: what services answer must not end the process.
func (q *Queue) do(ctx context.Context, j *attempted) (err error) {
	ctx, stop := context.WithDeadline(ctx, j.until)
	defer stop()
	if ctx.Err() != nil {
		return Final(errors.New("too late"))
	}
	defer func() {
		if why := recover(); why != nil {
			err = Final(fmt.Errorf("panic: %v", why))
			q.log.Error(err, "message panicked", "about", j.about(), "stack", string(debug.Stack()))
		}
	}()
	return j.Do(ctx)
}

// Final marks an error as one that trying again does not mend. Nil stays nil.
// It is for hooks, which have retries of their own in the spec: to try again here would multiply them.
func Final(err error) error {
	if err == nil {
		return nil
	}
	return &finalError{err}
}

type finalError struct{ error }

func (e *finalError) Unwrap() error { return e.error }

// retriable says whether the same job may succeed later, and how long to leave the service alone.
// After a timeout the message may well have arrived; sending it again would say it twice.
func retriable(err error) (after time.Duration, again bool) {
	if final := new(finalError); errors.As(err, &final) {
		return 0, false
	}
	var status *StatusError
	if errors.As(err, &status) {
		// Any other 4xx is a mistake of ours or of the address, and a 3xx leads elsewhere.
		return status.After, status.Code == 429 || status.Code >= 500
	}
	// Only what failed before the request was sent. post keeps the operation's name in its errors for this.
	var op *net.OpError
	return 0, errors.As(err, &op) && (op.Op == "dial" || op.Op == "proxyconnect")
}

func (q *Queue) drop(j Job, reason string) {
	q.dropped.Add(1)
	// Info and no error: the rollout goes on, and the counter is what alerting rules look at.
	q.log.Info("message lost", "about", j.about(), "reason", reason)
}

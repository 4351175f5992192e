package notify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"net"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
)

// File queue.go is between rollouts and everybody who is told of them. Chat messages go through one queue, event and
// post-rollout hooks through another, so that a slow chat service delays no hook.

// Job is a piece of work that may be slow or fail, and that nobody waits for.
type Job struct {
	// Key keeps order: of two jobs with the same key the first is done first. Example: `test/podinfo`.
	Key string
	// Do is called until it succeeds, fails for good, or has failed often enough.
	Do func(ctx context.Context) error
}

// Send is the job of delivering a message.
func Send(to Notifier, m Message) Job {
	return Job{
		Key: m.Namespace + "/" + m.Canary,
		Do:  func(ctx context.Context) error { return to.Notify(ctx, m) },
	}
}

// Limits bound a Queue. Zero fields take the defaults.
//
// A worker that waits keeps all that is behind it in its lane, since order is promised. Patience, attempts and the
// size of a lane are therefore small: news that are minutes old help nobody.
type Limits struct {
	Workers  int           // that work at the same time; 4
	Waiting  int           // jobs that may wait for each worker; 256
	Attempts int           // at each job; 4
	Backoff  time.Duration // before the second attempt, doubled from there; 1s
	Patience time.Duration // the longest wait that a service may ask for; 1m
	Grace    time.Duration // to finish what is waiting, at shutdown; 5s
}

func (l Limits) orDefaults() Limits {
	l.Workers = cmp.Or(max(0, l.Workers), 4)
	l.Waiting = cmp.Or(max(0, l.Waiting), 256)
	l.Attempts = cmp.Or(max(0, l.Attempts), 4)
	l.Backoff = cmp.Or(max(0, l.Backoff), time.Second)
	l.Patience = cmp.Or(max(0, l.Patience), time.Minute)
	l.Grace = cmp.Or(max(0, l.Grace), 5*time.Second)
	return l
}

// Queue does jobs behind the caller's back. Make one with NewQueue and Run it.
type Queue struct {
	limits Limits
	log    logr.Logger
	// A lane has one worker, and a key one lane: so a Canary's messages keep their order without further locks.
	lanes   []chan Job // one for each worker
	dropped atomic.Uint64

	mu     sync.Mutex
	closed bool
}

// NewQueue makes a queue. It takes jobs at once, and does them once it runs.
func NewQueue(l Limits, log logr.Logger) *Queue {
	q := &Queue{limits: l.orDefaults(), log: log}
	for range q.limits.Workers {
		q.lanes = append(q.lanes, make(chan Job, q.limits.Waiting))
	}
	return q
}

// Enqueue takes a job, or says that it could not: too many are waiting, or the queue has ended. It
// never blocks.
// It is called within a pass over a Canary, where every wait would hold up a rollout.
func (q *Queue) Enqueue(j Job) bool {
	q.mu.Lock()
	// The lock is for closed alone: without it a job could be put into a lane that close has emptied.
	defer q.mu.Unlock()
	if !q.closed {
		select {
		case q.lanes[q.lane(j.Key)] <- j:
			return true
		default:
		}
	}
	q.drop(j, "no room")
	return false
}

// Dropped is how many jobs were lost so far: not taken, failed for good, or unfinished at the end.
func (q *Queue) Dropped() uint64 { return q.dropped.Load() }

// Waiting is how many jobs have been taken and not begun.
func (q *Queue) Waiting() int {
	n := 0
	for _, lane := range q.lanes {
		n += len(lane)
	}
	return n
}

func (q *Queue) lane(key string) uint32 {
	h := fnv.New32a()
	h.Write([]byte(key))
	return h.Sum32() % uint32(len(q.lanes))
}

// Run works until ctx is done, and then on what is waiting for no longer than the grace. It returns
// nil; manager.RunnableFunc makes a controller-runtime Runnable of it.
func (q *Queue) Run(ctx context.Context) error {
	// A context of its own: at the end of ctx a message under way is not broken off, it may have arrived already.
	working, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	// The grace begins when ctx ends; when it is over, what is under way ends too.
	defer context.AfterFunc(ctx, func() { time.AfterFunc(q.limits.Grace, stop) })()
	var workers sync.WaitGroup
	for _, lane := range q.lanes {
		workers.Go(func() { q.serve(ctx, working, lane) })
	}
	workers.Wait()
	q.close()
	return nil
}

func (q *Queue) serve(ctx, working context.Context, lane chan Job) {
	for {
		select {
		case j := <-lane:
			q.attempt(working, j)
		case <-ctx.Done():
			q.drain(working, lane)
			return
		}
	}
}

// drain does what is waiting; once the grace is over the attempts fail by themselves.
func (q *Queue) drain(working context.Context, lane chan Job) {
	for {
		select {
		case j := <-lane:
			q.attempt(working, j)
		default:
			return
		}
	}
}

// close refuses further jobs. One that came between a worker's last look and now is lost, and counted.
func (q *Queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	for _, lane := range q.lanes {
		for len(lane) > 0 {
			q.drop(<-lane, "shut down")
		}
	}
}

func (q *Queue) attempt(ctx context.Context, j Job) {
	wait := q.limits.Backoff
	for n := 1; ; n++ {
		// Also between attempts: pause returns early when the grace is over.
		if ctx.Err() != nil {
			q.drop(j, "shut down")
			return
		}
		err := q.do(ctx, j)
		if err == nil {
			return
		}
		asked, again := retriable(err)
		// To send before the time that was asked for would only be refused again, and count against us.
		if !again || n == q.limits.Attempts || asked > q.limits.Patience {
			q.drop(j, err.Error())
			return
		}
		pause(ctx, max(wait, asked))
		wait *= 2
	}
}

// do does a job once. One that panics has failed for good: what services answer must not end the process.
func (q *Queue) do(ctx context.Context, j Job) (err error) {
	defer func() {
		if why := recover(); why != nil {
			err = Final(fmt.Errorf("panic: %v", why))
			q.log.Error(err, "message panicked", "about", j.Key, "stack", string(debug.Stack()))
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

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

func (q *Queue) drop(j Job, reason string) {
	q.dropped.Add(1)
	// Info and no error: the rollout goes on, and the counter is what alerting rules look at.
	q.log.Info("message lost", "about", j.Key, "reason", reason)
}

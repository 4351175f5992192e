package notify

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr"
	"github.com/stretchr/testify/require"
)

// brisk waits only a moment between attempts.
func brisk() Limits { return Limits{Backoff: time.Millisecond, Grace: 5 * time.Second} }

// running starts a queue and returns how to end it.
func running(t *testing.T, l Limits) (*Queue, func()) {
	t.Helper()
	q := NewQueue(l, logr.Discard())
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- q.Run(ctx) }()
	return q, func() {
		t.Helper()
		cancel()
		require.NoError(t, <-ended)
	}
}

// failing returns the errors one after the other, and then nil, and counts the calls.
func failing(errs ...error) (func(context.Context) error, *atomic.Int32) {
	var calls atomic.Int32
	return func(context.Context) error {
		if n := int(calls.Add(1)); n <= len(errs) {
			return errs[n-1]
		}
		return nil
	}, &calls
}

func TestQueueRetries(t *testing.T) {
	busy := fmt.Errorf("slack: %w", &StatusError{Code: 429})
	broken := fmt.Errorf("slack: %w", &StatusError{Code: 502})
	unreachable := fmt.Errorf("slack: %w", &net.OpError{Op: "dial", Err: errors.New("connection refused")})
	reset := fmt.Errorf("slack: %w", &net.OpError{Op: "read", Err: errors.New("connection reset")})
	cases := map[string]struct {
		reason  string
		errs    []error
		calls   int32
		dropped uint64
	}{
		"AtOnce":      {reason: "What succeeds is done once.", calls: 1},
		"Busy":        {reason: "A service may be busy.", errs: []error{busy, busy}, calls: 3},
		"Broken":      {reason: "A service may be broken for a while.", errs: []error{broken}, calls: 2},
		"Unreachable": {reason: "What never left can be sent again.", errs: []error{unreachable}, calls: 2},
		"Mixed":       {reason: "Whatever it is each time.", errs: []error{busy, broken, unreachable}, calls: 4},
		"Never":       {reason: "There is an end to it.", errs: []error{busy, busy, busy, busy, busy}, calls: 4, dropped: 1},
		"Denied":      {reason: "A no is a no.", errs: []error{&StatusError{Code: 404}}, calls: 1, dropped: 1},
		"Reset":       {reason: "What may have arrived is not said twice.", errs: []error{reset}, calls: 1, dropped: 1},
		"Slow":        {reason: "Nor is what was too slow.", errs: []error{context.DeadlineExceeded}, calls: 1, dropped: 1},
		"ForGood":     {reason: "Who has tried again already says so.", errs: []error{Final(unreachable)}, calls: 1, dropped: 1},
		"TooLong":     {reason: "Nobody wants yesterday's news.", errs: []error{&StatusError{Code: 429, After: time.Hour}}, calls: 1, dropped: 1},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			q, end := running(t, brisk())
			do, calls := failing(tc.errs...)
			require.True(t, q.Enqueue(Job{Name: "a", Do: do}))
			end()
			require.Equal(t, tc.calls, calls.Load(), tc.reason)
			require.Equal(t, tc.dropped, q.Dropped(), tc.reason)
		})
	}
}

func TestQueueObeysRetryAfter(t *testing.T) {
	q, end := running(t, brisk())
	var at []time.Time
	require.True(t, q.Enqueue(Job{Do: func(context.Context) error {
		at = append(at, time.Now())
		if len(at) == 1 {
			return &StatusError{Code: 429, After: 100 * time.Millisecond}
		}
		return nil
	}}))
	end()
	require.Len(t, at, 2)
	require.GreaterOrEqual(t, at[1].Sub(at[0]), 100*time.Millisecond, "A service is left alone for as long as it asked.")
}

func TestQueueNeverBlocks(t *testing.T) {
	q := NewQueue(Limits{OwnRoom: 2, SharedRoom: 1}, logr.Discard()) // nobody works
	do, calls := failing()
	var taken []bool
	for range 5 {
		taken = append(taken, q.Enqueue(Job{Name: "a", Do: do}))
	}
	require.Equal(t, []bool{true, true, true, false, false}, taken, "What does not fit is refused at once.")
	require.Equal(t, uint64(2), q.Dropped(), "And counted.")
	require.Equal(t, 3, q.Waiting(), "So are those that wait.")
	require.Zero(t, calls.Load(), "Nothing is done by who enqueues.")
}

func TestQueueKeepsTheOrderOfEachCanary(t *testing.T) {
	q, end := running(t, Limits{OwnRoom: 500})
	var mu sync.Mutex
	done := map[string][]int{}
	for i := range 100 {
		for _, canary := range []string{"a", "b", "c", "d", "e"} {
			require.True(t, q.Enqueue(Job{Namespace: "test", Name: canary, Do: func(context.Context) error {
				mu.Lock()
				defer mu.Unlock()
				done[canary] = append(done[canary], i)
				return nil
			}}))
		}
	}
	end()
	require.Len(t, done, 5)
	for canary, order := range done {
		require.Len(t, order, 100)
		require.IsIncreasing(t, order, "%s is told in order.", canary)
	}
}

func TestQueueDrains(t *testing.T) {
	q, end := running(t, Limits{})
	release, started := make(chan struct{}), make(chan struct{})
	require.True(t, q.Enqueue(Job{Do: func(context.Context) error { close(started); <-release; return nil }}))
	<-started
	do, calls := failing()
	for range 10 {
		require.True(t, q.Enqueue(Job{Do: do}))
	}
	close(release)
	end()
	require.Equal(t, int32(10), calls.Load(), "What was taken is done before the end.")
	require.Zero(t, q.Dropped())
	require.False(t, q.Enqueue(Job{Do: do}), "After the end nothing is taken.")
	require.Equal(t, uint64(1), q.Dropped(), "That is counted too.")
}

func TestQueueDrainIsLimited(t *testing.T) {
	q, end := running(t, Limits{Grace: 50 * time.Millisecond})
	started := make(chan struct{})
	require.True(t, q.Enqueue(Job{Do: func(ctx context.Context) error { close(started); <-ctx.Done(); return ctx.Err() }}))
	<-started
	do, calls := failing()
	for range 3 {
		require.True(t, q.Enqueue(Job{Do: do}))
	}
	end() // would hang if the grace had no end
	require.Zero(t, calls.Load(), "A service that hangs must not hold the shutdown up.")
	require.Equal(t, uint64(4), q.Dropped(), "All that was lost is counted.")
}

func TestQueueEndsWhileAServiceAsksForPatience(t *testing.T) {
	q, end := running(t, Limits{Grace: 50 * time.Millisecond})
	asked := make(chan struct{})
	require.True(t, q.Enqueue(Job{Do: func(context.Context) error {
		close(asked)
		return &StatusError{Code: 429, After: 50 * time.Second}
	}}))
	<-asked
	end()
	require.Equal(t, uint64(1), q.Dropped(), "Waiting ends with the grace.")
}

func TestSendGoesThroughTheService(t *testing.T) {
	var got received
	n, err := New("slack", Options{Address: receiver(t, &got, "ok").URL})
	require.NoError(t, err)
	q, end := running(t, brisk())
	job := Send(n, rolledBack())
	require.Equal(t, "test/podinfo", job.about(), "One Canary's messages stay in order.")
	require.True(t, q.Enqueue(job))
	end()
	require.Equal(t, "general", got.body["channel"])
	require.Zero(t, q.Dropped())
}

func TestFinal(t *testing.T) {
	require.NoError(t, Final(nil))
	require.ErrorIs(t, fmt.Errorf("hook: %w", Final(context.Canceled)), context.Canceled, "What was wrong stays known.")
}

func TestLimitsDefaults(t *testing.T) {
	require.Equal(t, Limits{
		Own: 2, Shared: 32, OwnRoom: 64, SharedRoom: 2048,
		Attempts: 4, Backoff: time.Second, Patience: time.Minute, Deadline: 10 * time.Minute, Grace: 5 * time.Second,
	}, Limits{}.orDefaults())
	require.Equal(t, 3, Limits{Own: 3}.orDefaults().Own, "What is given stays.")
}

func BenchmarkEnqueue(b *testing.B) {
	q := NewQueue(Limits{}, logr.Discard())
	b.ReportAllocs()
	for b.Loop() {
		q.Enqueue(Job{Namespace: "test", Name: "podinfo", Do: func(context.Context) error { return nil }})
	}
}

func TestQueueOutlivesPanic(t *testing.T) {
	q, end := running(t, brisk())
	calls, said := 0, make(chan struct{})
	require.True(t, q.Enqueue(Job{Namespace: "test", Name: "podinfo", Do: func(context.Context) error {
		calls++
		panic("no answer")
	}}))
	require.True(t, q.Enqueue(Job{Namespace: "test", Name: "podinfo", Do: func(context.Context) error { close(said); return nil }}))
	<-said
	end()
	require.Equal(t, 1, calls, "What has panicked once would do so again.")
	require.EqualValues(t, 1, q.Dropped(), "And is counted as lost.")
}

// said is a queue in a bubble with a clock of its own, and who was told by it.
type said struct {
	*testing.T
	*Queue
	mu   sync.Mutex
	done []string
}

func inBubble(t *testing.T, test func(s *said)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		q, end := running(t, Limits{})
		test(&said{T: t, Queue: q})
		end()
	})
}

// tell has somebody told, by who answers after a time, first with the errors.
func (s *said) tell(namespace, name string, takes time.Duration, errs ...error) bool {
	do, _ := failing(errs...)
	return s.Enqueue(Job{Namespace: namespace, Name: name, Do: func(ctx context.Context) error {
		select {
		case <-time.After(takes):
		case <-ctx.Done():
			return ctx.Err()
		}
		if err := do(ctx); err != nil {
			return err
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.done = append(s.done, namespace+"/"+name)
		return nil
	}})
}

func (s *said) settle(d time.Duration) []string {
	time.Sleep(d)
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.done
}

const hangs = 24 * time.Hour

// TestQueueIsFair has tenants whose receivers hang, and one more that is to be told at once.
func TestQueueIsFair(t *testing.T) {
	for name, tc := range map[string]struct {
		reason            string
		tenants, canaries int
		each              int // jobs of each
	}{
		"OneCanary":    {reason: "one with many events", tenants: 1, canaries: 1, each: 5000},
		"ManyCanaries": {reason: "one with many Canaries", tenants: 1, canaries: 500, each: 12},
		"ManyTenants":  {reason: "however many they are", tenants: 200, canaries: 12, each: 12},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(s *said) {
				for i := range tc.tenants {
					for c := range tc.canaries {
						for range tc.each {
							s.tell(fmt.Sprint("tenant", i), fmt.Sprint(c), hangs)
						}
					}
				}
				s.settle(0)
				for range 10 {
					require.True(t, s.tell("victim", "podinfo", 0), "There is room.")
				}
				require.Len(t, s.settle(0), 10, tc.reason)
			})
		})
	}
}

func TestQueueHoldsNothingWhileItWaits(t *testing.T) {
	inBubble(t, func(s *said) {
		for i := range 20 {
			s.tell("test", fmt.Sprint(i), 0, &StatusError{Code: 429, After: 50 * time.Second})
			s.tell("test", fmt.Sprint(i), 0)
		}
		s.settle(0)
		require.Zero(t, s.slots.Held("test"), "Whoever is to be left alone holds no slot.")
		s.tell("test", "podinfo", 0)
		require.Equal(t, []string{"test/podinfo"}, s.settle(0))
		require.Len(t, s.settle(49*time.Second), 1, "What is behind the one that waits is said after it.")
		require.Len(t, s.settle(time.Second), 41)
		require.Empty(t, s.lines)
		require.True(t, s.room.Idle())
	})
}

func TestQueueHasADeadline(t *testing.T) {
	inBubble(t, func(s *said) {
		s.tell("test", "podinfo", hangs)
		s.tell("test", "podinfo", 0)
		s.settle(9 * time.Minute)
		s.tell("test", "podinfo", 0)
		require.Empty(t, s.settle(time.Minute-time.Second))
		require.Len(t, s.settle(time.Second), 1, "What is not too late yet is said.")
		require.EqualValues(t, 2, s.Dropped(), "What hangs is broken off, and what has waited as long is too late.")
		s.tell("test", "podinfo", 9*time.Minute+59*time.Second, &StatusError{Code: 429, After: time.Second})
		s.settle(10 * time.Minute)
		require.EqualValues(t, 3, s.Dropped(), "There is no use in another attempt after the deadline.")
	})
}

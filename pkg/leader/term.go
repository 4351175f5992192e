// Package leader has one of several replicas work at a time, by a lease.
//
// A replica that loses its lease goes on as one that waits for it: its caches stay filled, and it takes over within moments. So
// does a single one that had no API server for a while. What keeps it from writing meanwhile is the Term, which every write
// asks (kube.Fence), and not that somebody told it in time: a process that is stopped and continued is told nothing.
package leader

import (
	"sync"
	"time"
)

// Term is whether this replica may write: it may for RenewDeadline after it began to renew the lease, which others may take
// only after it has not been renewed for longer than that.
type Term struct {
	RenewDeadline time.Duration
	Now           func() time.Time

	mu      sync.Mutex
	renewed time.Time // when the last renewal began; zero: the lease is another's
}

// Holds says whether this replica may write.
func (t *Term) Holds() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.holds()
}

func (t *Term) holds() bool {
	if t.renewed.IsZero() {
		return false
	}
	now := t.Now()
	// By both clocks: one stands still while a machine sleeps, the other is set by people.
	return now.Sub(t.renewed) < t.RenewDeadline && now.Round(0).Sub(t.renewed.Round(0)) < t.RenewDeadline
}

// renew begins a term, or prolongs it. It says began if there was none a moment ago.
func (t *Term) renew(at time.Time) (began bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	began = !t.holds()
	t.renewed = at
	return began && t.holds()
}

// end ends the term. It says ended if there was one.
func (t *Term) end() (ended bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	ended = !t.renewed.IsZero()
	t.renewed = time.Time{}
	return ended
}

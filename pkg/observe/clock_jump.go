package observe

import (
	"time"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
	"github.com/sluice-cd/sluice/pkg/workload"
)

// A clock that goes forward by an hour makes every deadline pass at once. Of a workload that this process has seen lose its
// pods it is known, by a stopwatch, how long ago that really was.

// leastJump is what a clock may be adjusted by without anybody noticing.
const leastJump = 10 * time.Second

// outage is a workload that was available and is not any more.
type outage struct {
	lasted time.Duration // by a stopwatch
	jump   time.Duration // that the clock has gone forward beside it
}

// outageOf is that of a side which is not available; the zero value where this process has not seen it begin, or the clock
// was right.
func (m *memory) outageOf(c *v1beta1.Canary, s side, health rollout.Health, now time.Time) outage {
	m.mu.Lock()
	defer m.mu.Unlock()
	seen := &m.about(c).seen[sideOf(s)]
	switch {
	case health == rollout.Available:
		*seen = serving{before: true}
	case seen.before:
		*seen = serving{lost: now}
	}
	if seen.lost.IsZero() {
		return outage{}
	}
	// Without its stopwatch a time says what the clock said.
	lasted := now.Sub(seen.lost)
	return outage{lasted: lasted, jump: now.Round(0).Sub(seen.lost.Round(0)) - lasted}
}

// serving is what this process has seen of a side.
type serving struct {
	before bool      // it was available when it was last looked at
	lost   time.Time // when it was first seen not to be, with the stopwatch's reading
}

// sideOf is the index of a side.
func sideOf(s side) int {
	if s == primarySide {
		return 1
	}
	return 0
}

// observedAt is what time it is for pods that fail: within the grace that they have, not later than it would be without
// the jump.
func (o outage) observedAt(now time.Time) time.Time {
	if o.jump < leastJump || o.lasted >= workload.PodFailureGrace {
		return now
	}
	return now.Add(-o.jump)
}

// corrected is a workload that is not on its way for longer than the stopwatch says.
func (o outage) corrected(w rollout.Workload, now time.Time) rollout.Workload {
	if began := now.Add(-o.lasted); o.jump >= leastJump && began.After(w.Since) {
		w.Since = began
	}
	return w
}

package bench

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// Moments are when each Canary was first seen at each point of its way. They come
// from one watch, so that looking costs the API server nothing.
type Moments struct {
	mu   sync.Mutex
	seen map[point]map[types.NamespacedName]time.Time
	end  error
}

// point is where a Canary may be.
type point struct {
	phase  v1beta1.CanaryPhase
	weight int
}

func (p point) String() string {
	if p.phase == v1beta1.PhaseProgressing {
		return fmt.Sprintf("%s %d%%", p.phase, p.weight)
	}
	return string(p.phase)
}

// way are the points of a rollout, in the order in which they are reached.
func way() []point {
	points := []point{{phase: v1beta1.PhaseProgressing}}
	for weight := stepWeight; weight <= maxWeight; weight += stepWeight {
		points = append(points, point{phase: v1beta1.PhaseProgressing, weight: weight})
	}
	return append(points, point{phase: v1beta1.PhasePromoting}, point{phase: v1beta1.PhaseFinalising}, point{phase: v1beta1.PhaseSucceeded})
}

// follow notes what a watch tells, until ctx ends.
func (m *Moments) follow(ctx context.Context, c client.WithWatch) error {
	events, err := c.Watch(ctx, &v1beta1.CanaryList{})
	if err != nil {
		return fmt.Errorf("watch canaries: %w", err)
	}
	go func() {
		for {
			for e := range events.ResultChan() {
				m.note(e, time.Now())
			}
			events.Stop()
			// The API server ends a watch that is read too slowly for a moment. The next one begins with what there is.
			if events, err = c.Watch(ctx, &v1beta1.CanaryList{}); err != nil {
				m.mu.Lock()
				m.end = fmt.Errorf("watch canaries again: %w", err)
				m.mu.Unlock()
				return
			}
		}
	}()
	return nil
}

func (m *Moments) note(e watch.Event, now time.Time) {
	c, ok := e.Object.(*v1beta1.Canary)
	if !ok {
		return
	}
	p := point{phase: c.Status.Phase}
	if p.phase == v1beta1.PhaseProgressing {
		p.weight = c.Status.CanaryWeight
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.seen == nil {
		m.seen = map[point]map[types.NamespacedName]time.Time{}
	}
	if m.seen[p] == nil {
		m.seen[p] = map[types.NamespacedName]time.Time{}
	}
	if _, known := m.seen[p][client.ObjectKeyFromObject(c)]; !known {
		m.seen[p][client.ObjectKeyFromObject(c)] = now
	}
}

// reached are the moments at which Canaries came to a point.
func (m *Moments) reached(p point) []time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	var times []time.Time
	for _, at := range m.seen[p] {
		times = append(times, at)
	}
	return times
}

// delay is by how much longer than an interval a step lasted: the part of all steps that was no later.
func (m *Moments) delay(interval time.Duration, part float64) time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	var delays []time.Duration
	for weight := stepWeight; weight < maxWeight; weight += stepWeight {
		next := m.seen[point{phase: v1beta1.PhaseProgressing, weight: weight + stepWeight}]
		for key, at := range m.seen[point{phase: v1beta1.PhaseProgressing, weight: weight}] {
			if later, ok := next[key]; ok {
				delays = append(delays, later.Sub(at)-interval)
			}
		}
	}
	if len(delays) == 0 {
		return 0
	}
	slices.Sort(delays)
	return delays[min(len(delays)-1, int(part*float64(len(delays))))]
}

// all waits until so many Canaries have come to a phase, and returns when the last
// one did.
func (m *Moments) all(ctx context.Context, phase v1beta1.CanaryPhase, n int) (time.Time, error) {
	p := point{phase: phase}
	err := wait.PollUntilContextTimeout(ctx, 100*time.Millisecond, patienceFor(n), true, func(context.Context) (bool, error) {
		return len(m.reached(p)) >= n, m.ended()
	})
	times := m.reached(p)
	if err != nil {
		return time.Time{}, fmt.Errorf("%d of %d Canaries came to %s: %w", len(times), n, phase, err)
	}
	var last time.Time
	for _, at := range times {
		if at.After(last) {
			last = at
		}
	}
	return last, nil
}

func (m *Moments) ended() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.end
}

package main

import (
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"time"

	"github.com/KimMachineGun/automemlimit/memlimit"
	"github.com/go-logr/logr"
)

// File memory.go keeps the operator within the memory that its container has, and small while nothing happens.

// limitMemory has the collector work harder before the container's limit is reached. GOMEMLIMIT, where it is set, stays as it is.
func limitMemory(log logr.Logger) {
	if _, err := memlimit.Set(); err != nil {
		log.V(1).Info("memory is not limited", "reason", err.Error())
	}
}

const (
	// calm is how long nothing has to happen before memory is given back. Most pauses within a rollout are shorter, or are
	// those of few Canaries.
	calm = 20 * time.Second
	// grown is by how much more than it was left with the heap has to hold: a collection costs as much as all that lives.
	grown = 1.25
)

// reclaimer gives memory back to the system once nothing happens any more: after a burst, as a start is, the heap keeps the
// size that it had, which can be twice of what lives. Nothing runs while nothing happens.
type reclaimer struct {
	shrink func() // drops what can be made again

	mu    sync.Mutex
	timer *time.Timer
	left  uint64 // bytes that the heap held after the last time
}

// touch is told that something happens.
func (r *reclaimer) touch() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.timer == nil {
		r.timer = time.AfterFunc(calm, r.reclaim)
		return
	}
	r.timer.Reset(calm)
}

func (r *reclaimer) reclaim() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if float64(held()) < grown*float64(r.left) {
		return
	}
	r.shrink()
	debug.FreeOSMemory()
	r.left = held()
}

// held is how many bytes of memory the heap holds, whether something lives there or not.
func held() uint64 {
	parts := []metrics.Sample{
		{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/unused:bytes"}, {Name: "/memory/classes/heap/free:bytes"},
	}
	metrics.Read(parts)
	var sum uint64
	for _, p := range parts {
		sum += p.Value.Uint64()
	}
	return sum
}

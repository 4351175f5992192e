package simulate

import (
	"reflect"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
)

// watch is how an operator learns of one object: every version in order, some time after it was made.
type watch[T any] struct {
	versions []T
	seen     int // index of the version the cache holds
	own      int // index of the version that our last write came back with
}

func (f *watch[T]) live() T     { return f.versions[len(f.versions)-1] }
func (f *watch[T]) cached() T   { return f.versions[f.seen] }
func (f *watch[T]) last() int   { return len(f.versions) - 1 }
func (f *watch[T]) fresh() bool { return f.seen >= f.own }

// publish adds a version if the object has changed.
func (f *watch[T]) publish(v T) {
	if len(f.versions) == 0 || !reflect.DeepEqual(f.live(), v) {
		f.versions = append(f.versions, v)
	}
}

// advance lets the cache move on, to any version it has not seen, and says whether that is news.
func (f *watch[T]) advance(w *World, lag float64) bool {
	if f.seen == f.last() || w.rng.Float64() < lag {
		return false
	}
	if lag > 0 {
		f.seen += 1 + w.rng.IntN(f.last()-f.seen)
	} else {
		f.seen = f.last()
	}
	return true
}

// relist is what a restart does: nothing is remembered, and everything is read anew.
func (f *watch[T]) relist() { f.seen, f.own = f.last(), 0 }

// canary is the object that users write, with its status.
type canary struct {
	plan       rollout.Plan
	generation int64
	version    int
	paused     bool
	deleting   bool
	requested  rollout.Requested
	named      int
	status     v1beta1.CanaryStatus
}

// traffic is what routes and proxies say of themselves.
type traffic struct {
	split
	taken    bool
	rejected string
	written  int
	guard    int32
	edited   bool
	scaler   scaler
}

func (w *World) canary() canary {
	return canary{plan: w.plan, generation: w.generation, version: w.version, paused: w.paused, deleting: w.deleting, requested: w.requested, named: w.named, status: *w.status.DeepCopy()}
}

func (w *World) workload(s *workload) rollout.Workload {
	v := s.observe(w)
	v.Since = epoch.Add(seconds(s.entered))
	if s == &w.target {
		v.Crashed = w.crashed
	}
	return v
}

func (w *World) traffic() traffic {
	t := traffic{split: w.net.split, taken: len(w.net.pending) == 0, written: w.net.written, guard: w.guard, edited: w.edited, scaler: w.scaler}
	if !t.taken {
		t.rejected = w.rejected
	}
	return t
}

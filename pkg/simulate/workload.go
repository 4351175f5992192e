package simulate

import (
	"slices"

	"github.com/sluice-cd/sluice/pkg/rollout"
)

// grace is how many seconds a pod may be in trouble before its workload counts as stuck.
const grace = 3

// pod serves from the second it is due, unless its revision never comes up.
type pod struct {
	revision string
	due      int
	ready    bool
}

// workload is a workload: a template, a size, and the pods there are.
type workload struct {
	name     string
	exists   bool
	revision string
	size     int32
	pods     []pod
	since    int // when the template changed last, or the first pod started
	// made counts the workloads of this name, and templates their changes.
	made, templates int
	health          rollout.Health
	entered         int // when it came into this health

	// recreates says that a new template ends all pods of the one before at once.
	recreates bool
	// ours says that its size is as the operator has set it.
	ours bool
	// blamed says that somebody else than the operator took the pods away.
	blamed bool
}

// serving is how many pods answer requests, whatever their revision.
func (s *workload) serving() int32 {
	var n int32
	for _, p := range s.pods {
		if p.ready {
			n++
		}
	}
	return n
}

// current is how many pods of the present template serve, and how many there are of others.
func (s *workload) current() (ready, old int32) {
	for _, p := range s.pods {
		switch {
		case p.revision != s.revision:
			old++
		case p.ready:
			ready++
		}
	}
	return ready, old
}

// fill starts the pods that are missing, and ends those that are too many.
func (s *workload) fill(w *World) {
	var have int32
	for _, p := range s.pods {
		if p.revision == s.revision {
			have++
		}
	}
	for ; have < s.size; have++ {
		s.pods = append(s.pods, pod{revision: s.revision, due: w.now + w.delay()})
	}
	s.trim()
}

// trim ends pods the way a surging Deployment does: none that serves goes before its successor serves.
func (s *workload) trim() {
	if s.size == 0 {
		s.pods = nil
		return
	}
	slices.SortStableFunc(s.pods, readyFirst) // a workload that shrinks ends those that do not serve
	kept := s.pods[:0:0]
	fresh, _ := s.current()
	spare := max(s.size-fresh, 0)
	var have int32
	for _, p := range s.pods {
		switch {
		case p.revision == s.revision && have < s.size:
			have++
			kept = append(kept, p)
		case p.revision != s.revision && p.ready && spare > 0:
			spare--
			kept = append(kept, p)
		}
	}
	s.pods = kept
}

func readyFirst(a, b pod) int {
	switch {
	case a.ready == b.ready:
		return 0
	case a.ready:
		return -1
	}
	return 1
}

// tick lets a second pass.
func (s *workload) tick(w *World) {
	if !s.exists {
		return
	}
	for i := range s.pods {
		p := &s.pods[i]
		if w.now >= p.due && w.troubleOf(s.name, p.revision) == "" {
			p.ready = true
		}
	}
	s.fill(w)
}

// observe is what a controller would know of the workload.
func (s *workload) observe(w *World) rollout.Workload {
	v := rollout.Workload{Revision: s.revision, Replicas: s.size, Available: s.serving(), SizedByUser: !s.ours && s == &w.target}
	fresh, old := s.current()
	switch {
	case !s.exists:
		return rollout.Workload{Health: rollout.Absent}
	case s.size == 0:
		v.Health = rollout.Stopped
	case fresh >= s.size && old == 0:
		v.Health = rollout.Available
	case w.troubleOf(s.name, s.revision) != "" && w.now-s.since >= grace:
		v.Health, v.Reason = rollout.Stuck, w.troubleOf(s.name, s.revision)
		if v.Reason == noReason {
			v.Health, v.Reason = rollout.Starting, ""
		}
	default:
		v.Health = rollout.Starting
	}
	return v
}

// set changes template or size.
func (s *workload) set(w *World, revision string, size int32) {
	if s.revision != revision || s.size == 0 {
		s.since = w.now
	}
	if s.revision != "" && s.revision != revision && s.recreates { // one that nobody has rendered has the template already
		s.pods = nil
	}
	if !s.exists {
		s.made++
	}
	if !sameTemplate(s.revision, revision) {
		s.templates++
	}
	s.exists, s.revision, s.size = true, revision, size
	s.fill(w)
}

// remove deletes the workload and its pods.
func (s *workload) remove() {
	*s = workload{name: s.name, recreates: s.recreates, blamed: true, made: s.made}
}

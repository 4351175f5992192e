// Package fair divides what an operator has once among namespaces that know nothing of each other: the right to have
// something under way, or room to wait for it.
//
// Each namespace has some of its own, whatever others do. The rest is shared, and a namespace may hold as many of it as
// are free: one alone gets half, a second one half of what is left, and whoever comes next always finds some. A fixed
// share would either be small where there are few namespaces, or be used up by a few that hang.
//
//	Shares   who holds how many, and who may take one more
//	Turns    who waits: namespaces take turns, and so do the lines of each
//
// Neither has a lock or a goroutine. That is up to who uses them.
package fair

import "slices"

// Shares count what each namespace holds. Make them with NewShares.
type Shares struct {
	own, shared int
	taken       int            // of the shared ones
	held        map[string]int // by namespace; none that holds nothing
}

// NewShares divide: own for each namespace, and shared ones for all.
func NewShares(own, shared int) *Shares {
	return &Shares{own: own, shared: shared, held: map[string]int{}}
}

// Free says whether a namespace may take one more.
func (s *Shares) Free(namespace string) bool { return s.held[namespace]-s.own < s.shared-s.taken }

// Take takes one, if the namespace may.
func (s *Shares) Take(namespace string) bool {
	if !s.Free(namespace) {
		return false
	}
	if s.held[namespace]++; s.held[namespace] > s.own {
		s.taken++
	}
	return true
}

// Give gives one back.
func (s *Shares) Give(namespace string) {
	if s.held[namespace] > s.own {
		s.taken--
	}
	if s.held[namespace]--; s.held[namespace] == 0 {
		delete(s.held, namespace)
	}
}

// Held is how many a namespace holds.
func (s *Shares) Held(namespace string) int { return s.held[namespace] }

// Idle says that nobody holds any.
func (s *Shares) Idle() bool { return len(s.held) == 0 }

// Turns are the lines that wait for one of some Shares: those of a Canary, say. Make them with NewTurns.
type Turns[L comparable] struct {
	*Shares
	waiting []*namespace[L] // the next one first
}

// namespace are the lines of one that wait, the next one first. There is at least one.
type namespace[L comparable] struct {
	name  string
	lines []L
}

// NewTurns are turns at what is divided.
func NewTurns[L comparable](s *Shares) *Turns[L] { return &Turns[L]{Shares: s} }

// Join has a line wait for one turn, behind the others of its namespace. It does not wait yet.
func (t *Turns[L]) Join(in string, line L) {
	for _, n := range t.waiting {
		if n.name == in {
			n.lines = append(n.lines, line)
			return
		}
	}
	t.waiting = append(t.waiting, &namespace[L]{name: in, lines: []L{line}})
}

// Leave has a line wait no longer.
func (t *Turns[L]) Leave(in string, line L) {
	t.waiting = slices.DeleteFunc(t.waiting, func(n *namespace[L]) bool {
		if n.name == in {
			n.lines = slices.DeleteFunc(n.lines, func(one L) bool { return one == line })
		}
		return len(n.lines) == 0
	})
}

// Idle says that nobody holds any, nor waits.
func (t *Turns[L]) Idle() bool { return t.Shares.Idle() && len(t.waiting) == 0 }

// Next takes one for the line whose turn it is. There is none where nobody waits who may take one.
func (t *Turns[L]) Next() (line L, ok bool) {
	for range len(t.waiting) {
		n := t.waiting[0]
		t.waiting = append(t.waiting[1:], n)
		if !t.Take(n.name) {
			continue
		}
		line, n.lines = n.lines[0], n.lines[1:]
		if len(n.lines) == 0 {
			t.waiting = t.waiting[:len(t.waiting)-1]
		}
		return line, true
	}
	return line, false
}

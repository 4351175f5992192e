package kube

import (
	"crypto/sha256"
	"maps"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"
)

// cacheLag is how long an object that we have just written may be missing from the
// cache before it counts as deleted. It bounds how long a deletion by hand goes
// unnoticed, no more: applying an object that the cache has not seen yet
// changes nothing.
const cacheLag = 5 * time.Second

// memory is what one process knows about its own writes, and verdicts it need
// not reach twice. Losing it costs requests, never correctness.
type memory struct {
	mu    sync.Mutex
	marks map[ref]mark
}

// mark is what is remembered of one object.
type mark struct {
	owner types.UID
	// version is what our last write came back with, until the cache has it.
	version string
	wrote   time.Time
	// stored is the Canary whose status we were the last to store, of a mark of a Canary.
	stored types.UID
	// deleted is the object that our last write deleted, until the cache knows.
	deleted types.UID
	// settled is the version of the object that was found to match.
	settled string
	sum     [sha256.Size]byte
	matched *desired // that it was found to match
	// refused is what the object looked like right after a write that did not
	// make it match, because something in the server changes what we send.
	// Writing the same again would go on for ever.
	refused *snapshot
}

// snapshot is the part of an object that we want to be ours.
type snapshot struct{ content, owned string }

// is compares with what an object looks like now. A cache may have dropped the
// record of owners, which then says nothing.
func (l *snapshot) is(now *snapshot) bool {
	return l != nil && now != nil && l.content == now.content && (now.owned == "" || l.owned == now.owned)
}

func (m *memory) of(r ref) mark {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.marks[r]
}

func (m *memory) set(r ref, change func(*mark)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.marks == nil {
		m.marks = map[ref]mark{}
	}
	k := m.marks[r]
	change(&k)
	if k == (mark{owner: k.owner}) {
		delete(m.marks, r)
		return
	}
	m.marks[r] = k
}

func (m *memory) forget(owner types.UID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	maps.DeleteFunc(m.marks, func(_ ref, k mark) bool { return k.owner == owner })
}

// newer says whether version a is newer than b. Versions that can't be compared
// are taken for newer: the pass that asked ends and looks again.
func newer(a, b string) bool {
	if a == "" || a == b {
		return false
	}
	order, err := resourceversion.CompareResourceVersion(a, b)
	return err != nil || order > 0
}

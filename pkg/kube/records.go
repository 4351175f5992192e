package kube

import (
	"crypto/sha256"
	"maps"
	"reflect"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"k8s.io/utils/lru"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// cacheLag is how long an object that we have just written may be missing from the
// cache before it counts as deleted. It bounds how long a deletion by hand goes
// unnoticed, no more: applying an object that the cache has not seen yet
// changes nothing.
const cacheLag = 5 * time.Second

// records is what one process knows about its own writes, and comparisons it need not make twice. Losing it costs
// requests, never correctness. There is one for each object of the Canaries that live: see forget.
type records struct {
	mu  sync.Mutex
	all map[ref]record
}

// record is what is remembered of one object.
type record struct {
	owner types.UID
	// written is what our last write came back with, until the cache has it, and writtenAt when.
	written   string
	writtenAt time.Time
	// stored is the Canary whose status we were the last to store, of a record of a Canary.
	stored types.UID
	// deleted is the object that our last write deleted, until the cache knows.
	deleted types.UID
	// matchedVersion is the version of the object that was found to match.
	matchedVersion string
	matchedSum     [sha256.Size]byte
	matched        *desired // that it was found to match, where nothing on the object tells: see driftedFromOurs
	// mutated is what the object looked like right after a write that did not
	// make it match, because something in the server changes what we send.
	// Writing the same again would go on for ever.
	mutated *snapshot
	// refused is the write that the server does not take.
	refused *remembered
	trouble trouble
}

// contentsKept is of how many objects the content is kept: about those of the Canaries whose routes are, see desired.Renderer.
const contentsKept = 4096

// contents is what the objects that were looked at last were found to match. To compare with it costs a tenth of encoding what is
// asked of an object, which seldom changes, while every pass asks again.
type contents struct {
	made sync.Once
	last *lru.Cache // *desired by ref
}

func (c *contents) cache() *lru.Cache {
	c.made.Do(func() { c.last = lru.New(contentsKept) })
	return c.last
}

// of is what is kept for an object that is asked for as it was before; nil: nothing.
func (c *contents) of(r ref, obj runtime.ApplyConfiguration) *desired {
	last, _ := c.cache().Get(r)
	if d, ok := last.(*desired); ok && reflect.DeepEqual(d.obj, obj) {
		w := *d
		return &w
	}
	return nil
}

func (c *contents) keep(d *desired) { c.cache().Add(d.ref, d.withoutJSON()) }

// trouble is since when a write has been failing, or a deletion has not come to an end, and when that was met last.
type trouble struct{ since, last time.Time }

// snapshot is the part of an object that we want to be ours.
type snapshot struct{ content, owned string }

// is compares with what an object looks like now. A cache may have dropped the
// record of owners, which then says nothing.
func (s *snapshot) is(now *snapshot) bool {
	return s != nil && now != nil && s.content == now.content && (now.owned == "" || s.owned == now.owned)
}

func (m *records) get(r ref) record {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.all[r]
}

func (m *records) update(r ref, change func(*record)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.all == nil {
		m.all = map[ref]record{}
	}
	k := m.all[r]
	change(&k)
	if k == (record{owner: k.owner, writtenAt: k.writtenAt}) {
		delete(m.all, r)
		return
	}
	m.all[r] = k
}

// behind says whether the cache, which has live, still lacks our last write. What it has caught up with is forgotten.
// An object that stays missing was deleted after we wrote it.
func (m *records) behind(r ref, live client.Object, now time.Time) bool {
	last := m.get(r)
	switch {
	case last.written == "":
		return false
	case live == nil && now.Sub(last.writtenAt) < cacheLag:
		return true
	case live != nil && Newer(last.written, live.GetResourceVersion()):
		return true
	}
	m.update(r, func(k *record) { k.written = "" })
	return false
}

// matches says whether the same version was found to match already.
func (m *records) matches(d *desired, live client.Object) bool {
	last := m.get(d.ref)
	return last.matchedVersion != "" && last.matchedVersion == live.GetResourceVersion() && last.matchedSum == d.sum
}

// forget drops the records of a Canary's objects.
func (m *records) forget(owner types.UID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	maps.DeleteFunc(m.all, func(_ ref, k record) bool { return k.owner == owner })
}

// forgetStored drops who was the last to store statuses.
func (m *records) forgetStored() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for r, k := range m.all {
		k.stored = ""
		m.all[r] = k
	}
}

// Newer says whether version a of an object is newer than b. Versions that can't be compared
// are taken for newer: the pass that asked ends and looks again.
func Newer(a, b string) bool {
	if a == "" || a == b {
		return false
	}
	order, err := resourceversion.CompareResourceVersion(a, b)
	return err != nil || order > 0
}

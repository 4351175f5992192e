package observe

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"sync"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/kube"
)

// LiveReader reads each object live one time only: within one call, a moment ago is now. It keeps what a decision is about:
// the target, and the metadata of its configs.
//
// What an earlier call has read, or written, a moment ago is read from the cache, where that has caught up with it.
type LiveReader struct {
	client.Reader
	cache  client.Reader // what is watched
	recent *recentReads
	wrote  func(client.ObjectKey, client.Object) (version string, age time.Duration, known bool)
	seen   map[string]liveRead
}

// liveRead is an object as it was read, and when.
type liveRead struct {
	object client.Object
	at     time.Time
}

// freshFor bounds how long a read counts as live: between two passes of a call the API server may be slow.
const freshFor = time.Second

// NewLiveReader is one for a single call.
func (r *Reader) NewLiveReader() *LiveReader {
	return &LiveReader{Reader: r.Live, cache: r.Applier.Reader, recent: &r.recent, wrote: r.Applier.LastWrite}
}

// Get reads what was read just now from memory, and everything else live.
func (l *LiveReader) Get(ctx context.Context, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
	// The kind is part of it: metadata of a ConfigMap and of a Secret is of one Go type.
	name := fmt.Sprintf("%T %s %s", obj, obj.GetObjectKind().GroupVersionKind().Kind, key)
	// By the wall clock, not the rollout's: it is about how long ago a request was.
	if g, ok := l.seen[name]; ok && time.Since(g.at) < freshFor {
		reflect.ValueOf(obj).Elem().Set(reflect.ValueOf(g.object.DeepCopyObject()).Elem())
		return nil
	}
	if at := l.getCached(ctx, name, key, obj); !at.IsZero() {
		l.keep(name, obj, at)
		return nil
	}
	// What is not there is not remembered: it may be made while the passes go on, and asking again is cheap.
	if err := l.Reader.Get(ctx, key, obj, opts...); err != nil {
		return err
	}
	now := time.Now()
	l.keep(name, obj, now)
	l.recent.note(name, recentRead{version: obj.GetResourceVersion(), at: now})
	return nil
}

// getCached reads an object from the cache, and says since when that holds; the zero time: it may be older than a live read.
func (l *LiveReader) getCached(ctx context.Context, name string, key client.ObjectKey, obj client.Object) time.Time {
	last := l.recent.of(name)
	if version, age, known := l.wrote(key, obj); known && age < time.Since(last.at) {
		last = recentRead{version: version, at: time.Now().Add(-age)}
	}
	if time.Since(last.at) >= freshFor {
		return time.Time{}
	}
	cached, ok := obj.DeepCopyObject().(client.Object)
	if !ok || l.cache.Get(ctx, key, cached) != nil || kube.Newer(last.version, cached.GetResourceVersion()) {
		return time.Time{}
	}
	reflect.ValueOf(obj).Elem().Set(reflect.ValueOf(cached).Elem())
	return last.at
}

func (l *LiveReader) keep(name string, obj client.Object, at time.Time) {
	if l.seen == nil {
		l.seen = map[string]liveRead{}
	}
	if seen, ok := obj.DeepCopyObject().(client.Object); ok {
		l.seen[name] = liveRead{object: seen, at: at}
	}
}

// recentReads are the versions that were read live within the last moment, of all Canaries.
type recentReads struct {
	mu     sync.Mutex
	all    map[string]recentRead
	pruned time.Time
}

type recentRead struct {
	version string
	at      time.Time
}

func (r *recentReads) of(name string) recentRead {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.all[name]
}

func (r *recentReads) note(name string, read recentRead) {
	r.mu.Lock()
	defer r.mu.Unlock()
	// Made anew, since a map never gives back what it has grown to.
	if now := read.at; now.Sub(r.pruned) >= freshFor {
		kept := map[string]recentRead{}
		maps.Copy(kept, r.all)
		maps.DeleteFunc(kept, func(_ string, k recentRead) bool { return now.Sub(k.at) >= freshFor })
		r.all, r.pruned = kept, now
	}
	r.all[name] = read
}

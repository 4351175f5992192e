package kube

import (
	"context"
	"fmt"
	"reflect"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// state is what is to be done about an object.
type state int

const (
	settled state = iota // nothing: it is as wished
	unseen               // nothing yet: the cache has not seen our last write
	due                  // apply it
)

// task is a wish beside what the cache holds of it.
type task struct {
	*wish
	live  client.Object // nil: missing
	state state
	want  map[string]any // the content of the wish; nil while nobody needed it
	hash  string         // of want
	drift bool           // it was as wished once, by its hash, and is not now
}

// look decides what is to be done, in the order of what it costs to find out.
func (a *Applier) look(ctx context.Context, owner *v1beta1.Canary, obj runtime.ApplyConfiguration) (*task, error) {
	w, err := a.wishFor(obj)
	if err != nil {
		return nil, err
	}
	t := &task{wish: w}
	if t.live, err = a.cached(ctx, w.ref); err != nil {
		return nil, err
	}
	switch {
	case a.behind(w.ref, t.live):
		t.state = unseen
		return t, nil
	case t.live == nil && w.bare:
		return nil, fmt.Errorf("%s: %w", w.ref, ErrMissing)
	case t.live == nil:
		t.state = due
		err := t.decode()
		return t, err
	}
	if err := a.allowed(owner, t); err != nil || a.remembered(t) {
		return t, err
	}
	return t, a.compare(owner, t)
}

// cached reads an object as the operator watches it; nil when it is missing.
// It is read without copying it, so nothing here may write to it.
func (a *Applier) cached(ctx context.Context, r ref) (client.Object, error) {
	obj, err := Form(a.Client.Scheme(), r.kind)
	if err != nil {
		return nil, err
	}
	err = a.Reader.Get(ctx, r.key, obj, client.UnsafeDisableDeepCopy)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", r, err)
	}
	return obj, nil
}

// behind says whether the cache still lacks our last write. What it has caught
// up with is forgotten. An object that stays missing was deleted after we wrote it.
func (a *Applier) behind(r ref, live client.Object) bool {
	m := a.memory.of(r)
	if m.version == "" {
		return false
	}
	if live == nil && a.Now().Sub(m.wrote) < lag {
		return true
	}
	if live != nil && newer(m.version, live.GetResourceVersion()) {
		return true
	}
	a.memory.set(r, func(k *mark) { k.version, k.wrote = "", time.Time{} })
	return false
}

// allowed keeps us from writing what would not last or is not ours.
func (a *Applier) allowed(owner *v1beta1.Canary, t *task) error {
	if t.bare {
		return nil
	}
	if t.live.GetDeletionTimestamp() != nil {
		return fmt.Errorf("%s is being deleted", t.ref)
	}
	return taken(t.ref, owner, t.live)
}

// remembered says whether the same wish was found fulfilled by the same version.
func (a *Applier) remembered(t *task) bool {
	m := a.memory.of(t.ref)
	return m.settled != "" && m.settled == t.live.GetResourceVersion() && m.sum == t.sum
}

// compare looks at the hash that was left on the object, then at every field.
func (a *Applier) compare(owner *v1beta1.Canary, t *task) error {
	t.state = due
	if err := t.decode(); err != nil {
		return err
	}
	if !t.bare && hashOn(t.live) != t.hash {
		return nil
	}
	ok, now, err := a.matches(t, t.live)
	if err != nil {
		return err
	}
	if ok || a.memory.of(t.ref).refused.is(now) {
		t.state = settled
		a.settle(owner, t, t.live.GetResourceVersion())
		return nil
	}
	t.drift = a.undone(t)
	return nil
}

// undone says that somebody has changed what we had made so. Nothing on a lent object tells what we asked of it last,
// so that there it is known only of what this process has done, and only where the rest of the object is as it was.
func (a *Applier) undone(t *task) bool {
	last := a.memory.of(t.ref).wish
	if !t.bare || !t.lent || last == nil {
		return !t.bare
	}
	before := *last // what is remembered is not to be written to
	content, err := before.content()
	return err == nil && reflect.DeepEqual(claims(content), claims(t.want))
}

func (a *Applier) settle(owner *v1beta1.Canary, t *task, version string) {
	a.memory.set(t.ref, func(m *mark) { m.owner, m.settled, m.sum, m.wish = owner.UID, version, t.sum, t.fulfilled() })
}

func (t *task) decode() (err error) {
	if t.want, err = t.content(); err != nil {
		return err
	}
	t.hash, err = hash(t.want)
	return err
}

// body is what is sent. The user's own object is named by its UID as well: a
// server-side apply would otherwise make it if it had gone in the meantime.
func (t *task) body(now time.Time) (map[string]any, error) {
	body := runtime.DeepCopyJSON(t.want)
	if t.bare {
		return body, unstructured.SetNestedField(body, string(t.live.GetUID()), "metadata", "uid")
	}
	return body, stamp(body, t.hash, now)
}

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

// action is what is to be done about an object.
type action int

const (
	actNone  action = iota // nothing: it is as desired
	actWait                // nothing yet: the cache has not seen our last write
	actApply               // apply it
)

// plan is what is desired beside what the cache holds of it.
type plan struct {
	*desired
	live    client.Object // nil: missing
	action  action
	want    map[string]any // the desired content; nil while nobody needed it
	hash    string         // of want
	drifted bool           // it was as desired once, by its hash, and is not now
}

// planFor decides what is to be done, in the order of what it costs to find out.
func (a *Applier) planFor(ctx context.Context, owner *v1beta1.Canary, obj runtime.ApplyConfiguration) (*plan, error) {
	w, err := a.desiredFor(obj)
	if err != nil {
		return nil, err
	}
	p := &plan{desired: w}
	if p.live, err = a.cached(ctx, w.ref); err != nil {
		return nil, err
	}
	switch {
	case a.cacheBehind(w.ref, p.live):
		p.action = actWait
		return p, nil
	case p.live == nil && w.partial:
		return nil, fmt.Errorf("%s: %w", w.ref, ErrMissing)
	case p.live == nil:
		p.action = actApply
		err := p.decode()
		return p, err
	}
	if err := a.checkWritable(owner, p); err != nil || a.knownMatch(p) {
		return p, err
	}
	return p, a.compare(owner, p)
}

// cached reads an object as the operator watches it; nil when it is missing.
// It is read without copying it, so nothing here may write to it.
func (a *Applier) cached(ctx context.Context, r ref) (client.Object, error) {
	obj, err := NewWatched(a.Client.Scheme(), r.kind)
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

// cacheBehind says whether the cache still lacks our last write. What it has caught
// up with is forgotten. An object that stays missing was deleted after we wrote it.
func (a *Applier) cacheBehind(r ref, live client.Object) bool {
	m := a.memory.of(r)
	if m.version == "" {
		return false
	}
	if live == nil && a.Now().Sub(m.wrote) < cacheLag {
		return true
	}
	if live != nil && newer(m.version, live.GetResourceVersion()) {
		return true
	}
	a.memory.set(r, func(k *mark) { k.version, k.wrote = "", time.Time{} })
	return false
}

// checkWritable keeps us from writing what would not last or is not ours.
func (a *Applier) checkWritable(owner *v1beta1.Canary, p *plan) error {
	if p.partial {
		return nil
	}
	if p.live.GetDeletionTimestamp() != nil {
		return fmt.Errorf("%s is being deleted", p.ref)
	}
	return checkController(p.ref, owner, p.live)
}

// knownMatch says whether the same version was found to match already.
func (a *Applier) knownMatch(p *plan) bool {
	m := a.memory.of(p.ref)
	return m.settled != "" && m.settled == p.live.GetResourceVersion() && m.sum == p.sum
}

// compare looks at the hash that was left on the object, then at every field.
func (a *Applier) compare(owner *v1beta1.Canary, p *plan) error {
	p.action = actApply
	if err := p.decode(); err != nil {
		return err
	}
	if !p.partial && appliedHash(p.live) != p.hash {
		return nil
	}
	ok, now, err := a.matches(p, p.live)
	if err != nil {
		return err
	}
	if ok || a.memory.of(p.ref).refused.is(now) {
		p.action = actNone
		a.recordMatch(owner, p, p.live.GetResourceVersion())
		return nil
	}
	p.drifted = a.driftedFromOurs(p)
	return nil
}

// driftedFromOurs says that somebody has changed what we had made so. Nothing on a PartialOwned object tells what we
// asked of it last, so that there it is known only of what this process has done, and only where the rest of the object
// is as it was.
func (a *Applier) driftedFromOurs(p *plan) bool {
	last := a.memory.of(p.ref).matched
	if !p.partial || !p.owned || last == nil {
		return !p.partial
	}
	before := *last // what is remembered is not to be written to
	content, err := before.content()
	return err == nil && reflect.DeepEqual(comparedFields(content), comparedFields(p.want))
}

func (a *Applier) recordMatch(owner *v1beta1.Canary, p *plan, version string) {
	a.memory.set(p.ref, func(m *mark) { m.owner, m.settled, m.sum, m.matched = owner.UID, version, p.sum, p.withoutJSON() })
}

func (p *plan) decode() (err error) {
	if p.want, err = p.content(); err != nil {
		return err
	}
	p.hash, err = hash(p.want)
	return err
}

// version is that of the object which a plan was made from, if it is for no other.
func (p *plan) version() string {
	version, _, _ := unstructured.NestedString(p.want, "metadata", "resourceVersion")
	return version
}

// body is what is sent. The user's own object is named by its UID as well: a
// server-side apply would otherwise make it if it had gone in the meantime.
func (p *plan) body(now time.Time) (map[string]any, error) {
	body := runtime.DeepCopyJSON(p.want)
	if p.partial {
		return body, unstructured.SetNestedField(body, string(p.live.GetUID()), "metadata", "uid")
	}
	return body, setApplied(body, p.hash, now)
}

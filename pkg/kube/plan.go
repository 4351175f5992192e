package kube

import (
	"cmp"
	"context"
	"fmt"
	"reflect"
	"strings"
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
	update  bool           // an apply would refuse it: see update.go
	drifted bool           // it was as desired once, by its hash, and is not now
	orphan  bool           // it was taken from its owner, who goes: it is not given back to it
	adopted string         // the version that it has since it was taken over; empty: it was not
}

// planFor decides what is to be done, in the order of what it costs to find out. Cached reads what the cache holds.
func (a *Applier) planFor(owner *v1beta1.Canary, obj runtime.ApplyConfiguration, cached func(ref) (client.Object, error)) (*plan, error) {
	w, err := a.desiredFor(obj)
	if err != nil {
		return nil, err
	}
	p := &plan{desired: w}
	if p.live, err = cached(w.ref); err != nil {
		return nil, err
	}
	switch {
	case a.records.behind(w.ref, p.live, a.Now()):
		p.action = actWait
		return p, nil
	case p.live == nil && w.partial:
		return nil, fmt.Errorf("%s: %w", w.ref, ErrMissing)
	case p.live == nil:
		p.action = actApply
		if err := p.decode(); err != nil {
			return nil, err
		}
		return p, a.notYet(p)
	}
	p.orphan = !owner.DeletionTimestamp.IsZero() && !ownedBy(p.live, owner)
	if err := a.checkWritable(owner, p); err != nil || p.action == actWait || a.records.matches(w, p.live) {
		return p, err
	}
	if err := a.compare(owner, p); err != nil || p.action != actApply {
		return p, err
	}
	return p, a.notYet(p)
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

// checkWritable keeps us from writing what would not last or is not ours. What is being deleted is waited for a moment:
// most of it is gone by then.
func (a *Applier) checkWritable(owner *v1beta1.Canary, p *plan) error {
	if p.partial {
		return nil
	}
	if p.live.GetDeletionTimestamp() != nil {
		held := a.heldInDeletion(owner, p.ref, "create", p.live)
		if held == nil {
			p.action = actWait
			return nil
		}
		held.InPlace = a.inPlace(p)
		return held
	}
	return a.checkController(owner, p)
}

// checkController looks for another controller than the Canary.
func (a *Applier) checkController(owner *v1beta1.Canary, p *plan) error {
	err := checkController(p.ref, owner, p.live)
	if err == nil {
		return nil
	}
	return &RefusedError{Object: p.name(owner), Verb: "patch", Text: Words(err), Exists: true, InPlace: a.inPlace(p), cause: err}
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
	ok, now, err := a.comparer().matches(p, p.live)
	if err != nil {
		return err
	}
	if ok || a.records.get(p.ref).mutated.is(now) {
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
	last := a.records.get(p.ref).matched
	if !p.partial || !p.owned || last == nil {
		return !p.partial
	}
	before := *last // what is remembered is not to be written to
	content, err := before.content()
	return err == nil && reflect.DeepEqual(comparedFields(content), comparedFields(p.want))
}

// remembered is what driftedFromOurs compares with.
func (p *plan) remembered() *desired {
	if !p.partial || !p.owned {
		return nil
	}
	return p.withoutJSON()
}

// recordWrite keeps what a write came back with. If the object still is not as
// desired, the server changes what it is sent (a webhook, a field that it does
// not know): what it made of that is kept, and not fought over again.
func (a *Applier) recordWrite(owner *v1beta1.Canary, p *plan, sent *unstructured.Unstructured) error {
	back, err := a.comparer().asWatched(p.ref, sent)
	if err != nil {
		return err
	}
	_, refused, err := a.comparer().matches(p, back)
	if err != nil {
		return err
	}
	if p.drifted && refused == nil && a.Drifted != nil {
		a.Drifted(owner, p.kind.Kind+" "+p.key.Name)
	}
	version, now := back.GetResourceVersion(), a.Now()
	a.contents.keep(p.desired)
	a.records.update(p.ref, func(m *record) {
		*m = record{owner: owner.UID, written: version, writtenAt: now, matchedVersion: version, matchedSum: p.sum, matched: p.remembered(), mutated: refused}
	})
	return nil
}

func (a *Applier) recordMatch(owner *v1beta1.Canary, p *plan, version string) {
	a.contents.keep(p.desired)
	a.records.update(p.ref, func(m *record) {
		m.owner, m.matchedVersion, m.matchedSum, m.matched = owner.UID, version, p.sum, p.remembered()
		m.refused, m.trouble = nil, trouble{}
	})
}

func (p *plan) decode() (err error) {
	if p.want, err = p.content(); err != nil {
		return err
	}
	if p.hash, err = hash(p.want); err != nil {
		return err
	}
	// For good: what an update has set stays its own, also when an apply leaves it out.
	p.update = !p.partial && (repeatsKeys(p) || p.live != nil && strings.HasPrefix(appliedHash(p.live), updatedPrefix))
	if p.update {
		p.hash = updatedPrefix + p.hash
	}
	// After the hash, which stands for all that is rendered.
	if meta, ok := p.want["metadata"].(map[string]any); ok && p.orphan {
		delete(meta, "ownerReferences")
	}
	return nil
}

// version is that of the object which a plan was made from, if it is for no other.
func (p *plan) version() string {
	version, _, _ := unstructured.NestedString(p.want, "metadata", "resourceVersion")
	return version
}

// noVersion is the version that an object is applied to which must not be there: none has it.
const noVersion = "1"

// versioned says that an apply counts for the object as the cache has it, and for no other: what leads requests must not be
// put back by a process that was stopped for a while, and continued beside another one. Workloads are left out, since their
// controllers write them all the time.
func (p *plan) versioned() bool { return !p.partial && !p.update && p.kind.Group != "apps" }

// base is the version of the object that is applied to; empty: there was none.
func (p *plan) base() string { return cmp.Or(p.adopted, resourceVersionOf(p.live)) }

// body is what is sent. The user's own object is named by its UID as well: a
// server-side apply would otherwise make it if it had gone in the meantime.
func (p *plan) body(now time.Time) (map[string]any, error) {
	body := runtime.DeepCopyJSON(p.want)
	if p.partial {
		return body, unstructured.SetNestedField(body, string(p.live.GetUID()), "metadata", "uid")
	}
	if p.versioned() {
		version := cmp.Or(p.base(), noVersion)
		if err := unstructured.SetNestedField(body, version, "metadata", "resourceVersion"); err != nil {
			return nil, err
		}
	}
	return body, setApplied(body, p.hash, p.live, now)
}

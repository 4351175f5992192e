package kube

import (
	"context"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// Snapshot is what the cache held of some objects at one look, each read once: a look asks about them again and again. It is
// for one goroutine, and no longer true once something has been written.
type Snapshot struct {
	applier *Applier
	read    map[ref]client.Object // nil: missing
}

// Snapshot is an empty one.
func (a *Applier) Snapshot() *Snapshot { return &Snapshot{applier: a, read: map[ref]client.Object{}} }

// Get is an object as the operator watches it, and the cache's own, not to be written to; nil when it is missing.
func (s *Snapshot) Get(ctx context.Context, obj runtime.ApplyConfiguration) (client.Object, error) {
	r, err := refOf(obj)
	if err != nil {
		return nil, err
	}
	return s.get(ctx, r)
}

func (s *Snapshot) get(ctx context.Context, r ref) (client.Object, error) {
	if live, known := s.read[r]; known {
		return live, nil
	}
	live, err := s.applier.cached(ctx, r)
	if err == nil {
		s.read[r] = live
	}
	return live, err
}

// Pending says whether Apply would say changed, from the cache alone. What was refused a moment ago is a RefusedError here
// too: it is not due yet.
func (s *Snapshot) Pending(ctx context.Context, owner *v1beta1.Canary, objs ...runtime.ApplyConfiguration) (bool, error) {
	for _, obj := range objs {
		p, err := s.applier.planFor(owner, obj, func(r ref) (client.Object, error) { return s.get(ctx, r) })
		if err != nil || p.action != actNone {
			return err == nil, err
		}
	}
	return false, nil
}

// PendingChains says what ApplyChains would come to, from the cache alone and from what was refused a moment ago.
func (s *Snapshot) PendingChains(ctx context.Context, owner *v1beta1.Canary, chains ...Chain) (Outcome, error) {
	return follow(chains, func(obj runtime.ApplyConfiguration) (bool, error) { return s.Pending(ctx, owner, obj) })
}

// Fresh says whether the cache had caught up with all that we have written to the objects. It is silent about what others
// wrote.
func (s *Snapshot) Fresh(ctx context.Context, objs ...runtime.ApplyConfiguration) (bool, error) {
	for _, obj := range objs {
		r, err := refOf(obj)
		if err != nil {
			return false, err
		}
		live, err := s.get(ctx, r)
		if err != nil || s.applier.records.behind(r, live, s.applier.Now()) {
			return false, err
		}
	}
	return true, nil
}

// AppliedTimes are FirstAppliedAt and AppliedAt of the object: zero while it is missing, not ours, or still without our last
// write. Of a PartialOwned object they are the beginning and the end of the second that the server has noted.
func (s *Snapshot) AppliedTimes(ctx context.Context, obj runtime.ApplyConfiguration) (first, last time.Time, err error) {
	r, err := refOf(obj)
	if err != nil {
		return first, last, err
	}
	live, err := s.get(ctx, r)
	if err != nil || live == nil || s.applier.records.behind(r, live, s.applier.Now()) {
		return first, last, err
	}
	if last = AppliedAt(live); !last.IsZero() {
		return FirstAppliedAt(live), last, nil
	}
	if last = ownedSince(live); !last.IsZero() {
		first = last.Add(-time.Second)
	}
	return first, last, nil
}

// Made are those of the objects that are there, and were made by us for the owner: see v1beta1.CanaryStatus. Users are those
// that were there before the owner and belong to nobody else: they are taken over. They may be the cache's own.
func (s *Snapshot) Made(ctx context.Context, owner *v1beta1.Canary, objs ...runtime.ApplyConfiguration) (made []v1beta1.MadeObject, users map[v1beta1.MadeObject]client.Object, err error) {
	for _, obj := range objs {
		if _, fieldsOnly := obj.(partial); fieldsOnly {
			continue
		}
		r, err := refOf(obj)
		if err != nil {
			return nil, nil, err
		}
		live, err := s.get(ctx, r)
		if err != nil {
			return nil, nil, err
		}
		switch {
		case live == nil:
			continue
		case madeFor(owner, r.kind, live):
		case adoptable(owner, r.kind, live):
			if users == nil {
				users = map[v1beta1.MadeObject]client.Object{}
			}
			users[nameOf(r)] = live
		default:
			continue
		}
		if o := madeObject(r.kind, live); !slices.Contains(made, o) {
			made = append(made, o)
		}
	}
	return made, users, nil
}

package handback

import (
	"context"
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/desired"
	"github.com/sluice-cd/sluice/pkg/kube"
	"github.com/sluice-cd/sluice/pkg/workload"
)

// A Canary that is gone leaves an orphan behind for as long as something is owed: its target. One whose deletion this
// process has seen is remembered as it was; any other is known by what its target carries.

// The indexes find what carries a note by the Canary that the note is about.
const (
	stopIndex = workload.RestoreAnnotation
	ledIndex  = workload.LeadAnnotation
)

// IndexNotes has workloads and autoscalers found by the Canary that they carry a note about: ReleaseOrphans needs it.
func IndexNotes(by client.FieldIndexer) error {
	for _, one := range []struct {
		kind  client.Object
		index string
		about func(client.Object) (canary string, noted bool)
	}{
		{&appsv1.Deployment{}, stopIndex, stoppedFor},
		{&appsv1.DaemonSet{}, stopIndex, stoppedFor},
		{&autoscalingv2.HorizontalPodAutoscaler{}, ledIndex, ledFor},
	} {
		// Nothing is waited for, and setting up has no context.
		err := by.IndexField(context.Background(), one.kind, one.index, func(o client.Object) []string { //nolint:forbidigo // as said
			// Most carry nothing and are in no bucket, so that a look at a Canary passes over none of them.
			if canary, noted := one.about(o); noted {
				return []string{canary}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("index %T by %s: %w", one.kind, one.index, err)
		}
	}
	return nil
}

func stoppedFor(o client.Object) (canary string, noted bool) {
	s := desired.RestoreInfo(o)
	return s.Canary, s.Size > 0
}

func ledFor(o client.Object) (canary string, noted bool) {
	l, led := workload.LeadOf(o)
	return l.Canary, led
}

// NotedFor wakes the Canary that a workload was stopped for, or an autoscaler is led for, whether there is one or not. It is
// all that other objects are asked.
func NotedFor(o client.Object) []reconcile.Request {
	for _, about := range []func(client.Object) (string, bool){stoppedFor, ledFor} {
		if canary, noted := about(o); noted {
			return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: o.GetNamespace(), Name: canary}}}
		}
	}
	return nil
}

// PreviousOwner wakes the Canary that the target of one that goes was stopped for, if that is another: the target can
// have changed hands before it was stopped for the one that goes.
func (h *Handback) PreviousOwner(ctx context.Context, gone *v1beta1.Canary) []reconcile.Request {
	kind, err := h.Kinds.Of(gone.Spec.TargetRef)
	if err != nil {
		return nil // it had none
	}
	o := kind.New()
	if err := h.Client.Get(ctx, client.ObjectKey{Namespace: gone.Namespace, Name: gone.Spec.TargetRef.Name}, o); err != nil {
		return nil // the workload went as well
	}
	return NotedFor(o)
}

// ReleaseOrphans gives back what Canaries of this name that are gone still owe.
func (h *Handback) ReleaseOrphans(ctx context.Context, key types.NamespacedName) (done bool, err error) {
	// Taken out while it is dealt with. It is put back as long as something is left to do.
	if c := takeDeleted(h, key); c != nil {
		if done, err := h.releaseAndForget(ctx, c); !done || err != nil {
			h.RememberDeleted(c)
			return false, err
		}
	}
	// Then those whose end nobody here has seen.
	if done, err := h.releaseStopped(ctx, key); !done || err != nil {
		return false, err
	}
	return h.releaseLed(ctx, key)
}

// stopped are the workloads that were stopped for a Canary of this name, from the cache.
func (h *Handback) stopped(ctx context.Context, key types.NamespacedName) (all []workload.Object, err error) {
	for _, list := range []client.ObjectList{&appsv1.DeploymentList{}, &appsv1.DaemonSetList{}} {
		err = h.Client.List(ctx, list, client.InNamespace(key.Namespace), client.MatchingFields{stopIndex: key.Name}, client.UnsafeDisableDeepCopy)
		if err != nil {
			return nil, fmt.Errorf("list workloads that were stopped for canary %q: %w", key.Name, err)
		}
		all = append(all, workload.Items(list)...)
	}
	return all, nil
}

// releaseStopped does so for targets that carry what is owed.
func (h *Handback) releaseStopped(ctx context.Context, key types.NamespacedName) (done bool, err error) {
	stopped, err := h.stopped(ctx, key)
	if err != nil {
		return false, err
	}
	for _, o := range stopped {
		// Its Canary, which may be gone, was another operator's to follow.
		if h.Operator != "" && desired.RestoreInfo(o).Operator != h.Operator {
			continue
		}
		// The common case, answered from the cache: every pass over every Canary comes by here.
		orphan, err := h.owed(ctx, o, func() (bool, error) { return h.has(ctx, key, o) })
		if err != nil {
			return false, err
		}
		if orphan == nil {
			continue
		}
		if done, err := h.releaseAndForget(ctx, orphan); !done || err != nil {
			return false, err
		}
	}
	return true, nil
}

// owed is the Canary that a stopped workload is to be released from; nil: it is kept, or nothing is owed.
func (h *Handback) owed(ctx context.Context, o workload.Object, kept func() (bool, error)) (*v1beta1.Canary, error) {
	if is, err := kept(); is || err != nil {
		return nil, err
	}
	return h.orphanOf(ctx, o)
}

// has says that the Canary which a workload was stopped for is there, as nearly always: it has it for its target, or did and
// gives it back by itself (ReleaseFormer).
func (h *Handback) has(ctx context.Context, key types.NamespacedName, o workload.Object) (bool, error) {
	c := &v1beta1.Canary{}
	if err := h.Client.Get(ctx, key, c, client.UnsafeDisableDeepCopy); err != nil || Gone(c) {
		return false, nil
	}
	if desired.RestoreInfo(o).UID == c.UID {
		return true, nil
	}
	return h.targets(ctx, c, o)
}

// targets says that a workload is a Canary's target, by its spec or by its status, or was until a moment ago and users have still
// to leave what it has left.
func (h *Handback) targets(ctx context.Context, c *v1beta1.Canary, o workload.Object) (bool, error) {
	name := v1beta1.TargetName{Kind: workload.SummaryOf(o).Kind, Name: o.GetName()}
	if c.Spec.TargetRef.TargetName() == name {
		return true, nil
	}
	if was := c.Status.Replaces; was != nil && *was == name && c.Status.Phase == v1beta1.PhaseInitializing {
		return true, nil
	}
	is, err := h.Reader.TargetOf(ctx, c)
	return is == name, err
}

// orphanOf is the Canary, as far as is known, that a workload was stopped for; nil: a Canary has it for its target. Only
// where the cache knows of none is the server asked, which is rare: a Canary may just have been made again.
func (h *Handback) orphanOf(ctx context.Context, cached workload.Object) (*v1beta1.Canary, error) {
	its := func(c *v1beta1.Canary) (bool, error) { return h.targets(ctx, c, cached) }
	for _, from := range []client.Reader{h.Client, h.Live} {
		if has, err := anyCanary(ctx, from, cached.GetNamespace(), its); has || err != nil {
			return nil, err
		}
	}
	// What it carries is read live as well: it may have been started, and be scaled by somebody since.
	o, ok := cached.DeepCopyObject().(workload.Object)
	if !ok {
		return nil, nil
	}
	if err := h.Live.Get(ctx, client.ObjectKeyFromObject(cached), o); err != nil {
		return nil, client.IgnoreNotFound(err)
	}
	s := desired.RestoreInfo(o)
	// A workload that goes needs no pods any more.
	if s.Size == 0 || o.GetDeletionTimestamp() != nil || !noted(o, workload.RestoreAnnotation) {
		return nil, nil
	}
	return s.AsCanary(o), nil
}

// noted says that the server has what an object carries in an annotation down as ours. Copies of objects, and older revisions that are
// gone back to, bring along what we have said of something else.
func noted(o metav1.Object, annotation string) bool {
	// Whoever copies an object with kubectl is down for all of it; only what we have written is down as ours.
	return slices.ContainsFunc(o.GetManagedFields(), func(m metav1.ManagedFieldsEntry) bool {
		return m.Manager == kube.FieldManager && m.FieldsV1 != nil && strings.Contains(m.FieldsV1.String(), `"f:`+annotation+`"`)
	})
}

// releaseAndForget gives back what a Canary owes, and forgets it.
func (h *Handback) releaseAndForget(ctx context.Context, c *v1beta1.Canary) (done bool, err error) {
	if done, err := h.Release(ctx, c); !done || err != nil {
		return false, err
	}
	// Only now: giving back relies on what is remembered of our own writes.
	h.Forget(c)
	return true, nil
}

// RememberDeleted keeps a Canary that was seen to be deleted until all is given back.
func (h *Handback) RememberDeleted(c *v1beta1.Canary) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.deleted == nil {
		h.deleted = map[types.NamespacedName]*v1beta1.Canary{}
	}
	h.deleted[client.ObjectKeyFromObject(c)] = c
}

func takeDeleted(h *Handback, key types.NamespacedName) *v1beta1.Canary {
	h.mu.Lock()
	defer h.mu.Unlock()
	c := h.deleted[key]
	delete(h.deleted, key)
	return c
}

// servicesInUse says that a Canary which lives has the Services, and with them the routes, of one that is gone.
func (h *Handback) servicesInUse(ctx context.Context, c *v1beta1.Canary) (bool, error) {
	return anyCanary(ctx, h.Client, c.Namespace, func(o *v1beta1.Canary) (bool, error) {
		// So has the same Canary with another target: it kept its Services and left its workload.
		return o.ApexName() == c.ApexName() && (o.UID != c.UID || o.Spec.TargetRef != c.Spec.TargetRef), nil
	})
}

// anyCanary says whether one that lives, or has still to be followed, is so.
func anyCanary(ctx context.Context, from client.Reader, namespace string, is func(*v1beta1.Canary) (bool, error)) (bool, error) {
	all := &v1beta1.CanaryList{}
	if err := from.List(ctx, all, client.InNamespace(namespace), client.UnsafeDisableDeepCopy); err != nil {
		return false, fmt.Errorf("list canaries: %w", err)
	}
	for i := range all.Items {
		// One that only waits for somebody else's finalizer takes care of nothing any more.
		if Gone(&all.Items[i]) {
			continue
		}
		if so, err := is(&all.Items[i]); so || err != nil {
			return so, err
		}
	}
	return false, nil
}

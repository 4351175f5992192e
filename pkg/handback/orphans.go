package handback

import (
	"context"
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
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

// stopIndex finds workloads by the Canary that they were stopped for.
const stopIndex = workload.RestoreAnnotation

// IndexStopped has workloads found by the Canary that they were stopped for: ReleaseOrphans needs it.
func IndexStopped(by client.FieldIndexer) error {
	for _, kind := range []client.Object{&appsv1.Deployment{}, &appsv1.DaemonSet{}} {
		// Nothing is waited for, and setting up has no context.
		err := by.IndexField(context.Background(), kind, stopIndex, func(o client.Object) []string { //nolint:forbidigo // as said
			// Most workloads carry nothing and are in no bucket, so that a look at a Canary passes over none of them.
			if s := desired.RestoreInfo(o); s.Size > 0 {
				return []string{s.Canary}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("index stopped workloads: %w", err)
		}
	}
	return nil
}

// StoppedFor wakes the Canary that a workload was stopped for, whether there is one or not. It is all that other
// workloads are asked.
func StoppedFor(o client.Object) []reconcile.Request {
	s := desired.RestoreInfo(o)
	if s.Size == 0 {
		return nil
	}
	return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: o.GetNamespace(), Name: s.Canary}}}
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
	return StoppedFor(o)
}

// ReleaseOrphans gives back what Canaries of this name that are gone still owe.
func (h *Handback) ReleaseOrphans(ctx context.Context, key types.NamespacedName) (done bool, err error) {
	// Taken out while it is dealt with. It is put back as long as something is left to do.
	if c := h.takeDeleted(key); c != nil {
		if done, err := h.releaseAndForget(ctx, c); !done || err != nil {
			h.RememberDeleted(c)
			return false, err
		}
	}
	// Then those whose end nobody here has seen.
	for _, list := range []client.ObjectList{&appsv1.DeploymentList{}, &appsv1.DaemonSetList{}} {
		if done, err := h.releaseStopped(ctx, key, list); !done || err != nil {
			return false, err
		}
	}
	return true, nil
}

// releaseStopped does so for targets of one kind that carry what is owed.
func (h *Handback) releaseStopped(ctx context.Context, key types.NamespacedName, list client.ObjectList) (done bool, err error) {
	err = h.Client.List(ctx, list, client.InNamespace(key.Namespace), client.MatchingFields{stopIndex: key.Name}, client.UnsafeDisableDeepCopy)
	if err != nil {
		return false, fmt.Errorf("list workloads that were stopped for canary %q: %w", key.Name, err)
	}
	for _, o := range workloads(list) {
		// The common case, answered from the cache: every pass over every Canary comes by here.
		if h.has(ctx, key, o) {
			continue
		}
		orphan, err := h.orphanOf(ctx, o)
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

func workloads(list client.ObjectList) (all []workload.Object) {
	switch l := list.(type) {
	case *appsv1.DeploymentList:
		for i := range l.Items {
			all = append(all, &l.Items[i])
		}
	case *appsv1.DaemonSetList:
		for i := range l.Items {
			all = append(all, &l.Items[i])
		}
	}
	return all
}

// has says that the Canary which a workload was stopped for is there and has it for its target, as nearly always.
func (h *Handback) has(ctx context.Context, key types.NamespacedName, o workload.Object) bool {
	c := &v1beta1.Canary{}
	err := h.Client.Get(ctx, key, c, client.UnsafeDisableDeepCopy)
	return err == nil && !Gone(c) && targets(c, o)
}

func targets(c *v1beta1.Canary, o workload.Object) bool {
	return c.Spec.TargetRef.Name == o.GetName() && c.Spec.TargetRef.Kind == workload.SummaryOf(o).Kind
}

// orphanOf is the Canary, as far as is known, that a workload was stopped for; nil: a Canary has it for its target. Only
// where the cache knows of none is the server asked, which is rare: a Canary may just have been made again.
func (h *Handback) orphanOf(ctx context.Context, cached workload.Object) (*v1beta1.Canary, error) {
	its := func(c *v1beta1.Canary) bool { return targets(c, cached) }
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
	if s.Size == 0 || o.GetDeletionTimestamp() != nil || !noted(o) {
		return nil, nil
	}
	return s.AsCanary(o), nil
}

// noted says that the server has what a workload carries down as ours. Copies of objects, and older revisions that are
// gone back to, bring along what we have said of something else.
func noted(o metav1.Object) bool {
	// Whoever copies an object with kubectl is down for all of it; only what we have written is down as ours.
	return slices.ContainsFunc(o.GetManagedFields(), func(m metav1.ManagedFieldsEntry) bool {
		return m.Manager == kube.FieldManager && m.FieldsV1 != nil && strings.Contains(m.FieldsV1.String(), `"f:`+workload.RestoreAnnotation+`"`)
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

func (h *Handback) takeDeleted(key types.NamespacedName) *v1beta1.Canary {
	h.mu.Lock()
	defer h.mu.Unlock()
	c := h.deleted[key]
	delete(h.deleted, key)
	return c
}

// servicesInUse says that a Canary which lives has the Services, and with them the routes, of one that is gone.
func (h *Handback) servicesInUse(ctx context.Context, c *v1beta1.Canary) (bool, error) {
	return anyCanary(ctx, h.Client, c.Namespace, func(o *v1beta1.Canary) bool {
		// So has the same Canary with another target: it kept its Services and left its workload.
		return o.ApexName() == c.ApexName() && (o.UID != c.UID || o.Spec.TargetRef != c.Spec.TargetRef)
	})
}

// anyCanary says whether one that lives, or has still to be followed, is so.
func anyCanary(ctx context.Context, from client.Reader, namespace string, is func(*v1beta1.Canary) bool) (bool, error) {
	all := &v1beta1.CanaryList{}
	if err := from.List(ctx, all, client.InNamespace(namespace), client.UnsafeDisableDeepCopy); err != nil {
		return false, fmt.Errorf("list canaries: %w", err)
	}
	for i := range all.Items {
		// One that only waits for somebody else's finalizer takes care of nothing any more.
		if !Gone(&all.Items[i]) && is(&all.Items[i]) {
			return true, nil
		}
	}
	return false, nil
}

package controller

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
	"github.com/sluice-cd/sluice/pkg/kube"
	"github.com/sluice-cd/sluice/pkg/workload"
)

// A Canary that is gone leaves a ghost for as long as it is owed something. One whose deletion this process has seen is
// remembered as it was; any other is known by what its target carries.

// stopIndex finds workloads by the Canary that they were stopped for.
const stopIndex = workload.RestoreAnnotation

func indexStops(by client.FieldIndexer) error {
	for _, kind := range []client.Object{&appsv1.Deployment{}, &appsv1.DaemonSet{}} {
		// Nothing is waited for, and setting up has no context.
		err := by.IndexField(context.Background(), kind, stopIndex, func(o client.Object) []string { //nolint:forbidigo // as said
			// Most workloads carry nothing and are in no bucket, so that a look at a Canary passes over none of them.
			if s := restoreInfo(o); s.Size > 0 {
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

// stoppedFor wakes the Canary that a workload was stopped for, whether there is one or not. It is all that other
// workloads are asked.
func stoppedFor(o client.Object) []reconcile.Request {
	s := restoreInfo(o)
	if s.Size == 0 {
		return nil
	}
	return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: o.GetNamespace(), Name: s.Canary}}}
}

// wakeFormer wakes the Canary that the target of one that goes was stopped for, if that is another: the target can have
// changed hands before it was stopped for the one that goes.
func (i *inbox) wakeFormer(ctx context.Context, gone *v1beta1.Canary, q queue) {
	kind, err := i.Kinds.Of(gone.Spec.TargetRef)
	if err != nil {
		return // it had none
	}
	o := kind.New()
	if err := i.Client.Get(ctx, client.ObjectKey{Namespace: gone.Namespace, Name: gone.Spec.TargetRef.Name}, o); err != nil {
		return // the workload went as well
	}
	for _, r := range stoppedFor(o) {
		q.Add(r)
	}
}

// bury settles the affairs of Canaries of this name that are gone.
func (i *inbox) bury(ctx context.Context, key types.NamespacedName) (done bool, err error) {
	// Taken out while it is dealt with. It is put back as long as something is left to do.
	if ghost := i.exorcise(key); ghost != nil {
		i.Announcer.Telemetry.Forget(ghost)
		if done, err := i.release(ctx, ghost); !done || err != nil {
			i.haunt(ghost)
			return false, err
		}
	}
	// Then those whose end nobody here has seen.
	for _, list := range []client.ObjectList{&appsv1.DeploymentList{}, &appsv1.DaemonSetList{}} {
		if done, err := i.buryOf(ctx, key, list); !done || err != nil {
			return false, err
		}
	}
	return true, nil
}

// buryOf does so for targets of one kind that carry what is owed.
func (i *inbox) buryOf(ctx context.Context, key types.NamespacedName, list client.ObjectList) (done bool, err error) {
	err = i.Client.List(ctx, list, client.InNamespace(key.Namespace), client.MatchingFields{stopIndex: key.Name}, client.UnsafeDisableDeepCopy)
	if err != nil {
		return false, fmt.Errorf("list workloads that were stopped for canary %q: %w", key.Name, err)
	}
	for _, o := range workloads(list) {
		// The common case, answered from the cache: every pass over every Canary comes by here.
		if i.has(ctx, key, o) {
			continue
		}
		left, err := i.left(ctx, o)
		if err != nil {
			return false, err
		}
		if left == nil {
			continue
		}
		if done, err := i.release(ctx, left); !done || err != nil {
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
func (i *inbox) has(ctx context.Context, key types.NamespacedName, o workload.Object) bool {
	c := &v1beta1.Canary{}
	err := i.Client.Get(ctx, key, c, client.UnsafeDisableDeepCopy)
	return err == nil && !gone(c) && targets(c, o)
}

func targets(c *v1beta1.Canary, o workload.Object) bool {
	return c.Spec.TargetRef.Name == o.GetName() && c.Spec.TargetRef.Kind == workload.SketchOf(o).Kind
}

// left is the ghost of the Canary that a workload was stopped for; nil: a Canary has it for its target. Only where the
// cache knows of none is the server asked, which is rare: a Canary may just have been made again.
func (i *inbox) left(ctx context.Context, cached workload.Object) (*v1beta1.Canary, error) {
	its := func(c *v1beta1.Canary) bool { return targets(c, cached) }
	for _, from := range []client.Reader{i.Client, i.Live} {
		if has, err := i.anyCanary(ctx, from, cached.GetNamespace(), its); has || err != nil {
			return nil, err
		}
	}
	// What it carries is read live as well: it may have been started, and be scaled by somebody since.
	o, ok := cached.DeepCopyObject().(workload.Object)
	if !ok {
		return nil, nil
	}
	if err := i.Live.Get(ctx, client.ObjectKeyFromObject(cached), o); err != nil {
		return nil, client.IgnoreNotFound(err)
	}
	s := restoreInfo(o)
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

// release gives back what a ghost is owed, and forgets it.
func (i *inbox) release(ctx context.Context, ghost *v1beta1.Canary) (done bool, err error) {
	if done, err := i.Release(ctx, ghost); !done || err != nil {
		return false, err
	}
	// Only now: giving back relies on what is remembered of our own writes.
	i.Applier.Forget(ghost)
	i.memo.forget(ghost)
	i.memory.forget(ghost)
	return true, nil
}

func (i *inbox) haunt(c *v1beta1.Canary) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.ghost == nil {
		i.ghost = map[types.NamespacedName]*v1beta1.Canary{}
	}
	i.ghost[client.ObjectKeyFromObject(c)] = c
}

func (i *inbox) exorcise(key types.NamespacedName) *v1beta1.Canary {
	i.mu.Lock()
	defer i.mu.Unlock()
	c := i.ghost[key]
	delete(i.ghost, key)
	return c
}

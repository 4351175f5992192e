package kubetest

import (
	"context"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"
)

// collector plays the garbage collector: what has owners, none of which exists
// any more, is deleted; what an owner that goes leaves behind is taken from it. Deletions in the foreground are not played.
type collector struct {
	client client.Client
	live   client.Reader
	ns     string
	kinds  []schema.GroupVersionKind
	wake   chan struct{}
}

// Collector starts collecting in a namespace until the test ends: the kinds of
// Kubernetes that Sluice makes, and those given, which must be served.
func Collector(t testing.TB, ns string, kinds ...schema.GroupVersionKind) {
	t.Helper()
	kinds = append(kinds,
		corev1.SchemeGroupVersion.WithKind("ConfigMap"),
		corev1.SchemeGroupVersion.WithKind("Secret"),
		corev1.SchemeGroupVersion.WithKind("Service"),
		corev1.SchemeGroupVersion.WithKind("Pod"),
		appsv1.SchemeGroupVersion.WithKind("ReplicaSet"),
		appsv1.SchemeGroupVersion.WithKind("ControllerRevision"),
		appsv1.SchemeGroupVersion.WithKind("Deployment"),
		appsv1.SchemeGroupVersion.WithKind("DaemonSet"),
		policyv1.SchemeGroupVersion.WithKind("PodDisruptionBudget"),
		autoscalingv2.SchemeGroupVersion.WithKind("HorizontalPodAutoscaler"),
	)
	mgr := newManager(t, ns)
	c := &collector{client: mgr.GetClient(), live: mgr.GetAPIReader(), ns: ns, kinds: kinds, wake: make(chan struct{}, 1)}
	for _, kind := range kinds {
		informer, err := mgr.GetCache().GetInformer(t.Context(), partial(kind))
		require.NoError(t, err, kind)
		_, err = informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
			AddFunc: func(any) { c.rouse() },
			UpdateFunc: func(_, o any) {
				if m, ok := o.(metav1.Object); ok && orphans(m) {
					c.rouse()
				}
			},
			DeleteFunc: func(any) { c.rouse() },
		})
		require.NoError(t, err, kind)
	}
	require.NoError(t, mgr.Add(manager.RunnableFunc(c.Start)))
	run(t, mgr)
}

func partial(kind schema.GroupVersionKind) *metav1.PartialObjectMetadata {
	obj := &metav1.PartialObjectMetadata{}
	obj.SetGroupVersionKind(kind)
	return obj
}

func (c *collector) rouse() {
	select {
	case c.wake <- struct{}{}:
	default: // it will look at everything anyway
	}
}

// Start sweeps whenever something came or went.
func (c *collector) Start(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-c.wake:
		}
		if err := c.sweep(ctx); err != nil {
			c.rouse()
		}
	}
}

// sweep looks at every object. Owners are sought among those objects first and
// on the server then, so that a watch that lags costs a request and no object.
func (c *collector) sweep(ctx context.Context) error {
	var all []metav1.PartialObjectMetadata
	for _, kind := range c.kinds {
		list := &metav1.PartialObjectMetadataList{}
		list.SetGroupVersionKind(kind.GroupVersion().WithKind(kind.Kind + "List"))
		if err := c.client.List(ctx, list, client.InNamespace(c.ns)); err != nil {
			return err
		}
		all = append(all, list.Items...)
	}
	known := map[types.UID]bool{}
	for _, obj := range all {
		known[obj.UID] = true
	}
	for i := range all {
		if orphans(&all[i]) {
			if err := c.orphan(ctx, &all[i], all); err != nil {
				return err
			}
		}
	}
	for i := range all {
		if err := c.collect(ctx, &all[i], known); err != nil {
			return err
		}
	}
	return nil
}

// orphans says that an owner goes and leaves behind what it owns.
func orphans(owner metav1.Object) bool {
	return owner.GetDeletionTimestamp() != nil && slices.Contains(owner.GetFinalizers(), metav1.FinalizerOrphanDependents)
}

// orphan takes all from an owner, and lets it go then.
func (c *collector) orphan(ctx context.Context, owner *metav1.PartialObjectMetadata, all []metav1.PartialObjectMetadata) error {
	for i := range all {
		before := all[i].DeepCopy()
		all[i].OwnerReferences = slices.DeleteFunc(all[i].OwnerReferences, func(o metav1.OwnerReference) bool { return o.UID == owner.UID })
		if len(all[i].OwnerReferences) == len(before.OwnerReferences) {
			continue
		}
		if err := client.IgnoreNotFound(c.client.Patch(ctx, &all[i], client.MergeFrom(before))); err != nil {
			return err
		}
	}
	before := owner.DeepCopy()
	owner.Finalizers = slices.DeleteFunc(owner.Finalizers, func(f string) bool { return f == metav1.FinalizerOrphanDependents })
	return client.IgnoreNotFound(c.client.Patch(ctx, owner, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})))
}

func (c *collector) collect(ctx context.Context, obj *metav1.PartialObjectMetadata, known map[types.UID]bool) error {
	if len(obj.OwnerReferences) == 0 || obj.DeletionTimestamp != nil {
		return nil
	}
	for _, owner := range obj.OwnerReferences {
		if known[owner.UID] {
			return nil
		}
		there, err := c.exists(ctx, owner)
		if err != nil || there {
			return err
		}
	}
	err := c.client.Delete(ctx, obj, client.Preconditions{UID: &obj.UID}, client.GracePeriodSeconds(0))
	if apierrors.IsConflict(err) {
		return nil // made anew in the meantime
	}
	return client.IgnoreNotFound(err)
}

func (c *collector) exists(ctx context.Context, owner metav1.OwnerReference) (bool, error) {
	obj := partial(schema.FromAPIVersionAndKind(owner.APIVersion, owner.Kind))
	err := c.live.Get(ctx, client.ObjectKey{Namespace: c.ns, Name: owner.Name}, obj)
	return err == nil && obj.UID == owner.UID, client.IgnoreNotFound(err)
}

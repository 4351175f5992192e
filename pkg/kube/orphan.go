package kube

import (
	"context"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// An owner reference that is missing is drift, and put back, as long as the Canary lives. One of a Canary that is being deleted
// was taken away for the object to stay: by the garbage collector (kubectl delete --cascade=orphan), or by Disown.

func ownedBy(o client.Object, c *v1beta1.Canary) bool {
	return slices.ContainsFunc(o.GetOwnerReferences(), func(r metav1.OwnerReference) bool { return r.UID == c.UID })
}

// Disown has objects stay when the Canary that owns them goes. What is not there, or is not the Canary's, is left alone.
func Disown(ctx context.Context, a *Applier, owner *v1beta1.Canary, objs ...runtime.ApplyConfiguration) error {
	for _, obj := range objs {
		r, err := refOf(obj)
		if err != nil {
			return err
		}
		live := &metav1.PartialObjectMetadata{TypeMeta: typeMeta(r.kind)}
		if err := a.Live.Get(ctx, r.key, live); err != nil {
			// Neither could have been made by us.
			if apierrors.IsNotFound(err) || apierrors.IsForbidden(err) {
				continue
			}
			return fmt.Errorf("read %s: %w", r, err)
		}
		if !ownedBy(live, owner) {
			continue
		}
		before := live.DeepCopy()
		live.OwnerReferences = slices.DeleteFunc(live.OwnerReferences, func(o metav1.OwnerReference) bool { return o.UID == owner.UID })
		err = a.Client.Patch(ctx, live, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}), client.FieldOwner(FieldManager))
		switch {
		case apierrors.IsConflict(err):
			return fmt.Errorf("disown %s: %w", r, ErrStale)
		case client.IgnoreNotFound(err) != nil:
			return fmt.Errorf("disown %s: %w", r, err)
		}
		a.records.update(r, func(m *record) { *m = record{} })
	}
	return nil
}

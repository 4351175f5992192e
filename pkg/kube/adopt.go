package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/client-go/util/csaupgrade"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

// otherManager is the name under which another controller of this API writes.
const otherManager = "flagger"

// adopt takes over what another controller of this API has set in the content of an object, once,
// before we apply to it for the first time. Forcing an apply takes the fields
// that we set; one that only the other has set, as a variable that the
// target has lost since, would otherwise stay on the primary for good.
//
// Labels and annotations are left out, because they are merged with other
// people's anyway, and so are the replicas: an autoscaler's primary gets none
// from us, and a field that its last owner gives up falls back to its default.
//
// It says moved if the object was changed, or has changed since it was read:
// its version is another one then.
func (a *Applier) adopt(ctx context.Context, p *plan) (moved bool, err error) {
	obj := &metav1.PartialObjectMetadata{TypeMeta: typeMeta(p.kind)}
	if err := a.Live.Get(ctx, p.key, obj); err != nil {
		return apierrors.IsNotFound(err), client.IgnoreNotFound(err)
	}
	if found, err := inherit(obj); err != nil || !found {
		return false, err
	}
	if err = a.patchManagedFields(ctx, p.ref, obj, obj.ManagedFields); err != nil && !errors.Is(err, ErrStale) {
		return false, fmt.Errorf("take over %s: %w", p.ref, err)
	}
	return err != nil, nil
}

// patchManagedFields replaces the record of who owns what, unless the object has changed since it was read: ErrStale.
func (a *Applier) patchManagedFields(ctx context.Context, r ref, obj *metav1.PartialObjectMetadata, entries []metav1.ManagedFieldsEntry) error {
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{
		"resourceVersion": obj.ResourceVersion, "managedFields": entries,
	}})
	if err != nil {
		return err
	}
	uid, version := obj.UID, obj.ResourceVersion
	err = a.Client.Patch(ctx, obj, client.RawPatch(types.MergePatchType, patch), client.FieldOwner(FieldManager))
	return a.conflict(ctx, r, uid, version, err)
}

// ReleaseFields takes our name off an object of the user's whose fields stay as they are: those that we had set belong
// to nobody then, and whoever applies them next meets no conflict. An apply without them would take them out of the
// object. What is not there, or has nothing of ours, is left alone.
func (a *Applier) ReleaseFields(ctx context.Context, obj runtime.ApplyConfiguration) error {
	r, live, err := a.ownedLive(ctx, obj)
	if err != nil || live == nil {
		return err
	}
	rest := slices.DeleteFunc(live.ManagedFields, ours)
	if len(rest) == 0 {
		rest = []metav1.ManagedFieldsEntry{{}} // the server takes an empty list for one that was left out
	}
	a.memory.set(r, func(m *mark) { *m = mark{} })
	if err := a.patchManagedFields(ctx, r, live, rest); err != nil {
		return fmt.Errorf("disown %s: %w", r, err)
	}
	return nil
}

// OwnsFields says whether the server has anything of an object down as ours. It is asked, not the cache.
func (a *Applier) OwnsFields(ctx context.Context, obj runtime.ApplyConfiguration) (bool, error) {
	_, live, err := a.ownedLive(ctx, obj)
	return live != nil, err
}

// ownedLive reads an object of which something is ours; nil: nothing is, or it is not there.
func (a *Applier) ownedLive(ctx context.Context, obj runtime.ApplyConfiguration) (ref, *metav1.PartialObjectMetadata, error) {
	r, err := refOf(obj)
	if err != nil {
		return r, nil, err
	}
	live := &metav1.PartialObjectMetadata{TypeMeta: typeMeta(r.kind)}
	if err := a.Live.Get(ctx, r.key, live); err != nil {
		return r, nil, client.IgnoreNotFound(err)
	}
	if !slices.ContainsFunc(live.ManagedFields, ours) {
		return r, nil, nil
	}
	return r, live, nil
}

// inherit moves the other controller's fields to us in the record of who owns what, as far as they are content; found
// says that there were any.
func inherit(obj *metav1.PartialObjectMetadata) (found bool, err error) {
	var rest []metav1.ManagedFieldsEntry
	for i := range obj.ManagedFields {
		e := &obj.ManagedFields[i]
		if e.Manager != otherManager || e.Operation != metav1.ManagedFieldsOperationUpdate || e.Subresource != "" {
			continue
		}
		fields, err := fieldsOf(*e)
		if err != nil {
			return false, err
		}
		content := fields.FilterIncludeMatches(contentFields).Difference(replicasField)
		found = found || !content.Empty()
		left := *e
		if err := setFields(&left, fields.Difference(content)); err != nil {
			return false, err
		}
		rest = append(rest, left)
		if err := setFields(e, content); err != nil {
			return false, err
		}
	}
	if !found {
		return false, nil
	}
	if err := csaupgrade.UpgradeManagedFields(obj, sets.New(otherManager), FieldManager); err != nil {
		return false, fmt.Errorf("move fields of %q: %w", otherManager, err)
	}
	obj.ManagedFields = append(obj.ManagedFields, rest...)
	return true, nil
}

var (
	contentFields = fieldpath.MakePrefixMatcherOrDie("spec").
			Merge(fieldpath.MakePrefixMatcherOrDie("data")).
			Merge(fieldpath.MakePrefixMatcherOrDie("binaryData"))
	replicasField = fieldpath.NewSet(fieldpath.MakePathOrDie("spec", "replicas"))
)

func setFields(e *metav1.ManagedFieldsEntry, fields *fieldpath.Set) error {
	text, err := fields.ToJSON()
	if err != nil {
		return fmt.Errorf("encode the fields of %q: %w", e.Manager, err)
	}
	e.FieldsV1 = metav1.NewFieldsV1(string(text))
	return nil
}

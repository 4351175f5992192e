package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
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
	entries, found, err := inherit(obj.ManagedFields)
	if err != nil || !found {
		return false, err
	}
	if err = a.patchManagedFields(ctx, p.ref, obj, entries); err != nil && !errors.Is(err, ErrStale) {
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

// inherit moves the other controller's fields to us in the record of who owns what.
func inherit(entries []metav1.ManagedFieldsEntry) (out []metav1.ManagedFieldsEntry, found bool, err error) {
	for _, e := range entries {
		if e.Manager != otherManager || e.Operation != metav1.ManagedFieldsOperationUpdate || e.Subresource != "" {
			out = append(out, e)
			continue
		}
		ours, rest, err := split(e)
		if err != nil {
			return nil, false, err
		}
		found = found || ours != nil
		for _, part := range []*metav1.ManagedFieldsEntry{ours, rest} {
			if part != nil {
				out = append(out, *part)
			}
		}
	}
	return out, found, nil
}

// split divides what the other controller owns into what becomes ours and the rest;
// nil stands for nothing.
func split(e metav1.ManagedFieldsEntry) (ours, rest *metav1.ManagedFieldsEntry, err error) {
	var all map[string]any
	if err := json.Unmarshal(e.FieldsV1.GetRawBytes(), &all); err != nil {
		return nil, nil, fmt.Errorf("read the fields of %q: %w", e.Manager, err)
	}
	taken, left := map[string]any{}, maps.Clone(all)
	for _, key := range []string{"f:spec", "f:data", "f:binaryData"} {
		if value, ok := all[key]; ok {
			taken[key] = value
			delete(left, key)
		}
	}
	if spec, ok := taken["f:spec"].(map[string]any); ok && spec["f:replicas"] != nil {
		left["f:spec"] = map[string]any{"f:replicas": spec["f:replicas"]}
		taken["f:spec"] = without(spec, "f:replicas")
	}
	if rest, err = entry(e, left); err != nil {
		return nil, nil, err
	}
	e.Manager, e.Operation = FieldManager, metav1.ManagedFieldsOperationApply
	ours, err = entry(e, taken)
	return ours, rest, err
}

func entry(like metav1.ManagedFieldsEntry, fields map[string]any) (*metav1.ManagedFieldsEntry, error) {
	if len(fields) == 0 {
		return nil, nil
	}
	text, err := json.Marshal(fields)
	if err != nil {
		return nil, err
	}
	like.FieldsV1 = metav1.NewFieldsV1(string(text))
	return &like, nil
}

package kube

import (
	"context"
	"encoding/json"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// ownership reads and writes the server's record of who owns which fields of an object.
type ownership struct {
	client client.Client
	live   client.Reader
}

func (a *Applier) ownership() ownership { return ownership{client: a.Client, live: a.Live} }

// read reads an object of which something is ours; nil: nothing is, or it is not there.
func (o ownership) read(ctx context.Context, r ref) (*metav1.PartialObjectMetadata, error) {
	live := &metav1.PartialObjectMetadata{TypeMeta: typeMeta(r.kind)}
	if err := o.live.Get(ctx, r.key, live); err != nil {
		return nil, client.IgnoreNotFound(err)
	}
	if !slices.ContainsFunc(live.ManagedFields, ours) {
		return nil, nil
	}
	return live, nil
}

// patch replaces the record of who owns what, unless the object has changed since it was read: ErrStale.
func (o ownership) patch(ctx context.Context, r ref, obj *metav1.PartialObjectMetadata, entries []metav1.ManagedFieldsEntry) error {
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{
		"resourceVersion": obj.ResourceVersion, "managedFields": entries,
	}})
	if err != nil {
		return err
	}
	uid, version := obj.UID, obj.ResourceVersion
	err = o.client.Patch(ctx, obj, client.RawPatch(types.MergePatchType, patch), client.FieldOwner(FieldManager))
	return conflict(ctx, o.live, r, uid, version, err)
}

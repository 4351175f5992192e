package kube

import (
	"context"
	"errors"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
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
// It returns the version that the object has now, seen being the one in the cache; empty: the object has gone or changed,
// and is to be looked at again.
func (o ownership) adopt(ctx context.Context, r ref, seen string) (version string, err error) {
	obj := &metav1.PartialObjectMetadata{TypeMeta: typeMeta(r.kind)}
	if err := o.live.Get(ctx, r.key, obj); err != nil {
		return "", client.IgnoreNotFound(err)
	}
	found, err := inherit(obj)
	if err != nil || !found {
		return seen, err
	}
	if obj.ResourceVersion != seen {
		return "", nil
	}
	err = o.patch(ctx, r, obj, obj.ManagedFields)
	if errors.Is(err, ErrStale) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("take over %s: %w", r, err)
	}
	return obj.ResourceVersion, nil
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

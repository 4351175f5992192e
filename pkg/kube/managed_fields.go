package kube

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/client-go/tools/cache"
	"k8s.io/utils/lru"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

// ownedFields are the fields that the API server has down as ours. It is nil where there is no record of ours, as in a
// cache that drops it to save memory.
//
// The record shows what comparing values can't: that somebody has added to a list which is ours as a whole, and, of
// kinds that are watched as metadata only, that the content was changed. The server takes a field away from us when
// anybody else gives it another value.
func ownedFields(obj client.Object) *fieldpath.Set {
	i := slices.IndexFunc(obj.GetManagedFields(), ours)
	if i < 0 {
		return nil
	}
	fields, err := fieldsOf(obj.GetManagedFields()[i])
	if err != nil {
		return &fieldpath.Set{} // what can't be read counts as owning nothing, which leads to an apply
	}
	return fields
}

// SetsReplicas says that the size of a workload is as we have set it last.
func SetsReplicas(obj client.Object) bool {
	fields := ownedFields(obj)
	return fields != nil && fields.Has(fieldpath.MakePathOrDie("spec", "replicas"))
}

func fieldsOf(e metav1.ManagedFieldsEntry) (*fieldpath.Set, error) {
	fields := &fieldpath.Set{}
	if err := fields.FromJSON(e.FieldsV1.GetRawReader()); err != nil {
		return nil, fmt.Errorf("read the fields of %q: %w", e.Manager, err)
	}
	return fields, nil
}

// ownedSince is when the fields that are ours got their values, rounded up from whole seconds; zero: none is ours.
func ownedSince(obj client.Object) time.Time {
	fields := obj.GetManagedFields()
	i := slices.IndexFunc(fields, ours)
	if i < 0 {
		return time.Time{}
	}
	at := changeTime(fields[i], fields)
	if at == nil {
		return obj.GetCreationTimestamp().Add(time.Second)
	}
	return at.Add(time.Second)
}

// changeTime is when a manager has last changed anything. The server notes no time with an apply that finds the values
// as they should be, and makes their owner of us only. Whoever had set them is among the others then, so that the
// latest of their times cannot be too early.
func changeTime(e metav1.ManagedFieldsEntry, all []metav1.ManagedFieldsEntry) *metav1.Time {
	if e.Time != nil {
		return e.Time
	}
	var latest *metav1.Time
	for _, other := range all {
		if other.Subresource == "" && other.Time != nil && (latest == nil || latest.Before(other.Time)) {
			latest = other.Time
		}
	}
	return latest
}

func ours(e metav1.ManagedFieldsEntry) bool {
	return e.Manager == FieldManager && e.Operation == metav1.ManagedFieldsOperationApply && e.Subresource == ""
}

// TrimManagedFields is for caches to store objects with (cache.Options.DefaultTransform): of
// the record of who owns what, often half of an object, it keeps our part, with
// its time.
func TrimManagedFields() cache.TransformFunc {
	records := sharedRecords{lru.New(recordsShared)}
	return func(obj any) (any, error) {
		if u, ok := obj.(*unstructured.Unstructured); ok {
			records.trim(u)
			return obj, nil
		}
		o, err := meta.Accessor(obj)
		if err != nil {
			return obj, nil // a marker of the watch, not an object
		}
		if fields := o.GetManagedFields(); len(fields) > 0 {
			o.SetManagedFields(trimmed(fields))
		}
		return obj, nil
	}
}

func trimmed(fields []metav1.ManagedFieldsEntry) []metav1.ManagedFieldsEntry {
	for i := range fields {
		if ours(fields[i]) {
			fields[i].Time = changeTime(fields[i], fields)
		}
	}
	others := func(e metav1.ManagedFieldsEntry) bool { return !ours(e) }
	return slices.Clip(slices.DeleteFunc(fields, others))
}

const (
	// recordsShared is about as many as there are kinds of routes and ways to use them.
	recordsShared = 256
	// longestShared is many times as long as a record of ours, in bytes: anybody may apply under our name.
	longestShared = 8 << 10
)

// sharedRecords are parts of our records as maps, which take more memory than all else of a route, and are alike for most Canaries.
// They are parts of objects in caches, and so not to be changed.
type sharedRecords struct{ known *lru.Cache } // map[string]any by JSON

// trim has objects share what is kept of their records.
func (s sharedRecords) trim(u *unstructured.Unstructured) {
	all := u.GetManagedFields()
	if len(all) == 0 {
		return
	}
	fields := make([]any, 0, 1)
	for _, e := range trimmed(all) {
		entry := map[string]any{"manager": e.Manager, "operation": string(e.Operation), "apiVersion": e.APIVersion, "fieldsType": e.FieldsType}
		if e.Time != nil {
			entry["time"] = e.Time.UTC().Format(time.RFC3339)
		}
		if e.FieldsV1 != nil {
			entry["fieldsV1"] = s.record(e.FieldsV1)
		}
		fields = append(fields, entry)
	}
	u.Object["metadata"].(map[string]any)["managedFields"] = fields
}

// record is a whole one. Of the metadata the owner is named by its UID, the rest is shared as well.
func (s sharedRecords) record(f *metav1.FieldsV1) map[string]any {
	var fields map[string]any
	if utiljson.Unmarshal(f.GetRawBytes(), &fields) != nil {
		return nil // read as owning nothing, which leads to an apply
	}
	if inner, ok := fields["f:metadata"].(map[string]any); ok {
		s.share(inner)
	}
	s.share(fields)
	return fields
}

// share puts those that are known in the place of the parts of a record.
func (s sharedRecords) share(record map[string]any) {
	for key, part := range record {
		text, err := json.Marshal(part)
		if err != nil || len(text) > longestShared || strings.Contains(string(text), `\"uid\":`) {
			continue
		}
		if known, ok := s.known.Get(string(text)); ok {
			record[key] = known
			continue
		}
		s.known.Add(string(text), part)
	}
}

// covers says whether all of want is among the fields. A list is one field here: of its items matcher knows more.
func covers(fields *fieldpath.Set, want map[string]any) bool {
	if fields == nil {
		return len(want) == 0
	}
	for key, value := range want {
		field := fieldpath.PathElement{FieldName: &key}
		inner, ok := fields.Children.Get(field)
		if !ok {
			// Without children a map is one value to the server.
			if !fields.Members.Has(field) {
				return false
			}
			continue
		}
		if w, ok := value.(map[string]any); ok && !covers(inner, w) {
			return false
		}
	}
	return true
}

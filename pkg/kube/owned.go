package kube

import (
	"encoding/json"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// owned are the fields that the API server has down as ours, in the nested form
// of managedFields, where field x is the key f:x. It is nil where a cache has
// dropped that record, as caches do to save memory.
//
// The record shows what comparing values can't: that somebody has added to a
// list which is ours as a whole, and, of kinds that are watched as metadata
// only, that the content was changed. The server takes a field away from us
// when anybody else gives it another value.
func owned(obj client.Object) map[string]any {
	entries := obj.GetManagedFields()
	if len(entries) == 0 {
		return nil
	}
	fields := map[string]any{}
	for _, e := range entries {
		if e.Manager != Manager || e.Operation != metav1.ManagedFieldsOperationApply || e.Subresource != "" {
			continue
		}
		// What can't be read counts as owning nothing, which leads to an apply.
		_ = json.Unmarshal(e.FieldsV1.GetRawBytes(), &fields)
	}
	return fields
}

// covers says whether all of want is among the fields. A list is one field
// here: of its items holds knows more.
func covers(fields, want map[string]any) bool {
	for key, value := range want {
		child, ok := fields["f:"+key].(map[string]any)
		if !ok {
			return false
		}
		// No children: the server keeps the map as one value.
		if w, ok := value.(map[string]any); ok && len(child) > 0 && !covers(child, w) {
			return false
		}
	}
	return true
}

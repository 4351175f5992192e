package workload

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// Patch is some fields of a user's object, to be merged into it: a null takes a field away.
// An apply could do neither: it owns what it sets as a whole, and removes only what it owned before.
type Patch struct{ *unstructured.Unstructured }

// IsApplyConfiguration marks a Patch as something that can be written.
func (Patch) IsApplyConfiguration() {}

func patch(apiVersion, kind string, o metav1.Object, fields map[string]any) Patch {
	u := &unstructured.Unstructured{Object: fields}
	u.SetAPIVersion(apiVersion)
	u.SetKind(kind)
	u.SetNamespace(o.GetNamespace())
	u.SetName(o.GetName())
	return Patch{u}
}

// Custom is an object of a kind that Kubernetes has no type for.
type Custom struct{ *unstructured.Unstructured }

// IsApplyConfiguration marks a Custom object as something that can be applied.
func (Custom) IsApplyConfiguration() {}

// custom is an object that goes with the Canary.
func custom(gvk schema.GroupVersionKind, name string, c *v1beta1.Canary, spec map[string]any) Custom {
	u := &unstructured.Unstructured{Object: map[string]any{"spec": spec}}
	u.SetGroupVersionKind(gvk)
	u.SetNamespace(c.Namespace)
	u.SetName(name)
	u.SetOwnerReferences([]metav1.OwnerReference{c.OwnerReference()})
	return Custom{u}
}

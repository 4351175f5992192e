package router

import (
	"maps"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// Object is an object of a kind that has no apply configurations of its own. It holds the fields that
// are to be applied and no others.
type Object struct{ *unstructured.Unstructured }

// IsApplyConfiguration marks an Object as something that can be applied.
func (Object) IsApplyConfiguration() {}

// object puts a spec into the envelope that all routes share.
func object(gvk schema.GroupVersionKind, name string, c *v1beta1.Canary, custom *v1beta1.CustomMetadata, spec map[string]any) Object {
	u := &unstructured.Unstructured{Object: map[string]any{"spec": spec}}
	u.SetGroupVersionKind(gvk)
	m := metadata(name, c, custom)
	u.SetNamespace(m.Namespace)
	u.SetName(m.Name)
	u.SetLabels(m.Labels)
	u.SetAnnotations(m.Annotations)
	u.SetOwnerReferences(m.OwnerReferences)
	return Object{u}
}

// metadata is that of every route: owned by the Canary, and marked so that Flux does not take it for one of its own that
// has drifted. Owned means deleted with it, and that an edit of the route wakes the Canary.
func metadata(name string, c *v1beta1.Canary, custom *v1beta1.CustomMetadata) metav1.ObjectMeta {
	annotations := map[string]string{
		"kustomize.toolkit.fluxcd.io/reconcile": "disabled",
		"helm.toolkit.fluxcd.io/driftDetection": "disabled",
	}
	var labels map[string]string
	if custom != nil {
		labels = custom.Labels
		// Ours win over custom ones of the same name, and the Canary's own map stays as it is.
		mine := maps.Clone(annotations)
		maps.Copy(annotations, custom.Annotations)
		maps.Copy(annotations, mine)
	}
	return metav1.ObjectMeta{
		Name: name, Namespace: c.Namespace, Labels: labels, Annotations: annotations,
		OwnerReferences: []metav1.OwnerReference{c.OwnerReference()},
	}
}

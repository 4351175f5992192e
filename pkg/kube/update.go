package kube

import (
	"context"
	"fmt"
	"maps"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// A pod template may name an environment variable, a port, an image pull secret or a host twice. The API server takes that in an
// update and refuses it in an apply: "duplicate entries for key". A primary with such a template is written by updates.

// updatedPrefix begins the hash that is left on an object which is written by updates.
const updatedPrefix = "u"

// repeatsKeys says that an apply of what is desired would be refused.
func repeatsKeys(p *plan) bool {
	// Of the kinds that we write only workloads have such lists.
	return p.kind.Group == "apps" && matcher{typed: true}.repeatsIn("", p.want)
}

func (m matcher) repeatsIn(field string, value any) bool {
	switch v := value.(type) {
	case map[string]any:
		for key, child := range v {
			if m.repeatsIn(key, child) {
				return true
			}
		}
	case []any:
		if keys := m.keys(field); keys != nil && repeats(v, keys) {
			return true
		}
		for _, child := range v {
			if m.repeatsIn("", child) {
				return true
			}
		}
	}
	return false
}

// update writes the whole of an object, if it is still as the cache has it. All of its spec is ours, but for a size that
// nothing is said of; of its labels, annotations and owners those of others stay.
func (a *Applier) update(ctx context.Context, p *plan, body map[string]any) (*unstructured.Unstructured, error) {
	u := &unstructured.Unstructured{Object: body}
	if p.live == nil {
		return u, a.Client.Create(ctx, u, client.FieldOwner(FieldManager))
	}
	live, err := asMap(p.live)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", p.ref, err)
	}
	now := &unstructured.Unstructured{Object: runtime.DeepCopyJSON(live)}
	now.SetGroupVersionKind(p.kind)
	now.SetManagedFields(nil) // the server keeps them
	now.SetLabels(joined(now.GetLabels(), u.GetLabels()))
	now.SetAnnotations(joined(now.GetAnnotations(), u.GetAnnotations()))
	now.SetOwnerReferences(owners(now.GetOwnerReferences(), u.GetOwnerReferences()))
	spec, _ := body["spec"].(map[string]any)
	if size, ok, err := unstructured.NestedFieldNoCopy(now.Object, "spec", "replicas"); err == nil && ok && spec["replicas"] == nil {
		spec["replicas"] = size
	}
	now.Object["spec"] = spec
	return now, a.Client.Update(ctx, now, client.FieldOwner(FieldManager))
}

func joined(have, want map[string]string) map[string]string {
	all := maps.Clone(have)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, want)
	return all
}

// owners are those of an object, with ours.
func owners(have, want []metav1.OwnerReference) []metav1.OwnerReference {
	others := slices.DeleteFunc(slices.Clone(have), func(o metav1.OwnerReference) bool {
		return slices.ContainsFunc(want, func(w metav1.OwnerReference) bool { return w.UID == o.UID })
	})
	return slices.Concat(want, others)
}

func resourceVersionOf(o client.Object) string {
	if o == nil {
		return ""
	}
	return o.GetResourceVersion()
}

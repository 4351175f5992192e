package router

import (
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
)

// ingressKind is the only version there is: what a Canary says of it was true of clusters that are gone.
var ingressKind = schema.GroupVersionKind{Group: "networking.k8s.io", Version: "v1", Kind: "Ingress"}

func ingressRefs(c *v1beta1.Canary) []Ref {
	if c.Spec.IngressRef == nil {
		return nil
	}
	return []Ref{{GroupVersionKind: ingressKind, Namespace: c.Namespace, Name: c.Spec.IngressRef.Name}}
}

// userIngress is the Ingress that leads to the apex.
func userIngress(in Input, provider string) (*unstructured.Unstructured, error) {
	refs := ingressRefs(in.Canary)
	if len(refs) == 0 {
		return nil, unnamed("spec.ingressRef", provider, "Ingress")
	}
	return source(in, refs[0], "spec.ingressRef.name")
}

// beside is a copy of an Ingress with those of its paths that lead to the apex, each of which leads to the given
// Services instead. All else is left out, so that nobody's requests are taken.
// Hosts, class and certificates stay: a path is looked for under its host.
func beside(in Input, from *unstructured.Unstructured, meta *v1beta1.CustomMetadata, to ...string) (Object, error) {
	spec, _, err := unstructured.NestedMap(from.Object, "spec")
	if err != nil {
		return Object{}, &rollout.InvalidError{Field: "spec.ingressRef.name", Problem: err.Error()}
	}
	apex := in.Canary.ApexName()
	rules, _, _ := unstructured.NestedSlice(spec, "rules")
	kept := []any{}
	for _, rule := range rules {
		if r, ok := lead(rule, apex, to); ok {
			kept = append(kept, r)
		}
	}
	fallback, led := repoint(map[string]any{"backend": spec["defaultBackend"]}, apex, to[0])
	delete(spec, "rules")
	delete(spec, "defaultBackend")
	if len(kept) > 0 {
		spec["rules"] = kept
	}
	// What fits no path can only go to one place, which suffices for a canary of nginx' and for no other division.
	led = led && len(to) == 1
	if led {
		spec["defaultBackend"] = fallback["backend"]
	}
	if len(kept) == 0 && !led {
		return Object{}, &rollout.InvalidError{
			Field:   "spec.ingressRef.name",
			Problem: fmt.Sprintf("Ingress %q has no path that leads to Service %q", from.GetName(), apex),
		}
	}
	return object(ingressKind, from.GetName()+"-canary", in.Canary, meta, spec), nil
}

// lead keeps the paths of a rule that lead to the apex; ok is false when there is none.
func lead(rule any, apex string, to []string) (kept any, ok bool) {
	r, _ := rule.(map[string]any)
	paths, _, _ := unstructured.NestedSlice(r, "http", "paths")
	led := []any{}
	for _, path := range paths {
		// Skipper divides between several entries of one path, nginx is given one.
		for _, service := range to {
			p, _ := path.(map[string]any)
			if q, ok := repoint(p, apex, service); ok {
				led = append(led, q)
			}
		}
	}
	if len(led) == 0 {
		return nil, false
	}
	// What was read is the cache's own.
	out := runtime.DeepCopyJSON(r)
	out["http"].(map[string]any)["paths"] = led
	return out, true
}

// repoint is something with a backend that leads to another Service than the apex; ok is false when it leads elsewhere.
func repoint(from map[string]any, apex, service string) (out map[string]any, ok bool) {
	name, _, _ := unstructured.NestedString(from, "backend", "service", "name")
	if name != apex {
		return nil, false
	}
	out = runtime.DeepCopyJSON(from)
	_ = unstructured.SetNestedField(out, service, "backend", "service", "name") // it is a map: the name was in it
	return out, true
}

package router

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
)

// own moves the weights in routes that the user has written, and that stay the user's: they are not made, not owned,
// not annotated and not deleted.
//
// What server-side apply can own is a list of rules as a whole: neither the Gateway API nor Istio gives the entries of
// theirs a key. So the list is rendered as it was read, with our weights in it, under the version that it was read in.
// The API server refuses it if anybody has changed the route since, and it is rendered again from what is there then:
// no edit of anybody's is lost.
type own struct {
	provider string
	versions map[string]schema.GroupVersion // of the kinds that the provider moves
}

// asked says that the user brings the routes, and none is generated.
func (own) asked(c *v1beta1.Canary) bool { return len(c.Spec.Service.RouteRefs) > 0 }

// reads leaves out kinds that the provider does not move: render says so, where a watch could only fail.
func (o own) reads(c *v1beta1.Canary) []Ref {
	var refs []Ref
	for _, route := range c.Spec.Service.RouteRefs {
		if gv, ok := o.versions[route.Kind]; ok {
			refs = append(refs, Ref{GroupVersionKind: gv.WithKind(route.Kind), Namespace: c.Namespace, Name: route.Name})
		}
	}
	return refs
}

// render fails as a whole where one route cannot be moved: with the others moved alone, users of that one would stay
// behind, and be told nothing.
func (o own) render(in Input) ([]runtime.ApplyConfiguration, error) {
	if err := ownable(in.Canary); err != nil {
		return nil, err
	}
	var objects []runtime.ApplyConfiguration
	for i, route := range in.Canary.Spec.Service.RouteRefs {
		field := fmt.Sprintf("spec.service.routeRefs[%d]", i)
		gv, ok := o.versions[route.Kind]
		if !ok {
			kinds := strings.Join(slices.Sorted(maps.Keys(o.versions)), " and ")
			return nil, &rollout.InvalidError{Field: field + ".kind", Problem: fmt.Sprintf("%q is not moved by the provider %s, which moves %s", route.Kind, o.provider, kinds)}
		}
		// Never made where it is missing: what else it would have to say, only its author knows.
		live := in.Read[Ref{GroupVersionKind: gv.WithKind(route.Kind), Namespace: in.Canary.Namespace, Name: route.Name}]
		if live == nil {
			return nil, &rollout.InvalidError{Field: field + ".name", Problem: fmt.Sprintf("%s %q does not exist in namespace %q", route.Kind, route.Name, in.Canary.Namespace)}
		}
		object, moved := weighed(live, in)
		if !moved {
			return nil, &rollout.InvalidError{Field: field, Problem: fmt.Sprintf("no rule of %s %q has both Services %q and %q among its backends; add them to each rule that the rollout is to move",
				route.Kind, route.Name, in.Canary.PrimaryName(), in.Canary.CanaryName())}
		}
		objects = append(objects, object)
	}
	return objects, nil
}

// weighed is a route with our weights, and nothing of it but the lists that they are in.
func weighed(live *unstructured.Unstructured, in Input) (o Object, moved bool) {
	spec := map[string]any{}
	for _, list := range []string{"rules", "http", "tcp", "tls"} {
		rules, found, err := unstructured.NestedSlice(live.Object, "spec", list) // a copy
		if err != nil || !found {
			continue
		}
		for _, rule := range rules {
			r, _ := rule.(map[string]any)
			if weigh(r, in) {
				spec[list], moved = rules, true
			}
		}
	}
	u := &unstructured.Unstructured{Object: map[string]any{"spec": spec}}
	u.SetGroupVersionKind(live.GroupVersionKind())
	u.SetNamespace(live.GetNamespace())
	u.SetName(live.GetName())
	// With it the apply is refused if the route has changed since it was read.
	u.SetResourceVersion(live.GetResourceVersion())
	return Object{u}, moved
}

// weigh sets the weights of a rule that has both sides among its backends, and says whether it has. Other backends
// keep theirs, but the apex: it would ask this route again, or pass it by, so that it gets none until the Canary goes.
func weigh(rule map[string]any, in Input) bool {
	c := in.Canary
	// A rule that has one side only is the user's business: it leads somewhere on purpose, a test address for example.
	sides := map[string]map[string]any{}
	for _, list := range []string{"backendRefs", "route"} {
		backends, _ := rule[list].([]any)
		for _, b := range backends {
			backend, _ := b.(map[string]any)
			sides[serviceOf(backend, c.Namespace)] = backend
		}
	}
	primary, canary, apex := sides[c.PrimaryName()], sides[c.CanaryName()], sides[c.ApexName()]
	if primary == nil || canary == nil {
		return false
	}
	weights := [3]int{100 - in.Traffic.Weight, in.Traffic.Weight, 0}
	// The Services of the two sides go with the Canary. The apex is left, and selects the target by then.
	if in.Leaving && apex != nil {
		weights = [3]int{0, 0, 100}
	}
	for i, side := range []map[string]any{primary, canary, apex} {
		if side != nil {
			side["weight"] = int64(weights[i])
		}
	}
	return true
}

package router

import (
	"fmt"
	"maps"

	networking "istio.io/client-go/pkg/apis/networking/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

// Istio's types encode themselves as proto JSON, which leaves zeros out and spells what people wrote in its own way: 1h as
// 3600s, mode DISABLE as nothing, a number of 64 bits as a text. So weights are added, and users' settings replaced by
// what they were given as.

// applied is an object of Istio's with the settings in its spec as they were given.
func applied(o runtime.Object, given map[string]any) (Object, error) {
	tree, err := runtime.DefaultUnstructuredConverter.ToUnstructured(o)
	if err != nil {
		return Object{}, fmt.Errorf("encode a %s: %w", o.GetObjectKind().GroupVersionKind().Kind, err)
	}
	// A struct has these also where they are empty.
	unstructured.RemoveNestedField(tree, "status")
	unstructured.RemoveNestedField(tree, "metadata", "creationTimestamp")
	spec, _ := tree["spec"].(map[string]any)
	maps.Copy(spec, given)
	return Object{&unstructured.Unstructured{Object: tree}}, nil
}

// appliedRoutes is a VirtualService with the settings in each of its routes as they were given, and all weights: people,
// and whoever compares objects, shall see that a zero was chosen.
func appliedRoutes(v *networking.VirtualService, given []map[string]any) (Object, error) {
	o, err := applied(v, nil)
	if err != nil {
		return Object{}, err
	}
	spec, _ := o.Object["spec"].(map[string]any)
	for _, kind := range []string{"http", "tcp"} {
		routes, _ := spec[kind].([]any)
		for i, r := range routes {
			route, _ := r.(map[string]any)
			maps.Copy(route, given[i])
			destinations, _ := route["route"].([]any)
			for _, d := range destinations {
				if to, _ := d.(map[string]any); to["weight"] == nil {
					to["weight"] = int64(0)
				}
			}
		}
	}
	return o, nil
}

package router

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
)

// apisix renders a second ApisixRoute beside the user's own, with both sides behind each rule that leads to the apex.
// It takes precedence over the first, which is not touched.
//
// https://apisix.apache.org/docs/ingress-controller/concepts/apisix_route/
type apisix struct{ version schema.GroupVersion }

// apisixPriority is above what people give their routes. It is added to what a rule has, so that the order of the
// user's rules stays.
const apisixPriority = 10000

func newApisix(o Options) (Router, rollout.Capabilities, error) {
	gv, err := pick(o, "apisix", "apisix.apache.org", "v2")
	if err != nil {
		return nil, 0, err
	}
	return apisix{version: gv}, rollout.Weighted, nil
}

// The controller's status does not say which version of a route it speaks of, so there is no Accepted.

func (r apisix) kind() schema.GroupVersionKind { return r.version.WithKind("ApisixRoute") }

func (r apisix) Writes() []schema.GroupVersionKind { return []schema.GroupVersionKind{r.kind()} }

// Reads the user's route.
func (r apisix) Reads(c *v1beta1.Canary) []Ref {
	if c.Spec.RouteRef == nil {
		return nil
	}
	return []Ref{{GroupVersionKind: r.kind(), Namespace: c.Namespace, Name: c.Spec.RouteRef.Name}}
}

// Render keeps all of a rule but where it leads to: its plugins and authentication are what protects the backend.
func (r apisix) Render(in Input) ([]runtime.ApplyConfiguration, error) {
	refs := r.Reads(in.Canary)
	if len(refs) == 0 {
		return nil, unnamed("spec.routeRef", "apisix", "ApisixRoute")
	}
	from, err := source(in, refs[0], "spec.routeRef.name")
	if err != nil {
		return nil, err
	}
	rules, err := r.rules(in, from)
	if err != nil {
		return nil, err
	}
	spec := map[string]any{"http": rules}
	// Without it another controller, or none, would take the copy.
	if class, ok, _ := unstructured.NestedString(from.Object, "spec", "ingressClassName"); ok {
		spec["ingressClassName"] = class
	}
	theirs := func(key string) bool { return strings.HasPrefix(key, "k8s.apisix.apache.org/") }
	name := fmt.Sprintf("%s-%s-canary", from.GetName(), in.Canary.ApexName())
	return []runtime.ApplyConfiguration{object(r.kind(), name, in.Canary, copied(from, theirs, nil), spec)}, nil
}

// rules are those that lead to the apex. One that leads elsewhere as well is refused: what its other weights mean
// beside a canary's, only its author knows.
func (r apisix) rules(in Input, from *unstructured.Unstructured) ([]any, error) {
	all, _, _ := unstructured.NestedSlice(from.Object, "spec", "http")
	var kept []any
	for _, one := range all {
		rule, _ := one.(map[string]any)
		backend, others := apexBackend(rule, in.Canary.ApexName())
		if backend == nil {
			continue
		}
		if others {
			return nil, &rollout.InvalidError{
				Field:   "spec.routeRef.name",
				Problem: fmt.Sprintf("rule %q of ApisixRoute %q has other backends beside %q; give the apex a rule of its own", rule["name"], from.GetName(), in.Canary.ApexName()),
			}
		}
		rule["backends"] = each(in.Canary, in.Traffic.Weight, func(s side) any {
			b := runtime.DeepCopyJSON(backend)
			b["serviceName"], b["weight"] = s.name, s.weight
			return b
		})
		rule["priority"] = apisixPriority + whole64(rule["priority"])
		kept = append(kept, rule)
	}
	if len(kept) == 0 {
		// A copy without rules would take nobody, and a rollout go through without a request.
		return nil, &rollout.InvalidError{
			Field:   "spec.routeRef.name",
			Problem: fmt.Sprintf("ApisixRoute %q has no rule that leads to Service %q", from.GetName(), in.Canary.ApexName()),
		}
	}
	return kept, nil
}

// apexBackend finds the backend that is the apex, and says whether there are others.
func apexBackend(rule map[string]any, apex string) (found map[string]any, others bool) {
	backends, _, _ := unstructured.NestedSlice(rule, "backends")
	for _, b := range backends {
		if m, _ := b.(map[string]any); m["serviceName"] == apex {
			found = m
		}
	}
	return found, len(backends) > 1
}

// whole64 reads a number as JSON readers leave it.
// What is none counts as zero, which is APISIX's own default for a priority.
func whole64(n any) int64 {
	switch v := n.(type) {
	case int64:
		return v
	case float64:
		return int64(v)
	}
	return 0
}

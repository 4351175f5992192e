package router

import (
	"maps"
	"reflect"
	"slices"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
)

// gloo renders a RouteTable under the apex's name, to which the user's VirtualService delegates, and an Upstream for
// each side.
// A route leads to Upstreams and to no Services. Statuses do not say for which version they are, so there is no
// Accepted.
type gloo struct{ tables, upstreams schema.GroupVersion }

func newGloo(o Options) (Router, rollout.Capabilities, error) {
	tables, err := pick(o, "gloo", "gateway.solo.io", "v1")
	if err != nil {
		return nil, 0, err
	}
	// Two APIs of one product, which may be installed apart.
	upstreams, err := pick(o, "gloo", "gloo.solo.io", "v1")
	if err != nil {
		return nil, 0, err
	}
	return gloo{tables: tables, upstreams: upstreams}, rollout.Weighted | rollout.Matched | rollout.MatchedWeighted, nil
}

func (r gloo) Writes() []schema.GroupVersionKind {
	return []schema.GroupVersionKind{r.upstreams.WithKind("Upstream"), r.tables.WithKind("RouteTable")}
}

// Reads the Upstream whose settings the sides share, if one is named.
func (r gloo) Reads(c *v1beta1.Canary) []Ref {
	ref := c.Spec.UpstreamRef
	if ref == nil {
		return nil
	}
	namespace := c.Namespace
	if ref.Namespace != "" {
		namespace = ref.Namespace
	}
	return []Ref{{GroupVersionKind: r.upstreams.WithKind("Upstream"), Namespace: namespace, Name: ref.Name}}
}

// Render puts the Upstreams first: a route to one that is not there yet is an error to Gloo.
// The order of what is returned is the order in which it is applied.
func (r gloo) Render(in Input) ([]runtime.ApplyConfiguration, error) {
	settings, err := r.settings(in)
	if err != nil {
		return nil, err
	}
	routes, err := r.routes(in)
	if err != nil {
		return nil, err
	}
	c := in.Canary
	var all []runtime.ApplyConfiguration
	for _, s := range sides(c, in.Traffic.Weight) {
		all = append(all, r.upstream(c, s.name, settings))
	}
	spec := map[string]any{"routes": routes}
	return append(all, object(r.tables.WithKind("RouteTable"), c.ApexName(), c, c.Spec.Service.Apex, spec)), nil
}

// routes are tried in their order. Paths are those of the route that delegates here, unless a match has one.
func (r gloo) routes(in Input) ([]any, error) {
	if err := tellable(in.Canary, "gloo compares paths, headers, query parameters and exact methods, and nothing else", glooTells); err != nil {
		return nil, err
	}
	lines, err := table(in)
	if err != nil {
		return nil, err
	}
	routes := make([]any, len(lines))
	for i, l := range lines {
		// Without it, a route that names no path would have to repeat that of the VirtualService's.
		route := map[string]any{"inheritablePathMatchers": true}
		for _, m := range l.match {
			matchers, _ := route["matchers"].([]any)
			route["matchers"] = append(matchers, matcher(m))
		}
		route["routeAction"] = map[string]any{"multi": map[string]any{"destinations": each(in.Canary, l.weight, func(s side) any {
			to := map[string]any{"name": upstream(in.Canary, s.name), "namespace": in.Canary.Namespace}
			return map[string]any{"destination": map[string]any{"upstream": to}, "weight": s.weight}
		})}}
		routes[i] = route
	}
	return routes, nil
}

// glooTells goes by what is left when all is taken away that a matcher has: a field that is new to the API is refused
// until somebody looks at it.
func glooTells(m v1beta1.HTTPMatchRequest) bool {
	if m.Method != nil && m.Method.Exact == nil {
		return false
	}
	m.Name, m.URI, m.Method, m.Headers, m.QueryParams = "", nil, nil, nil, nil
	return reflect.DeepEqual(m, v1beta1.HTTPMatchRequest{})
}

// matcher asks for all of its parts at once.
func matcher(m v1beta1.HTTPMatchRequest) any {
	out := map[string]any{}
	if m.URI != nil && !present(m.URI) {
		compared(*m.URI, out, "prefix")
	}
	if m.Method != nil {
		out["methods"] = []any{*m.Method.Exact}
	}
	set(out, "headers", named(m.Headers))
	set(out, "queryParameters", named(m.QueryParams))
	return out
}

// named compares headers or parameters. With neither value nor expression Gloo asks only that there is one.
func named(texts map[string]v1beta1.StringMatch) any {
	var all []any
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		s := texts[name]
		one := map[string]any{"name": name}
		switch {
		case s.Exact != nil:
			one["value"] = *s.Exact
		case !present(&s):
			one["value"], one["regex"] = pattern(s), true
		}
		all = append(all, one)
	}
	if all == nil {
		return nil
	}
	return all
}

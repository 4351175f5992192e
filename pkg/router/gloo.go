package router

import (
	"fmt"
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
type gloo struct{ tables, upstreams schema.GroupVersion }

func newGloo(o Options) (Router, rollout.Capabilities, error) {
	tables, err := pick(o, "gloo", "gateway.solo.io", "v1")
	if err != nil {
		return nil, 0, err
	}
	upstreams, err := pick(o, "gloo", "gloo.solo.io", "v1")
	if err != nil {
		return nil, 0, err
	}
	return gloo{tables: tables, upstreams: upstreams}, rollout.Weighted | rollout.Matched, nil
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
		spec := runtime.DeepCopyJSON(settings)
		kube, _ := spec["kube"].(map[string]any)
		if kube == nil {
			kube = map[string]any{}
		}
		kube["serviceName"], kube["serviceNamespace"], kube["servicePort"] = s.name, c.Namespace, int64(c.Spec.Service.Port)
		spec["kube"] = kube
		all = append(all, object(r.upstreams.WithKind("Upstream"), upstream(c, s.name), c, nil, spec))
	}
	spec := map[string]any{"routes": routes}
	return append(all, object(r.tables.WithKind("RouteTable"), c.ApexName(), c, c.Spec.Service.Apex, spec)), nil
}

// settings are how the user's Upstream treats connections, without where it leads to.
func (r gloo) settings(in Input) (map[string]any, error) {
	refs := r.Reads(in.Canary)
	if len(refs) == 0 {
		return map[string]any{}, nil
	}
	from, err := source(in, refs[0], "spec.upstreamRef.name")
	if err != nil {
		return nil, err
	}
	spec, _ := from.Object["spec"].(map[string]any)
	spec = runtime.DeepCopyJSON(spec)
	kube, _ := spec["kube"].(map[string]any)
	for _, place := range []string{"ai", "aws", "awsEc2", "azure", "consul", "discoveryMetadata", "gcp", "kube", "pipe", "static"} {
		delete(spec, place)
	}
	// What speaks to the pods stays; which pods these are is the Services' to say.
	if described, ok := kube["serviceSpec"]; ok {
		spec["kube"] = map[string]any{"serviceSpec": described}
	}
	return spec, nil
}

// routes are tried in their order. Paths are those of the route that delegates here, unless a match has one.
func (r gloo) routes(in Input) ([]any, error) {
	lines, err := table(in)
	if err != nil {
		return nil, err
	}
	routes := make([]any, len(lines))
	for i, l := range lines {
		route := map[string]any{"inheritablePathMatchers": true}
		for _, m := range l.match {
			one, err := matcher(m)
			if err != nil {
				return nil, err
			}
			matchers, _ := route["matchers"].([]any)
			route["matchers"] = append(matchers, one)
		}
		route["routeAction"] = map[string]any{"multi": map[string]any{"destinations": each(in.Canary, l.weight, func(s side) any {
			to := map[string]any{"name": upstream(in.Canary, s.name), "namespace": in.Canary.Namespace}
			return map[string]any{"destination": map[string]any{"upstream": to}, "weight": s.weight}
		})}}
		routes[i] = route
	}
	return routes, nil
}

// upstream is the name under which dashboards and built-in metrics look for a side.
func upstream(c *v1beta1.Canary, service string) string {
	return fmt.Sprintf("%s-%supstream-%d", c.Namespace, service, c.Spec.Service.Port)
}

// matcher asks for all of its parts at once.
func matcher(m v1beta1.HTTPMatchRequest) (any, error) {
	rest, out := m, map[string]any{}
	rest.Name, rest.URI, rest.Method, rest.Headers, rest.QueryParams = "", nil, nil, nil, nil
	if !reflect.DeepEqual(rest, v1beta1.HTTPMatchRequest{}) || m.Method != nil && m.Method.Exact == nil {
		return nil, &rollout.InvalidError{Field: "spec.analysis.match", Problem: "gloo compares paths, headers, query parameters and exact methods, and nothing else"}
	}
	if m.URI != nil && !present(m.URI) {
		compared(*m.URI, out, "prefix")
	}
	if m.Method != nil {
		out["methods"] = []any{*m.Method.Exact}
	}
	set(out, "headers", named(m.Headers))
	set(out, "queryParameters", named(m.QueryParams))
	return out, nil
}

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

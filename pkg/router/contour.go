package router

import (
	"cmp"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/ptr"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
)

// contour renders an HTTPProxy under the apex's name. It has no virtual host: that is on the user's own HTTPProxy,
// which includes this one.
type contour struct {
	version schema.GroupVersion
	class   string
}

func newContour(o Options) (Router, rollout.Capabilities, error) {
	gv, err := pick(o, "contour", "projectcontour.io", "v1")
	if err != nil {
		return nil, 0, err
	}
	return contour{version: gv, class: o.IngressClass}, rollout.Weighted | rollout.Matched | rollout.MatchedWeighted, nil
}

func (r contour) Writes() []schema.GroupVersionKind {
	return []schema.GroupVersionKind{r.version.WithKind("HTTPProxy")}
}

// Reads nothing: all that a proxy says is in the Canary.
func (contour) Reads(*v1beta1.Canary) []Ref { return nil }

// Render writes a route for each match. Contour tries the more specific one first, which is the one with headers.
func (r contour) Render(in Input) ([]runtime.ApplyConfiguration, error) {
	if err := tellable(in.Canary, "contour compares paths, headers and query parameters, and nothing else", contourTells); err != nil {
		return nil, err
	}
	var texts map[string]string
	in.Canary, texts = headerTexts(in.Canary)
	lines, err := table(in)
	if err != nil {
		return nil, err
	}
	var routes []any
	for _, l := range lines {
		all := l.match
		if len(all) == 0 {
			all = []v1beta1.HTTPMatchRequest{{}}
		}
		for _, m := range all {
			route, err := r.route(in.Canary, conditions(m, texts), l.weight)
			if err != nil {
				return nil, err
			}
			routes = append(routes, route)
		}
	}
	spec := map[string]any{"routes": routes}
	if r.class != "" {
		spec["ingressClassName"] = r.class
	}
	c := in.Canary
	o := object(r.version.WithKind("HTTPProxy"), c.ApexName(), c, c.Spec.Service.Apex, spec)
	return []runtime.ApplyConfiguration{o}, nil
}

func (r contour) route(c *v1beta1.Canary, conditions []any, weight int) (any, error) {
	s := c.Spec.Service
	route := map[string]any{
		"conditions": conditions,
		"services":   each(c, weight, func(to side) any { return r.service(c, to) }),
	}
	var first problem
	if t := timeout(&first, s.Timeout); t != nil {
		// Contour counts the time of silence by itself and ends a long answer early; this is its proxy's own.
		route["timeoutPolicy"] = map[string]any{"response": t, "idle": "5m"}
	}
	if s.Retries != nil {
		route["retryPolicy"] = retry(s.Retries)
	}
	return route, first.err
}

// service tells Linkerd, where its proxy is beside Contour's, which of the two the request was meant for.
func (contour) service(c *v1beta1.Canary, to side) any {
	port := c.Spec.Service.Port
	override := map[string]any{
		"name":  "l5d-dst-override",
		"value": fmt.Sprintf("%s.%s.svc.cluster.local:%d", to.name, c.Namespace, port),
	}
	return map[string]any{
		"name":                 to.name,
		"port":                 int64(port),
		"weight":               to.weight,
		"requestHeadersPolicy": map[string]any{"set": []any{override}},
	}
}

func retry(r *v1beta1.HTTPRetry) any {
	policy := map[string]any{"count": int64(r.Attempts)}
	if r.Attempts == 0 {
		policy["count"] = int64(-1) // zero is Contour's default there, which is one retry
	}
	if r.PerTryTimeout != "" {
		policy["perTryTimeout"] = r.PerTryTimeout
	}
	if r.RetryOn != "" {
		policy["retryOn"] = list(strings.FieldsFunc(r.RetryOn, func(c rune) bool { return c == ',' || c == ' ' }))
	}
	return policy
}

func contourTells(m v1beta1.HTTPMatchRequest) bool {
	m.Name, m.URI, m.Headers, m.QueryParams = "", nil, nil, nil
	return reflect.DeepEqual(m, v1beta1.HTTPMatchRequest{})
}

// headerTexts gives a Canary in which headers are compared by an expression for `prefix` and `suffix`, and the text that
// each expression looks for. By the contract these two words look for a text anywhere in a header, with this provider;
// as expressions they are joined with other comparisons as what they are.
func headerTexts(c *v1beta1.Canary) (spelled *v1beta1.Canary, texts map[string]string) {
	spelled, texts = c.DeepCopy(), map[string]string{}
	lists := [][]v1beta1.HTTPMatchRequest{spelled.Spec.Service.Match}
	if a := spelled.Spec.Analysis; a != nil {
		lists = append(lists, a.Match)
		for _, p := range previews(a) {
			lists = append(lists, p.match)
		}
	}
	for _, m := range slices.Concat(lists...) {
		for name, s := range m.Headers {
			text := cmp.Or(s.Prefix, s.Suffix)
			if s.Exact != nil || text == nil {
				continue
			}
			s = v1beta1.StringMatch{}
			if *text != "" {
				expression := ".*" + regexp.QuoteMeta(*text) + ".*"
				s.Regex, texts[expression] = &expression, *text
			}
			m.Headers[name] = s
		}
	}
	return spelled, texts
}

// conditions of one route hold all at once. A path is always among them, for any of which there is a prefix.
func conditions(m v1beta1.HTTPMatchRequest, texts map[string]string) []any {
	all := []any{map[string]any{"prefix": "/"}}
	if m.URI != nil && !present(m.URI) {
		all[0] = compared(*m.URI, map[string]any{}, "prefix")
	}
	for _, name := range slices.Sorted(maps.Keys(m.Headers)) {
		header, s := map[string]any{"name": name}, m.Headers[name]
		if text, ok := texts[ptr.Deref(s.Regex, "")]; ok {
			header["contains"] = text
		} else {
			compared(s, header)
		}
		all = append(all, map[string]any{"header": header})
	}
	for _, name := range slices.Sorted(maps.Keys(m.QueryParams)) {
		all = append(all, map[string]any{"queryParameter": compared(m.QueryParams[name], map[string]any{"name": name}, "prefix", "suffix")})
	}
	return all
}

// compared writes a comparison into a condition: by a word of its own where Contour has one, else as an expression.
func compared(s v1beta1.StringMatch, into map[string]any, words ...string) map[string]any {
	switch {
	case s.Exact != nil:
		into["exact"] = *s.Exact
	case s.Prefix != nil && slices.Contains(words, "prefix"):
		into["prefix"] = *s.Prefix
	case s.Suffix != nil && slices.Contains(words, "suffix"):
		into["suffix"] = *s.Suffix
	case present(&s):
		into["present"] = true
	default:
		into["regex"] = pattern(s)
	}
	return into
}

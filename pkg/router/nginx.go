package router

import (
	"cmp"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
)

// nginx renders a second Ingress beside the user's own, which the controller takes for a canary of the first by its
// annotations. The user's is not touched: it leads to the apex, whose Service selects the primary.
//
// https://kubernetes.github.io/ingress-nginx/user-guide/nginx-configuration/annotations/#canary
type nginx struct{ prefix string }

func newNginx(o Options) (Router, rollout.Capabilities, error) {
	prefix := cmp.Or(o.AnnotationsPrefix, "nginx.ingress.kubernetes.io")
	// The prefix is a flag of the controller's own, --annotations-prefix.
	return nginx{prefix: prefix + "/"}, rollout.Weighted | rollout.Matched, nil
}

func (nginx) Writes() []schema.GroupVersionKind { return []schema.GroupVersionKind{ingressKind} }

func (nginx) Reads(c *v1beta1.Canary) []Ref { return ingressRefs(c) }

// Render takes over the annotations of the controller's that are not about canaries, since it asks for the same hash
// and affinity on both.
func (r nginx) Render(in Input) ([]runtime.ApplyConfiguration, error) {
	from, err := userIngress(in, "nginx")
	if err != nil {
		return nil, err
	}
	how, err := r.division(in)
	if err != nil {
		return nil, err
	}
	theirs := func(key string) bool {
		return strings.HasPrefix(key, r.prefix) && !strings.HasPrefix(key, r.prefix+"canary")
	}
	o, err := beside(in, from, copied(from, theirs, how), in.Canary.CanaryName())
	return []runtime.ApplyConfiguration{o}, err
}

// division says who goes to the canary. What tells requests apart is asked before the weight is: an A/B test is that
// with a weight of zero, and a preview with any other. The whole spec is looked at in any case.
func (r nginx) division(in Input) (map[string]string, error) {
	a := in.Canary.Spec.Analysis
	if a == nil {
		a = &v1beta1.CanaryAnalysis{}
	}
	tested, err := r.told("spec.analysis.match", a.Match)
	if err != nil {
		return nil, err
	}
	for _, p := range previews(a) {
		if _, err := r.told("spec.analysis."+p.field, p.match); err != nil {
			return nil, err
		}
	}
	weight := in.Traffic.Weight
	// At weight zero the copy stays and gets nobody: nothing has to be made when the first step comes.
	how := map[string]string{r.prefix + "canary": "true"}
	if in.Traffic.Matched {
		if weight > 0 {
			maps.Copy(how, tested)
		}
		weight = 0
	}
	insiders, err := r.told("spec.analysis.previewMatch", previewed(a, in.Traffic))
	if err != nil {
		return nil, err
	}
	maps.Copy(how, insiders)
	how[r.prefix+"canary-weight"] = strconv.Itoa(weight)
	return how, nil
}

// told spells a match in annotations, which have room for one header and one cookie, either of which suffices.
// In a list of matches any one suffices as well, so that two entries of different sorts can be said.
func (r nginx) told(field string, matches []v1beta1.HTTPMatchRequest) (map[string]string, error) {
	told := map[string]string{}
	for i, m := range matches {
		place := fmt.Sprintf("%s[%d]", field, i)
		rest := m
		rest.Name, rest.Headers = "", nil
		if len(m.Headers) != 1 || !reflect.DeepEqual(rest, v1beta1.HTTPMatchRequest{}) {
			return nil, &rollout.InvalidError{Field: place, Problem: "must be one header and nothing else: nginx can tell requests apart by that alone"}
		}
		name := slices.Collect(maps.Keys(m.Headers))[0]
		one, err := r.header(place+".headers."+name, name, m.Headers[name])
		if err != nil {
			return nil, err
		}
		for key, value := range one {
			if _, ok := told[key]; ok {
				return nil, &rollout.InvalidError{Field: place, Problem: "is a second of its sort: nginx takes one header and one cookie"}
			}
			told[key] = value
		}
	}
	return told, nil
}

// header is one comparison. With no value the header has to be `always`, as a cookie has to in any case.
func (r nginx) header(place, name string, s v1beta1.StringMatch) (map[string]string, error) {
	by := r.prefix + "canary-by-header"
	switch {
	case strings.EqualFold(name, cookieHeader) && s.Exact != nil:
		return map[string]string{r.prefix + "canary-by-cookie": *s.Exact}, nil
	case strings.EqualFold(name, cookieHeader):
		return nil, &rollout.InvalidError{Field: place, Problem: "must be the exact name of a cookie, which nginx expects to have the value `always`"}
	case s.Exact != nil:
		return map[string]string{by: name, by + "-value": *s.Exact}, nil
	case present(&s):
		return map[string]string{by: name}, nil
	}
	return map[string]string{by: name, by + "-pattern": pattern(s)}, nil
}

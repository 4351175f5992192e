package router

import (
	"fmt"
	"maps"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
)

// Routes that are made beside the user's own are copies of those. What is missing is an error of the Canary's and
// passes when the object is made: its kind is watched.

// source is the user's object that a field of the spec names.
func source(in Input, ref Ref, field string) (*unstructured.Unstructured, error) {
	if u := in.Read[ref]; u != nil {
		return u, nil
	}
	return nil, &rollout.InvalidError{
		Field:   field,
		Problem: fmt.Sprintf("%s %q does not exist in namespace %q", ref.Kind, ref.Name, ref.Namespace),
	}
}

// unnamed says that a provider has nothing to make its routes from.
func unnamed(field, provider, kind string) error {
	return &rollout.InvalidError{
		Field:   field,
		Problem: fmt.Sprintf("is missing; provider %q needs the %s that leads to the target", provider, kind),
	}
}

// copied is the metadata of a copy. Annotations of other tools stay behind: they would take the copy for the
// original, issue its certificate twice, or delete it as something that is in no repository.
func copied(from *unstructured.Unstructured, annotation func(key string) bool, more map[string]string) *v1beta1.CustomMetadata {
	// Flux prunes by its labels what is in no repository.
	labels := maps.Clone(from.GetLabels())
	maps.DeleteFunc(labels, func(key, _ string) bool { return strings.Contains(key, "toolkit.fluxcd.io") })
	annotations := map[string]string{}
	for key, value := range from.GetAnnotations() {
		if key == "kubernetes.io/ingress.class" || annotation(key) {
			annotations[key] = value
		}
	}
	maps.Copy(annotations, more)
	return &v1beta1.CustomMetadata{Labels: labels, Annotations: annotations}
}

// tellable refuses matches that a provider has no words for. The whole spec is looked at, so that this is said when a
// Canary is applied and not in the middle of a rollout.
func tellable(c *v1beta1.Canary, problem string, can func(v1beta1.HTTPMatchRequest) bool) error {
	a := c.Spec.Analysis
	if a == nil {
		a = &v1beta1.CanaryAnalysis{}
	}
	lists := []preview{{"spec.service.match", c.Spec.Service.Match}, {"spec.analysis.match", a.Match}}
	for _, p := range previews(a) {
		lists = append(lists, preview{"spec.analysis." + p.field, p.match})
	}
	for _, list := range lists {
		for i, m := range list.match {
			if !can(m) {
				return &rollout.InvalidError{Field: fmt.Sprintf("%s[%d]", list.field, i), Problem: problem}
			}
		}
	}
	return nil
}

// side is one of the two Services that requests are divided between.
type side struct {
	name   string
	weight int64 // percent of the requests
}

// sides are the primary and the canary, which has the weight.
func sides(c *v1beta1.Canary, weight int) []side {
	return []side{{c.PrimaryName(), int64(100 - weight)}, {c.CanaryName(), int64(weight)}}
}

// each renders both sides.
// The primary is first with every provider, as people who read a route expect.
func each(c *v1beta1.Canary, weight int, render func(side) any) []any {
	all := make([]any, 0, 2)
	for _, s := range sides(c, weight) {
		all = append(all, render(s))
	}
	return all
}

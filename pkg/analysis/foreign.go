package analysis

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/metric"
)

// File foreign.go is about templates of other namespaces: their queries are asked with the credentials of those who wrote
// them, and a Canary fills in words, not queries.

// special are the characters that end a text or begin a block in the languages of queries.
const special = "\"'`{}\\\n\r"

// ValidateWords refuses words of a Canary that would change the query of a template in another namespace, by a
// *rollout.InvalidError.
func ValidateWords(c *v1beta1.Canary) error {
	if c.Spec.Analysis == nil {
		return nil
	}
	for i, m := range c.Spec.Analysis.Metrics {
		if m.TemplateRef == nil || m.TemplateRef.KeyFor(c).Namespace == c.Namespace {
			continue
		}
		s := source{canary: c, metric: m}
		if err := foreignWords(s.vars(c.Spec.TargetRef.Name)); err != nil {
			return invalid(fmt.Sprintf("spec.analysis.metrics[%d].templateRef", i), err.Error())
		}
	}
	return nil
}

// foreignWords is about the first word that a template in another namespace must not be given. Words that the API server
// has checked as names are looked at too: not all of them are.
func foreignWords(v metric.Vars) error {
	for _, word := range []struct{ name, text string }{
		{"target", v.Target}, {"kind", v.Kind}, {"service", v.Service}, {"backend", v.Backend}, {"ingress", v.Ingress},
		{"route", v.Route},
	} {
		if strings.ContainsAny(word.text, special) {
			return foreign(word.name)
		}
	}
	// A number and a unit, as in 1m or 5min: more would be query. With signs it would be an expression.
	if strings.Trim(v.Interval, "0123456789abcdefghijklmnopqrstuvwxyz") != "" {
		return foreign("interval")
	}
	for _, name := range slices.Sorted(maps.Keys(v.Variables)) {
		if strings.ContainsAny(v.Variables[name], special) {
			return foreign("variables." + name)
		}
	}
	return nil
}

func foreign(word string) error {
	return fmt.Errorf("is in another namespace, whose query must not be given quotes, braces, backslashes or line breaks by %s", word)
}

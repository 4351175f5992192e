package analysis

import (
	"fmt"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/metric"
	"github.com/sluice-cd/sluice/pkg/outbound"
	"github.com/sluice-cd/sluice/pkg/rollout"
)

// File validate.go is about the spec alone: what it finds is said in the condition Valid, before anything is made.

// Validate refuses what could never be judged or asked, when a Canary is applied rather than in the middle of a rollout.
// Its error is a *rollout.InvalidError with the field's path and, for a condition that does not compile, the place in
// it. What was compiled is kept, so that asking again costs next to nothing. The meter is the provider whose
// series tell of the Canary's traffic.
func Validate(c *v1beta1.Canary, meter string) error {
	spec := c.Spec
	if spec.Analysis == nil {
		return nil
	}
	for i, m := range spec.Analysis.Metrics {
		field := fmt.Sprintf("spec.analysis.metrics[%d]", i)
		if err := validateConditions(c.Namespace, field, m); err != nil {
			return err
		}
		for _, check := range []func(string, v1beta1.CanaryMetric) error{validateComparison, validateQuery} {
			if err := check(field, m); err != nil {
				return err
			}
		}
		if err := validateSamples(field, m, meter); err != nil {
			return err
		}
	}
	for i, h := range spec.Analysis.Webhooks {
		if err := validateBundle(fmt.Sprintf("spec.analysis.webhooks[%d]", i), h.CABundle); err != nil {
			return err
		}
	}
	for i, s := range spec.Analysis.Steps {
		if s.Webhook == nil {
			continue
		}
		if err := validateBundle(fmt.Sprintf("spec.analysis.steps[%d].webhook", i), s.Webhook.CABundle); err != nil {
			return err
		}
	}
	return nil
}

func validateBundle(field string, bundle []byte) error {
	if _, err := (outbound.Trust{CA: bundle}).Config(); err != nil {
		return invalid(field+".caBundle", err.Error())
	}
	return nil
}

// validateConditions compiles both conditions, each in the place where it stands.
func validateConditions(namespace, field string, m v1beta1.CanaryMetric) error {
	for _, c := range []struct{ name, expression string }{
		{"successCondition", m.SuccessCondition},
		{"failureCondition", m.FailureCondition},
	} {
		if c.expression == "" {
			continue
		}
		all, err := sharedConditions()
		if err != nil {
			return err
		}
		if err := all.find(namespace, c.expression).err; err != nil {
			return invalid(field+"."+c.name, "does not compile: "+err.Error())
		}
	}
	return nil
}

// validateComparison refuses what a comparison would silently leave out, and tests there is no data for.
func validateComparison(field string, m v1beta1.CanaryMetric) error {
	if m.Baseline == "" {
		return nil
	}
	for _, f := range []struct {
		name string
		set  bool
	}{
		{"thresholdRange", m.ThresholdRange != nil},
		{"threshold", m.Threshold != 0},
		{"successCondition", m.SuccessCondition != ""},
		{"failureCondition", m.FailureCondition != ""},
	} {
		if f.set {
			return invalid(field+"."+f.name, "does nothing beside baseline, which compares with the primary instead; use a metric for each")
		}
	}
	switch k := kindOf(m); {
	case k == &successRate && testOf(m) != proportions:
		return invalid(field+".test", "has to be proportions for "+m.Name+", of which there are counts and no values")
	case k == &latency && testOf(m) != distribution:
		return invalid(field+".test", "has to be distribution for "+m.Name+", of which there are values and no counts")
	case m.Worse != "" && testOf(m) == proportions:
		return invalid(field+".worse", "is about a distribution; of proportions fewer good events are worse")
	}
	return nil
}

// validateSamples refuses to compare by a built-in metric where the provider's series do not tell the sides apart.
func validateSamples(field string, m v1beta1.CanaryMetric, meter string) error {
	if k := kindOf(m); m.Baseline == "" || k != &successRate && k != &latency {
		return nil
	}
	if _, err := metric.BuiltinSamples(meter, m.Name); err != nil {
		return invalid(field+".baseline", "cannot compare: "+err.Error())
	}
	return nil
}

// validateQuery renders a query as it will be asked: a word that is missing is missing at every check.
func validateQuery(field string, m v1beta1.CanaryMetric) error {
	if m.TemplateRef != nil || m.Query == "" {
		return nil
	}
	// Rendered with empty names: only words that are missing or misspelt can fail.
	s := source{canary: &v1beta1.Canary{}, metric: m, kind: &inline, template: m.Query}
	if _, err := s.render(""); err != nil {
		return invalid(field+".query", err.Error())
	}
	return nil
}

// Words are what a query about the canary's side may use.
func Words(c *v1beta1.Canary, m v1beta1.CanaryMetric) metric.Vars {
	s := source{canary: c, metric: m}
	return s.vars(c.Spec.TargetRef.Name)
}

// invalid is what only the user can mend. It ends in a condition of the Canary, which is one line.
func invalid(field, problem string) error {
	return &rollout.InvalidError{Field: field, Problem: line(problem)}
}

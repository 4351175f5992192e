package rollout

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/sequential"
)

// What judges a canary has to be possible to follow, one metric and one webhook at a time.

func validateMetrics(spec v1beta1.CanarySpec, _ Capabilities) error {
	if spec.Analysis == nil {
		return nil
	}
	// A metric at a time, so that the error is about the first field that a reader comes to.
	for i, m := range spec.Analysis.Metrics {
		field := fmt.Sprintf("spec.analysis.metrics[%d]", i)
		for _, validate := range []func(string, v1beta1.CanaryMetric) error{validateMetricSource, validateMetricLimits, validateMetricCounts, validateComparison} {
			if err := validate(field, m); err != nil {
				return err
			}
		}
	}
	return validateNumberOfComparisons(spec.Analysis.Metrics)
}

// validateMetricSource refuses a metric that says nothing about what to ask.
func validateMetricSource(field string, m v1beta1.CanaryMetric) error {
	if m.TemplateRef != nil && m.TemplateRef.Name == "" {
		return invalid(field+".templateRef.name", "is empty; name the MetricTemplate")
	}
	if m.TemplateRef == nil && m.Query == "" && !known(m.Name) {
		return invalid(field+".name", "%q is not a built-in metric (%s) and has neither templateRef nor query",
			m.Name, strings.Join(BuiltinMetrics, ", "))
	}
	// In a template it is text, in the words of the system: `1min` of Graphite's.
	if m.TemplateRef == nil {
		if err := validateDuration(field+".interval", m.Interval); err != nil {
			return err
		}
	}
	return validateDuration(field+".initialDelay", m.InitialDelay)
}

// validateMetricLimits refuses what no value could pass. It would show at the end of the first step, as a rollback of a
// good revision.
func validateMetricLimits(field string, m v1beta1.CanaryMetric) error {
	if r := m.ThresholdRange; r != nil && r.Min != nil && r.Max != nil && *r.Min > *r.Max {
		return invalid(field+".thresholdRange", "min %v is above max %v, so no value can pass", *r.Min, *r.Max)
	}
	for _, p := range []struct {
		field string
		value v1beta1.ResultPolicy
	}{{"onNoData", m.OnNoData}, {"onNaN", m.OnNaN}, {"onError", m.OnError}} {
		if !slices.Contains(resultPolicies, p.value) {
			return invalid(field+"."+p.field, "%q is none of fail, pass, wait and inconclusive", p.value)
		}
	}
	return nil
}

// resultPolicies are what may be made of a value that is not there or is no number; empty: the default of each.
var resultPolicies = []v1beta1.ResultPolicy{
	"", v1beta1.ResultFail, v1beta1.ResultPass, v1beta1.ResultWait, v1beta1.ResultInconclusive,
}

// validateMetricCounts counts checks of one rollout. More passes in a row than there are checks could never be reached.
func validateMetricCounts(field string, m v1beta1.CanaryMetric) error {
	switch {
	case m.FailureLimit != nil && *m.FailureLimit < 0:
		return invalid(field+".failureLimit", "%d is below zero", *m.FailureLimit)
	case m.ConsecutiveSuccessLimit < 0:
		return invalid(field+".consecutiveSuccessLimit", "%d is below zero", m.ConsecutiveSuccessLimit)
	case m.Count < 0:
		return invalid(field+".count", "%d is below zero", m.Count)
	case m.Count > 0 && m.ConsecutiveSuccessLimit > m.Count:
		return invalid(field+".consecutiveSuccessLimit", "%d is more than the %d checks of count", m.ConsecutiveSuccessLimit, m.Count)
	}
	return nil
}

// validateComparison refuses a comparison with the primary that nobody could interpret.
func validateComparison(field string, m v1beta1.CanaryMetric) error {
	// The fields that describe a comparison have no effect by themselves: somebody who sets one expects a comparison.
	if m.Baseline == "" {
		for _, f := range []struct {
			name string
			set  bool
		}{
			{"test", m.Test != ""}, {"worse", m.Worse != ""}, {"confidence", m.Confidence != nil}, {"margin", m.Margin != nil},
			{"missed", m.Missed != nil}, {"tolerance", m.Tolerance != nil}, {"dispersion", m.Dispersion != nil},
			{"maxHold", m.MaxHold != ""}, {"minSamples", m.MinSamples > 0},
		} {
			if f.set {
				return invalid(field+"."+f.name, "needs baseline: primary, as it describes a comparison")
			}
		}
		return nil
	}
	switch {
	case m.Baseline != "primary":
		return invalid(field+".baseline", "%q is not something to compare with, only primary is", m.Baseline)
	case !slices.Contains([]string{"", "proportions", "distribution"}, m.Test):
		return invalid(field+".test", "%q is neither proportions nor distribution", m.Test)
	case !slices.Contains([]string{"", "higher", "lower"}, m.Worse):
		return invalid(field+".worse", "%q is neither higher nor lower", m.Worse)
	// At one half a toss would decide, and at one no number of samples could.
	case m.Confidence != nil && (*m.Confidence <= 0.5 || *m.Confidence >= 1):
		return invalid(field+".confidence", "%v is not above 0.5 and below 1", *m.Confidence)
	}
	for _, f := range []struct {
		name        string
		value       *float64
		least, most float64
		allowed     string
	}{
		{"margin", m.Margin, 1e-6, 0.5, "0.000001 to 0.5"},
		{"missed", m.Missed, 1e-9, 0.5, "0.000000001 to 0.5"},
		{"tolerance", m.Tolerance, 0, 1, "0 to 1"},
		{"dispersion", m.Dispersion, 1, 1e6, "1 to 1000000"},
	} {
		if f.value != nil && !(*f.value >= f.least && *f.value <= f.most) { // nor NaN
			return invalid(field+"."+f.name, "%v is not from %s", *f.value, f.allowed)
		}
	}
	return validateDuration(field+".maxHold", m.MaxHold)
}

// validateNumberOfComparisons bounds what the status has to hold.
func validateNumberOfComparisons(metrics []v1beta1.CanaryMetric) error {
	n := 0
	for i, m := range metrics {
		if !compared(m) {
			continue
		}
		if n++; n > sequential.MaxMetrics {
			return invalid(fmt.Sprintf("spec.analysis.metrics[%d].baseline", i), "is one comparison more than the %d that a rollout can have", sequential.MaxMetrics)
		}
	}
	return nil
}

// validateWebhooks refuses types that are not known: a gate with a slip of the pen in its type would never be asked,
// and let every canary through.
func validateWebhooks(spec v1beta1.CanarySpec, _ Capabilities) error {
	if spec.Analysis == nil {
		return nil
	}
	for i, h := range spec.Analysis.Webhooks {
		field := fmt.Sprintf("spec.analysis.webhooks[%d]", i)
		if err := validateCalled(field, h.URL, h.Timeout); err != nil {
			return err
		}
		if !slices.Contains(hookTypes, h.Moment()) {
			return invalid(field+".type", "%q is none of %s", h.Type, joined(hookTypes))
		}
	}
	return nil
}

// validateCalled looks at what is called, and how long it may take.
func validateCalled(field, url, timeout string) error {
	if url == "" {
		return invalid(field+".url", "is empty; give the address to ask")
	}
	return validateDuration(field+".timeout", timeout)
}

// hookTypes are all there are, in the order in which a rollout meets them.
var hookTypes = []v1beta1.HookType{
	v1beta1.ConfirmRolloutHook, v1beta1.PreRolloutHook, v1beta1.RolloutHook, v1beta1.ConfirmTrafficIncreaseHook,
	v1beta1.ConfirmPromotionHook, v1beta1.PostRolloutHook, v1beta1.EventHook, v1beta1.RollbackHook,
}

func joined[T ~string](names []T) string {
	texts := make([]string, len(names))
	for i, n := range names {
		texts[i] = string(n)
	}
	return strings.Join(texts, ", ")
}

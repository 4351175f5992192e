package workload

import (
	"fmt"
	"slices"

	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	policyv1ac "k8s.io/client-go/applyconfigurations/policy/v1"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// ProtectsOnlyTarget says that a budget is about the target's pods and not about the primary's, so that the primary, which
// serves the users, would be without.
// One that selects both sides protects the primary already. With a second one its pods could not be evicted at all: the
// API server refuses to evict a pod that two budgets select.
func (s Sides) ProtectsOnlyTarget(b *policyv1.PodDisruptionBudget, target Object) bool {
	pods := SummaryOf(target).Template.Labels
	return SelectorMatches(b.Spec.Selector, pods) && !s.ProtectsPrimary(b, target)
}

// ProtectsPrimary says that a budget is about the pods that the primary of a target has.
func (s Sides) ProtectsPrimary(b *policyv1.PodDisruptionBudget, target Object) bool {
	return SelectorMatches(b.Spec.Selector, s.ofPrimary(SummaryOf(target).Template.Labels))
}

// SelectorMatches says whether a selector fits pods with these labels. One that was never set selects none.
func SelectorMatches(s *metav1.LabelSelector, pods map[string]string) bool {
	if s == nil {
		return false
	}
	for k, v := range s.MatchLabels {
		if has, ok := pods[k]; !ok || has != v {
			return false // most budgets are about others, and this is all that it takes to see it
		}
	}
	if len(s.MatchExpressions) == 0 {
		return true
	}
	selector, err := metav1.LabelSelectorAsSelector(s)
	return err == nil && selector.Matches(labels.Set(pods))
}

// Budget renders the primary's copy of a budget of the target's.
func (r LabelRules) Budget(b *policyv1.PodDisruptionBudget, s Sides, c *v1beta1.Canary) (runtime.ApplyConfiguration, error) {
	from := b.Spec.DeepCopy()
	// A copy is turned, since what was read is the cache's own.
	selectPrimary(from.Selector, s.label)
	spec, err := toApplyConfiguration[policyv1ac.PodDisruptionBudgetSpecApplyConfiguration](from)
	if err != nil {
		return nil, fmt.Errorf("copy budget %q: %w", b.Name, err)
	}
	return policyv1ac.PodDisruptionBudget(b.Name+v1beta1.PrimarySuffix, b.Namespace).
		WithOwnerReferences(ownerReference(c)).
		WithLabels(labelsOf(b, r.IncludeLabelPrefixes)).
		WithAnnotations(annotationsOf(b)).
		WithSpec(spec), nil
}

// selectPrimary has a selector speak of the primary's pods. One that keeps to others by what they are not, as in `app not in
// (cache)`, fits the primary's already.
func selectPrimary(s *metav1.LabelSelector, r labelChange) {
	r.selector(s)
	for i, e := range s.MatchExpressions {
		// Listed twice, a value is refused.
		slices.Sort(e.Values)
		s.MatchExpressions[i].Values = slices.Compact(e.Values)
	}
}

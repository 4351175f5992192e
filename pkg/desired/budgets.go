package desired

import (
	"maps"

	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/workload"
)

// addBudgets copies the PodDisruptionBudgets of the target for the primary. Where somebody has made one for the
// primary, there is nothing to add: a pod with two can not be evicted at all.
func (r *Renderer) addBudgets(f *Facts, o *Objects) error {
	if len(f.Budgets) == 0 {
		return nil
	}
	wanted, err := r.unprotected(f)
	if err != nil {
		return err
	}
	// Copies whose original is gone go as well, and names that are taken are left to who has them.
	for i := range f.Budgets {
		b := &f.Budgets[i]
		if metav1.IsControlledBy(b, f.Canary) && wanted[b.Name] == nil {
			o.Delete = append(o.Delete, b)
		}
		if !metav1.IsControlledBy(b, f.Canary) {
			delete(wanted, b.Name) // the name is somebody else's
		}
	}
	for _, b := range f.Budgets {
		source := wanted[b.Name+v1beta1.PrimarySuffix]
		if source == nil || source.Name != b.Name {
			continue
		}
		made, err := r.Kinds.Budget(source, f.Target, f.Canary)
		if err != nil {
			return err
		}
		o.Apply = append(o.Apply, made)
	}
	return nil
}

// unprotected are the budgets that the primary lacks a copy of, by the name that the copy has.
func (r *Renderer) unprotected(f *Facts) (map[string]*policyv1.PodDisruptionBudget, error) {
	key, value, err := r.Kinds.SelectorLabel(f.Target)
	if err != nil {
		return nil, err
	}
	pods := maps.Clone(workload.SummaryOf(f.Target).Template.Labels)
	pods[key] = value + v1beta1.PrimarySuffix
	wanted := map[string]*policyv1.PodDisruptionBudget{}
	for i := range f.Budgets {
		b := &f.Budgets[i]
		switch {
		case metav1.IsControlledBy(b, f.Canary) || b.DeletionTimestamp != nil:
		case workload.SelectorMatches(b.Spec.Selector, pods):
			// Where we have made copies before, they are to go now.
			return map[string]*policyv1.PodDisruptionBudget{}, nil
		case r.Kinds.ProtectsOnlyTarget(b, f.Target):
			wanted[b.Name+v1beta1.PrimarySuffix] = b
		}
	}
	return wanted, nil
}

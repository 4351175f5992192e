package desired

import (
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
	sides, err := r.Kinds.Sides(f.Workloads())
	if err != nil {
		return err
	}
	wanted := unprotected(f, sides)
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
		made, err := r.Kinds.Budget(source, sides, f.Canary)
		if err != nil {
			return err
		}
		o.apply(made)
	}
	return nil
}

// unprotected are the budgets that the primary lacks a copy of, by the name that the copy has.
func unprotected(f *Facts, sides workload.Sides) map[string]*policyv1.PodDisruptionBudget {
	wanted := map[string]*policyv1.PodDisruptionBudget{}
	for i := range f.Budgets {
		b := &f.Budgets[i]
		switch {
		case metav1.IsControlledBy(b, f.Canary) || b.DeletionTimestamp != nil:
		case sides.ProtectsPrimary(b, f.Target):
			// Where we have made copies before, they are to go now.
			return map[string]*policyv1.PodDisruptionBudget{}
		case sides.ProtectsOnlyTarget(b, f.Target):
			wanted[b.Name+v1beta1.PrimarySuffix] = b
		}
	}
	return wanted
}

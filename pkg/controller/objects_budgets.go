package controller

import (
	"context"
	"fmt"
	"maps"

	policyv1 "k8s.io/api/policy/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/workload"
)

// addBudgets copies the PodDisruptionBudgets of the target for the primary. Where somebody has made one for the
// primary, there is nothing to add: a pod with two can not be evicted at all.
func (r *Reconciler) addBudgets(ctx context.Context, v *view) error {
	// There are no pods to protect, and none are on their way.
	if v.primary == nil && !v.promotes() {
		return nil
	}
	all := &policyv1.PodDisruptionBudgetList{}
	if err := r.Client.List(ctx, all, client.InNamespace(v.canary.Namespace), client.UnsafeDisableDeepCopy); err != nil {
		return fmt.Errorf("list budgets: %w", err)
	}
	if len(all.Items) == 0 {
		return nil
	}
	wanted, err := r.unprotected(v, all.Items)
	if err != nil {
		return err
	}
	// Copies whose original is gone go as well, and names that are taken are left to who has them.
	for i := range all.Items {
		b := &all.Items[i]
		if owned(b, v.canary) && wanted[b.Name] == nil {
			v.strays = append(v.strays, b)
		}
		if !owned(b, v.canary) {
			delete(wanted, b.Name) // the name is somebody else's
		}
	}
	for _, b := range all.Items {
		source := wanted[b.Name+v1beta1.PrimarySuffix]
		if source == nil || source.Name != b.Name {
			continue
		}
		made, err := r.Kinds.Budget(source, v.target, v.canary)
		if err != nil {
			return err
		}
		v.add = append(v.add, made)
	}
	return nil
}

// unprotected are the budgets that the primary lacks a copy of, by the name that the copy has.
func (r *Reconciler) unprotected(v *view, all []policyv1.PodDisruptionBudget) (map[string]*policyv1.PodDisruptionBudget, error) {
	key, value, err := r.Kinds.SelectorLabel(v.target)
	if err != nil {
		return nil, err
	}
	pods := maps.Clone(workload.SketchOf(v.target).Template.Labels)
	pods[key] = value + v1beta1.PrimarySuffix
	wanted := map[string]*policyv1.PodDisruptionBudget{}
	for i := range all {
		b := &all[i]
		switch {
		case owned(b, v.canary) || b.DeletionTimestamp != nil:
		case workload.Selects(b.Spec.Selector, pods):
			// Where we have made copies before, they are strays now.
			return map[string]*policyv1.PodDisruptionBudget{}, nil
		case r.Kinds.Protects(b, v.target):
			wanted[b.Name+v1beta1.PrimarySuffix] = b
		}
	}
	return wanted, nil
}

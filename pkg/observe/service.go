package observe

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/desired"
)

// Apex reads the apex Service; nil when there is none.
func (r *Reader) Apex(ctx context.Context, c *v1beta1.Canary) (*corev1.Service, error) {
	return r.service(ctx, c, c.ApexName())
}

// readServices reads the Services that the Canary has by now.
func (r *Reader) readServices(ctx context.Context, f *desired.Facts, _ pass) (err error) {
	c := f.Canary
	if _, single := f.SelfVersioned(); single || c.WithoutServices() || f.Target == nil && f.Primary == nil {
		return nil
	}
	if f.Apex, err = r.service(ctx, c, c.ApexName()); err != nil {
		return err
	}
	// Of these only the selector and the address are looked at, so that they need not be copied out of the cache.
	if f.PrimaryService, err = r.service(ctx, c, c.PrimaryName(), client.UnsafeDisableDeepCopy); err != nil {
		return err
	}
	f.TargetService, err = r.service(ctx, c, c.CanaryName(), client.UnsafeDisableDeepCopy)
	return err
}

func (r *Reader) service(ctx context.Context, c *v1beta1.Canary, name string, o ...client.GetOption) (*corev1.Service, error) {
	s := &corev1.Service{}
	err := r.Client.Get(ctx, client.ObjectKey{Namespace: c.Namespace, Name: name}, s, o...)
	if client.IgnoreNotFound(err) != nil {
		return nil, fmt.Errorf("read service %q: %w", name, err)
	}
	if err != nil {
		return nil, nil
	}
	return s, nil
}

// readBudgets lists the PodDisruptionBudgets of the namespace: those of the target are copied for the primary.
func (r *Reader) readBudgets(ctx context.Context, f *desired.Facts) error {
	// There are no pods to protect, and none are on their way.
	if f.Primary == nil && !f.Promotes() {
		return nil
	}
	all := &policyv1.PodDisruptionBudgetList{}
	// The cache's own, which nobody writes to.
	if err := r.Client.List(ctx, all, client.InNamespace(f.Canary.Namespace), client.UnsafeDisableDeepCopy); err != nil {
		return fmt.Errorf("list budgets: %w", err)
	}
	f.Budgets = all.Items
	return nil
}

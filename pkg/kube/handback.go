package kube

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// ChangedAt is AppliedAt of the object as the cache has it: zero while it is
// missing, not ours, or still without our last write.
func (a *Applier) ChangedAt(ctx context.Context, obj runtime.ApplyConfiguration) (time.Time, error) {
	r, err := refOf(obj)
	if err != nil {
		return time.Time{}, err
	}
	live, err := a.cached(ctx, r)
	if err != nil || live == nil || a.behind(r, live) {
		return time.Time{}, err
	}
	return AppliedAt(live), nil
}

// HandBack applies what an object of the user's should look like without us.
// All else that we had set on it is given up, our annotation included.
func (a *Applier) HandBack(ctx context.Context, obj runtime.ApplyConfiguration) error {
	err := a.Client.Apply(ctx, obj, client.FieldOwner(Manager), client.ForceOwnership)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("hand back: %w", err)
	}
	return nil
}

package kube

import (
	"context"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// Record stores what has changed between two statuses in one patch, and only if
// the Canary is still at the version that before was read at: a decision taken
// on something older comes back as a conflict (apierrors.IsConflict), to be
// taken again. Equal statuses cost no request. Afterwards after is what the API
// server holds.
func Record(ctx context.Context, c client.StatusClient, before, after *v1beta1.Canary) error {
	next := before.DeepCopy()
	next.Status = *after.Status.DeepCopy()
	patch := client.MergeFrom(before)
	diff, err := patch.Data(next)
	if err != nil {
		return fmt.Errorf("compare statuses of Canary %q: %w", client.ObjectKeyFromObject(before), err)
	}
	if string(diff) == "{}" {
		return nil
	}
	locked := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	if err := c.Status().Patch(ctx, next, locked, client.FieldOwner(Manager)); err != nil {
		return err
	}
	next.DeepCopyInto(after)
	return nil
}

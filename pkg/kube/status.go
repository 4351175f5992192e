package kube

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// PatchStatus stores what has changed between two statuses in one patch, and only if
// the Canary is still at the version that before was read at: a decision taken
// on something older comes back as a conflict (apierrors.IsConflict), to be
// taken again. Equal statuses cost no request. Afterwards after is what the API
// server holds. Where that lacks a field that was sent the error is a *DroppedError,
// and all else was stored.
func PatchStatus(ctx context.Context, c client.StatusClient, before, after *v1beta1.Canary) error {
	from, to := statusOf(before, before), statusOf(before, after)
	diff, err := client.MergeFromWithOptions(from, client.MergeFromWithOptimisticLock{}).Data(to)
	if err != nil {
		return fmt.Errorf("compare statuses of Canary %q: %w", client.ObjectKeyFromObject(before), err)
	}
	if string(diff) == fmt.Sprintf(`{"metadata":{"resourceVersion":%q}}`, before.ResourceVersion) {
		return nil
	}
	// Empty, since what an answer lacks would be left as it was sent.
	back := statusOf(before, &v1beta1.Canary{})
	// As text, since the client would compare a second time, which costs as much as all else here.
	if err := c.Status().Patch(ctx, back, client.RawPatch(types.MergePatchType, diff), client.FieldOwner(FieldManager)); err != nil {
		return err
	}
	*after = *back
	if fields := dropped(to.Status, back.Status); len(fields) > 0 {
		return fmt.Errorf("patch the status of Canary %q: %w", client.ObjectKeyFromObject(before), &DroppedError{Fields: fields})
	}
	return nil
}

// statusOf is a Canary with its version and the status of another, and nothing else, since what is compared is encoded
// whole.
func statusOf(c, with *v1beta1.Canary) *v1beta1.Canary {
	s := &v1beta1.Canary{Status: with.Status}
	s.Name, s.Namespace, s.ResourceVersion = c.Name, c.Namespace, c.ResourceVersion
	return s
}

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
// server holds.
func PatchStatus(ctx context.Context, c client.StatusClient, before, after *v1beta1.Canary) error {
	diff, err := client.MergeFrom(statusOf(before, before)).Data(statusOf(before, after))
	if err != nil {
		return fmt.Errorf("compare statuses of Canary %q: %w", client.ObjectKeyFromObject(before), err)
	}
	if string(diff) == "{}" {
		return nil
	}
	to := statusOf(before, after)
	locked := client.RawPatch(types.MergePatchType, withVersion(diff, before.ResourceVersion))
	if err := c.Status().Patch(ctx, to, locked, client.FieldOwner(FieldManager)); err != nil {
		return err
	}
	*after = *to
	return nil
}

// withVersion adds the version to a patch that has none. It is put in as text: comparing a second time, which is how
// the client would do it, costs as much as all else here.
func withVersion(diff []byte, version string) []byte {
	return append(fmt.Appendf(nil, `{"metadata":{"resourceVersion":%q},`, version), diff[1:]...)
}

// statusOf is a Canary with the status of another and nothing else, since what
// is compared is encoded whole.
func statusOf(c, with *v1beta1.Canary) *v1beta1.Canary {
	s := &v1beta1.Canary{Status: with.Status}
	s.Name, s.Namespace = c.Name, c.Namespace
	return s
}

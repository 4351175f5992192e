package kube

import (
	"context"
	"fmt"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// CanaryWriter writes Canaries: their statuses and their finalizers. It is safe for concurrent use, for different
// Canaries.
type CanaryWriter struct {
	Client client.Client
	// Live reads past the cache: what a conflict is about.
	Live client.Reader
	// Now tells the time.
	Now func() time.Time

	records records
}

// PatchStatus stores a status like the function of its name, and remembers what came
// back, so that StatusSeen can tell a cached Canary from before. A decision taken on
// an older Canary is ErrStale.
func (w *CanaryWriter) PatchStatus(ctx context.Context, before, after *v1beta1.Canary) error {
	if err := PatchStatus(ctx, w.Client, before, after); err != nil {
		return conflict(ctx, w.Live, canaryRef(before), before.UID, before.ResourceVersion, err)
	}
	w.records.update(canaryRef(after), func(m *record) {
		m.owner, m.written, m.writtenAt, m.stored = after.UID, after.ResourceVersion, w.Now(), after.UID
	})
	return nil
}

// Forget drops what is remembered of a Canary that is gone.
func (w *CanaryWriter) Forget(c *v1beta1.Canary) { w.records.forget(c.UID) }

// SetFinalizer puts our finalizer on a Canary, or takes it off. One that is gone needs neither.
func (w *CanaryWriter) SetFinalizer(ctx context.Context, c *v1beta1.Canary, held bool) error {
	to := c.DeepCopy()
	turn := controllerutil.RemoveFinalizer
	if held {
		turn = controllerutil.AddFinalizer
	}
	if !turn(to, v1beta1.Finalizer) {
		return nil
	}
	// With the lock, since a merge patch replaces the list: one that somebody else has just put on would be lost.
	patch := client.MergeFromWithOptions(c, client.MergeFromWithOptimisticLock{})
	err := conflict(ctx, w.Live, canaryRef(c), c.UID, c.ResourceVersion, w.Client.Patch(ctx, to, patch))
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("patch finalizers of Canary %q: %w", client.ObjectKeyFromObject(c), err)
	}
	return nil
}

// StatusStoredLast says whether it was this process that stored the status of a Canary last, as far as is known. Nobody
// else does while it is in charge, so that a cached one whose status was seen need not be read again to be acted on.
func (w *CanaryWriter) StatusStoredLast(c *v1beta1.Canary) bool {
	return w.records.get(canaryRef(c)).stored == c.UID
}

// ForgetStatus takes back what StatusStoredLast says, for when the server has told of a conflict.
func (w *CanaryWriter) ForgetStatus(c *v1beta1.Canary) {
	w.records.update(canaryRef(c), func(m *record) { m.stored = "" })
}

// StatusSeen says whether a cached Canary has the status that we stored last.
func (w *CanaryWriter) StatusSeen(c *v1beta1.Canary) bool {
	return !w.records.behind(canaryRef(c), c, w.Now())
}

func canaryRef(c *v1beta1.Canary) ref {
	return ref{kind: v1beta1.GroupVersion.WithKind("Canary"), key: client.ObjectKeyFromObject(c)}
}

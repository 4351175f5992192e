package kube

import (
	"context"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// PatchStatus stores a status like the function of its name, and remembers what came
// back, so that Knows can tell a cached Canary from before. A decision taken on
// an older Canary is ErrStale.
func (a *Applier) PatchStatus(ctx context.Context, before, after *v1beta1.Canary) error {
	if err := PatchStatus(ctx, a.Client, before, after); err != nil {
		return a.conflict(ctx, canaryRef(before), before.UID, before.ResourceVersion, err)
	}
	a.memory.set(canaryRef(after), func(m *mark) {
		m.owner, m.version, m.wrote, m.stored = after.UID, after.ResourceVersion, a.Now(), after.UID
	})
	return nil
}

// SetFinalizer puts our finalizer on a Canary, or takes it off. One that is gone needs neither.
func (a *Applier) SetFinalizer(ctx context.Context, c *v1beta1.Canary, held bool) error {
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
	err := a.conflict(ctx, canaryRef(c), c.UID, c.ResourceVersion, a.Client.Patch(ctx, to, patch))
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("patch finalizers of Canary %q: %w", client.ObjectKeyFromObject(c), err)
	}
	return nil
}

// StatusStoredLast says whether it was this process that stored the status of a Canary last, as far as is known. Nobody
// else does while it is in charge, so that a cached one which it Knows need not be read again to be acted on.
func (a *Applier) StatusStoredLast(c *v1beta1.Canary) bool {
	return a.memory.of(canaryRef(c)).stored == c.UID
}

// ForgetStatus takes back what StatusStoredLast says, for when the server has told of a conflict.
func (a *Applier) ForgetStatus(c *v1beta1.Canary) {
	a.memory.set(canaryRef(c), func(m *mark) { m.stored = "" })
}

// StatusSeen says whether a cached Canary has the status that we stored last.
func (a *Applier) StatusSeen(c *v1beta1.Canary) bool { return !a.cacheBehind(canaryRef(c), c) }

func canaryRef(c *v1beta1.Canary) ref {
	return ref{kind: v1beta1.GroupVersion.WithKind("Canary"), key: client.ObjectKeyFromObject(c)}
}

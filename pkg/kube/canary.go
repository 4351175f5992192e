package kube

import (
	"context"
	"crypto/sha256"
	"errors"
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
	err := PatchStatus(ctx, w.Client, before, after)
	if err != nil && !errors.As(err, new(*DroppedError)) {
		return conflict(ctx, w.Live, canaryRef(before), before.UID, before.ResourceVersion, err)
	}
	w.records.update(canaryRef(after), func(m *record) {
		m.owner, m.written, m.writtenAt, m.stored = after.UID, after.ResourceVersion, w.Now(), after.UID
	})
	return err
}

// Forget drops what is remembered of a Canary that is gone.
func (w *CanaryWriter) Forget(c *v1beta1.Canary) { w.records.forget(c.UID) }

// SetFinalizer puts our finalizer on a Canary, or takes it off. One that is gone needs neither. What the server does not
// take is a RefusedError.
func (w *CanaryWriter) SetFinalizer(ctx context.Context, c *v1beta1.Canary, held bool) error {
	to := c.DeepCopy()
	turn := controllerutil.RemoveFinalizer
	if held {
		turn = controllerutil.AddFinalizer
	}
	if !turn(to, v1beta1.Finalizer) {
		return nil
	}
	if err := w.FinalizerRefused(c); err != nil {
		return err
	}
	r := canaryRef(c)
	// With the lock, since a merge patch replaces the list: one that somebody else has just put on would be lost.
	patch := client.MergeFromWithOptions(c, client.MergeFromWithOptimisticLock{})
	err := conflict(ctx, w.Live, r, c.UID, c.ResourceVersion, w.Client.Patch(ctx, to, patch))
	if client.IgnoreNotFound(err) != nil {
		err = fmt.Errorf("patch finalizers of Canary %q: %w", client.ObjectKeyFromObject(c), err)
		e := &RefusedError{Object: r.name(c), Verb: "patch", Exists: true, cause: err}
		return w.records.refuse(ctx, c.UID, r, e, remembered{sum: finalizers, uid: c.UID}, w.Now())
	}
	w.records.update(r, func(m *record) { m.refused, m.trouble = nil, trouble{} })
	return nil
}

// FinalizerRefused is the RefusedError of a change of a Canary's finalizers that is not to be tried again yet; nil: it is
// to be tried.
func (w *CanaryWriter) FinalizerRefused(c *v1beta1.Canary) error {
	if e := w.records.notYet(canaryRef(c), finalizers, c.UID, w.Now()); e != nil {
		return e
	}
	return nil
}

// finalizers is what a change of a Canary's finalizers is known by among the writes that are refused.
var finalizers = [sha256.Size]byte{}

// StatusStoredLast says whether it was this process that stored the status of a Canary last, as far as is known. Nobody
// else does while it is in charge, so that a cached one whose status was seen need not be read again to be acted on.
func (w *CanaryWriter) StatusStoredLast(c *v1beta1.Canary) bool {
	return w.records.get(canaryRef(c)).stored == c.UID
}

// ForgetStatus takes back what StatusStoredLast says, for when the server has told of a conflict.
func (w *CanaryWriter) ForgetStatus(c *v1beta1.Canary) {
	w.records.update(canaryRef(c), func(m *record) { m.stored = "" })
}

// ForgetStatuses takes it back for all Canaries: another replica may have stored them.
func (w *CanaryWriter) ForgetStatuses() { w.records.forgetStored() }

// StatusSeen says whether a cached Canary has the status that we stored last.
func (w *CanaryWriter) StatusSeen(c *v1beta1.Canary) bool {
	return !w.records.behind(canaryRef(c), c, w.Now())
}

func canaryRef(c *v1beta1.Canary) ref {
	return ref{kind: v1beta1.GroupVersion.WithKind("Canary"), key: client.ObjectKeyFromObject(c)}
}

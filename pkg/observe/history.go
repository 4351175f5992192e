package observe

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/sluice-cd/sluice/pkg/desired"
	"github.com/sluice-cd/sluice/pkg/rollout"
	"github.com/sluice-cd/sluice/pkg/workload"
)

// A promotion that is taken back while its target keeps the new revision is rendered from what the primary's own
// controller has kept of it.

// readHistory finds out whether the primary could return to the promoted revision, and, where it is to, from what. It
// costs requests, so that it is done where a rollback hook may have to be followed, and then only in passes that
// decide; a way back that is not begun yet is looked for in every pass. The primary is read live as well: one that is
// thought not to have the new revision yet is left alone.
func (r *Reader) readHistory(ctx context.Context, f *desired.Facts, from pass) error {
	status, s := f.Canary.Status, &f.Snapshot
	// The pass on the cache looks only where a way back still has to be begun: that alone could make it write.
	returning, revision := rollout.ReturningToPrevious(status), rollout.HistoryAskedFor(*s)
	if revision == "" || !f.Live && (!returning || s.Primary.Revision == status.Promoting) {
		return nil
	}
	// What cannot be returned to is a fact, told to whoever asked for it, and never an error: the promotion goes on.
	h, ok := f.Kind.(workload.TemplateKeeper)
	if !ok {
		s.NotKeptReason = fmt.Sprintf("a %s of %s has no history to return to", s.Names.Kind, f.Canary.Spec.TargetRef.APIVersion)
		return nil
	}
	if f.Live {
		if err := r.readPrimaryFrom(ctx, f, from.targets); err != nil {
			return err
		}
	}
	if f.Primary == nil {
		s.NotKeptReason = "it is gone"
		return nil
	}
	return readPreviousTemplate(ctx, r, f, h.NewHistory(), revision, returning && s.Primary.Revision != status.Promoting && !f.Promotes())
}

// readPreviousTemplate looks for a revision in the primary's history, for now or to be rendered.
func readPreviousTemplate(ctx context.Context, r *Reader, f *desired.Facts, history workload.List, revision string, due bool) error {
	// Live: it is asked for so seldom that a watch of every ReplicaSet of the cluster would be dear.
	err := r.labelled(ctx, f.Primary, history)
	if apierrors.IsForbidden(err) {
		f.Snapshot.NotKeptReason = "its history must not be read" // a right of its own, which no rollout waits for
		return nil
	}
	if err != nil {
		return fmt.Errorf("list history of %q: %w", f.Primary.GetName(), err)
	}
	previous, notKept, err := workload.PreviousTemplate(f.Kind, f.Primary, history, revision)
	if err != nil {
		return err
	}
	f.Snapshot.PreviousTemplateKept, f.Snapshot.NotKeptReason = previous != nil, notKept
	// Not before it is the intent: desired takes a template that is there for an order to go back to it.
	if due {
		f.Previous = previous
	}
	return nil
}

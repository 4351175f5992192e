package controller

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/rollout"
	"github.com/sluice-cd/sluice/pkg/workload"
)

// A promotion that is taken back while its target keeps the new revision is rendered from what the primary's own
// controller has kept of it.

// readHistory finds out whether the primary could return to the promoted revision, and, where it is to, from what. It
// costs requests, so that it is done where a rollback hook may have to be followed, and then only in passes that
// decide; a way back that is not begun yet is looked for in every pass. The primary is read live as well: one that is
// thought not to have the new revision yet is left alone.
func (r *Reconciler) readHistory(ctx context.Context, v *view, targets client.Reader) error {
	status, s := v.canary.Status, &v.snapshot
	// The pass on the cache looks only where a way back still has to be begun: that alone could make it write.
	_, live := targets.(*once)
	recalled := rollout.ReturningToPrevious(status)
	if !rollout.NeedsHistory(s.Plan, status) || !live && (!recalled || s.Primary.Revision == status.Promoting) {
		return nil
	}
	// What cannot be returned to is a fact, told to whoever asked for it, and never an error: the promotion goes on.
	h, ok := v.kind.(workload.TemplateKeeper)
	if !ok {
		s.NotKeptReason = fmt.Sprintf("a %s of %s has no history to return to", s.Names.Kind, v.canary.Spec.TargetRef.APIVersion)
		return nil
	}
	if live {
		if err := r.readPrimaryFrom(ctx, v, targets); err != nil {
			return err
		}
	}
	if v.primary == nil {
		s.NotKeptReason = "it is gone"
		return nil
	}
	return r.recollect(ctx, v, h.NewHistory(), recalled && s.Primary.Revision != status.Promoting && !v.promotes())
}

// recollect looks for the promoted revision in the primary's history, for now or to be rendered.
func (r *Reconciler) recollect(ctx context.Context, v *view, history workload.List, due bool) error {
	// Live: it is asked for so seldom that a watch of every ReplicaSet of the cluster would be dear.
	err := r.labelled(ctx, v.primary, history)
	if apierrors.IsForbidden(err) {
		v.snapshot.NotKeptReason = "its history must not be read" // a right of its own, which no rollout waits for
		return nil
	}
	if err != nil {
		return fmt.Errorf("list history of %q: %w", v.primary.GetName(), err)
	}
	former, unkept, err := workload.PreviousTemplate(v.kind, v.primary, history, v.canary.Status.LastPromotedSpec)
	if err != nil {
		return err
	}
	v.snapshot.PreviousTemplateKept, v.snapshot.NotKeptReason = former != nil, unkept
	// Not before it is the intent: addPrimary takes a template that is there for an order to go back to it.
	if due {
		v.former = former
	}
	return nil
}

// restore renders the primary from its history. The target, if there still is one, tells all but the pods.
func (r *Reconciler) restore(v *view) error {
	if v.former == nil {
		return nil
	}
	// It is there, with a size of its own, which is kept: nothing that is remembered counts.
	size := v.primarySize(0)
	primary, err := v.kind.Primary(v.template(), v.canary, workload.Model{Revision: v.intent.Primary, Replicas: &size, PreviousTemplate: v.former})
	if err != nil {
		return err
	}
	v.add = append(v.add, primary)
	return nil
}

package controller

import (
	"context"

	"github.com/sluice-cd/sluice/pkg/desired"
	"github.com/sluice-cd/sluice/pkg/kube"
	"github.com/sluice-cd/sluice/pkg/rollout"
)

// recordRun makes the CanaryRun that the status calls for, unless that was done, or is refused for now: both become facts of this
// pass. Without write it only says whether it would.
func (r *Reconciler) recordRun(ctx context.Context, p *pass, write bool) (changed bool, err error) {
	run := rollout.RecordDue(p.Canary.Status)
	if run == nil || p.Snapshot.Deleting {
		return false, nil
	}
	record, old := desired.Run(p.Facts, *run)
	made, refused := r.Runs.Known(p.Canary, record.Name)
	if !made && refused == nil {
		if !write {
			return true, nil
		}
		if refused, err = r.Runs.Make(ctx, p.Canary, record, old); refused == nil || err != nil {
			return err == nil, err
		}
	}
	p.Snapshot.Recorded = made
	if refused != nil {
		p.runRefused = refused
		p.Snapshot.NotRecorded = notRecorded(refused)
	}
	return false, nil
}

// notRecorded says why a CanaryRun is not made; empty: that may pass by itself.
func notRecorded(e *kube.RefusedError) string {
	if e.Text == "" {
		return ""
	}
	return e.Verb + " " + e.Object + ": " + e.Text
}

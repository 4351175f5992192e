package controller

import (
	"context"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/rollout"
	"github.com/sluice-cd/sluice/pkg/workload"
)

// What another controller of this API left behind is taken over as it is: see rollout.Snapshot.Copied.

// readPrimaryMatchesTarget compares the two sides where only that tells what another controller's status means.
func (r *Reconciler) readPrimaryMatchesTarget(_ context.Context, v *view, _ client.Reader) (err error) {
	// Only once in a Canary's life: its first decision puts the status into our words, and hashes tell from then on.
	if v.target == nil || v.primary == nil || !rollout.Foreign(v.canary.Status) {
		return nil
	}
	v.snapshot.Copied, err = workload.PrimaryMatchesTarget(v.kind, v.target, v.primary, v.canary, v.configs)
	return err
}

// adoptedPodAnnotations are what is on the pods of a primary that another controller made, if it runs already what it is to run.
func (v *view) adoptedPodAnnotations() (map[string]string, error) {
	// A primary of our own has no such marks, which is seen without rendering it.
	if v.primary == nil || !workload.PromotedByOther(v.kind, v.primary) {
		return nil, nil
	}
	copied, err := workload.PrimaryMatchesTarget(v.kind, v.target, v.primary, v.canary, v.configs)
	// It is to get another template: its pods are replaced anyway, and there is nothing to spare them.
	if err != nil || !copied {
		return nil, err
	}
	return v.kind.Sketch(v.primary).Template.Annotations, nil
}

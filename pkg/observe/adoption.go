package observe

import (
	"context"

	"github.com/sluice-cd/sluice/pkg/desired"
	"github.com/sluice-cd/sluice/pkg/rollout"
	"github.com/sluice-cd/sluice/pkg/workload"
)

// What another controller of this API left behind is taken over as it is: see rollout.Snapshot.PrimaryMatchesTarget.

// readAdoption compares the two sides where only that tells what another controller's status means.
func (r *Reader) readAdoption(_ context.Context, f *desired.Facts, _ pass) (err error) {
	// Only once in a Canary's life: its first decision puts the status into our words, and hashes tell from then on.
	if f.Target == nil || f.Primary == nil || !rollout.Foreign(f.Canary.Status) {
		return nil
	}
	f.Snapshot.PrimaryMatchesTarget, err = workload.PrimaryMatchesTarget(f.Kind, f.Target, f.Primary, f.Canary, f.Configs)
	return err
}

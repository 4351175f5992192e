package observe

import (
	"context"

	"github.com/sluice-cd/sluice/pkg/desired"
	"github.com/sluice-cd/sluice/pkg/rollout"
	"github.com/sluice-cd/sluice/pkg/workload"
)

// recognise compares the two sides where only that tells what revision the target has: of a status of another controller, which is
// taken over as it is, and of a hash that the status does not name, which need not be a new revision.
func (r *Reader) recognise(ctx context.Context, f *desired.Facts, _ pass) (err error) {
	if _, ok := f.SelfVersioned(); ok || f.Target == nil {
		return nil // it names its revisions itself
	}
	f.Snapshot.TargetTemplate = workload.TargetTemplate(f.Target)
	if !rollout.NeedsComparison(f.Snapshot) {
		return nil
	}
	if err := compareSides(ctx, r, f); err != nil {
		return err
	}
	known := rollout.Recognised(f.Snapshot)
	if known != f.Snapshot.Revision && f.Canary.Status.TrackedConfigs == nil {
		// It is from before tracking was turned on: see identify.
		f.Configs, f.Snapshot.Configs = workload.Configs{}, nil
	}
	f.Snapshot.Revision, f.Snapshot.Target.Revision = known, known
	return nil
}

func compareSides(ctx context.Context, r *Reader, f *desired.Facts) (err error) {
	if f.Primary == nil {
		return nil
	}
	s := &f.Snapshot
	if rollout.Foreign(f.Canary.Status) {
		// Only once in a Canary's life: its first decision puts the status into our words, and hashes tell from then on.
		s.PrimaryMatchesTarget, err = workload.PrimaryMatchesTarget(f.Kind, f.Target, f.Primary, f.Canary, f.Configs)
		return err
	}
	configs := f.Configs
	switch tracked := f.Canary.Status.TrackedConfigs; {
	case tracked == nil:
		configs = workload.Configs{}
	case !r.Tracking:
		if configs, err = (configReader{r}).promoted(ctx, f, *tracked); err != nil {
			return err
		}
	}
	s.PrimaryMatchesTarget, err = r.memory.isCopy(f, configs)
	return err
}

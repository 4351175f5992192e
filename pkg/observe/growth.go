package observe

import (
	"context"

	"github.com/sluice-cd/sluice/pkg/desired"
	"github.com/sluice-cd/sluice/pkg/rollout"
	"github.com/sluice-cd/sluice/pkg/workload"
)

// allowGrowth has a side that an autoscaler makes larger count as available while it has the pods that the rollout needs: with a
// pod more every few seconds there is always one that is not ready.
func (r *Reader) allowGrowth(ctx context.Context, f *desired.Facts, _ pass) (err error) {
	if _, ok := f.SelfVersioned(); ok || !f.Canary.Status.Phase.UnderWay() {
		return nil
	}
	s := &f.Snapshot
	all := f.Canary.Status.PrimaryReplicas
	canary := f.Intent.TargetMinimum
	// Judged without users, it shows that it can have them all.
	if f.Intent.StartFull {
		canary = max(canary, s.Target.AtMost(all))
	}
	if s.Target, err = grown(ctx, r, f, f.Target, s.Target, canary, threshold(f.Canary, canarySide)); err != nil {
		return err
	}
	s.Primary, err = grown(ctx, r, f, f.Primary, s.Primary, all, threshold(f.Canary, primarySide))
	return err
}

// grown is a side as its pods tell, where it waits for more of them than are needed. One that fails counts, however many serve.
func grown(ctx context.Context, r *Reader, f *desired.Facts, o workload.Object, w rollout.Workload, needed int32, ready int) (rollout.Workload, error) {
	if o == nil || !workload.Growing(o, w, needed, ready) {
		return w, nil
	}
	pods, known, err := r.pods(ctx, f, o)
	if err != nil || !known || workload.Failing(pods) {
		return w, err
	}
	w.Health, w.Reason = rollout.Available, ""
	return w, nil
}

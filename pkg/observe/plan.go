package observe

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/sluice-cd/sluice/pkg/desired"
	"github.com/sluice-cd/sluice/pkg/rollout"
	"github.com/sluice-cd/sluice/pkg/router"
)

// readPlan finds the provider and compiles the spec for it.
func (r *Reader) readPlan(ctx context.Context, f *desired.Facts, p pass) (err error) {
	if p.providerErr != nil {
		return p.providerErr
	}
	f.Router = p.router
	f.Snapshot.Plan, err = rollout.Compile(f.Canary.Spec, p.can)
	if err != nil {
		return recommend(err)
	}
	if r.Validate != nil {
		if err := r.Validate(f.Canary); err != nil {
			return err
		}
	}
	f.Snapshot.Plan.Provider = r.Routers.Name(f.Canary)
	f.Snapshot.Plan.Remarks = append(f.Snapshot.Plan.Remarks, remarks(f)...)
	if r.AlertRemarks != nil {
		f.Snapshot.Plan.Remarks = append(f.Snapshot.Plan.Remarks, r.AlertRemarks(ctx, f.Canary)...)
	}
	f.Intent = rollout.IntentOf(f.Snapshot.Plan, f.Canary.Status)
	return nil
}

// remarks are about what the spec asks for and this provider, or a target of this size, does not give.
func remarks(f *desired.Facts) []rollout.Remark {
	var remarks []rollout.Remark
	if fields := router.Ignored(f.Snapshot.Plan.Provider, f.Router, f.Canary); len(fields) > 0 {
		remarks = append(remarks, rollout.Remark{
			Reason: rollout.ReasonFieldIgnored,
			Text:   fmt.Sprintf("Provider %s has no use for %s", f.Snapshot.Plan.Provider, strings.Join(fields, ", ")),
		})
	}
	size := max(f.Canary.Status.PrimaryReplicas, f.Snapshot.Target.Replicas)
	if !f.Canary.Status.Phase.UnderWay() {
		size = max(size, f.Snapshot.Primary.Replicas)
	}
	return append(remarks, f.Snapshot.Plan.Unreachable(size)...)
}

// recommend names the providers that can do what this one cannot.
func recommend(err error) error {
	var wrong *rollout.InvalidError
	if !errors.As(err, &wrong) || wrong.Needs == 0 {
		return err
	}
	return &rollout.InvalidError{
		Field:   wrong.Field,
		Problem: fmt.Sprintf("%s; these can: %s", wrong.Problem, strings.Join(router.Able(wrong.Needs), ", ")),
		Needs:   wrong.Needs,
	}
}

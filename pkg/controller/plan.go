package controller

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/rollout"
	"github.com/sluice-cd/sluice/pkg/router"
)

// readPlan finds the provider and compiles the spec for it.
func (r *Reconciler) readPlan(ctx context.Context, v *view, _ client.Reader) error {
	route, can, err := r.Routers.For(ctx, v.canary)
	if err != nil {
		return err
	}
	v.router = route
	v.snapshot.Plan, err = rollout.Compile(v.canary.Spec, can)
	if err != nil {
		return recommend(err)
	}
	if r.Sound != nil {
		if err := r.Sound(v.canary); err != nil {
			return err
		}
	}
	v.snapshot.Plan.Provider = r.Routers.Name(v.canary)
	v.snapshot.Plan.Remarks = append(v.snapshot.Plan.Remarks, r.remarks(v)...)
	v.intent = rollout.IntentOf(v.snapshot.Plan, v.canary.Status)
	return nil
}

// remarks are about what the spec asks for and this provider, or a target of this size, does not give.
func (r *Reconciler) remarks(v *view) []rollout.Remark {
	var remarks []rollout.Remark
	if fields := router.Ignored(v.snapshot.Plan.Provider, v.router, v.canary); len(fields) > 0 {
		remarks = append(remarks, rollout.Remark{
			Reason: rollout.ReasonFieldIgnored,
			Text:   fmt.Sprintf("Provider %s has no use for %s", v.snapshot.Plan.Provider, strings.Join(fields, ", ")),
		})
	}
	size := max(v.canary.Status.PrimaryReplicas, v.snapshot.Target.Replicas)
	if !v.canary.Status.Phase.UnderWay() {
		size = max(size, v.snapshot.Primary.Replicas)
	}
	return append(remarks, v.snapshot.Plan.Unreachable(size)...)
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

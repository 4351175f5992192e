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
	v.snapshot.Plan.Provider = r.Routers.Name(v.canary)
	v.intent = rollout.IntentOf(v.snapshot.Plan, v.canary.Status)
	return nil
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

package observe

import (
	"context"
	"errors"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/sluice-cd/sluice/pkg/desired"
	"github.com/sluice-cd/sluice/pkg/rollout"
	"github.com/sluice-cd/sluice/pkg/router"
	"github.com/sluice-cd/sluice/pkg/workload"
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
	if why := primaryStops(f); why != "" {
		f.Snapshot.Plan.RouteAllBeforePromotion(why)
	}
	f.Snapshot.Plan.Provider = r.Routers.Name(f.Canary)
	f.Snapshot.Plan.Remarks = append(f.Snapshot.Plan.Remarks, remarks(f)...)
	if r.AlertRemarks != nil {
		f.Snapshot.Plan.Remarks = append(f.Snapshot.Plan.Remarks, r.AlertRemarks(ctx, f.Canary)...)
	}
	f.Snapshot.Plan = f.Snapshot.Plan.For(f.Canary.Status)
	f.Intent = rollout.IntentOf(f.Snapshot.Plan, f.Canary.Status)
	if abandoned(f) {
		f.Intent.Primary = "" // it is deleted
	}
	f.Snapshot.Plan.Remarks = append(f.Snapshot.Plan.Remarks, remarkReplaced(f)...)
	return nil
}

// primaryStops says why the primary has no pods while it is updated. It is updated the way that its target is, at the size
// that it had when the rollout began.
func primaryStops(f *desired.Facts) string {
	if f.Target == nil {
		return ""
	}
	size := f.Snapshot.Primary.Replicas
	if f.Canary.Status.Phase.UnderWay() {
		size = f.Canary.Status.PrimaryReplicas
	}
	if size == 0 {
		size = f.Snapshot.Target.Replicas
	}
	return workload.StopsOnUpdate(f.Target, size)
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
	if f.Target != nil && workload.SelectsByExpressions(f.Target) {
		remarks = append(remarks, rollout.Remark{
			Reason: rollout.ReasonFieldIgnored,
			Text: fmt.Sprintf("Services have no use for spec.selector.matchExpressions of %s %s, they select by its matchLabels",
				f.Canary.Spec.TargetRef.Kind, f.Target.GetName()),
		})
	}
	if names := otherwiseHeadless(f); len(names) > 0 {
		remarks = append(remarks, rollout.Remark{
			Reason: rollout.ReasonFieldIgnored,
			Text:   "The cluster IP of a Service cannot be changed, so that spec.service.headless counts only for those that are made, not for " + strings.Join(names, ", "),
		})
	}
	size := max(f.Canary.Status.PrimaryReplicas, f.Snapshot.Target.Replicas)
	if !f.Canary.Status.Phase.UnderWay() {
		size = max(size, f.Snapshot.Primary.Replicas)
	}
	return append(remarks, f.Snapshot.Plan.Unreachable(size)...)
}

// otherwiseHeadless are the Services that were made before spec.service.headless said what it does now.
func otherwiseHeadless(f *desired.Facts) (names []string) {
	for _, s := range f.OwnServices() {
		if (s.Spec.ClusterIP == corev1.ClusterIPNone) != f.Canary.Spec.Service.Headless {
			names = append(names, s.Name)
		}
	}
	return names
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

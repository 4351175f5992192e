package observe

import (
	"context"
	"fmt"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/desired"
	"github.com/sluice-cd/sluice/pkg/rollout"
	"github.com/sluice-cd/sluice/pkg/workload"
)

// TargetOf is the target that a Canary's status is about. A status of an older version does not say so: it is about the target
// whose primary the Canary has.
func (r *Reader) TargetOf(ctx context.Context, c *v1beta1.Canary) (v1beta1.TargetName, error) {
	named := c.Spec.TargetRef.TargetName()
	switch {
	case named.Kind == workload.KnativeService().Kind, c.Status.Phase == "":
		return named, nil
	case c.Status.Target != nil:
		return *c.Status.Target, nil
	}
	// As nearly always, and without a look at the others of the namespace.
	if has, err := hasPrimary(ctx, r, c); has || err != nil {
		return named, err
	}
	var others []v1beta1.TargetName
	for _, list := range []client.ObjectList{&appsv1.DeploymentList{}, &appsv1.DaemonSetList{}} {
		if err := r.Client.List(ctx, list, client.InNamespace(c.Namespace), client.UnsafeDisableDeepCopy); err != nil {
			return named, fmt.Errorf("list primaries of canary %q: %w", c.Name, err)
		}
		for _, o := range workload.Items(list) {
			name, primary := strings.CutSuffix(o.GetName(), v1beta1.PrimarySuffix)
			if !primary || !metav1.IsControlledBy(o, c) {
				continue
			}
			others = append(others, v1beta1.TargetName{Kind: workload.SummaryOf(o).Kind, Name: name})
		}
	}
	if len(others) == 1 {
		return others[0], nil
	}
	return named, nil
}

// hasPrimary says that a Canary has a primary of the target that its spec names.
func hasPrimary(ctx context.Context, r *Reader, c *v1beta1.Canary) (bool, error) {
	kind, err := r.Kinds.Of(c.Spec.TargetRef)
	if err != nil {
		return false, IgnoreUserError(err)
	}
	primary, err := fetch(ctx, &desired.Facts{Canary: c, Kind: kind}, r.Client, c.PrimaryWorkload())
	return primary != nil && metav1.IsControlledBy(primary, c), err
}

// aboutTarget has the facts be about the target of the status.
func aboutTarget(ctx context.Context, r *Reader, f *desired.Facts) error {
	named := f.Canary.Spec.TargetRef.TargetName()
	is, err := r.TargetOf(ctx, f.Canary)
	if err != nil || is == named {
		return err
	}
	f.Canary = f.Canary.WithTarget(is)
	f.Snapshot.Retargeted = &named
	return nil
}

// abandoned says that the target of the status is left before any user has met it.
func abandoned(f *desired.Facts) bool {
	return f.Snapshot.Retargeted != nil && rollout.RoutingKept(f.Canary.Status)
}

// readReplaced reads what is left of the target before.
func (r *Reader) readReplaced(ctx context.Context, f *desired.Facts, _ pass) error {
	name := f.Canary.Status.Replaces
	if _, single := f.SelfVersioned(); single || name == nil {
		return nil
	}
	was := &desired.Replaced{Canary: f.Canary.WithTarget(*name)}
	kind, err := r.Kinds.Of(was.Canary.Spec.TargetRef)
	if err != nil {
		return err
	}
	of := &desired.Facts{Canary: was.Canary, Kind: kind}
	target, err := fetch(ctx, of, r.Client, name.Name)
	if err != nil {
		return err
	}
	primary, err := fetch(ctx, of, r.Client, was.Canary.PrimaryWorkload())
	if err != nil {
		return err
	}
	now := &rollout.Replaced{}
	if target != nil {
		was.Target = target
		info := desired.RestoreInfo(target)
		now.Stopped = info.Size > 0 && info.UID == f.Canary.UID
		now.Serving = !now.Stopped && workload.SizeOf(target) > 0
		seen := kind.Observe(target, nil, threshold(f.Canary, canarySide), f.Snapshot.Now)
		now.Pods, was.TargetReady = seen.Replicas, seen.Health == rollout.Available
	}
	if primary != nil && metav1.IsControlledBy(primary, f.Canary) {
		was.Primary = primary
		now.Primary = kind.Observe(primary, nil, threshold(f.Canary, primarySide), f.Snapshot.Now)
		now.Pods = max(now.Pods, now.Primary.Replicas)
	}
	if was.Canary.ApexName() != f.Canary.ApexName() {
		if was.Apex, err = r.Apex(ctx, was.Canary); err != nil {
			return err
		}
	}
	f.Replaced, f.Snapshot.Replaced = was, now
	return nil
}

// remarkReplaced tells what is left of the target before, and why.
func remarkReplaced(f *desired.Facts) []rollout.Remark {
	was := f.Replaced
	if was == nil || f.Intent.KeepRouting || !f.Canary.Status.Phase.Settled() {
		return nil
	}
	if name := f.SelectedBy(was.Target); name != "" && f.Snapshot.Replaced.Stopped {
		return []rollout.Remark{{Reason: rollout.ReasonStrategyAdjusted, Text: fmt.Sprintf(
			"%s %s stays stopped, although it is no longer the target: Service %s of this Canary selects its pods", was.Canary.Spec.TargetRef.Kind, was.Target.GetName(), name)}}
	}
	if was.Leads() && was.Target == nil {
		return []rollout.Remark{{Reason: rollout.ReasonStrategyAdjusted, Text: fmt.Sprintf(
			"%s stays, although its target is gone: Service %s leads to it until you delete that", was.Primary.GetName(), was.Apex.Name)}}
	}
	return nil
}

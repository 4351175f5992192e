package observe

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/desired"
	"github.com/sluice-cd/sluice/pkg/kube"
	"github.com/sluice-cd/sluice/pkg/rollout"
	"github.com/sluice-cd/sluice/pkg/workload"
)

func (r *Reader) readTarget(ctx context.Context, f *desired.Facts, from pass) (err error) {
	if f.Kind, err = r.Kinds.Of(f.Canary.Spec.TargetRef); err != nil {
		return err
	}
	// Before the target is read: of a kind that the cluster does not serve, a read would wait for ever.
	if err := r.checkProvider(f, from); err != nil {
		return err
	}
	if abandoned(f) {
		return nil
	}
	err = r.readNamedTarget(ctx, f, from)
	// A target that is left, and is nobody's to roll out any more, keeps nobody from leaving it.
	if f.Snapshot.Retargeted != nil && UserError(err) && !f.TargetUnread {
		f.Target, f.Snapshot.Target, f.Snapshot.Revision = nil, rollout.Workload{}, ""
		return nil
	}
	return err
}

func (r *Reader) readNamedTarget(ctx context.Context, f *desired.Facts, from pass) error {
	o, err := fetch(ctx, f, from.targets, f.Canary.Spec.TargetRef.Name)
	if err != nil || o == nil {
		f.TargetUnread = err != nil
		return err
	}
	if err := checkNotGenerated(f, o); err != nil {
		return err
	}
	// Before it counts as the target: one that cannot be rolled out is not scaled either.
	if err := f.Kind.Check(o); err != nil {
		return err
	}
	f.Target = o
	if s, ok := f.SelfVersioned(); ok {
		readSides(f, s)
		return nil
	}
	if err := (configReader{r}).read(ctx, f, from.configs); err != nil {
		return err
	}
	f.Snapshot.Target, err = r.workload(ctx, f, o, canarySide)
	f.Snapshot.Target.Images = workload.Images(o)
	f.Snapshot.Target.SizedByUser = f.Snapshot.Target.Replicas > 0 && f.Canary.Spec.TargetRef.Kind == "Deployment" && !kube.SetsReplicas(o)
	configReader{r}.identify(f)
	if err == nil && rollout.MustConfirmTarget(f.Canary.Status) {
		err = r.confirmPods(ctx, f, o, &f.Snapshot.Target, canarySide)
	}
	return err
}

// checkNotGenerated refuses a target that another Canary has made: both would write to it, and one would stop what the other's
// users are with.
func checkNotGenerated(f *desired.Facts, target client.Object) error {
	by := metav1.GetControllerOf(target)
	if by == nil || by.APIVersion != v1beta1.GroupVersion.String() || by.Kind != "Canary" {
		return nil
	}
	return &rollout.InvalidError{
		Field:   "spec.targetRef.name",
		Problem: fmt.Sprintf("%s %q is the primary of the Canary %q; name a workload of your own", f.LowerKind(), target.GetName(), by.Name),
	}
}

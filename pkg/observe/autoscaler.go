package observe

import (
	"context"
	"fmt"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/desired"
	"github.com/sluice-cd/sluice/pkg/rollout"
	"github.com/sluice-cd/sluice/pkg/router"
	"github.com/sluice-cd/sluice/pkg/workload"
)

// readAutoscaler reads the target's autoscaler, and bounds the intent by what that gives a canary.
func (r *Reader) readAutoscaler(ctx context.Context, f *desired.Facts, _ pass) (err error) {
	// A target that is both sides scales by itself.
	if _, ok := f.SelfVersioned(); ok || f.Target == nil {
		return nil
	}
	if f.Autoscaler, err = r.Autoscaler(ctx, f); err != nil || f.Autoscaler == nil {
		return err
	}
	// The spec names that of the target which is still to come.
	if f.Snapshot.Retargeted != nil && workload.ScaleTarget(f.Autoscaler) != f.Target.GetName() {
		f.Autoscaler = nil
		return nil
	}
	s := &f.Snapshot
	most, byOther := workload.LimitOf(f.Autoscaler, f.Intent.TargetMinimum, s.Target.Available)
	s.Target.Most, s.Primary.Most = most, workload.PrimaryLimit(f.Autoscaler, f.Canary)
	f.Intent = f.Intent.Within(s.Target)
	ref := f.Canary.Spec.AutoscalerRef
	switch size := s.Primary.Most; {
	case byOther && f.Intent.Canary:
		s.Plan.Remarks = append(s.Plan.Remarks, rollout.Remark{
			Reason: rollout.ReasonStrategyAdjusted,
			Text: fmt.Sprintf("The minimum of %s %s, which was raised for the canary, is another manager's again: it is left, and the pods that it gives count as enough",
				ref.Kind, ref.Name),
		})
	case !byOther && size > most:
		s.Plan.Remarks = append(s.Plan.Remarks, rollout.Remark{
			Reason: rollout.ReasonStrategyAdjusted,
			Text: fmt.Sprintf("By spec.autoscalerRef.primaryScalerReplicas the primary can have %d pods, but %s %s gives the canary %d at most: they count as enough",
				size, ref.Kind, ref.Name, most),
		})
	}
	return nil
}

// Autoscaler reads the target's autoscaler; nil when the Canary names none, or when it went before the Canary did.
func (r *Reader) Autoscaler(ctx context.Context, f *desired.Facts) (workload.Object, error) {
	ref := f.Canary.Spec.AutoscalerRef
	if ref == nil {
		return nil, nil
	}
	// Only the kind counts: whatever the reference says, each is read in the one version that is known.
	var source client.Object
	switch ref.Kind {
	case "HorizontalPodAutoscaler":
		source = &autoscalingv2.HorizontalPodAutoscaler{}
	case "ScaledObject":
		u := &unstructured.Unstructured{}
		u.SetGroupVersionKind(workload.ScaledObjectKind())
		source = u
		// Before it is read: of a kind that is not watched, the first read would begin a watch that wakes nobody.
		if err := watchScaledObjects(ctx, r); err != nil {
			return nil, err
		}
	default:
		return nil, &rollout.InvalidError{
			Field:   "spec.autoscalerRef.kind",
			Problem: fmt.Sprintf("%q is not known, known are HorizontalPodAutoscaler and ScaledObject", ref.Kind),
		}
	}
	err := r.Client.Get(ctx, client.ObjectKey{Namespace: f.Canary.Namespace, Name: ref.Name}, source)
	if client.IgnoreNotFound(err) != nil {
		return nil, fmt.Errorf("read autoscaler %q: %w", ref.Name, err)
	}
	if err != nil && f.Snapshot.Deleting {
		return nil, nil // the primary's goes with the Canary
	}
	if err != nil {
		return nil, &rollout.InvalidError{
			Field:   "spec.autoscalerRef.name",
			Problem: fmt.Sprintf("%s %q does not exist in namespace %q", ref.Kind, ref.Name, f.Canary.Namespace),
		}
	}
	return source, nil
}

// watchScaledObjects begins to watch them with the first Canary that names one: most clusters have none.
func watchScaledObjects(ctx context.Context, r *Reader) error {
	kind := workload.ScaledObjectKind()
	_, err := r.Client.RESTMapper().RESTMapping(kind.GroupKind(), kind.Version)
	// Told, and tried again: KEDA may be installed later. A watch of what is not served would never begin.
	if meta.IsNoMatchError(err) {
		return &router.NotServedError{Provider: "keda", Group: kind.Group}
	}
	if err != nil {
		return fmt.Errorf("find out about %s: %w", kind.Kind, err)
	}
	return r.Routers.WatchKind(ctx, kind)
}

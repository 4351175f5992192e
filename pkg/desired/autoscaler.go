package desired

import (
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/sluice-cd/sluice/pkg/workload"
)

// addScaler renders the primary's autoscaler, and has the target's rest for as long as the target does.
func (r *Renderer) addScaler(f *Facts, o *Objects) error {
	// An autoscaler of nothing only complains. It is made with the primary, and kept whenever there is one.
	if f.Autoscaler == nil || f.Primary == nil && f.Intent.Primary == "" {
		return nil
	}
	if h, ok := f.Autoscaler.(*autoscalingv2.HorizontalPodAutoscaler); ok {
		made, err := r.Kinds.Autoscaler(h, f.Canary, f.Intent.AutoscalerMinimum)
		if err != nil {
			return err
		}
		o.apply(made)
		return nil
	}
	if u, ok := f.Autoscaler.(*unstructured.Unstructured); ok {
		o.apply(r.Kinds.ScaledObject(u, f.Canary, f.Intent.AutoscalerMinimum))
	}
	return nil
}

// ledScaler has the target's scaler let the canary run with what the intent calls for, before the target is started: one that
// is still paused, or wants fewer pods, would stop it again.
func ledScaler(f *Facts) []runtime.ApplyConfiguration {
	if f.Autoscaler == nil || !f.Intent.Canary {
		return nil
	}
	least := f.Intent.TargetMinimum
	// Users have never left the target: its size is its own matter.
	if f.Canary.Status.LastPromotedSpec == "" {
		least = 0
	}
	if led := workload.LeadScaler(f.Autoscaler, f.Canary, least); led != nil {
		return []runtime.ApplyConfiguration{UserFields(led)}
	}
	return nil
}

// pauseScaler pauses KEDA's scaler, with its own bounds, before the target is stopped: one that is not paused would start it
// again.
func pauseScaler(f *Facts, o *Objects) {
	if _, keda := f.Autoscaler.(*unstructured.Unstructured); keda {
		restScaler(f, o)
	}
}

// restoreScaler gives Kubernetes' own its minimum back after the target is stopped: until then it would act on that.
func restoreScaler(f *Facts, o *Objects) {
	if _, own := f.Autoscaler.(*autoscalingv2.HorizontalPodAutoscaler); own {
		restScaler(f, o)
	}
}

func restScaler(f *Facts, o *Objects) {
	if f.Intent.Canary {
		return
	}
	if rested := workload.RestScaler(f.Autoscaler); rested != nil {
		o.stop(UserFields(rested))
	}
}

package desired

import (
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

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
		o.Apply = append(o.Apply, made)
		return nil
	}
	if u, ok := f.Autoscaler.(*unstructured.Unstructured); ok {
		o.Apply = append(o.Apply, r.Kinds.ScaledObject(u, f.Canary, f.Intent.AutoscalerMinimum))
	}
	return nil
}

// resumeScaler lets go of the target's scaler before the target is started; one that is still paused would stop it again.
func resumeScaler(f *Facts, o *Objects) {
	if canPause(f) && f.Intent.Canary && workload.ScaledObjectPaused(f.Autoscaler) {
		o.Apply = append(o.Apply, UserFields(workload.PauseScaledObject(f.Autoscaler, false)))
	}
}

// pauseScaler pauses the target's scaler before the target is stopped; one that is not would start it again.
func pauseScaler(f *Facts, o *Objects) {
	if canPause(f) && !f.Intent.Canary && !workload.ScaledObjectPaused(f.Autoscaler) {
		o.Stop = append(o.Stop, UserFields(workload.PauseScaledObject(f.Autoscaler, true)))
	}
}

// canPause says that the target's scaler is one that acts on a target without pods.
func canPause(f *Facts) bool {
	// Kubernetes' own rests by itself at zero replicas.
	_, ok := f.Autoscaler.(*unstructured.Unstructured)
	return ok
}

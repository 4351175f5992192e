package controller

import (
	"context"
	"fmt"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/rollout"
	"github.com/sluice-cd/sluice/pkg/router"
	"github.com/sluice-cd/sluice/pkg/workload"
)

// readScaler reads the target's autoscaler; nil when the Canary names none, or when it went before the Canary did.
func (r *Reconciler) readScaler(ctx context.Context, v *view) (client.Object, error) {
	ref := v.canary.Spec.AutoscalerRef
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
		if err := r.watchScaledObjects(ctx); err != nil {
			return nil, err
		}
	default:
		return nil, &rollout.InvalidError{
			Field:   "spec.autoscalerRef.kind",
			Problem: fmt.Sprintf("%q is not known, known are HorizontalPodAutoscaler and ScaledObject", ref.Kind),
		}
	}
	err := r.Client.Get(ctx, client.ObjectKey{Namespace: v.canary.Namespace, Name: ref.Name}, source)
	if client.IgnoreNotFound(err) != nil {
		return nil, fmt.Errorf("read autoscaler %q: %w", ref.Name, err)
	}
	if err != nil && v.snapshot.Deleting {
		return nil, nil // the primary's goes with the Canary
	}
	if err != nil {
		return nil, &rollout.InvalidError{
			Field:   "spec.autoscalerRef.name",
			Problem: fmt.Sprintf("%s %q does not exist in namespace %q", ref.Kind, ref.Name, v.canary.Namespace),
		}
	}
	return source, nil
}

// watchScaledObjects begins to watch them with the first Canary that names one: most clusters have none.
func (r *Reconciler) watchScaledObjects(ctx context.Context) error {
	// Held all the while: two that begin at once would watch twice, and each event would be handled twice.
	r.memory.mu.Lock()
	defer r.memory.mu.Unlock()
	if r.memory.scaledObjects {
		return nil
	}
	kind := workload.ScaledObjectKind()
	_, err := r.Client.RESTMapper().RESTMapping(kind.GroupKind(), kind.Version)
	// Told, and tried again: KEDA may be installed later. A watch of what is not served would never begin.
	if meta.IsNoMatchError(err) {
		return &router.NotServedError{Provider: "keda", Group: kind.Group}
	}
	if err != nil {
		return fmt.Errorf("find out about %s: %w", kind.Kind, err)
	}
	if err := r.Routers.Watch(ctx, kind); err != nil {
		return fmt.Errorf("watch %s: %w", kind.Kind, err)
	}
	// Only now: a watch that failed is tried again with the next look.
	r.memory.scaledObjects = true
	return nil
}

// addScaler renders the primary's autoscaler, and has the target's rest for as long as the target does.
func (r *Reconciler) addScaler(v *view) error {
	// An autoscaler of nothing only complains. It is made with the primary, and kept whenever there is one.
	if v.scaler == nil || v.primary == nil && v.intent.Primary == "" {
		return nil
	}
	if h, ok := v.scaler.(*autoscalingv2.HorizontalPodAutoscaler); ok {
		made, err := r.Kinds.Autoscaler(h, v.canary, v.intent.Guard)
		if err != nil {
			return err
		}
		v.add = append(v.add, made)
		return nil
	}
	if u, ok := v.scaler.(*unstructured.Unstructured); ok {
		v.add = append(v.add, r.Kinds.ScaledObject(u, v.canary, v.intent.Guard))
	}
	return nil
}

// rouse lets go of the target's scaler before the target is started; one that is still paused would stop it again.
func (v *view) rouse() {
	if v.canPause() && v.intent.Canary && workload.Paused(v.scaler) {
		v.add = append(v.add, touched(workload.Pause(v.scaler, false)))
	}
}

// still pauses the target's scaler before the target is stopped; one that is not would start it again.
func (v *view) still() {
	if v.canPause() && !v.intent.Canary && !workload.Paused(v.scaler) {
		v.remove = append(v.remove, touched(workload.Pause(v.scaler, true)))
	}
}

// canPause says that the target's scaler is one that acts on a target without pods.
func (v *view) canPause() bool {
	// Kubernetes' own rests by itself at zero replicas.
	_, ok := v.scaler.(*unstructured.Unstructured)
	return ok
}

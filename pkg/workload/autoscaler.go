package workload

import (
	"fmt"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	autoscalingv2ac "k8s.io/client-go/applyconfigurations/autoscaling/v2"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// Autoscaler renders the primary's copy of the target's autoscaler. Floor is the number of pods that it
// must not go below, however small the copied minimum is: while a rollout sends users away, the
// primary must keep the size it needs to have them back.
//
// The version in the Canary's reference is not looked at: the source was read as autoscaling/v2, which
// every supported cluster serves.
func (k LabelRules) Autoscaler(source *autoscalingv2.HorizontalPodAutoscaler, c *v1beta1.Canary, floor int32) (*autoscalingv2ac.HorizontalPodAutoscalerApplyConfiguration, error) {
	ref := c.Spec.AutoscalerRef
	source = ownBounds(source)
	spec, err := toApplyConfiguration[autoscalingv2ac.HorizontalPodAutoscalerSpecApplyConfiguration](source.Spec)
	if err != nil {
		return nil, fmt.Errorf("copy autoscaler %q: %w", source.Name, err)
	}
	limitAutoscaler(spec, ref.PrimaryScalerReplicas, floor)
	// Else it would scale the target, beside the target's own.
	// The metrics stay as they are: those of pods are about the pods of whatever is scaled.
	spec.ScaleTargetRef.WithName(c.PrimaryWorkload())
	return autoscalingv2ac.HorizontalPodAutoscaler(ref.Name+v1beta1.PrimarySuffix, c.Namespace).
		WithOwnerReferences(ownerReference(c)).
		WithLabels(labelsOf(source, k.IncludeLabelPrefixes)).
		WithAnnotations(annotationsOf(source)).
		WithSpec(spec), nil
}

// ScaleTarget is the name of the workload that an autoscaler scales.
func ScaleTarget(scaler Object) string {
	switch s := scaler.(type) {
	case *autoscalingv2.HorizontalPodAutoscaler:
		return s.Spec.ScaleTargetRef.Name
	case *unstructured.Unstructured:
		name, _, _ := unstructured.NestedString(s.Object, "spec", "scaleTargetRef", "name")
		return name
	}
	return ""
}

// limitAutoscaler sets how far the primary may be scaled. A bound that the Canary gives counts more than the other one that is
// copied, and the floor gives way to the maximum: an autoscaler with more pods at least than at most is refused by the API
// server.
func limitAutoscaler(spec *autoscalingv2ac.HorizontalPodAutoscalerSpecApplyConfiguration, own *v1beta1.ScalerReplicas, floor int32) {
	if own != nil && own.MinReplicas != nil {
		spec.WithMinReplicas(*own.MinReplicas)
		spec.WithMaxReplicas(max(*spec.MaxReplicas, *own.MinReplicas))
	}
	if own != nil && own.MaxReplicas != nil {
		spec.WithMaxReplicas(*own.MaxReplicas)
	}
	least := int32(1)
	if spec.MinReplicas != nil {
		least = *spec.MinReplicas
	}
	// The API requires a maximum, so there is one.
	if least = min(max(floor, least), *spec.MaxReplicas); spec.MinReplicas != nil || least > 1 {
		spec.WithMinReplicas(least)
	}
}

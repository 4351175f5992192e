package workload

import (
	"encoding/json"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/ptr"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// An autoscaler that wants fewer pods than a canary needs is led by its minimum. Where somebody else sets that meanwhile, as
// a tool that follows Git does, theirs counts until the canary is stopped: nobody would win.

// LeadAnnotation on the target's autoscaler holds a Lead, as JSON. It comes and goes with the raised minimum, by one write.
const LeadAnnotation = "sluice.dev/led"

// Lead is what an autoscaler was before its minimum was raised for a canary.
type Lead struct {
	Canary  string `json:"canary"`
	Minimum int64  `json:"minimum"`        // that it was raised to
	Was     *int64 `json:"was"`            // null: it had none
	Idle    *int64 `json:"idle,omitempty"` // idleReplicaCount of a ScaledObject, which would count more than its minimum
}

// LeadOf reads what an autoscaler carries. Whatever is no Lead counts as none.
func LeadOf(o metav1.Object) (Lead, bool) {
	text, ok := o.GetAnnotations()[LeadAnnotation]
	if !ok {
		return Lead{}, false
	}
	var l Lead
	err := json.Unmarshal([]byte(text), &l)
	return l, err == nil && l.Canary != "" && l.Minimum > 0
}

// bounds are how far an autoscaler scales.
type bounds struct {
	least, idle *int64 // nil: it names none
	most        int64
}

func boundsOf(scaler Object) bounds {
	switch s := scaler.(type) {
	case *autoscalingv2.HorizontalPodAutoscaler:
		b := bounds{most: int64(s.Spec.MaxReplicas)}
		if s.Spec.MinReplicas != nil {
			b.least = ptr.To(int64(*s.Spec.MinReplicas))
		}
		return b
	case *unstructured.Unstructured:
		count := func(field string) *int64 {
			if n, ok, _ := unstructured.NestedInt64(s.Object, "spec", field); ok {
				return &n
			}
			return nil
		}
		return bounds{least: count("minReplicaCount"), idle: count("idleReplicaCount"), most: ptr.Deref(count("maxReplicaCount"), defaultMaxReplicas)}
	}
	return bounds{}
}

// LeadScaler renders an autoscaler that lets a canary run with a number of pods, as far as its maximum allows; nil: it does
// already, or its minimum is somebody else's. A minimum that was raised before is only raised further.
func LeadScaler(scaler Object, c *v1beta1.Canary, minimum int32) runtime.ApplyConfiguration {
	annotations, spec := map[string]any{}, map[string]any{}
	if ScaledObjectPaused(scaler) {
		annotations[pausedReplicas] = nil
	}
	b, wanted := boundsOf(scaler), int64(minimum)
	lead, led := LeadOf(scaler)
	if least := ptr.Deref(b.least, 0); wanted > 0 && !taken(scaler) && (least < min(wanted, b.most) || b.idle != nil) {
		if !led {
			lead = Lead{Was: b.least, Idle: b.idle}
		}
		lead.Canary, lead.Minimum = c.Name, max(least, min(wanted, b.most))
		annotations[LeadAnnotation] = lead.String()
		spec[minimumField(scaler)] = lead.Minimum
		if b.idle != nil {
			spec["idleReplicaCount"] = nil
		}
	}
	return scalerPatch(scaler, annotations, spec)
}

// RestScaler renders an autoscaler whose target is stopped: it has its own minimum again, and KEDA's is paused; nil: that is so.
func RestScaler(scaler Object) runtime.ApplyConfiguration {
	annotations, spec := map[string]any{}, map[string]any{}
	// Kubernetes' own rests by itself at zero replicas.
	if _, keda := scaler.(*unstructured.Unstructured); keda && !ScaledObjectPaused(scaler) {
		annotations[pausedReplicas] = "0"
	}
	restore(scaler, annotations, spec)
	return scalerPatch(scaler, annotations, spec)
}

// FreeScaler renders an autoscaler that nobody leads or pauses; nil: that is so. A pause at another size than zero is the
// user's.
func FreeScaler(scaler Object) runtime.ApplyConfiguration {
	annotations, spec := map[string]any{}, map[string]any{}
	if ScaledObjectPaused(scaler) {
		annotations[pausedReplicas] = nil
	}
	restore(scaler, annotations, spec)
	return scalerPatch(scaler, annotations, spec)
}

func restore(scaler Object, annotations, spec map[string]any) {
	lead, led := LeadOf(scaler)
	if !led {
		return
	}
	annotations[LeadAnnotation] = nil
	if taken(scaler) {
		return // theirs stays
	}
	spec[minimumField(scaler)] = nil
	if lead.Was != nil {
		spec[minimumField(scaler)] = *lead.Was
	}
	if lead.Idle != nil {
		spec["idleReplicaCount"] = *lead.Idle
	}
}

// taken says that somebody else has set the minimum since it was raised.
func taken(scaler Object) bool {
	lead, led := LeadOf(scaler)
	b := boundsOf(scaler)
	return led && (ptr.Deref(b.least, 0) != lead.Minimum || b.idle != nil)
}

// ownBounds is an autoscaler as it is without a Lead.
func ownBounds[T Object](scaler T) T {
	lead, led := LeadOf(scaler)
	if !led || taken(scaler) {
		return scaler
	}
	switch s := any(scaler.DeepCopyObject()).(type) {
	case *autoscalingv2.HorizontalPodAutoscaler:
		s.Spec.MinReplicas = nil
		if lead.Was != nil {
			s.Spec.MinReplicas = ptr.To(int32(*lead.Was)) //nolint:gosec // it was read from there
		}
		return any(s).(T)
	case *unstructured.Unstructured:
		spec, _, _ := unstructured.NestedMap(s.Object, "spec")
		for field, was := range map[string]*int64{"minReplicaCount": lead.Was, "idleReplicaCount": lead.Idle} {
			if delete(spec, field); was != nil {
				spec[field] = *was
			}
		}
		s.Object["spec"] = spec
		return any(s).(T)
	}
	return scaler
}

// LimitOf is how many pods an autoscaler lets a canary have of a wanted number: its maximum, or, where its minimum is somebody
// else's, what it gives; byOther says that it is that. Zero: there is no limit.
func LimitOf(scaler Object, wanted, available int32) (most int32, byOther bool) {
	b := boundsOf(scaler)
	if taken(scaler) && (ptr.Deref(b.least, 0) < int64(wanted) || b.idle != nil) {
		return max(available, 1), true
	}
	return int32(min(b.most, 1<<30)), false //nolint:gosec // it is bounded
}

// PrimaryLimit is how many pods the primary's copy of an autoscaler can give.
func PrimaryLimit(scaler Object, c *v1beta1.Canary) int32 {
	most := boundsOf(scaler).most
	if own := c.Spec.AutoscalerRef.PrimaryScalerReplicas; own != nil {
		most = max(most, int64(ptr.Deref(own.MinReplicas, 0)))
		most = int64(ptr.Deref(own.MaxReplicas, int32(min(most, 1<<30)))) //nolint:gosec // it is bounded
	}
	return int32(min(most, 1<<30)) //nolint:gosec // it is bounded
}

// String is the annotation's value. The same Lead is always the same text.
func (l Lead) String() string {
	text, err := json.Marshal(l)
	if err != nil {
		panic(err) // it is made of a text and numbers
	}
	return string(text)
}

func minimumField(scaler Object) string {
	if _, keda := scaler.(*unstructured.Unstructured); keda {
		return "minReplicaCount"
	}
	return "minReplicas"
}

// scalerPatch changes an autoscaler of the user's, its bounds only in the version that was looked at: what they were is noted.
func scalerPatch(scaler Object, annotations, spec map[string]any) runtime.ApplyConfiguration {
	if len(annotations) == 0 {
		return nil
	}
	fields := map[string]any{"metadata": map[string]any{"annotations": annotations}}
	if len(spec) > 0 {
		fields["spec"] = spec
	}
	gvk := ScaledObjectKind()
	if _, keda := scaler.(*unstructured.Unstructured); !keda {
		gvk = autoscalingv2.SchemeGroupVersion.WithKind("HorizontalPodAutoscaler")
	}
	p := patch(gvk.GroupVersion().String(), gvk.Kind, scaler, fields)
	if len(spec) > 0 {
		p.SetResourceVersion(scaler.GetResourceVersion())
	}
	return p
}

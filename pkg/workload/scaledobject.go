package workload

import (
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// pausedReplicas has KEDA keep a target at a size, whatever its triggers say.
const pausedReplicas = "autoscaling.keda.sh/paused-replicas"

// defaultMaxReplicas is the greatest size that KEDA has for a ScaledObject that names none.
const defaultMaxReplicas = 100

// ScaledObjectKind is KEDA's, in the one version that it serves.
//
// https://keda.sh/docs/latest/reference/scaledobject-spec/
func ScaledObjectKind() schema.GroupVersionKind {
	return schema.GroupVersionKind{Group: "keda.sh", Version: "v1alpha1", Kind: "ScaledObject"}
}

// ScaledObject renders the primary's copy of the target's ScaledObject. Floor is as for Autoscaler. Its queries ask
// about the primary, as far as they name the target; whether the target's is paused at the moment is not copied.
func (r LabelRules) ScaledObject(source *unstructured.Unstructured, c *v1beta1.Canary, floor int32) runtime.ApplyConfiguration {
	ref := c.Spec.AutoscalerRef
	source = ownBounds(source)
	spec, _ := runtime.DeepCopyJSONValue(source.Object["spec"]).(map[string]any)
	if spec == nil {
		spec = map[string]any{}
	}
	setIn(spec, c.PrimaryWorkload(), "scaleTargetRef", "name")
	limitScaledObject(spec, ref.PrimaryScalerReplicas, int64(floor))
	// KEDA makes a HorizontalPodAutoscaler of that name: two ScaledObjects must not share one.
	if name, ok, _ := unstructured.NestedString(spec, "advanced", "horizontalPodAutoscalerConfig", "name"); ok {
		setIn(spec, name+v1beta1.PrimarySuffix, "advanced", "horizontalPodAutoscalerConfig", "name")
	}
	triggers, _, _ := unstructured.NestedSlice(spec, "triggers")
	for _, t := range triggers {
		if trigger, ok := t.(map[string]any); ok {
			setQuery(trigger, ref.PrimaryScalerQueries, c.Spec.TargetRef.Name)
		}
	}
	if len(triggers) > 0 {
		spec["triggers"] = triggers
	}
	o := custom(ScaledObjectKind(), ref.Name+v1beta1.PrimarySuffix, c, spec)
	o.SetLabels(labelsOf(source, r.IncludeLabelPrefixes))
	// A pause of the target's is as a rule ours, while it is stopped; the primary must go on being scaled.
	kept := annotationsOf(source)
	delete(kept, pausedReplicas)
	delete(kept, "autoscaling.keda.sh/paused")
	o.SetAnnotations(kept)
	return o
}

// setIn sets a field inside of a spec; where the way there is not a way of maps, the API server will say so.
func setIn(spec map[string]any, value string, path ...string) {
	_ = unstructured.SetNestedField(spec, value, path...)
}

// limitScaledObject sets how far the primary may be scaled. While a rollout is under way it has no idle size either: to KEDA that
// is one below the least.
func limitScaledObject(spec map[string]any, own *v1beta1.ScalerReplicas, floor int64) {
	if own != nil && own.MinReplicas != nil {
		spec["minReplicaCount"] = int64(*own.MinReplicas)
	}
	if own != nil && own.MaxReplicas != nil {
		spec["maxReplicaCount"] = int64(*own.MaxReplicas)
	}
	least, _, _ := unstructured.NestedInt64(spec, "minReplicaCount")
	limit, ok, _ := unstructured.NestedInt64(spec, "maxReplicaCount")
	if !ok {
		limit = defaultMaxReplicas
	}
	// A bound that the Canary gives counts more than the other one that is copied.
	if own != nil && own.MinReplicas != nil && own.MaxReplicas == nil && least > limit {
		limit = least
		spec["maxReplicaCount"] = limit
	}
	if floor > 0 {
		// An idle primary would be too small for its users when they come back.
		delete(spec, "idleReplicaCount")
	}
	if floor > least || least > limit {
		spec["minReplicaCount"] = min(max(floor, least), limit)
	}
}

// setQuery has a trigger's query be about the primary: by what the Canary says for the trigger of that name, or else with
// the target's name replaced.
func setQuery(trigger map[string]any, own map[string]string, target string) {
	name, _, _ := unstructured.NestedString(trigger, "name")
	query, ok, _ := unstructured.NestedString(trigger, "metadata", "query")
	if instead, given := own[name]; given && name != "" {
		setIn(trigger, instead, "metadata", "query")
		return
	}
	if ok {
		setIn(trigger, primaryQuery(query, target), "metadata", "query")
	}
}

// primaryQuery puts the primary's name where a query has the target's, or its canary Service's. A name that only
// begins or ends alike is another's: podinfo is in podinfo-backend and in podinfo_requests_total, and neither is meant.
// In podinfo-.*, which is a pattern for names of pods, it is.
func primaryQuery(query, target string) string {
	var b strings.Builder
	for at := 0; at < len(query); {
		rest := query[at:]
		if !strings.HasPrefix(rest, target) || at > 0 && partOfName(query[at-1]) {
			b.WriteByte(query[at])
			at++
			continue
		}
		switch tail := rest[len(target):]; {
		case begins(tail, "-canary"):
			b.WriteString(target + v1beta1.PrimarySuffix)
			at += len(target) + len("-canary")
		case tail == "" || !partOfName(tail[0]) || tail[0] == '-' && (len(tail) == 1 || !partOfName(tail[1])):
			b.WriteString(target + v1beta1.PrimarySuffix)
			at += len(target)
		default:
			b.WriteString(target)
			at += len(target)
		}
	}
	return b.String()
}

// begins says that a text begins with a part of a name that ends there.
func begins(text, part string) bool {
	after, ok := strings.CutPrefix(text, part)
	return ok && (after == "" || !partOfName(after[0]) || after[0] == '-')
}

func partOfName(c byte) bool {
	return c == '-' || c == '_' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// ScaledObjectPaused says that a ScaledObject keeps its target at zero. Whoever keeps it at another size is not us.
func ScaledObjectPaused(source metav1.Object) bool {
	return source.GetAnnotations()[pausedReplicas] == "0"
}

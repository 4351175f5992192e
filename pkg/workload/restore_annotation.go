package workload

import (
	"encoding/json"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// RestoreAnnotation on a target that Sluice has stopped holds a RestoreInfo, as JSON. It is put there by the write that stops
// the target, and goes when the target is started again.
const RestoreAnnotation = "sluice.dev/stopped"

// RestoreInfo is what has to be known of a stopped target, and of the Canary that it was stopped for, to give everything back
// when the Canary was deleted and nobody saw that.
// Without a finalizer nothing holds a Canary back until somebody has seen that it goes, as when no operator runs.
type RestoreInfo struct {
	Canary string    `json:"canary"`
	UID    types.UID `json:"uid"`  // of the Canary
	Size   int32     `json:"size"` // pods to come back with
	// Operator is the one of several that has stopped it; empty: there is but one.
	Operator string `json:"operator,omitempty"`

	// The rest is of the Canary's spec, as far as it names what is the user's own. Most name nothing.
	Provider string                 `json:"provider,omitempty"`
	Service  string                 `json:"service,omitempty"`
	Routes   []v1beta1.OwnRoute     `json:"routes,omitempty"`
	Scaler   *v1beta1.AutoscalerRef `json:"scaler,omitempty"`
	Adopted  []v1beta1.MadeObject   `json:"adopted,omitempty"` // of its status: each carries what it was like
}

// RestoreInfoFor is what a Canary's target carries while it is stopped. Of autoscalers only KEDA's are paused.
// A HorizontalPodAutoscaler rests by itself at zero pods.
func RestoreInfoFor(c *v1beta1.Canary, size int32) RestoreInfo {
	s := RestoreInfo{Canary: c.Name, UID: c.UID, Size: size, Provider: c.Spec.Provider}
	s.Service, s.Routes = c.Spec.Service.Name, c.Spec.Service.RouteRefs
	if ref := c.Spec.AutoscalerRef; ref != nil && ref.Kind == ScaledObjectKind().Kind {
		s.Scaler = &v1beta1.AutoscalerRef{APIVersion: ref.APIVersion, Kind: ref.Kind, Name: ref.Name}
	}
	for _, o := range c.Status.Objects {
		if o.Adopted {
			s.Adopted = append(s.Adopted, o)
		}
	}
	return s
}

// RestoreInfoOf reads what a target carries. Whatever is no RestoreInfo counts as none.
func RestoreInfoOf(o metav1.Object) (RestoreInfo, bool) {
	text, ok := o.GetAnnotations()[RestoreAnnotation]
	if !ok {
		return RestoreInfo{}, false
	}
	var s RestoreInfo
	err := json.Unmarshal([]byte(text), &s)
	return s, err == nil && s.Canary != "" && s.Size > 0
}

// String is the annotation's value. The same RestoreInfo is always the same text.
func (s RestoreInfo) String() string {
	text, err := json.Marshal(s)
	if err != nil {
		panic(err) // it is made of texts and a number
	}
	return string(text)
}

// AsCanary is the Canary as far as a RestoreInfo tells of it, for its target.
// It stands in for one that is gone, for code that gives a target back and expects a Canary.
func (s RestoreInfo) AsCanary(target Object) *v1beta1.Canary {
	c := &v1beta1.Canary{ObjectMeta: metav1.ObjectMeta{Namespace: target.GetNamespace(), Name: s.Canary, UID: s.UID}}
	c.Spec.TargetRef = v1beta1.TargetRef{APIVersion: "apps/v1", Kind: SummaryOf(target).Kind, Name: target.GetName()}
	c.Status.Target = &v1beta1.TargetName{Kind: c.Spec.TargetRef.Kind, Name: c.Spec.TargetRef.Name}
	c.Spec.Provider = s.Provider
	c.Spec.Service.Name, c.Spec.Service.RouteRefs = s.Service, s.Routes
	c.Spec.AutoscalerRef = s.Scaler
	c.Status.Phase = v1beta1.PhaseSucceeded // at rest, whatever it came from
	c.Status.PrimaryReplicas, c.Status.Objects = s.Size, s.Adopted
	return c
}

// ClearRestoreInfo renders a target that carries no RestoreInfo, and nothing else of it: its size may be an autoscaler's again.
func ClearRestoreInfo(target Object) runtime.ApplyConfiguration {
	return patch("apps/v1", SummaryOf(target).Kind, target, map[string]any{
		"metadata": map[string]any{"annotations": map[string]any{RestoreAnnotation: nil}},
	})
}

package workload

import (
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
)

// SelfVersioned is a Kind whose targets keep their revisions themselves: both sides of a rollout are in the one object, which
// also starts, stops and scales them.
type SelfVersioned interface {
	Kind
	// Revision of a target is the last that it has made; empty while there is none.
	Revision(target Object) string
	// Promoted is the side that was promoted last, Absent while none was.
	Promoted(target Object) rollout.Workload
	// RevisionName is what the target calls a revision; empty where that is not one of its own.
	RevisionName(revision string) string
	// ClearPromotion renders a target about which nobody knows any more what was promoted.
	ClearPromotion(target Object) runtime.ApplyConfiguration
}

// Knative reads targets that are Services of Knative's.
//
// A revision is the name that Knative has given it, behind rollout.RevisionPrefix: r1-podinfo-00002 is podinfo-00002.
// Names are never used twice while a Service lives, so that a template which is put back is another revision, unless
// the user names revisions in the template.
//
// https://knative.dev/docs/serving/services/ says what a Service's status holds.
type Knative struct{}

var _ SelfVersioned = Knative{}

// KnativeService is the kind of Knative's Services.
func KnativeService() schema.GroupVersionKind {
	return schema.GroupVersionKind{Group: "serving.knative.dev", Version: "v1", Kind: "Service"}
}

// New implements Kind.
func (Knative) New() Object {
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(KnativeService())
	return u
}

// Summarize implements Kind. To a rollout, a Service is always up: Knative sees to its pods, also when there are none.
// The template is empty: revisions have Knative's names and are not computed.
func (Knative) Summarize(Object) Summary {
	return Summary{Kind: "Service", Template: &corev1.PodTemplateSpec{}, Size: 1, Pods: 1}
}

// Check implements Kind: any Service can be rolled out.
func (Knative) Check(Object) error { return nil }

// Revision implements SelfVersioned.
func (Knative) Revision(target Object) string {
	return revisionNamed(statusOf(target, "latestCreatedRevisionName"))
}

// RevisionName implements SelfVersioned.
func (Knative) RevisionName(revision string) string {
	name, ok := strings.CutPrefix(revision, rollout.RevisionPrefix)
	if !ok {
		return ""
	}
	return name
}

// Observe implements Kind, for the revision that was made last. What was ready before serves until then, so that a
// rollout which is superseded has not lost its canary.
func (Knative) Observe(o Object, _ []corev1.Pod, _ int, _ time.Time) rollout.Workload {
	created, ready := statusOf(o, "latestCreatedRevisionName"), statusOf(o, "latestReadyRevisionName")
	w := rollout.Workload{Revision: revisionNamed(created), Health: rollout.Starting, Replicas: 1}
	if ready != "" {
		w.Available = 1
	}
	failed, why := failure(o)
	switch {
	case created != "" && created == ready:
		w.Health = rollout.Available
	case failed:
		w.Health, w.Reason = rollout.Stuck, why
	default:
		w.Reason = why
	}
	return w
}

// Promoted implements SelfVersioned. A revision was ready when it was promoted, but for the first.
func (k Knative) Promoted(target Object) rollout.Workload {
	name := target.GetAnnotations()[v1beta1.PrimaryRevisionAnnotation]
	switch name {
	case "":
		return rollout.Workload{Health: rollout.Absent}
	case statusOf(target, "latestCreatedRevisionName"):
		w := k.Observe(target, nil, 0, time.Time{})
		// The first revision is noted before it was ever ready, and what the Service had ready is not this one.
		if w.Health != rollout.Available {
			w.Available = 0
		}
		return w
	}
	return rollout.Workload{Revision: revisionNamed(name), Health: rollout.Available, Replicas: 1, Available: 1}
}

// Primary implements Kind: what is promoted is noted on the target, and nothing is copied.
func (k Knative) Primary(target Object, _ *v1beta1.Canary, m PrimaryOptions) (runtime.ApplyConfiguration, error) {
	return annotated(target, k.RevisionName(m.Revision)), nil
}

// ClearPromotion implements SelfVersioned.
func (Knative) ClearPromotion(target Object) runtime.ApplyConfiguration {
	return annotated(target, nil)
}

// Scale implements Kind, and sets nothing.
func (Knative) Scale(target Object, _ int32, _ *RestoreInfo) runtime.ApplyConfiguration {
	return patch(KnativeService().GroupVersion().String(), "Service", target, map[string]any{})
}

// annotated is merged: applied under our name, it would take out what else we apply to the Service, its traffic.
func annotated(target Object, revision any) Patch {
	return patch(KnativeService().GroupVersion().String(), "Service", target, map[string]any{
		"metadata": map[string]any{"annotations": map[string]any{v1beta1.PrimaryRevisionAnnotation: revision}},
	})
}

func revisionNamed(name string) string {
	if name == "" {
		return ""
	}
	return rollout.RevisionPrefix + name
}

func statusOf(o Object, field string) string {
	u, ok := o.(*unstructured.Unstructured)
	if !ok {
		return ""
	}
	text, _, _ := unstructured.NestedString(u.Object, "status", field)
	return text
}

// failure says whether Knative has given a revision up, and what it says of one that is not ready.
// ConfigurationsReady is about the newest revision; Ready would be about its traffic as well, which is ours.
func failure(o Object) (failed bool, why string) {
	u, ok := o.(*unstructured.Unstructured)
	if !ok {
		return false, ""
	}
	conditions, _, _ := unstructured.NestedSlice(u.Object, "status", "conditions")
	for _, c := range conditions {
		m, _ := c.(map[string]any)
		if m["type"] != "ConfigurationsReady" || m["status"] == "True" {
			continue
		}
		reason, _ := m["reason"].(string)
		message, _ := m["message"].(string)
		return m["status"] == "False", strings.Trim(reason+": "+message, ": ")
	}
	return false, ""
}

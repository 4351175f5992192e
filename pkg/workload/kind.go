package workload

import (
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
)

// Object is a live object of the cluster.
type Object interface {
	metav1.Object
	runtime.Object
}

// Kind is one kind of target. Objects that are handed to it are of its own type.
type Kind interface {
	// New is an empty object of the kind, to read one into.
	New() Object
	// Summarize reads off what is common to all kinds.
	Summarize(o Object) Summary
	// Check refuses a target that cannot be rolled out, by a *rollout.InvalidError.
	Check(target Object) error
	// Observe says how far a workload is from serving; nil means that there is none. Its pods are needed only while
	// a rollout waits for it. Ready is the percentage of its pods that have to be available; anything outside 1 to
	// 100 stands for 100. The revision is filled in for a primary only.
	Observe(o Object, pods []corev1.Pod, ready int, now time.Time) rollout.Workload
	// Primary renders the copy of a target that serves its users.
	Primary(target Object, c *v1beta1.Canary, m PrimaryOptions) (runtime.ApplyConfiguration, error)
	// Scale renders what starts a target at a size, or stops it, and nothing else: the rest of it is the user's. Info is
	// what the target carries from then on; nil: nothing.
	Scale(target Object, size int32, info *RestoreInfo) runtime.ApplyConfiguration
}

// Summary is what a rollout has to know of a workload, whatever its kind. It shares its parts with the object.
type Summary struct {
	Kind     string
	Template *corev1.PodTemplateSpec // without what Sluice itself has put there
	Selector *metav1.LabelSelector   // of its pods
	Size     int32                   // that Scale would set to have it as it is; zero: it is stopped
	Pods     int32                   // that it should have
}

// PrimaryOptions is what a primary is made to be, beside what its target tells.
type PrimaryOptions struct {
	Revision string // that the target has
	Replicas *int32 // nil: left to an autoscaler, or to whoever sized the primary before
	Configs  Configs
	// PreviousTemplate is the pod template that the primary had with Revision, as its history has it: it is taken as it is. Nil: the
	// target's is copied.
	PreviousTemplate *corev1.PodTemplateSpec
	// Live is the primary as it is; nil: it is to be made. What it selects by stays.
	Live Object
	// PodAnnotations are the annotations of the pods of a primary that another controller made and that is a copy already: what
	// tells its promotions apart stays, or its pods would be replaced for nothing. Nil: there is no such primary.
	PodAnnotations map[string]string
}

// Kinds finds the kind of a target.
type Kinds struct{ LabelRules }

// Of returns the kind that a Canary refers to. One that cannot be rolled out is a *rollout.InvalidError.
func (k Kinds) Of(ref v1beta1.TargetRef) (Kind, error) {
	switch ref.Kind {
	case "Deployment":
		return Deployment(k), nil
	case "DaemonSet":
		return DaemonSet(k), nil
	case "Service":
		if ref.APIVersion == KnativeService().GroupVersion().String() {
			return Knative{}, nil
		}
		return nil, &rollout.InvalidError{
			Field: "spec.targetRef.kind",
			Problem: "\"Service\" has no pods to make a new revision of; name the Deployment or the DaemonSet behind it, " +
				"and the Service in spec.service.name",
		}
	}
	return nil, &rollout.InvalidError{
		Field:   "spec.targetRef.kind",
		Problem: fmt.Sprintf("%q is not a kind of workload that can be rolled out, those are Deployment and DaemonSet", ref.Kind),
	}
}

// SummaryOf is the summary of a workload of any kind.
// For those who have an object and not its Canary. What is no known type counts as a Deployment and has an empty
// summary.
func SummaryOf(o Object) Summary {
	switch o.(type) {
	case *appsv1.DaemonSet:
		return DaemonSet{}.Summarize(o)
	case *unstructured.Unstructured:
		return Knative{}.Summarize(o)
	}
	return Deployment{}.Summarize(o)
}

// SizeOf is how many pods a workload is asked to have. A DaemonSet, whose pods are up to the nodes, has one or none.
func SizeOf(o Object) int32 { return SummaryOf(o).Size }

// Items are the workloads of a list, which are the list's own.
func Items(list runtime.Object) (all []Object) {
	switch l := list.(type) {
	case *appsv1.DeploymentList:
		for i := range l.Items {
			all = append(all, &l.Items[i])
		}
	case *appsv1.DaemonSetList:
		for i := range l.Items {
			all = append(all, &l.Items[i])
		}
	}
	return all
}

// LabelRules are how both sides of any kind are told apart: flags, -selector-labels and -include-label-prefix. A primary that is
// there keeps the label that it was made with, whatever the flag says: see Sides.
type LabelRules struct {
	// SelectorLabels are the labels that may tell a primary's pods from its target's: the first that
	// the target's selector has is used for a primary that is made.
	SelectorLabels []string
	// IncludeLabelPrefixes choose the labels of a target that its primary gets; `*` means all.
	IncludeLabelPrefixes []string
}

// revisionOf reads a primary's revision off its annotation: its template is not what was promoted but
// rendered from it. A target has none, whatever its annotations say.
func revisionOf(o Object) string {
	if c := metav1.GetControllerOf(o); c != nil && c.Kind == "Canary" && c.APIVersion == v1beta1.GroupVersion.String() {
		return o.GetAnnotations()[RevisionAnnotation]
	}
	return ""
}

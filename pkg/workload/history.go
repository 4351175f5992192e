package workload

import (
	"encoding/json"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// What a primary ran before it was given another revision is not lost: the controllers of Kubernetes keep it, so that
// people can undo a change. The annotation with the revision goes there as well, since they copy all annotations.

// Historian is a Kind whose former pod templates are kept.
type Historian interface {
	// History is an empty list of what they are kept in. Each bears the labels of the workload's pods.
	History() List
	// Kept are those of one workload, in no particular order. What belongs to others is passed over.
	Kept(o Object, history List) ([]Kept, error)
}

// List is a list of objects of one kind.
type List interface {
	metav1.ListInterface
	runtime.Object
}

// Kept is a pod template that a workload had, and the revision that it was rendered from; empty: not by us.
type Kept struct {
	Revision string
	Template *corev1.PodTemplateSpec
}

// Former finds the pod template that a primary had with a revision. Where there is none that it could return to as it was,
// unkept says why, for people.
func Former(k Kind, primary Object, history List, revision string) (former *corev1.PodTemplateSpec, unkept string, err error) {
	h, ok := k.(Historian)
	if !ok {
		return nil, fmt.Sprintf("%T keeps none of its templates", primary), nil
	}
	all, err := h.Kept(primary, history)
	if err != nil {
		return nil, "", err
	}
	for _, one := range all {
		switch {
		case one.Revision != revision:
		// By content, since an edit of the primary by hand leaves the annotation as it was.
		case former != nil && Revision(*former, nil) != Revision(*one.Template, nil):
			return nil, "its history has two pod templates of that revision, since somebody else has changed it", nil
		default:
			former = one.Template
		}
	}
	switch {
	case former == nil:
		return nil, "its history does not hold that revision (spec.revisionHistoryLimit)", nil
	// Copies keep their names, so that the former pods would start with the content that is taken back.
	case former.Annotations[configsAnnotation] != k.Sketch(primary).Template.Annotations[configsAnnotation]:
		return nil, "the copies of its ConfigMaps and Secrets have another content by now", nil
	}
	return former, "", nil
}

// History implements Historian.
func (Deployment) History() List { return &appsv1.ReplicaSetList{} }

// Kept implements Historian. The hash tells ReplicaSets apart and is not part of the Deployment.
// https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#pod-template-hash-label
func (Deployment) Kept(o Object, history List) ([]Kept, error) {
	sets, ok := history.(*appsv1.ReplicaSetList)
	if !ok {
		return nil, fmt.Errorf("history of deployment %q: %T is none", o.GetName(), history)
	}
	var all []Kept
	for i := range sets.Items {
		set := &sets.Items[i]
		// The list is by labels, which others may have as well.
		if !metav1.IsControlledBy(set, o) {
			continue
		}
		template := set.Spec.Template.DeepCopy()
		delete(template.Labels, appsv1.DefaultDeploymentUniqueLabelKey)
		all = append(all, Kept{Revision: set.Annotations[RevisionAnnotation], Template: template})
	}
	return all, nil
}

// History implements Historian.
func (DaemonSet) History() List { return &appsv1.ControllerRevisionList{} }

// Kept implements Historian. A ControllerRevision is a patch of its DaemonSet that replaces the whole template.
// https://kubernetes.io/docs/tasks/manage-daemon/rollback-daemon-set/
func (DaemonSet) Kept(o Object, history List) ([]Kept, error) {
	revisions, ok := history.(*appsv1.ControllerRevisionList)
	if !ok {
		return nil, fmt.Errorf("history of daemonset %q: %T is none", o.GetName(), history)
	}
	var all []Kept
	for i := range revisions.Items {
		r := &revisions.Items[i]
		if !metav1.IsControlledBy(r, o) {
			continue
		}
		var patch struct {
			Spec struct {
				Template corev1.PodTemplateSpec `json:"template"`
			} `json:"spec"`
		}
		if err := json.Unmarshal(r.Data.Raw, &patch); err != nil {
			return nil, fmt.Errorf("decode controllerrevision %q: %w", r.Name, err)
		}
		all = append(all, Kept{Revision: r.Annotations[RevisionAnnotation], Template: &patch.Spec.Template})
	}
	return all, nil
}

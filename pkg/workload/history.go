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

// TemplateKeeper is a Kind whose former pod templates are kept.
type TemplateKeeper interface {
	// NewHistory is an empty list of what they are kept in. Each bears the labels of the workload's pods.
	NewHistory() List
	// KeptTemplates are those of one workload, in no particular order. What belongs to others is passed over.
	KeptTemplates(o Object, history List) ([]KeptTemplate, error)
}

// List is a list of objects of one kind.
type List interface {
	metav1.ListInterface
	runtime.Object
}

// KeptTemplate is a pod template that a workload had, and the revision that it was rendered from; empty: not by us.
type KeptTemplate struct {
	Revision string
	Template *corev1.PodTemplateSpec
}

// PreviousTemplate finds the pod template that a primary had with a revision. Where there is none that it could return to as it was,
// notKeptReason says why, for people.
func PreviousTemplate(k Kind, primary Object, history List, revision string) (template *corev1.PodTemplateSpec, notKeptReason string, err error) {
	h, ok := k.(TemplateKeeper)
	if !ok {
		return nil, fmt.Sprintf("%T keeps none of its templates", primary), nil
	}
	all, err := h.KeptTemplates(primary, history)
	if err != nil {
		return nil, "", err
	}
	for _, one := range all {
		switch {
		case one.Revision != revision:
		// By content, since an edit of the primary by hand leaves the annotation as it was.
		case template != nil && Revision(*template, nil) != Revision(*one.Template, nil):
			return nil, "its history has two pod templates of that revision, since somebody else has changed it", nil
		default:
			template = one.Template
		}
	}
	switch {
	case template == nil:
		return nil, "its history does not hold that revision (spec.revisionHistoryLimit)", nil
	// Copies keep their names, so that the former pods would start with the content that is taken back.
	case template.Annotations[configsAnnotation] != k.Summarize(primary).Template.Annotations[configsAnnotation]:
		return nil, "the copies of its ConfigMaps and Secrets have another content by now", nil
	}
	return template, "", nil
}

var (
	_ TemplateKeeper = Deployment{}
	_ TemplateKeeper = DaemonSet{}
)

// NewHistory implements TemplateKeeper.
func (Deployment) NewHistory() List { return &appsv1.ReplicaSetList{} }

// KeptTemplates implements TemplateKeeper. The hash tells ReplicaSets apart and is not part of the Deployment.
// https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#pod-template-hash-label
func (Deployment) KeptTemplates(o Object, history List) ([]KeptTemplate, error) {
	sets, ok := history.(*appsv1.ReplicaSetList)
	if !ok {
		return nil, fmt.Errorf("history of deployment %q: %T is none", o.GetName(), history)
	}
	var all []KeptTemplate
	for i := range sets.Items {
		set := &sets.Items[i]
		// The list is by labels, which others may have as well.
		if !metav1.IsControlledBy(set, o) {
			continue
		}
		template := set.Spec.Template.DeepCopy()
		delete(template.Labels, appsv1.DefaultDeploymentUniqueLabelKey)
		all = append(all, KeptTemplate{Revision: set.Annotations[RevisionAnnotation], Template: template})
	}
	return all, nil
}

// NewHistory implements TemplateKeeper.
func (DaemonSet) NewHistory() List { return &appsv1.ControllerRevisionList{} }

// KeptTemplates implements TemplateKeeper. A ControllerRevision is a patch of its DaemonSet that replaces the whole template.
// https://kubernetes.io/docs/tasks/manage-daemon/rollback-daemon-set/
func (DaemonSet) KeptTemplates(o Object, history List) ([]KeptTemplate, error) {
	revisions, ok := history.(*appsv1.ControllerRevisionList)
	if !ok {
		return nil, fmt.Errorf("history of daemonset %q: %T is none", o.GetName(), history)
	}
	var all []KeptTemplate
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
		all = append(all, KeptTemplate{Revision: r.Annotations[RevisionAnnotation], Template: &patch.Spec.Template})
	}
	return all, nil
}

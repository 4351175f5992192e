package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/rollout"
	"github.com/sluice-cd/sluice/pkg/workload"
)

// kept is a pod template that a workload has, or has had.
type kept struct {
	name     string   // of the ReplicaSet, ControllerRevision or Revision of Knative's that keeps it
	place    int64    // in the history; the newest is the highest
	number   string   // that status.promotedTemplate has; empty: it is not known
	numbers  []string // that a Deployment's was counted as, this one and those before
	revision string   // as a status has it; of targets that are no Services of Knative's it is not known
	template *corev1.PodTemplateSpec
	// whole is what a Service of Knative's has in the template's place, which is more than a pod template.
	whole map[string]any
}

// templates are those that a workload's own history has, the newest first.
func (k *connection) templates(ctx context.Context, t *target) ([]kept, error) {
	var all []kept
	var err error
	switch o := t.object.(type) {
	case *appsv1.Deployment:
		all, err = k.replicaSets(ctx, o)
	case *appsv1.DaemonSet:
		all, err = k.controllerRevisions(ctx, o)
	default:
		all, err = k.knativeRevisions(ctx, o)
	}
	slices.SortStableFunc(all, func(a, b kept) int { return int(b.place - a.place) })
	return all, err
}

// deploymentRevisions is the annotation with the numbers that a Deployment's template had before.
const deploymentRevisions = "deployment.kubernetes.io/revision-history"

func (k *connection) replicaSets(ctx context.Context, d *appsv1.Deployment) ([]kept, error) {
	sets := &appsv1.ReplicaSetList{}
	if err := k.history(ctx, sets, d, d.Spec.Selector); err != nil {
		return nil, err
	}
	var all []kept
	for i := range sets.Items {
		rs := &sets.Items[i]
		if !metav1.IsControlledBy(rs, d) {
			continue
		}
		all = append(all, keptBy(rs))
	}
	return all, nil
}

// keptBy is the template of a ReplicaSet, as the Deployment had it.
func keptBy(rs *appsv1.ReplicaSet) kept {
	number := rs.Annotations[workload.DeploymentRevision]
	k := kept{
		name: rs.Name, number: number, numbers: append(strings.Split(rs.Annotations[deploymentRevisions], ","), number),
		revision: rs.Annotations[workload.RevisionAnnotation], template: &rs.Spec.Template,
	}
	_, _ = fmt.Sscanf(number, "%d", &k.place)
	delete(k.template.Labels, appsv1.DefaultDeploymentUniqueLabelKey)
	return k
}

// controllerRevisions has one template once, however often it was stopped and started.
func (k *connection) controllerRevisions(ctx context.Context, d *appsv1.DaemonSet) ([]kept, error) {
	list := &appsv1.ControllerRevisionList{}
	if err := k.history(ctx, list, d, d.Spec.Selector); err != nil {
		return nil, err
	}
	var all []kept
	for i := range list.Items {
		r := &list.Items[i]
		templates, err := workload.DaemonSet{}.KeptTemplates(d, &appsv1.ControllerRevisionList{Items: list.Items[i : i+1]})
		if err != nil {
			return nil, err
		}
		for _, t := range templates {
			all = append(all, kept{name: r.Name, place: r.Revision, revision: t.Revision, template: workload.WithoutScaleToZero(*t.Template)})
		}
	}
	return all, nil
}

// knativeRevisions have in their spec what the Service had in its template, with what Knative fills in.
// https://knative.dev/docs/serving/revisions/
func (k *connection) knativeRevisions(ctx context.Context, service client.Object) ([]kept, error) {
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(knative.GroupVersion().WithKind("RevisionList"))
	const prefix = "serving.knative.dev/"
	err := k.List(ctx, list, client.InNamespace(service.GetNamespace()), client.MatchingLabels{prefix + "service": service.GetName()}, client.Limit(pageSize))
	if err != nil {
		return nil, err
	}
	var all []kept
	for _, r := range list.Items {
		spec, _, err := unstructured.NestedMap(r.Object, "spec")
		if err != nil {
			return nil, fmt.Errorf("revision %q: %w", r.GetName(), err)
		}
		one := kept{name: r.GetName(), revision: rollout.RevisionPrefix + r.GetName(), template: &corev1.PodTemplateSpec{}}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(map[string]any{"spec": spec}, one.template); err != nil {
			return nil, fmt.Errorf("revision %q: %w", r.GetName(), err)
		}
		_, _ = fmt.Sscanf(r.GetLabels()[prefix+"configurationGeneration"], "%d", &one.place)
		given := map[string]any{}
		for field, from := range map[string]map[string]string{"annotations": r.GetAnnotations(), "labels": r.GetLabels()} {
			// What Knative notes on a Revision is no part of the template.
			maps.DeleteFunc(from, func(key, _ string) bool { return strings.HasPrefix(key, prefix) })
			if len(from) > 0 {
				given[field] = from
			}
		}
		one.whole = map[string]any{"metadata": given, "spec": spec}
		all = append(all, one)
	}
	return all, nil
}

// history lists what a workload's templates are kept in, which bears the labels of its pods.
func (k *connection) history(ctx context.Context, list client.ObjectList, o client.Object, pods *metav1.LabelSelector) error {
	selector, err := metav1.LabelSelectorAsSelector(pods)
	if err != nil {
		return err
	}
	return k.List(ctx, list, client.InNamespace(o.GetNamespace()), client.MatchingLabelsSelector{Selector: selector}, client.Limit(pageSize))
}

// asStopped is a template for a workload whose present one may be stopped: who puts it back does not start it.
func asStopped(t, present *corev1.PodTemplateSpec) *corev1.PodTemplateSpec {
	label, stopped := present.Spec.NodeSelector[workload.ScaleToZero]
	if !stopped {
		return t
	}
	t = t.DeepCopy()
	t.Spec.NodeSelector = maps.Clone(t.Spec.NodeSelector)
	if t.Spec.NodeSelector == nil {
		t.Spec.NodeSelector = map[string]string{}
	}
	t.Spec.NodeSelector[workload.ScaleToZero] = label
	return t
}

// contentOf tells templates apart, and is the same for those that are alike.
func contentOf(t *corev1.PodTemplateSpec) string {
	return workload.Revision(*workload.WithoutScaleToZero(*t), nil)
}

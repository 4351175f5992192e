package workload

import (
	"fmt"
	"maps"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	appsv1ac "k8s.io/client-go/applyconfigurations/apps/v1"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
)

// ScaleToZero is a label that no node has. A DaemonSet whose pods ask for it is stopped.
const ScaleToZero = "flagger.app/scale-to-zero"

// DaemonSet renders and reads targets of kind DaemonSet.
//
// How many pods one has is the cluster's affair: one for each node that it may run on, which differs between
// revisions and changes with the nodes. To a rollout a DaemonSet is therefore whole or not there, of size one or
// zero: no share of it could be asked for, and waiting for the number of pods that it had once could last for ever.
type DaemonSet struct{ LabelRules }

// New implements Kind.
func (DaemonSet) New() Object { return &appsv1.DaemonSet{} }

// Summarize implements Kind.
func (DaemonSet) Summarize(o Object) Summary {
	d, ok := o.(*appsv1.DaemonSet)
	if !ok {
		return Summary{}
	}
	// Pods is for whoever counts them; to the rest of a rollout its size is one.
	s := Summary{Kind: "DaemonSet", Template: &d.Spec.Template, Selector: d.Spec.Selector, Size: 1, Pods: d.Status.DesiredNumberScheduled}
	// The label is Sluice's own and must not make another revision: stopping would start a rollout.
	if stopped(d) {
		s.Template, s.Size, s.Pods = WithoutScaleToZero(d.Spec.Template), 0, 0
	}
	return s
}

func stopped(d *appsv1.DaemonSet) bool {
	_, ok := d.Spec.Template.Spec.NodeSelector[ScaleToZero]
	return ok
}

// WithoutScaleToZero is a template without the label that no node has. What is left empty goes: a DaemonSet that was
// stopped and started again has the template that it had.
func WithoutScaleToZero(t corev1.PodTemplateSpec) *corev1.PodTemplateSpec {
	nodes := maps.Clone(t.Spec.NodeSelector)
	delete(nodes, ScaleToZero)
	if len(nodes) == 0 {
		nodes = nil
	}
	t.Spec.NodeSelector = nodes
	return &t
}

// Check implements Kind. Pods that are only replaced when somebody deletes them would never be promoted.
func (DaemonSet) Check(target Object) error {
	d, ok := target.(*appsv1.DaemonSet)
	if ok && d.Spec.UpdateStrategy.Type == appsv1.OnDeleteDaemonSetStrategyType {
		return &rollout.InvalidError{
			Field:   "spec.targetRef",
			Problem: fmt.Sprintf("daemonset %s.%s spec.updateStrategy.type must be RollingUpdate, it is OnDelete", d.Name, d.Namespace),
		}
	}
	return nil
}

// Primary implements Kind. It always runs: the target may be stopped when it is copied.
func (k DaemonSet) Primary(o Object, c *v1beta1.Canary, m PrimaryOptions) (runtime.ApplyConfiguration, error) {
	target, ok := o.(*appsv1.DaemonSet)
	if !ok {
		return nil, fmt.Errorf("copy daemonset: %T is none", o)
	}
	sides, err := k.Sides(Workloads{Target: target, Primary: m.Live})
	if err != nil {
		return nil, err
	}
	spec := appsv1ac.DaemonSetSpec().WithMinReadySeconds(target.Spec.MinReadySeconds)
	spec.RevisionHistoryLimit = target.Spec.RevisionHistoryLimit
	if target.Spec.UpdateStrategy.Type != "" {
		spec.UpdateStrategy, err = toApplyConfiguration[appsv1ac.DaemonSetUpdateStrategyApplyConfiguration](target.Spec.UpdateStrategy)
		if err != nil {
			return nil, fmt.Errorf("copy daemonset %q: %w", target.Name, err)
		}
	}
	if spec.Template, err = primaryTemplate(WithoutScaleToZero(target.Spec.Template), sides, m); err != nil {
		return nil, fmt.Errorf("copy daemonset %q: %w", target.Name, err)
	}
	spec.Selector = metav1ac.LabelSelector().WithMatchLabels(sides.own)
	return appsv1ac.DaemonSet(c.PrimaryWorkload(), target.Namespace).
		WithOwnerReferences(ownerReference(c)).
		WithLabels(merge(labelsOf(target, k.IncludeLabelPrefixes), sides.mark())).
		WithAnnotations(merge(annotationsOf(target), map[string]string{RevisionAnnotation: m.Revision})).
		WithSpec(spec), nil
}

// Scale implements Kind. It renders a Patch: to an apply the node selector is one value, and the user's.
// No node fits the label, so that the DaemonSet's controller takes the pods away. Summarize leaves it out of the revision.
func (DaemonSet) Scale(target Object, size int32, info *RestoreInfo) runtime.ApplyConfiguration {
	var label, note any = "true", nil
	if size > 0 {
		label = nil
	}
	if info != nil {
		note = info.String()
	}
	return patch("apps/v1", "DaemonSet", target, map[string]any{
		"metadata": map[string]any{"annotations": map[string]any{RestoreAnnotation: note}},
		"spec": map[string]any{"template": map[string]any{"spec": map[string]any{
			"nodeSelector": map[string]any{ScaleToZero: label},
		}}},
	})
}

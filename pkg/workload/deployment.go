package workload

import (
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	appsv1ac "k8s.io/client-go/applyconfigurations/apps/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// Deployment renders and reads targets of kind Deployment.
type Deployment struct{ LabelRules }

// New implements Kind.
func (Deployment) New() Object { return &appsv1.Deployment{} }

// Summarize implements Kind. The API's default for the size is one.
func (Deployment) Summarize(o Object) Summary {
	d, ok := o.(*appsv1.Deployment)
	if !ok {
		return Summary{}
	}
	return Summary{Kind: "Deployment", Template: &d.Spec.Template, Selector: d.Spec.Selector, Size: desiredReplicas(d), Pods: desiredReplicas(d)}
}

// Check implements Kind: any Deployment can be rolled out.
func (Deployment) Check(Object) error { return nil }

// Primary implements Kind.
func (k Deployment) Primary(o Object, c *v1beta1.Canary, m PrimaryOptions) (runtime.ApplyConfiguration, error) {
	target, ok := o.(*appsv1.Deployment)
	if !ok {
		return nil, fmt.Errorf("copy deployment: %T is none", o)
	}
	sides, err := k.Sides(Workloads{Target: target, Primary: m.Live})
	if err != nil {
		return nil, err
	}
	spec, err := deploymentSpec(target.Spec)
	if err != nil {
		return nil, fmt.Errorf("copy deployment %q: %w", target.Name, err)
	}
	if spec.Template, err = primaryTemplate(&target.Spec.Template, sides, m); err != nil {
		return nil, fmt.Errorf("copy deployment %q: %w", target.Name, err)
	}
	spec.Selector = metav1ac.LabelSelector().WithMatchLabels(sides.own)
	// Nil is left out, and so not owned: an autoscaler may set it.
	spec.Replicas = m.Replicas
	return appsv1ac.Deployment(c.PrimaryWorkload(), target.Namespace).
		WithOwnerReferences(ownerReference(c)).
		WithLabels(merge(labelsOf(target, k.IncludeLabelPrefixes), sides.mark())).
		WithAnnotations(merge(annotationsOf(target), map[string]string{RevisionAnnotation: m.Revision})).
		WithSpec(spec), nil
}

// deploymentSpec copies how pods are replaced; what they are, how many, and whose, is set apart.
func deploymentSpec(from appsv1.DeploymentSpec) (*appsv1ac.DeploymentSpecApplyConfiguration, error) {
	spec := appsv1ac.DeploymentSpec().WithMinReadySeconds(from.MinReadySeconds)
	// The history is what a promotion is taken back from: docs/decisions/0015.
	spec.RevisionHistoryLimit = from.RevisionHistoryLimit
	spec.ProgressDeadlineSeconds = from.ProgressDeadlineSeconds
	if from.Strategy.Type == "" {
		return spec, nil
	}
	var err error
	spec.Strategy, err = toApplyConfiguration[appsv1ac.DeploymentStrategyApplyConfiguration](from.Strategy)
	return spec, err
}

// Scale implements Kind. What is applied no longer goes: a target that carries a RestoreInfo loses it when it is run without.
func (Deployment) Scale(target Object, size int32, info *RestoreInfo) runtime.ApplyConfiguration {
	d := appsv1ac.Deployment(target.GetName(), target.GetNamespace()).
		WithSpec(appsv1ac.DeploymentSpec().WithReplicas(size))
	if info != nil {
		d.WithAnnotations(map[string]string{RestoreAnnotation: info.String()})
	}
	return d
}

// primaryTemplate copies a pod template and makes it the primary's, unless there is one that was.
func primaryTemplate(from *corev1.PodTemplateSpec, s Sides, m PrimaryOptions) (*corev1ac.PodTemplateSpecApplyConfiguration, error) {
	// As it was, the primary's labels and the names of its copies included.
	if m.PreviousTemplate != nil {
		return toApplyConfiguration[corev1ac.PodTemplateSpecApplyConfiguration](m.PreviousTemplate)
	}
	template := from.DeepCopy()
	toPrimary(template, s)
	m.keepMergedEnv(template)
	if err := m.Configs.useCopies(template); err != nil {
		return nil, err
	}
	m.keepPodAnnotations(template)
	return toApplyConfiguration[corev1ac.PodTemplateSpecApplyConfiguration](template)
}

// toPrimary makes a pod template the primary's: its own labels, and every rule by which its pods keep to or
// away from each other. Rules about other pods stay, as do rules by labels that both sides share.
func toPrimary(t *corev1.PodTemplateSpec, s Sides) {
	r := s.label
	t.Labels = s.ofPrimary(t.Labels)
	r.affinity(t.Spec.Affinity)
	for i := range t.Spec.TopologySpreadConstraints {
		r.selector(t.Spec.TopologySpreadConstraints[i].LabelSelector)
	}
}

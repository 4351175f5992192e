package workload

import (
	"fmt"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	appsv1ac "k8s.io/client-go/applyconfigurations/apps/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
)

// Deployment renders and reads targets of kind Deployment.
type Deployment struct {
	// SelectorLabels are the labels that may tell a primary's pods from its target's: the first that
	// the target's selector has is used.
	SelectorLabels []string
	// IncludeLabelPrefixes choose the labels of a target that its primary gets; `*` means all.
	IncludeLabelPrefixes []string
}

// SelectorLabel is the label that tells the two sides apart, with the target's value. The primary's
// value is the same with `-primary` appended. A target without any is refused by a
// *rollout.InvalidError.
func (k Deployment) SelectorLabel(target *appsv1.Deployment) (key, value string, err error) {
	if s := target.Spec.Selector; s != nil {
		for _, l := range k.SelectorLabels {
			if v, ok := s.MatchLabels[l]; ok {
				return l, v, nil
			}
		}
	}
	return "", "", &rollout.InvalidError{
		Field: "spec.targetRef",
		Problem: fmt.Sprintf("deployment %s.%s spec.selector.matchLabels must contain one of [%s]",
			target.Name, target.Namespace, strings.Join(k.SelectorLabels, " ")),
	}
}

// Primary renders the copy of a target that serves its users. Its selector is the one label that tells
// the sides apart, which can never select a pod of the target. Replicas is left out where it is nil:
// then it belongs to an autoscaler, or to whoever sized the primary before.
func (k Deployment) Primary(target *appsv1.Deployment, c *v1beta1.Canary, revision string, replicas *int32) (*appsv1ac.DeploymentApplyConfiguration, error) {
	key, value, err := k.SelectorLabel(target)
	if err != nil {
		return nil, err
	}
	side := map[string]string{key: value + primarySuffix} // as every controller of this API has it
	spec, err := primarySpec(target, key, value)
	if err != nil {
		return nil, fmt.Errorf("copy deployment %q: %w", target.Name, err)
	}
	spec.Selector = metav1ac.LabelSelector().WithMatchLabels(side)
	spec.Replicas = replicas
	return appsv1ac.Deployment(c.PrimaryWorkload(), target.Namespace).
		WithOwnerReferences(owner(c)).
		WithLabels(merge(labelsOf(target, k.IncludeLabelPrefixes), side)).
		WithAnnotations(merge(annotationsOf(target), map[string]string{RevisionAnnotation: revision})).
		WithSpec(spec), nil
}

// primarySpec copies how pods are made and replaced; what it selects and its size are set apart.
func primarySpec(target *appsv1.Deployment, key, value string) (*appsv1ac.DeploymentSpecApplyConfiguration, error) {
	from := target.Spec
	template := from.Template.DeepCopy()
	rename(template, key, value)
	t, err := into[corev1ac.PodTemplateSpecApplyConfiguration](template)
	if err != nil {
		return nil, err
	}
	spec := appsv1ac.DeploymentSpec().WithTemplate(t).WithMinReadySeconds(from.MinReadySeconds)
	spec.RevisionHistoryLimit = from.RevisionHistoryLimit
	spec.ProgressDeadlineSeconds = from.ProgressDeadlineSeconds
	if from.Strategy.Type == "" {
		return spec, nil
	}
	spec.Strategy, err = into[appsv1ac.DeploymentStrategyApplyConfiguration](from.Strategy)
	return spec, err
}

// Run renders the size of a target and nothing else: the rest of it is the user's.
func (Deployment) Run(target *appsv1.Deployment, replicas int32) runtime.ApplyConfiguration {
	return appsv1ac.Deployment(target.Name, target.Namespace).
		WithSpec(appsv1ac.DeploymentSpec().WithReplicas(replicas))
}

// rename makes a pod template the primary's: its own label, and every rule by which its pods keep to or
// away from each other. Rules about other pods stay, as do rules by labels that both sides share.
func rename(t *corev1.PodTemplateSpec, key, value string) {
	r := renaming{key: key, from: value, to: value + primarySuffix}
	if t.Labels == nil {
		t.Labels = map[string]string{}
	}
	t.Labels[key] = r.to
	r.affinity(t.Spec.Affinity)
	for i := range t.Spec.TopologySpreadConstraints {
		r.selector(t.Spec.TopologySpreadConstraints[i].LabelSelector)
	}
	dedupe(t.Spec.InitContainers)
	dedupe(t.Spec.Containers)
}

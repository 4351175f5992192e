package workload_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/sluice-cd/sluice/pkg/workload"
)

func budget(s *metav1.LabelSelector) *policyv1.PodDisruptionBudget {
	one := intstr.FromInt32(1)
	return &policyv1.PodDisruptionBudget{
		ObjectMeta: metav1.ObjectMeta{Name: "podinfo", Namespace: "test", Annotations: map[string]string{"note": "kept"}},
		Spec:       policyv1.PodDisruptionBudgetSpec{MinAvailable: &one, Selector: s},
	}
}

func matching(labels map[string]string) *metav1.LabelSelector {
	return &metav1.LabelSelector{MatchLabels: labels}
}

func expression(key string, op metav1.LabelSelectorOperator, values ...string) *metav1.LabelSelector {
	return &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: key, Operator: op, Values: values}}}
}

func TestProtects(t *testing.T) {
	target := deployment(map[string]string{"app": "podinfo"})
	target.Spec.Template.Labels = map[string]string{"app": "podinfo", "tier": "web"}
	for name, tc := range map[string]struct {
		reason string
		by     *metav1.LabelSelector
		want   bool
	}{
		"Target":    {reason: "the primary's pods have another value", by: matching(map[string]string{"app": "podinfo"}), want: true},
		"Both":      {reason: "by a label that both sides have it is about the primary already", by: matching(map[string]string{"tier": "web"})},
		"Stranger":  {reason: "others are none of our business", by: matching(map[string]string{"app": "cache"})},
		"MoreThan":  {reason: "a label that the pods lack selects others", by: matching(map[string]string{"app": "podinfo", "zone": "a"})},
		"AndOthers": {reason: "a list may name several", by: expression("app", metav1.LabelSelectorOpIn, "cache", "podinfo"), want: true},
		"Listed":    {reason: "or both sides", by: expression("app", metav1.LabelSelectorOpIn, "podinfo", "podinfo-primary")},
		"AllBut":    {reason: "all but some others", by: expression("app", metav1.LabelSelectorOpNotIn, "cache")},
		"Any":       {reason: "an empty selector is everything", by: &metav1.LabelSelector{}},
		"None":      {reason: "a missing one is nothing"},
		"Broken":    {reason: "what no API server would take selects nothing", by: expression("app", "Near", "podinfo")},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tc.want, sidesOf(t, target).ProtectsOnlyTarget(budget(tc.by), target), tc.reason)
		})
	}
}

func sidesOf(t *testing.T, target workload.Object) workload.Sides {
	t.Helper()
	sides, err := golden{}.rules().Sides(workload.Workloads{Target: target})
	require.NoError(t, err)
	return sides
}

func TestBudget(t *testing.T) {
	target := deployment(map[string]string{"app": "podinfo"})
	target.Spec.Template.Labels = map[string]string{"app": "podinfo"}
	for name, tc := range map[string]struct {
		reason string
		by     *metav1.LabelSelector
		want   string
	}{
		"Label": {
			reason: "the label that tells the sides apart is the primary's",
			by:     matching(map[string]string{"app": "podinfo"}),
			want:   "matchLabels:\n      app: podinfo-primary\n",
		},
		"List": {
			reason: "and in a list as well",
			by:     expression("app", metav1.LabelSelectorOpIn, "podinfo", "cache"),
			want:   "matchExpressions:\n    - key: app\n      operator: In\n      values:\n      - cache\n      - podinfo-primary\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			source := budget(tc.by)
			untouched := source.DeepCopy()
			made, err := golden{}.rules().Budget(source, sidesOf(t, target), canary())
			require.NoError(t, err)
			require.Equal(t, untouched, source, "rendering must not change its input")
			o := objects(t, []runtime.ApplyConfiguration{made})[0]
			appliable(t, o)
			require.Equal(t, "podinfo-primary", o.GetName())
			require.Equal(t, map[string]string{"note": "kept"}, o.GetAnnotations())
			text := document(t, []runtime.ApplyConfiguration{made})
			require.Contains(t, text, "minAvailable: 1\n")
			require.Contains(t, text, tc.want, tc.reason)
			primary := map[string]string{"app": "podinfo-primary"}
			spec := &policyv1.PodDisruptionBudget{}
			require.NoError(t, runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, spec))
			require.True(t, workload.SelectorMatches(spec.Spec.Selector, primary), "it selects the primary's pods")
		})
	}
}

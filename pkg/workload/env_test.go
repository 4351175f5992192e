package workload_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	appsv1ac "k8s.io/client-go/applyconfigurations/apps/v1"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/workload"
)

// A variable may be named twice, and another made of what it was first. A copy that an earlier version has merged stays as
// long as the primary runs that revision: its pods are not replaced for it.
func TestRepeatedVariables(t *testing.T) {
	all := []corev1.EnvVar{{Name: "ROOT", Value: "/a"}, {Name: "CACHE", Value: "$(ROOT)/cache"}, {Name: "ROOT", Value: "/b"}}
	target := deployment(pairs{"app": "podinfo"})
	target.Spec.Template.Labels = pairs{"app": "podinfo"}
	target.Spec.Template.Spec.Containers = []corev1.Container{{Name: "podinfod", Env: all}}
	merged := primarySelecting(pairs{"app": "podinfo-primary"}, pairs{"app": "podinfo-primary"})
	merged.Annotations = pairs{workload.RevisionAnnotation: "r1-1"}
	merged.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(canary(), v1beta1.GroupVersion.WithKind("Canary"))}
	merged.Spec.Template.Spec.Containers = []corev1.Container{{Name: "podinfod", Env: all[1:]}}
	whole := merged.DeepCopy()
	whole.Spec.Template.Spec.Containers[0].Env = all
	for name, tc := range map[string]struct {
		reason string
		m      workload.PrimaryOptions
		want   []string
	}{
		"New":      {reason: "in their order", m: workload.PrimaryOptions{Revision: "r1-1"}, want: []string{"ROOT", "CACHE", "ROOT"}},
		"Promoted": {reason: "the next promotion copies all", m: workload.PrimaryOptions{Revision: "r1-2", Live: merged}, want: []string{"ROOT", "CACHE", "ROOT"}},
		"Whole":    {reason: "what was copied whole stays so", m: workload.PrimaryOptions{Revision: "r1-1", Live: whole}, want: []string{"ROOT", "CACHE", "ROOT"}},
		"Merged":   {reason: "an upgrade of the operator replaces no pod", m: workload.PrimaryOptions{Revision: "r1-1", Live: merged}, want: []string{"CACHE", "ROOT"}},
	} {
		t.Run(name, func(t *testing.T) {
			applied, err := golden{}.kind().Primary(target, canary(), tc.m)
			require.NoError(t, err)
			d, ok := applied.(*appsv1ac.DeploymentApplyConfiguration)
			require.True(t, ok)
			var names []string
			for _, v := range d.Spec.Template.Spec.Containers[0].Env {
				names = append(names, *v.Name)
			}
			require.Equal(t, tc.want, names, tc.reason)
		})
	}
}

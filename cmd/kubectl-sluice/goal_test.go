package main

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/workload"
)

// A run is found in the target's history by its template, then by its number there, then by its images.
func TestUndoFinds(t *testing.T) {
	set := func(name, image, env, number, had string) kept {
		rs := appsv1.ReplicaSet{ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: map[string]string{workload.DeploymentRevision: number, deploymentRevisions: had}}}
		rs.Spec.Template.Labels = map[string]string{"app": "podinfo", appsv1.DefaultDeploymentUniqueLabelKey: name}
		rs.Spec.Template.Spec.Containers = []corev1.Container{{Name: "podinfod", Image: image, Env: []corev1.EnvVar{{Name: "LEVEL", Value: env}},
			EnvFrom: []corev1.EnvFromSource{{ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: "settings"}}}}}}
		return keptBy(&rs)
	}
	sets := []kept{set("now", "podinfo:2", "debug", "9", ""), set("warn", "podinfo:1", "warn", "8", ""), set("info", "podinfo:1", "info", "7", "3,5")}
	podinfo := &target{object: &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "podinfo"}}, template: sets[0].template}
	template := func(i int) string { return workload.Revision(*sets[i].template, nil) }
	old := map[string]string{"configmap/settings": "1"}
	for name, tc := range map[string]struct {
		reason string
		run    v1beta1.PastRun
		want   string
		warns  bool // of configs
	}{
		"Template": {"of two with the same images it is the one with the template", v1beta1.PastRun{Images: "podinfo:1", Template: template(2), Revision: workload.Revision(*sets[2].template, old)}, "info", true},
		"Configs":  {"they are as they were", v1beta1.PastRun{Images: "podinfo:1", Template: template(1), Revision: workload.Revision(*sets[1].template, map[string]string{"configmap/settings": "2"})}, "warn", false},
		"Number":   {"a newer API server has read defaults into it", v1beta1.PastRun{Images: "podinfo:1", Template: "r1-before", TargetRevision: "7"}, "info", false},
		"Counted":  {"it was counted anew when it was gone back to", v1beta1.PastRun{Images: "podinfo:1", TargetRevision: "5"}, "info", false},
		"Remade":   {"the number is of another Deployment", v1beta1.PastRun{Images: "podinfo:1", TargetRevision: "9"}, "warn", false},
		"Images":   {"an older version has noted no more", v1beta1.PastRun{Images: "podinfo:1"}, "warn", false},
	} {
		t.Run(name, func(t *testing.T) {
			tc.run.Number = 4
			c := &v1beta1.Canary{Status: v1beta1.CanaryStatus{History: []v1beta1.PastRun{tc.run}, TrackedConfigs: &map[string]string{"configmap/settings": "2", "secret/other": "3"}}}
			to, run, err := (&undo{toRun: 4}).choose(c, podinfo, slices.Clone(sets))
			require.NoError(t, err)
			require.Equal(t, tc.want, to.name, tc.reason)
			require.Equal(t, tc.warns, run.otherConfigs(&c.Status, to.template), tc.reason)
			c.Status.Run = &v1beta1.Run{Number: 5, From: &v1beta1.RunOrigin{Run: 4, Revision: tc.run.Revision, Images: tc.run.Images}}
			to, _, err = (&undo{}).choose(c, podinfo, slices.Clone(sets))
			require.NoError(t, err)
			require.Equal(t, tc.want, to.name, "the same of what served before")
		})
	}
}

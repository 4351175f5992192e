package workload

import (
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
)

func TestTargetTemplateOfDeployment(t *testing.T) {
	cases := map[string]struct {
		reason string
		change func(*appsv1.Deployment)
		want   string
	}{
		"Running": {"its controller has counted it", func(*appsv1.Deployment) {}, "7"},
		"Stopped": {"a size is no template", func(d *appsv1.Deployment) {
			d.Spec.Replicas, d.Status = new(int32), appsv1.DeploymentStatus{ObservedGeneration: 3}
		}, "7"},
		"Unobserved":  {"the number is of an earlier template", func(d *appsv1.Deployment) { d.Generation++ }, ""},
		"Paused":      {"a template is not counted until it is resumed", func(d *appsv1.Deployment) { d.Spec.Paused = true }, ""},
		"OnlyResized": {"a change of both has its size followed first", func(d *appsv1.Deployment) { d.Status.UpdatedReplicas = 0 }, ""},
		"Ending":      {"to zero as well", func(d *appsv1.Deployment) { d.Spec.Replicas = new(int32); d.Status.UpdatedReplicas = 0 }, ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			d := app("app")
			d.UID, d.Generation, d.Annotations = "u", 3, map[string]string{DeploymentRevision: "7"}
			d.Status = appsv1.DeploymentStatus{ObservedGeneration: 3, Replicas: 1, UpdatedReplicas: 1}
			tc.change(d)
			require.Equal(t, tc.want, TargetTemplate(d).Number, tc.reason)
			require.Equal(t, d.UID, TargetTemplate(d).UID, "one that is made again counts from one")
		})
	}
}

func TestTargetTemplateOfDaemonSet(t *testing.T) {
	d := &appsv1.DaemonSet{Spec: appsv1.DaemonSetSpec{Template: app("app").Spec.Template}}
	require.Empty(t, TargetTemplate(d).Number, "nobody has counted it")
	d.Annotations = map[string]string{appsv1.DeprecatedTemplateGeneration: "4"}
	require.Equal(t, "4", TargetTemplate(d).Number)
	d.Annotations[appsv1.DeprecatedTemplateGeneration] = "5"
	d.Spec.Template.Spec.NodeSelector = map[string]string{ScaleToZero: "true"}
	require.Equal(t, "4", TargetTemplate(d).Number, "the template that stops it is not the user's")
}

package workload

import (
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

func TestCopied(t *testing.T) {
	cases := map[string]struct {
		reason string
		change func(target, primary *appsv1.Deployment)
		want   bool
	}{
		"Copied":      {"as another controller leaves it", func(_, _ *appsv1.Deployment) {}, true},
		"Resized":     {"a size is no revision", func(_, p *appsv1.Deployment) { p.Spec.Replicas = new(int32) }, true},
		"TargetMoved": {"the target has a new image", func(t, _ *appsv1.Deployment) { t.Spec.Template.Spec.Containers[0].Image = "app:2" }, false},
		"Edited":      {"somebody changed the primary", func(_, p *appsv1.Deployment) { p.Spec.Template.Spec.Containers[0].Image = "app:0" }, false},
		"Annotated":   {"an annotation of pods is part of their revision", func(t, _ *appsv1.Deployment) { t.Spec.Template.Annotations = map[string]string{"restarted": "now"} }, false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			target, primary := app("app"), app("app-primary")
			primary.Spec.Template.Annotations = map[string]string{promotionAnnotation: "4c3c1d7b"}
			tc.change(target, primary)
			c := &v1beta1.Canary{ObjectMeta: metav1.ObjectMeta{Name: "app"}}
			c.Spec.TargetRef = v1beta1.TargetRef{Kind: "Deployment", Name: "app"}
			got, err := PrimaryMatchesTarget(Deployment{LabelRules: LabelRules{SelectorLabels: []string{"app"}}}, target, primary, c, Configs{})
			require.NoError(t, err)
			require.Equal(t, tc.want, got, tc.reason)
		})
	}
}

func app(name string) *appsv1.Deployment {
	labels := map[string]string{"app": name}
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "test"},
		Spec: appsv1.DeploymentSpec{
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "app", Image: "app:1"}}},
			},
		},
	}
}

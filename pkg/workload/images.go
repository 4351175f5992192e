package workload

import (
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

// Images are those of a workload's containers, in their order, for people; empty where its kind has no pod template.
func Images(workload Object) string {
	var containers []corev1.Container
	switch w := workload.(type) {
	case *appsv1.Deployment:
		containers = w.Spec.Template.Spec.Containers
	case *appsv1.DaemonSet:
		containers = w.Spec.Template.Spec.Containers
	}
	images := make([]string, 0, len(containers))
	for _, c := range containers {
		images = append(images, c.Image)
	}
	return strings.Join(images, ", ")
}

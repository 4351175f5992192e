package controller

import (
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// What Kubernetes takes in a pod template twice, an apply of its copy would be refused for.
func TestTemplateNamesThingsTwice(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.editTarget(func(d *appsv1.Deployment) {
		pod := &d.Spec.Template.Spec
		pod.Containers[0].Ports = []corev1.ContainerPort{{Name: "http", ContainerPort: 9898}, {Name: "metrics", ContainerPort: 9898}}
		pod.Containers[0].Env = []corev1.EnvVar{{Name: "ROOT", Value: "/a"}, {Name: "CACHE", Value: "$(ROOT)/cache"}, {Name: "ROOT", Value: "/b"}}
		pod.HostAliases = []corev1.HostAlias{{IP: "10.0.0.1", Hostnames: []string{"a"}}, {IP: "10.0.0.1", Hostnames: []string{"b"}}}
		pod.ImagePullSecrets = []corev1.LocalObjectReference{{Name: "registry"}, {Name: "registry"}}
	})
	w.begin()
	w.setImage(imageTwo)
	w.awaitPhase(v1beta1.PhaseSucceeded)
	w.awaitSettled(v1beta1.PhaseSucceeded, imageTwo)
	target, primary := w.live("podinfo").Spec.Template.Spec, w.live("podinfo-primary").Spec.Template.Spec
	require.Equal(t, target.Containers, primary.Containers)
	require.Equal(t, target.HostAliases, primary.HostAliases)
	require.Equal(t, target.ImagePullSecrets, primary.ImagePullSecrets)
}

package controller

import (
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// ports are the numbers that a Service has.
func (w *world) ports(service string) (numbers []int32) {
	w.Helper()
	for _, p := range w.service(service).Spec.Ports {
		numbers = append(numbers, p.Port)
	}
	return numbers
}

// moveGRPC has the target's pods answer at another port.
func (w *world) moveGRPC(port int32) {
	w.Helper()
	w.editTarget(func(d *appsv1.Deployment) {
		d.Spec.Template.Spec.Containers[0].Ports = []corev1.ContainerPort{{Name: "grpc", ContainerPort: port}}
	})
}

// What users ask is served by the primary: a port that it has is not taken away by a revision that is not proven.
func TestDiscoveredPortsFollowTheirSide(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.moveGRPC(9999)
	w.begin(func(c *v1beta1.Canary) { c.Spec.Service.PortDiscovery = true })
	require.ElementsMatch(t, []int32{9898, 9999}, w.ports("podinfo"))
	w.judge.fail(-1)
	w.moveGRPC(9998)
	w.await("the canary's Service has the new port", func() bool { return len(w.ports("podinfo-canary")) == 2 && w.ports("podinfo-canary")[1] == 9998 })
	for _, service := range []string{"podinfo", "podinfo-primary"} {
		require.ElementsMatch(t, []int32{9898, 9999}, w.ports(service), service)
	}
	w.awaitPhase(v1beta1.PhaseFailed)
	w.awaitTargetStopped()
	for _, service := range []string{"podinfo", "podinfo-primary"} {
		require.ElementsMatch(t, []int32{9898, 9999}, w.ports(service), "after the rollback: %s", service)
	}
	w.judge.fail(0)
	w.moveGRPC(9997)
	w.awaitPhase(v1beta1.PhaseSucceeded)
	for _, service := range []string{"podinfo", "podinfo-primary", "podinfo-canary"} {
		w.await("the port that was promoted: "+service, func() bool { return w.ports(service)[1] == 9997 })
	}
}

// Requests to another port of the user's own Service are answered there, whichever side they are sent to.
func TestBothSidesHaveThePortsOfTheApex(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.createApexService()
	s.Spec.Ports = append(s.Spec.Ports, corev1.ServicePort{Name: "metrics", Port: 9797})
	require.NoError(t, w.Update(t.Context(), s))
	w.begin()
	for _, service := range []string{"podinfo", "podinfo-primary", "podinfo-canary"} {
		require.ElementsMatch(t, []int32{9898, 9797}, w.ports(service), service)
	}
}

// A cluster IP cannot be changed, so that headless counts for Services that are made. It is told, and stops nothing.
func TestHeadlessLater(t *testing.T) {
	t.Parallel()
	for name, headless := range map[string]bool{"Added": true, "TakenBack": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.begin(func(c *v1beta1.Canary) { c.Spec.Service.Headless = !headless })
			before := w.service("podinfo").Spec.ClusterIP
			require.Equal(t, !headless, before == corev1.ClusterIPNone)
			w.editCanary(func(c *v1beta1.Canary) { c.Spec.Service.Headless = headless })
			w.awaitCondition(v1beta1.ConditionValid, metav1.ConditionTrue, "headless counts only for those that are made, not for podinfo, podinfo-primary, podinfo-canary")
			w.setImage(imageTwo)
			w.awaitPhase(v1beta1.PhaseSucceeded)
			require.Equal(t, before, w.service("podinfo").Spec.ClusterIP)
		})
	}
}

package controller

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// TestUnnamedPort takes an apex Service over whose owner has not named its only port, beside which ours stand, and gives
// it back.
func TestUnnamedPort(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		reason   string
		port     corev1.ServicePort
		discover bool
		want     []string
	}{
		"Discovered": {
			reason: "beside a port that was discovered ours has a name", discover: true,
			port: corev1.ServicePort{Port: 9898},
			want: []string{"grpc 9999 9999", "http 9898 9898"},
		},
		"Other": {
			reason: "beside ours the owner's has one",
			port:   corev1.ServicePort{Port: 80, TargetPort: intstr.FromInt32(9898)},
			want:   []string{"http 9898 9898", "port-80 80 9898"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.garbageCollect()
			w.editTarget(func(d *appsv1.Deployment) {
				d.Spec.Template.Spec.Containers[0].Ports = []corev1.ContainerPort{{Name: "http", ContainerPort: 9898}, {Name: "grpc", ContainerPort: 9999}}
			})
			s := &corev1.Service{
				ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: "podinfo"},
				Spec:       corev1.ServiceSpec{Selector: map[string]string{"app": "podinfo"}, Ports: []corev1.ServicePort{tc.port}},
			}
			require.NoError(t, w.Create(t.Context(), s, client.FieldOwner("kubectl")))
			before := s.Spec.Ports
			w.begin(revert, func(c *v1beta1.Canary) { c.Spec.Service.PortDiscovery = tc.discover })
			ports := func() []string {
				var all []string
				for _, p := range w.service("podinfo").Spec.Ports {
					all = append(all, fmt.Sprintf("%s %d %s", p.Name, p.Port, p.TargetPort.String()))
				}
				slices.Sort(all)
				return all
			}
			require.Equal(t, tc.want, ports(), tc.reason)
			w.setImage(imageTwo)
			w.awaitPhase(v1beta1.PhaseSucceeded)
			require.Equal(t, tc.want, ports(), "and has it after a rollout")
			w.delete("podinfo")
			require.Equal(t, before, w.service("podinfo").Spec.Ports, "it is given back as it was")
		})
	}
}

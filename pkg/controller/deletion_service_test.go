package controller

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

func onPort(port int32, target intstr.IntOrString) func(*v1beta1.Canary) {
	return func(c *v1beta1.Canary) { c.Spec.Service.Port, c.Spec.Service.TargetPort = port, target }
}

func port(name string, number, target int32) corev1.ServicePort {
	return corev1.ServicePort{Name: name, Port: number, TargetPort: intstr.FromInt32(target), Protocol: corev1.ProtocolTCP}
}

// TestApexIsGivenBack deletes a Canary whose apex Service is the user's own: it leads to the target by ports that
// work, whoever sees the deletion.
func TestApexIsGivenBack(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		reason string
		ports  []corev1.ServicePort
		change func(*corev1.Service)
		canary func(*v1beta1.Canary)
		// another is what another controller of this API made of the ports; nil: it has not had them
		another []corev1.ServicePort
		edit    func(*corev1.Service) // by the user, meanwhile
		want    []corev1.ServicePort
	}{
		"AnotherControllers": {
			reason:  "what another controller has replaced the ports with is all that there is",
			ports:   []corev1.ServicePort{port("http", 9898, 9898)},
			canary:  onPort(80, intstr.FromInt32(9898)),
			another: []corev1.ServicePort{port("http", 80, 9898)},
			want:    []corev1.ServicePort{port("http", 80, 9898)},
		},
		"AnotherControllersByKubectl": {
			reason: "what the user has applied tells what they were",
			ports:  []corev1.ServicePort{port("web", 80, 9898)},
			change: func(s *corev1.Service) {
				s.Annotations = map[string]string{corev1.LastAppliedConfigAnnotation: `{"spec":{"selector":{"app":"podinfo"},"ports":[{"name":"web","port":80,"targetPort":9898}]}}`}
			},
			canary:  onPort(9898, intstr.FromInt32(9898)),
			another: []corev1.ServicePort{port("http", 9898, 9898)},
			want:    []corev1.ServicePort{port("web", 80, 9898)},
		},
		"SamePort": {
			reason: "a port of the same number leads to where it led",
			ports:  []corev1.ServicePort{port("web", 80, 9898)},
			canary: onPort(80, intstr.FromInt32(8080)),
			want:   []corev1.ServicePort{port("web", 80, 9898)},
		},
		"OtherPort": {
			reason: "a port that we have added goes",
			ports:  []corev1.ServicePort{port("web", 9898, 9898)},
			canary: onPort(80, intstr.FromInt32(9898)),
			want:   []corev1.ServicePort{port("web", 9898, 9898)},
		},
		"SeveralHeadless": {
			reason: "each of several ports has a name",
			ports:  []corev1.ServicePort{port("web", 80, 9898), port("admin", 81, 9899)},
			change: func(s *corev1.Service) { s.Spec.ClusterIP = corev1.ClusterIPNone },
			canary: onPort(81, intstr.FromInt32(9000)),
			want:   []corev1.ServicePort{port("web", 80, 9898), port("admin", 81, 9899)},
		},
		"EditedMeanwhile": {
			reason: "ports that no longer fit the Service do not keep the Canary",
			ports:  []corev1.ServicePort{port("web", 80, 9898)},
			change: func(s *corev1.Service) { s.Spec.Type = corev1.ServiceTypeNodePort },
			canary: onPort(80, intstr.FromInt32(9898)),
			edit:   func(s *corev1.Service) { s.Spec.Type = corev1.ServiceTypeClusterIP; s.Spec.Ports[0].NodePort = 0 },
			want:   []corev1.ServicePort{port("web", 80, 9898)},
		},
	} {
		for mode, end := range map[string]func(w *world, o *operator){
			"Plain":  func(w *world, _ *operator) { w.delete("podinfo") },
			"Revert": func(w *world, _ *operator) { w.delete("podinfo") },
			"Unseen": func(w *world, o *operator) { w.deleteWhileDown(o); w.restart(0) },
		} {
			t.Run(name+mode, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				w.garbageCollect()
				s := &corev1.Service{}
				s.Namespace, s.Name = w.ns, "podinfo"
				s.Spec.Selector, s.Spec.Ports = map[string]string{"app": "podinfo"}, tc.ports
				if tc.change != nil {
					tc.change(s)
				}
				require.NoError(t, w.Create(t.Context(), s, client.FieldOwner("kubectl")))
				if tc.another != nil {
					w.inherit(inherited{phase: v1beta1.PhaseSucceeded, target: imageOne, primary: imageOne})
					w.editCanary(tc.canary)
					s.Spec.Ports, s.Spec.Selector = tc.another, map[string]string{"app": "podinfo-primary"}
					require.NoError(t, w.Update(t.Context(), s, client.FieldOwner("flagger")))
				} else {
					require.NoError(t, w.Create(t.Context(), w.canary(tc.canary)))
				}
				if mode == "Revert" {
					w.editCanary(revert)
				}
				o := start(w.T, w.ns, w.clock, w.judge, 0)
				w.await("the Service is taken over", func() bool {
					d := w.live("podinfo")
					return w.selector("podinfo") == "podinfo-primary" && carries(d) && w.service("podinfo").Annotations["sluice.dev/applied"] != ""
				})
				if tc.edit != nil {
					s = w.service("podinfo")
					w.rewrite(s, "kubectl", func() { tc.edit(s) })
				}
				end(w, o)
				w.await(tc.reason, func() bool { return w.selector("podinfo") == "podinfo" && w.targetReleased(2) })
				s = w.service("podinfo")
				require.Equal(t, tc.want, s.Spec.Ports, tc.reason)
				delete(s.Annotations, corev1.LastAppliedConfigAnnotation)
				require.Empty(t, s.Annotations, "nothing of ours stays")
			})
		}
	}
}

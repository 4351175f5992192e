package workload

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// TestReadinessProbeIsNamed has a workload whose pods run and do not get ready say which probe does not succeed.
func TestReadinessProbeIsNamed(t *testing.T) {
	pod := func(ready bool, probe corev1.ProbeHandler) corev1.Pod {
		return corev1.Pod{
			Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "envoy"}, {Name: "podinfod", ReadinessProbe: &corev1.Probe{ProbeHandler: probe}}}},
			Status: corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{
				{Name: "envoy", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}},
				{Name: "podinfod", Ready: ready, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}},
			}},
		}
	}
	get := corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/readyz", Port: intstr.FromInt32(9898)}}
	cases := map[string]struct {
		reason string
		pods   []corev1.Pod
		lack   string
		want   string
	}{
		"HTTP":    {"As it is written in the manifest.", []corev1.Pod{pod(false, get)}, podsNotReady, "its pods are not ready: the readiness probe of podinfod does not succeed, GET /readyz on port 9898"},
		"TCP":     {"Another sort.", []corev1.Pod{pod(false, corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{Port: intstr.FromString("http")}})}, podsNotReady, "its pods are not ready: the readiness probe of podinfod does not succeed, TCP on port http"},
		"Late":    {"After the deadline as well.", []corev1.Pod{pod(false, get)}, deadlineExceeded, deadlineExceeded + ": the readiness probe of podinfod does not succeed, GET /readyz on port 9898"},
		"Ready":   {"One that answers is not to blame.", []corev1.Pod{pod(true, get)}, podsNotReady, podsNotReady},
		"Missing": {"Pods that are still to be made have none.", []corev1.Pod{pod(false, get)}, podsNotCreated, podsNotCreated},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			_, reason, _ := healthByPods(c.pods, c.lack, time.Now())
			require.Equal(t, c.want, reason, c.reason)
		})
	}
}

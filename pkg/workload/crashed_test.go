package workload

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

func TestCrashedSince(t *testing.T) {
	began := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	at := func(seconds int) metav1.Time { return metav1.NewTime(began.Add(time.Duration(seconds) * time.Second)) }
	pod := func(restarts int32, change ...func(*corev1.Pod)) corev1.Pod {
		p := corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "podinfo-1", UID: types.UID("1")}}
		p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "podinfod", RestartCount: restarts, LastTerminationState: corev1.ContainerState{
			Terminated: &corev1.ContainerStateTerminated{ExitCode: 1, StartedAt: at(-60), FinishedAt: at(-1)},
		}}}
		p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue, LastTransitionTime: at(-50)}}
		for _, f := range change {
			f(&p)
		}
		return p
	}
	ended := func(change func(*corev1.ContainerStateTerminated)) func(*corev1.Pod) {
		return func(p *corev1.Pod) { change(p.Status.ContainerStatuses[0].LastTerminationState.Terminated) }
	}
	probe := func(p *corev1.Pod) {
		p.Spec.Containers = []corev1.Container{{Name: "podinfod", LivenessProbe: &corev1.Probe{}}}
	}
	later := ended(func(t *corev1.ContainerStateTerminated) { t.FinishedAt = at(20) })
	for name, tc := range map[string]struct {
		reason string
		pod    corev1.Pod
		before Restarts
		want   string
	}{
		"Before":   {"that was before it baked", pod(1), Restarts{"1/podinfod": 1}, ""},
		"Again":    {"whatever the clocks of nodes say", pod(2), Restarts{"1/podinfod": 1}, "podinfod of podinfo-1 ended with exit code 1"},
		"Later":    {"by the time alone, of a process that was started meanwhile", pod(1, later), nil, "podinfod of podinfo-1 ended with exit code 1"},
		"Earlier":  {"by the time alone", pod(1), nil, ""},
		"Memory":   {"a reason of its own", pod(1, later, ended(func(t *corev1.ContainerStateTerminated) { t.ExitCode, t.Reason = 137, "OOMKilled" })), nil, "podinfod of podinfo-1 ended for want of memory"},
		"Done":     {"a process that ends well is restarted, and nothing is wrong with it", pod(2, ended(func(t *corev1.ContainerStateTerminated) { t.ExitCode = 0 })), Restarts{"1/podinfod": 1}, ""},
		"NotAlive": {"it failed its liveness probe and ended in good order, which reads the same", pod(2, probe, ended(func(t *corev1.ContainerStateTerminated) { t.ExitCode = 0 })), Restarts{"1/podinfod": 1}, "podinfod of podinfo-1 ended with exit code 0"},
		"OtherProbe": {"a container is answerable for its own probe alone", pod(2, probe, ended(func(t *corev1.ContainerStateTerminated) { t.ExitCode = 0 }), func(p *corev1.Pod) {
			p.Spec.Containers[0].Name = "other"
		}), Restarts{"1/podinfod": 1}, ""},
		"Leaving": {"it was told to end", pod(2, func(p *corev1.Pod) { now := at(0); p.DeletionTimestamp = &now }), Restarts{"1/podinfod": 1}, ""},
		"Evicted": {"its node wants the room", pod(2, func(p *corev1.Pod) { p.Status.Phase, p.Status.Reason = corev1.PodFailed, "Evicted" }), Restarts{"1/podinfod": 1}, ""},
		"NeverReady": {"a pod that an autoscaler adds, and that does not start, is waited for", pod(1, later, func(p *corev1.Pod) {
			p.Status.ContainerStatuses[0].LastTerminationState.Terminated.StartedAt = at(10)
			p.Status.Conditions[0].Status, p.Status.Conditions[0].LastTransitionTime = corev1.ConditionFalse, at(5)
		}), nil, ""},
		"Sidecar": {"it is no part of what is rolled out", pod(0, func(p *corev1.Pod) {
			p.Status.InitContainerStatuses, p.Status.ContainerStatuses = pod(2, later).Status.ContainerStatuses, nil
		}), Restarts{}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tc.want, CrashedSince([]corev1.Pod{tc.pod}, began, tc.before), tc.reason)
		})
	}
	require.Equal(t, Restarts{"1/podinfod": 3}, RestartsOf([]corev1.Pod{pod(3)}))
}

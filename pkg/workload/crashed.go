package workload

import (
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// Restarts are how often containers have been started again, by pod and name.
type Restarts map[string]int32

// RestartsOf counts those of pods.
func RestartsOf(pods []corev1.Pod) Restarts {
	all := Restarts{}
	for _, p := range pods {
		for _, s := range p.Status.ContainerStatuses {
			all[container(p, s)] = s.RestartCount
		}
	}
	return all
}

func container(p corev1.Pod, s corev1.ContainerStatus) string { return string(p.UID) + "/" + s.Name }

// CrashedSince is how a container has ended with an error, in a pod that had been ready, since it was started again so often;
// empty: none has. Of a pod that was not there by then it counts whether that was after a moment. Where there is a liveness
// probe any end counts: the kubelet's word for a process that failed it, and then ended in good order, is that it is completed.
// Sidecars, and pods that are deleted or evicted, do not count.
func CrashedSince(pods []corev1.Pod, since time.Time, before Restarts) string {
	for _, p := range pods {
		if p.DeletionTimestamp != nil || p.Status.Phase == corev1.PodFailed && p.Status.Reason == "Evicted" {
			continue
		}
		for _, s := range p.Status.ContainerStatuses {
			times, known := before[container(p, s)]
			for _, ended := range []*corev1.ContainerStateTerminated{s.State.Terminated, s.LastTerminationState.Terminated} {
				if ended == nil || ended.ExitCode == 0 && ended.Reason != "OOMKilled" && !probed(p, s.Name) {
					continue
				}
				again := known && s.RestartCount > times
				if again || !ended.FinishedAt.Time.Before(since) && (known || wasReady(p, ended.StartedAt.Time)) {
					return fmt.Sprintf("%s of %s %s", s.Name, p.Name, endedWith(ended))
				}
			}
		}
	}
	return ""
}

// probed says that the kubelet ends a container that no longer answers.
func probed(p corev1.Pod, name string) bool {
	return slices.ContainsFunc(p.Spec.Containers, func(c corev1.Container) bool { return c.Name == name && c.LivenessProbe != nil })
}

// wasReady says that a pod has become ready, or ceased to be, since a moment.
func wasReady(p corev1.Pod, since time.Time) bool {
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue || c.LastTransitionTime.After(since)
		}
	}
	return false
}

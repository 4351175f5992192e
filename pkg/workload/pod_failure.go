package workload

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// PodFailureGrace is how long a pod may fail before its workload counts as stuck. A registry that
// answers late, or a process that waits for its database by crashing once or twice, is no reason to
// end a rollout.
const PodFailureGrace = 30 * time.Second

// podFailure is why a pod will not become ready by itself.
type podFailure struct {
	reason string
	since  time.Time
	final  bool // waiting cannot help
}

// graceOver includes the very end of the grace, so that a look taken just then decides.
func (t podFailure) graceOver(now time.Time) bool {
	return t.final || !now.Before(t.since.Add(PodFailureGrace))
}

// newestPods returns the pods of the template that made pods last, by the label that tells templates apart. An older
// template's pods may be in any state: what is rolled out replaces them.
// Pods that are being deleted say nothing any more.
func newestPods(pods []corev1.Pod, label string) []corev1.Pod {
	var template string
	var made time.Time
	for _, p := range pods {
		if at := p.CreationTimestamp.Time; p.DeletionTimestamp == nil && !at.Before(made) {
			template, made = p.Labels[label], at
		}
	}
	return slices.DeleteFunc(slices.Clone(pods), func(p corev1.Pod) bool {
		return p.DeletionTimestamp != nil || p.Labels[label] != template
	})
}

// worstFailure returns the failure that ends a rollout first. Of failures that began together it is always the
// same one, so that what people read does not change from look to look.
func worstFailure(pods []corev1.Pod) (podFailure, bool) {
	var all []podFailure
	for _, p := range pods {
		all = append(all, podFailures(p)...)
	}
	if len(all) == 0 {
		return podFailure{}, false
	}
	return slices.MinFunc(all, func(a, b podFailure) int {
		if a.final != b.final {
			return cmp.Compare(rank(a), rank(b))
		}
		return cmp.Or(a.since.Compare(b.since), cmp.Compare(a.reason, b.reason))
	}), true
}

// rank puts first what no waiting helps.
func rank(t podFailure) int {
	if t.final {
		return 0
	}
	return 1
}

// podFailures looks at every container of a pod, those that prepare it first.
func podFailures(p corev1.Pod) []podFailure {
	var found []podFailure
	since := notReadySince(p)
	for _, s := range p.Status.InitContainerStatuses {
		if f, ok := containerFailure(s); ok {
			f.since = latest(since, crashedSince(s))
			found = append(found, f)
		}
		// What comes next was not tried before.
		since = latest(since, doneAt(s))
	}
	for _, s := range p.Status.ContainerStatuses {
		if f, ok := containerFailure(s); ok {
			f.since = latest(since, crashedSince(s))
			found = append(found, f)
		}
	}
	return found
}

// crashedSince is a moment at which a container had crashed already, as early as its status tells; zero: it has not.
func crashedSince(s corev1.ContainerStatus) time.Time {
	t := s.LastTerminationState.Terminated
	switch {
	case t == nil:
		return time.Time{}
	// Each run but the first follows a crash.
	case s.RestartCount > 0:
		return t.StartedAt.Time
	}
	return t.FinishedAt.Time
}

// doneAt is when a container that prepares its pod let the next one begin: it ended, or, as a sidecar, was started.
func doneAt(s corev1.ContainerStatus) time.Time {
	switch {
	case s.State.Terminated != nil:
		return s.State.Terminated.FinishedAt.Time
	case s.State.Running != nil && s.RestartCount == 0:
		return s.State.Running.StartedAt.Time
	}
	return time.Time{}
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// containerFailure puts a waiting container into words of our own: the kubelet's name the pod and count seconds,
// and go back and forth between trying to pull an image and waiting to try again.
func containerFailure(s corev1.ContainerStatus) (podFailure, bool) {
	w := s.State.Waiting
	if w == nil {
		return podFailure{}, false
	}
	switch w.Reason {
	// The kubelet goes back and forth between the two: one word for both, or a condition would change with each try.
	case "ErrImagePull", "ImagePullBackOff":
		return podFailure{reason: fmt.Sprintf("ImagePullBackOff: %s: cannot pull image %q", s.Name, s.Image)}, true
	// No registry is asked: nothing will change.
	case "InvalidImageName":
		return podFailure{reason: fmt.Sprintf("InvalidImageName: %s: %q is not the name of an image", s.Name, s.Image), final: true}, true
	// Another node may have it, where a new pod may land.
	case "ErrImageNeverPull":
		return podFailure{reason: fmt.Sprintf("ErrImageNeverPull: %s: its node does not have image %q, and may not pull it", s.Name, s.Image)}, true
	// What is wrong is in the message.
	case "CreateContainerConfigError", "CreateContainerError", "RunContainerError":
		return podFailure{reason: fmt.Sprintf("%s: %s: %s", w.Reason, s.Name, w.Message)}, true
	// Its message has the delay in it, which grows.
	case "CrashLoopBackOff":
		// Between two tries, what cannot be run at all reads like a crash: one word for both here, too.
		if t := s.LastTerminationState.Terminated; t != nil && neverStarted(t.Reason) && t.Message != "" {
			return podFailure{reason: fmt.Sprintf("RunContainerError: %s: %s", s.Name, t.Message)}, true
		}
		return podFailure{reason: fmt.Sprintf("CrashLoopBackOff: %s: %s", s.Name, terminationReason(s))}, true
	}
	return podFailure{}, false
}

// terminationReason says how a container terminationReason that is about to be started again.
func terminationReason(s corev1.ContainerStatus) string {
	t := s.LastTerminationState.Terminated
	if t == nil {
		return "keeps ending"
	}
	return endedWith(t)
}

func endedWith(t *corev1.ContainerStateTerminated) string {
	if t.Reason == "OOMKilled" {
		return "ended for want of memory"
	}
	return fmt.Sprintf("ended with exit code %d", t.ExitCode)
}

// neverStarted knows the words that container runtimes have for a process that they could not start.
func neverStarted(reason string) bool {
	return reason == "StartError" || reason == "ContainerCannotRun"
}

// unschedulable is why the scheduler finds no node for one of the pods; empty where it did for all. That is worth saying
// and no failure by itself: an autoscaler of the cluster may take minutes to bring a node.
func unschedulable(pods []corev1.Pod) string {
	for _, p := range pods {
		for _, c := range p.Status.Conditions {
			if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse && c.Reason == corev1.PodReasonUnschedulable {
				why, _, _ := strings.Cut(c.Message, " preemption:")
				return "Unschedulable: " + strings.TrimSuffix(why, ".")
			}
		}
	}
	return ""
}

// unanswered says, of pods that run and are not ready, which readiness probe does not succeed; empty: none is known. What the probe
// was answered is in the pod's events only.
func unanswered(pods []corev1.Pod, lack string) string {
	if lack != podsNotReady && lack != deadlineExceeded {
		return ""
	}
	for i := range pods {
		if isReady(&pods[i]) {
			continue
		}
		for _, s := range pods[i].Status.ContainerStatuses {
			at := slices.IndexFunc(pods[i].Spec.Containers, func(c corev1.Container) bool { return c.Name == s.Name })
			if s.Ready || s.State.Running == nil || at < 0 || pods[i].Spec.Containers[at].ReadinessProbe == nil {
				continue
			}
			return ": the readiness probe of " + s.Name + " does not succeed, " + probeText(pods[i].Spec.Containers[at].ReadinessProbe)
		}
	}
	return ""
}

// probeText is what a probe asks, for people.
func probeText(p *corev1.Probe) string {
	switch {
	case p.HTTPGet != nil:
		return fmt.Sprintf("GET %s on port %s", cmp.Or(p.HTTPGet.Path, "/"), p.HTTPGet.Port.String())
	case p.TCPSocket != nil:
		return "TCP on port " + p.TCPSocket.Port.String()
	case p.GRPC != nil:
		return fmt.Sprintf("gRPC on port %d", p.GRPC.Port)
	}
	return "a command"
}

// notReadySince is when a pod stopped being ready, or started if it never was.
func notReadySince(p corev1.Pod) time.Time {
	at := p.CreationTimestamp.Time
	if p.Status.StartTime != nil {
		at = p.Status.StartTime.Time
	}
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodReady && c.Status == corev1.ConditionFalse && c.LastTransitionTime.After(at) {
			at = c.LastTransitionTime.Time
		}
	}
	return at
}

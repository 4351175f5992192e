package metric

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/sluice-cd/sluice/pkg/outbound"
)

// Of a log that is shown, in lines and bytes.
// A message is bounded too, and the end of a log is what says why.
const (
	logLines = 10
	logBytes = 2 << 10
	// logRead bounds what is read for that. The API counts it from the beginning of the last lines, so that it has to
	// hold all of them, or the end would be missing; runtimes cut lines at 16 KiB.
	logRead = logLines * 32 << 10
)

func (j *job) pods(ctx context.Context) ([]corev1.Pod, error) {
	found := &corev1.PodList{}
	// By the label that the Job's controller sets, whatever labels the template has.
	selector := url.Values{"labelSelector": {batchv1.JobNameLabel + "=" + j.name}}
	path := "/api/v1/namespaces/" + j.Namespace + "/pods?" + selector.Encode()
	if err := read(ctx, j.Cluster, path, found); err != nil {
		return nil, fmt.Errorf("looking for its Pods: %w", err)
	}
	return found.Items, nil
}

// stuck is an error if a Pod waits for what will never come. The Job is removed then, since it would wait too.
func (j *job) stuck(ctx context.Context) error {
	pods, err := j.pods(ctx)
	if err != nil {
		return err
	}
	reason := stuckReason(pods)
	if reason == "" {
		return nil
	}
	// Background: the Pods go with it. Without the Job's name in the way the next try of this round makes a new one.
	gone := j.path + "/" + j.name + "?propagationPolicy=Background"
	if _, err := j.Cluster.Do(ctx, http.MethodDelete, gone, nil); err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("%s; removing it: %w", reason, err)
	}
	return errors.New(reason)
}

// stuckReason says for what a Pod waits that will never come; empty: for nothing. It looks at init containers first, as
// they run first. It does not count ErrImagePull, which may be
// one bad moment of a registry; ImagePullBackOff follows when it was not.
func stuckReason(pods []corev1.Pod) string {
	for _, pod := range pods {
		all := append(append([]corev1.ContainerStatus{}, pod.Status.InitContainerStatuses...), pod.Status.ContainerStatuses...)
		for _, c := range all {
			if c.State.Waiting == nil {
				continue
			}
			switch c.State.Waiting.Reason {
			// Reasons as the kubelet writes them; there are no constants of the API for them.
			case "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "CreateContainerConfigError":
				return fmt.Sprintf("%s: %s", c.State.Waiting.Reason, outbound.Line(c.State.Waiting.Message, maxText))
			}
		}
	}
	return ""
}

// log is the end of what a failed Pod wrote. That there is none must not hide why the Job failed.
func (j *job) log(ctx context.Context, pods []corev1.Pod) string {
	for _, pod := range latestFirst(pods) {
		if pod.Status.Phase != corev1.PodFailed || len(pod.Spec.Containers) == 0 {
			continue
		}
		// The container is named: of a Pod with several the API refuses to guess.
		values := url.Values{"container": {failedContainer(pod)}, "tailLines": {fmt.Sprint(logLines)}, "limitBytes": {fmt.Sprint(logRead)}}
		path := "/api/v1/namespaces/" + j.Namespace + "/pods/" + pod.Name + "/log?" + values.Encode()
		text, err := j.Cluster.Do(ctx, http.MethodGet, path, nil)
		if err != nil {
			return ""
		}
		return lastLines(text)
	}
	return ""
}

// latestFirst is the Pods in the order in which they were made, the last one first. The API lists them by name.
func latestFirst(pods []corev1.Pod) []corev1.Pod {
	return slices.SortedStableFunc(slices.Values(pods), func(a, b corev1.Pod) int {
		return b.CreationTimestamp.Compare(a.CreationTimestamp.Time)
	})
}

// failedContainer is the container that failed.
func failedContainer(pod corev1.Pod) string {
	for _, c := range append(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses...) {
		// The one that said no: others of its Pod may have ended well, or were stopped with it.
		if c.State.Terminated != nil && c.State.Terminated.ExitCode != 0 {
			return c.Name
		}
	}
	return pod.Spec.Containers[0].Name
}

func lastLines(text []byte) string {
	// Cut here too: a server may answer more than it was asked for.
	s := strings.ToValidUTF8(string(text[max(0, len(text)-logBytes):]), "")
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return strings.Join(lines[max(0, len(lines)-logLines):], "\n")
}

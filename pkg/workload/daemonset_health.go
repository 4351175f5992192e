package workload

import (
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/sluice-cd/sluice/pkg/rollout"
)

// What only a DaemonSet waits for.
const (
	daemonSetNotObserved = "the DaemonSet controller has not seen its newest version"
	noNodes              = "no node takes its pods"
	podsOutdated         = "its pods are still to be replaced"
)

// Observe implements Kind. A DaemonSet has no conditions that could tell since when it is as it is, and no deadline of
// its own: only its pods say that it is stuck.
func (DaemonSet) Observe(o Object, pods []corev1.Pod, ready int, now time.Time) rollout.Workload {
	d, ok := o.(*appsv1.DaemonSet)
	if !ok || d == nil {
		return rollout.Workload{Health: rollout.Absent}
	}
	w := rollout.Workload{Revision: revisionOf(d), Available: min(d.Status.NumberAvailable, 1)}
	if stopped(d) {
		w.Health = rollout.Stopped
		return w
	}
	// However many nodes there are: see DaemonSet.
	w.Replicas = 1
	w.Health, w.Reason, w.Since = daemonHealth(d, pods, ready, now)
	return w
}

func daemonHealth(d *appsv1.DaemonSet, pods []corev1.Pod, ready int, now time.Time) (rollout.Health, string, time.Time) {
	lack := daemonNotAvailableReason(d, ready)
	switch lack {
	case "":
		return rollout.Available, "", time.Time{}
	// Its pods may still be those of the version before.
	case daemonSetNotObserved:
		return rollout.Starting, lack, time.Time{}
	}
	return healthByPods(newestPods(pods, appsv1.DefaultDaemonSetUniqueLabelKey), lack, now)
}

// daemonNotAvailableReason says what is missing before a DaemonSet serves its present template; empty: nothing.
func daemonNotAvailableReason(d *appsv1.DaemonSet, ready int) string {
	s := d.Status
	switch {
	case s.ObservedGeneration < d.Generation:
		return daemonSetNotObserved
	// Zero of zero would count as ready, and nobody would answer.
	case s.DesiredNumberScheduled == 0:
		return noNodes
	case s.UpdatedNumberScheduled < s.DesiredNumberScheduled:
		return podsOutdated
	case s.NumberAvailable < requiredPods(s.DesiredNumberScheduled, ready):
		return podsNotReady
	}
	return ""
}

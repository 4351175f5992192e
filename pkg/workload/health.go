package workload

import (
	"cmp"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/sluice-cd/sluice/pkg/rollout"
)

// What a workload waits for. These texts end in conditions, so they hold no counts and no pod names,
// which would change with every pod.
const (
	notObserved      = "the Deployment controller has not seen its newest version"
	deploymentPaused = "the Deployment is paused"
	podsNotCreated   = "new pods are still to be created"
	oldPodsLeft      = "old pods have not ended"
	podsNotReady     = "its pods are not ready"
	deadlineExceeded = "ProgressDeadlineExceeded: the Deployment exceeded its progress deadline"
)

// Observe implements Kind. A Deployment that starts with a failing pod has as Since the time that this began:
// at Since plus PodFailureGrace it is stuck, unless the failure passes.
// What its conditions mean: https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#deployment-status
func (Deployment) Observe(o Object, pods []corev1.Pod, ready int, now time.Time) rollout.Workload {
	d, ok := o.(*appsv1.Deployment)
	if !ok || d == nil {
		return rollout.Workload{Health: rollout.Absent}
	}
	w := rollout.Workload{
		Revision:  revisionOf(d),
		Replicas:  desiredReplicas(d),
		Available: d.Status.AvailableReplicas,
	}
	w.Health, w.Reason, w.Since = health(d, pods, ready, now)
	return w
}

// health applies the rules in order; the first that fits decides. Enough available pods outweigh a
// missed deadline: the rest may be missing for good, and the threshold allows for it.
func health(d *appsv1.Deployment, pods []corev1.Pod, ready int, now time.Time) (rollout.Health, string, time.Time) {
	if desiredReplicas(d) == 0 {
		return rollout.Stopped, "", time.Time{}
	}
	lack := notAvailableReason(d, ready)
	switch lack {
	case "":
		return rollout.Available, "", conditionSince(d, appsv1.DeploymentAvailable)
	// Everything below would speak of an older version.
	case notObserved:
		return rollout.Starting, lack, time.Time{}
	}
	progressing := condition(d, appsv1.DeploymentProgressing)
	late := progressing.Reason == "ProgressDeadlineExceeded"
	if late {
		lack = deadlineExceeded
	}
	// Before the Deployment's own verdict: what its pods, or the API server, say is of more use than that it is late.
	h, reason, since := healthByPods(newestPods(pods, appsv1.DefaultDeploymentUniqueLabelKey), replicaFailure(d, lack), now)
	switch {
	case late:
		return rollout.Stuck, reason, progressing.LastTransitionTime.Time
	case since.IsZero():
		return h, reason, lastProgress(d)
	}
	return h, reason, since
}

// healthByPods is that of a workload which lacks something, as the pods of its newest template tell. Since is when the
// failure began that ends the rollout first, and zero where no pod fails: the reason is then the lack, unless no node
// takes a pod.
func healthByPods(pods []corev1.Pod, lack string, now time.Time) (h rollout.Health, reason string, since time.Time) {
	f, found := worstFailure(pods)
	switch {
	case !found:
		return rollout.Starting, cmp.Or(unschedulable(pods), lack+unanswered(pods, lack)), time.Time{}
	case f.graceOver(now):
		return rollout.Stuck, f.reason, f.since
	}
	return rollout.Starting, f.reason, f.since
}

// notAvailableReason says what is missing before a Deployment serves its present template; empty: nothing.
func notAvailableReason(d *appsv1.Deployment, ready int) string {
	s := d.Status
	switch {
	// In the order in which a Deployment gets there: the first thing that is missing is the one to say.
	case s.ObservedGeneration < d.Generation:
		return notObserved
	case s.UpdatedReplicas < desiredReplicas(d) && d.Spec.Paused:
		return deploymentPaused
	case s.UpdatedReplicas < desiredReplicas(d):
		return podsNotCreated
	// Old pods still answer, so that users would meet both versions behind one Service.
	case s.Replicas > s.UpdatedReplicas:
		return oldPodsLeft
	case s.AvailableReplicas < requiredPods(s.UpdatedReplicas, ready):
		return podsNotReady
	}
	return ""
}

// requiredPods is the percentage of the pods, rounded down, but never none: a workload without a single
// available pod serves nobody.
func requiredPods(pods int32, percent int) int32 {
	if percent < 1 || percent > 100 {
		percent = 100
	}
	return max(pods*int32(percent)/100, 1)
}

// replicaFailure replaces a lack of pods by what the API server has against them, such as an exceeded quota.
// The rest of the message names a pod and counts others.
func replicaFailure(d *appsv1.Deployment, lack string) string {
	c := condition(d, appsv1.DeploymentReplicaFailure)
	if c.Status != corev1.ConditionTrue {
		return lack
	}
	if _, why, ok := strings.Cut(c.Message, " is forbidden: "); ok {
		why, _, _ = strings.Cut(why, ",")
		return c.Reason + ": " + why
	}
	return c.Reason + ": its pods are refused"
}

// desiredReplicas is the number of pods asked for; the API's default is one.
func desiredReplicas(d *appsv1.Deployment) int32 {
	if d.Spec.Replicas == nil {
		return 1
	}
	return *d.Spec.Replicas
}

// lastProgress is when a Deployment last got on: since then it has been missing what it lacks.
func lastProgress(d *appsv1.Deployment) time.Time {
	fell, moved := condition(d, appsv1.DeploymentAvailable), condition(d, appsv1.DeploymentProgressing)
	at := moved.LastUpdateTime.Time
	if fell.Status == corev1.ConditionFalse && fell.LastTransitionTime.After(at) {
		return fell.LastTransitionTime.Time
	}
	return at
}

// conditionSince is when a condition last turned, the zero time where there is none.
func conditionSince(d *appsv1.Deployment, t appsv1.DeploymentConditionType) time.Time {
	return condition(d, t).LastTransitionTime.Time
}

// condition returns the one of a type. One that is missing is the zero value: neither true nor false.
func condition(d *appsv1.Deployment, t appsv1.DeploymentConditionType) appsv1.DeploymentCondition {
	for _, c := range d.Status.Conditions {
		if c.Type == t {
			return c
		}
	}
	return appsv1.DeploymentCondition{}
}

// ConfirmByPods corrects what a status says by the pods themselves: wanted is how many there should be. A workload that is
// stopped and started again in one moment, or given the template before again, counts pods as available that are already
// ending. The status of a Deployment is put together from that of its ReplicaSets, which may be older than the generation it
// claims to have seen; that of a DaemonSet has them in it until they are gone.
func ConfirmByPods(w rollout.Workload, pods []corev1.Pod, wanted int32, ready int) rollout.Workload {
	var serving int32
	for i := range pods {
		if pods[i].DeletionTimestamp == nil && isReady(&pods[i]) {
			serving++
		}
	}
	w.Available = min(w.Available, serving)
	if w.Health == rollout.Available && serving < requiredPods(wanted, ready) {
		w.Health, w.Since = rollout.Starting, time.Time{}
	}
	return w
}

// Growing says that a Deployment waits for pods alone, was made larger than needed, and has the part of the needed ones that is asked
// for. A DaemonSet's pods are up to the nodes.
func Growing(o Object, w rollout.Workload, needed int32, ready int) bool {
	d, ok := o.(*appsv1.Deployment)
	return ok && w.Health == rollout.Starting && needed > 0 && desiredReplicas(d) > needed &&
		replaced(d) && d.Status.AvailableReplicas >= requiredPods(needed, ready)
}

// Failing says that one of a Deployment's newest pods will not become ready by itself.
func Failing(pods []corev1.Pod) bool {
	_, found := worstFailure(newestPods(pods, appsv1.DefaultDeploymentUniqueLabelKey))
	return found
}

func isReady(p *corev1.Pod) bool {
	return slices.ContainsFunc(p.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}

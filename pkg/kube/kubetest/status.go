package kubetest

import (
	"context"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

// report writes the Deployment's status if it has changed, and says when its
// progress deadline ends.
func (w *Workloads) report(ctx context.Context, d *appsv1.Deployment, rs *appsv1.ReplicaSet, p *pods) (time.Duration, error) {
	all, want := p.all(), int(ptr.Deref(d.Spec.Replicas, 1))
	able := count(all, ready)
	s := appsv1.DeploymentStatus{
		ObservedGeneration:  d.Generation,
		Replicas:            int32(len(all)),
		UpdatedReplicas:     int32(len(p.current)),
		ReadyReplicas:       int32(able),
		AvailableReplicas:   int32(able),
		UnavailableReplicas: int32(max(0, want-able)),
		TerminatingReplicas: d.Status.TerminatingReplicas,
		CollisionCount:      d.Status.CollisionCount,
	}
	progressing, left := progress(d, rs, p, want)
	s.Conditions = []appsv1.DeploymentCondition{
		condition(d, available(able >= want)),
		condition(d, progressing),
	}
	if same(d.Status, s) && d.Annotations[counted] == rs.Annotations[counted] {
		return left, nil
	}
	// The Deployment has the place of its newest ReplicaSet, which is written with the status.
	metav1.SetMetaDataAnnotation(&d.ObjectMeta, counted, rs.Annotations[counted])
	d.Status = s
	return left, w.client.Status().Update(ctx, d)
}

func available(enough bool) appsv1.DeploymentCondition {
	if enough {
		return appsv1.DeploymentCondition{
			Type: appsv1.DeploymentAvailable, Status: corev1.ConditionTrue,
			Reason: "MinimumReplicasAvailable", Message: "Deployment has minimum availability.",
		}
	}
	return appsv1.DeploymentCondition{
		Type: appsv1.DeploymentAvailable, Status: corev1.ConditionFalse,
		Reason: "MinimumReplicasUnavailable", Message: "Deployment does not have minimum availability.",
	}
}

// progress says how the roll-out of the present template goes, and how long it
// may still take.
func progress(d *appsv1.Deployment, rs *appsv1.ReplicaSet, p *pods, want int) (appsv1.DeploymentCondition, time.Duration) {
	c := appsv1.DeploymentCondition{Type: appsv1.DeploymentProgressing, Status: corev1.ConditionTrue}
	if count(p.current, ready) >= want && len(p.old) == 0 {
		c.Reason, c.Message = "NewReplicaSetAvailable", fmt.Sprintf("ReplicaSet %q has successfully progressed.", rs.Name)
		return c, 0
	}
	left := time.Duration(ptr.Deref(d.Spec.ProgressDeadlineSeconds, 600)) * time.Second
	if len(p.current) > 0 {
		left -= time.Since(born(&p.current[0]))
	}
	if left > 0 {
		c.Reason, c.Message = "ReplicaSetUpdated", fmt.Sprintf("ReplicaSet %q is progressing.", rs.Name)
		return c, left
	}
	c.Status = corev1.ConditionFalse
	c.Reason, c.Message = "ProgressDeadlineExceeded", fmt.Sprintf("ReplicaSet %q has timed out progressing.", rs.Name)
	return c, 0
}

// condition keeps the times of a condition that has not changed.
func condition(d *appsv1.Deployment, c appsv1.DeploymentCondition) appsv1.DeploymentCondition {
	c.LastUpdateTime = metav1.Now().Rfc3339Copy()
	c.LastTransitionTime = c.LastUpdateTime
	for _, b := range d.Status.Conditions {
		if b.Type != c.Type {
			continue
		}
		if b.Status == c.Status {
			c.LastTransitionTime = b.LastTransitionTime
		}
		if b.Reason == c.Reason && b.Message == c.Message {
			c.LastUpdateTime = b.LastUpdateTime
		}
	}
	return c
}

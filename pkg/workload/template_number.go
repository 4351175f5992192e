package workload

import (
	"strconv"

	appsv1 "k8s.io/api/apps/v1"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// DeploymentRevision is what the Deployment controller counts templates by: each time that one comes into force, whether or
// not it was there before, it gets a number that is higher than all others.
// https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#checking-rollout-history-of-a-deployment
const DeploymentRevision = "deployment.kubernetes.io/revision"

// TargetTemplate is what the cluster counts the pod template of a target as. It does not change with what a newer API server
// reads into the template. Without a number it is not known.
func TargetTemplate(target Object) v1beta1.TargetTemplate {
	t := v1beta1.TargetTemplate{UID: target.GetUID()}
	switch o := target.(type) {
	case *appsv1.Deployment:
		if counted(o) {
			t.Number = o.Annotations[DeploymentRevision]
		}
	case *appsv1.DaemonSet:
		t.Number = templateGeneration(o)
	}
	return t
}

// counted says that a Deployment's controller has counted its newest template. A change of both the size and the template has
// its generation observed before it is counted; then no pod is of the newest template, whatever size it has.
func counted(d *appsv1.Deployment) bool {
	if d.Spec.Paused || d.Status.ObservedGeneration < d.Generation {
		return false
	}
	return d.Status.UpdatedReplicas > 0 || desiredReplicas(d) == 0 && d.Status.Replicas == 0
}

// templateGeneration is the number that the API server gives the templates of a DaemonSet. Its ControllerRevisions do not do:
// there is another one for each start and stop, and a newer controller manager makes one for each default that it learns of.
func templateGeneration(d *appsv1.DaemonSet) string {
	n, err := strconv.ParseInt(d.Annotations[appsv1.DeprecatedTemplateGeneration], 10, 64)
	if err != nil {
		return ""
	}
	// Stopping it is a change of the template as well.
	if stopped(d) {
		n--
	}
	return strconv.FormatInt(n, 10)
}

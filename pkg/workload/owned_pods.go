package workload

import (
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// OwnedPods are those of the pods with a workload's labels that are its own. Others may have the labels as well: a Job
// that is run from the same chart, a pod that somebody took out of its ReplicaSet.
func OwnedPods(o Object, pods []corev1.Pod) []corev1.Pod {
	return slices.DeleteFunc(slices.Clone(pods), func(p corev1.Pod) bool {
		if _, ok := o.(*appsv1.DaemonSet); ok {
			return !metav1.IsControlledBy(&p, o)
		}
		return !ownedByReplicaSetOf(o, &p)
	})
}

// ownedByReplicaSetOf goes by the name that the Deployment controller gives a ReplicaSet, which no two Deployments can
// share: reading ReplicaSets is a right that Sluice may not have.
// https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#pod-template-hash-label
func ownedByReplicaSetOf(o Object, p *corev1.Pod) bool {
	by := metav1.GetControllerOf(p)
	hash := p.Labels[appsv1.DefaultDeploymentUniqueLabelKey]
	return by != nil && by.Kind == "ReplicaSet" && hash != "" && by.Name == o.GetName()+"-"+hash
}

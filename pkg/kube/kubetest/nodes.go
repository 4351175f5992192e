package kubetest

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// nodeLost is set for a workload, whatever the images of its Pods.
const nodeLost Fault = "NodeLost"

// noNode is what the scheduler says of a Pod whose only node does not answer.
const noNode = "0/1 nodes are available: 1 node(s) had untolerated taint {node.kubernetes.io/unreachable: }. " +
	"preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling."

// LoseNode has the node of a workload's Pods not answer any more, as the node controller tells it: first they are not ready, then
// they are to be deleted, which nobody confirms. The Pods that are to replace them find no node. What is given back brings the node
// back.
func (w *Workloads) LoseNode(t testing.TB, namespace, workload string) (back func()) {
	t.Helper()
	lost := w.belongingTo(t, namespace, workload)
	for i := range lost {
		node := &corev1.Binding{Target: corev1.ObjectReference{Kind: "Node", Name: "lost"}}
		require.NoError(t, w.client.SubResource("binding").Create(t.Context(), &lost[i], node))
	}
	w.Fault(t, workload, nodeLost)
	for i := range lost {
		// Also those of former templates, which nobody else looks after.
		require.NoError(t, retry.RetryOnConflict(retry.DefaultBackoff, func() error {
			if err := w.live.Get(t.Context(), client.ObjectKeyFromObject(&lost[i]), &lost[i]); err != nil {
				return client.IgnoreNotFound(err)
			}
			lost[i].Status = lostStatus(&lost[i])
			return w.client.Status().Update(t.Context(), &lost[i])
		}))
	}
	w.lookAgain(t)
	for i := range lost {
		require.NoError(t, client.IgnoreNotFound(w.client.Delete(t.Context(), &lost[i])))
	}
	return func() {
		w.Fault(t, workload, None)
		for i := range lost {
			require.NoError(t, w.remove(t.Context(), &lost[i]))
		}
	}
}

func (w *Workloads) belongingTo(t testing.TB, namespace, workload string) (all []corev1.Pod) {
	t.Helper()
	list := &corev1.PodList{}
	require.NoError(t, w.live.List(t.Context(), list, client.InNamespace(namespace)))
	for _, p := range list.Items {
		if workloadOf(&p) == workload {
			all = append(all, p)
		}
	}
	return all
}

// lostStatus is what is known of a Pod of a workload whose node is lost.
func lostStatus(pod *corev1.Pod) corev1.PodStatus {
	s := *pod.Status.DeepCopy()
	s.Conditions = podConditions(pod.Status.Conditions, false)
	if pod.Spec.NodeName != "" {
		return s // its containers are as they were seen last
	}
	s.Phase, s.ContainerStatuses = corev1.PodPending, nil
	s.Conditions = append(s.Conditions, corev1.PodCondition{
		Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable, Message: noNode,
	})
	return s
}

// leaving says that a Pod is to be deleted, so that no workload counts it.
func leaving(p metav1.Object) bool { return p.GetDeletionTimestamp() != nil }

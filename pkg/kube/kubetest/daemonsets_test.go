package kubetest_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/kube/kubetest"
)

func TestDaemonSets(t *testing.T) {
	c, ns := newClient(t), kubetest.Namespace(t)
	w := kubetest.DaemonSets(t, ns)
	like := newDeployment(ns, "podinfo:1", 1)
	d := &appsv1.DaemonSet{ObjectMeta: like.ObjectMeta, Spec: appsv1.DaemonSetSpec{Selector: like.Spec.Selector, Template: like.Spec.Template}}
	require.NoError(t, c.Create(t.Context(), d))
	becomes := func(reason string, is func(appsv1.DaemonSetStatus) bool) {
		t.Helper()
		require.Eventually(t, func() bool {
			require.NoError(t, c.Get(t.Context(), client.ObjectKeyFromObject(d), d))
			return d.Status.ObservedGeneration == d.Generation && is(d.Status)
		}, patience, 10*time.Millisecond, reason)
	}
	edit := func(change func()) {
		t.Helper()
		before := d.DeepCopy()
		change()
		require.NoError(t, c.Patch(t.Context(), d, client.MergeFrom(before)))
	}
	becomes("a pod on each node", func(s appsv1.DaemonSetStatus) bool { return s.NumberAvailable == 2 && s.DesiredNumberScheduled == 2 })

	w.Fault(t, "podinfo:2", kubetest.CrashLoop)
	edit(func() { d.Spec.Template.Spec.Containers[0].Image = "podinfo:2" })
	becomes("new pods beside the old ones, which serve", func(s appsv1.DaemonSetStatus) bool {
		return s.UpdatedNumberScheduled == 2 && s.NumberAvailable == 2
	})
	w.FaultOf(t, "another", "podinfo:2", kubetest.NeverReady)
	w.Fault(t, "podinfo:2", kubetest.None)
	list := &corev1.PodList{}
	require.Eventually(t, func() bool {
		require.NoError(t, c.List(t.Context(), list, client.InNamespace(ns)))
		return len(list.Items) == 2 && list.Items[0].Spec.Containers[0].Image == "podinfo:2"
	}, patience, 10*time.Millisecond, "the old ones go when all of the new ones are ready")

	edit(func() { d.Spec.Template.Spec.NodeSelector = map[string]string{"no": "node"} })
	becomes("no node has the label", func(s appsv1.DaemonSetStatus) bool { return s.DesiredNumberScheduled == 0 && s.NumberAvailable == 0 })
	edit(func() { d.Spec.Template.Spec.NodeSelector = nil })
	becomes("and back", func(s appsv1.DaemonSetStatus) bool { return s.NumberAvailable == 2 })
}

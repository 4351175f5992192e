package kubetest_test

import (
	"cmp"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/kube/kubetest"
)

// TestReplicaSetsAreKept holds that the history of a Deployment is what the deployment controller leaves of it.
func TestReplicaSetsAreKept(t *testing.T) {
	c, ns := newClient(t), kubetest.Namespace(t)
	kubetest.Deployments(t, ns)
	d := newDeployment(ns, "podinfo:1", 1)
	d.Annotations = map[string]string{"revision": "one"}
	d.Spec.RevisionHistoryLimit = ptr.To(int32(1))
	require.NoError(t, c.Create(t.Context(), d))
	// The sets in their order, by what the Deployment said of each.
	kept := func() (notes []string) {
		list := &appsv1.ReplicaSetList{}
		require.NoError(t, c.List(t.Context(), list, client.InNamespace(ns)))
		slices.SortFunc(list.Items, func(a, b appsv1.ReplicaSet) int {
			const at = "deployment.kubernetes.io/revision"
			return cmp.Compare(a.Annotations[at], b.Annotations[at])
		})
		for _, s := range list.Items {
			notes = append(notes, s.Annotations["revision"]+" "+s.Spec.Template.Spec.Containers[0].Image)
		}
		return notes
	}
	becomes := func(reason string, want ...string) {
		t.Helper()
		require.Eventually(t, func() bool { return slices.Equal(want, kept()) }, patience, 10*time.Millisecond, reason)
	}
	roll := func(note, image string) {
		change(t, c, d, func() { d.Annotations["revision"], d.Spec.Template.Spec.Containers[0].Image = note, image })
	}
	becomes("annotations are copied", "one podinfo:1")
	roll("two", "podinfo:2")
	becomes("what was before stays as it was", "one podinfo:1", "two podinfo:2")
	roll("one", "podinfo:1")
	becomes("what comes back is the newest", "two podinfo:2", "one podinfo:1")
	eventually(t, c, d, func() bool { return d.Annotations["deployment.kubernetes.io/revision"] == "3" }, "the Deployment says its place")
	roll("three", "podinfo:3")
	becomes("no more than the limit is kept", "one podinfo:1", "three podinfo:3")
	change(t, c, d, func() { d.Spec.RevisionHistoryLimit = ptr.To(int32(0)) })
	becomes("which may be none", "three podinfo:3")
}

// TestControllerRevisionsAreKept holds the same of a DaemonSet: its history is not written anew.
func TestControllerRevisionsAreKept(t *testing.T) {
	c, ns := newClient(t), kubetest.Namespace(t)
	kubetest.DaemonSets(t, ns)
	like := newDeployment(ns, "podinfo:1", 1)
	d := &appsv1.DaemonSet{ObjectMeta: like.ObjectMeta, Spec: appsv1.DaemonSetSpec{Selector: like.Spec.Selector, Template: like.Spec.Template}}
	d.Annotations = map[string]string{"revision": "one"}
	d.Spec.RevisionHistoryLimit = ptr.To(int32(1))
	require.NoError(t, c.Create(t.Context(), d))
	becomes := func(reason string, want ...string) {
		t.Helper()
		require.Eventually(t, func() bool {
			list := &appsv1.ControllerRevisionList{}
			require.NoError(t, c.List(t.Context(), list, client.InNamespace(ns), client.MatchingLabels{"app": "podinfo"}))
			slices.SortFunc(list.Items, func(a, b appsv1.ControllerRevision) int { return cmp.Compare(a.Revision, b.Revision) })
			var notes []string
			for _, r := range list.Items {
				require.Contains(t, string(r.Data.Raw), `"$patch":"replace"`)
				notes = append(notes, r.Annotations["revision"])
			}
			return slices.Equal(want, notes)
		}, patience, 10*time.Millisecond, reason)
	}
	roll := func(note, image string) {
		require.NoError(t, c.Get(t.Context(), client.ObjectKeyFromObject(d), d))
		before := d.DeepCopy()
		d.Annotations["revision"], d.Spec.Template.Spec.Containers[0].Image = note, image
		require.NoError(t, c.Patch(t.Context(), d, client.MergeFrom(before)))
	}
	becomes("annotations are copied", "one")
	roll("two", "podinfo:2")
	becomes("what was before stays as it was", "one", "two")
	roll("other", "podinfo:1")
	becomes("what comes back is the newest, and says what it said", "two", "one")
	roll("three", "podinfo:3")
	becomes("no more than the limit is kept", "one", "three")
}

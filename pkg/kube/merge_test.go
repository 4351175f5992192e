package kube_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/sluice-cd/sluice/pkg/kube"
)

// patch is what a merge patch is rendered as.
type patch struct{ *unstructured.Unstructured }

func (patch) IsApplyConfiguration() {}

// stopped is a DaemonSet as desired with, or without, the selector that no node fits.
func stopped(b *bench, value any) runtime.ApplyConfiguration {
	return kube.PartialMerge(patch{&unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apps/v1", "kind": "DaemonSet",
		"metadata": map[string]any{"name": "podinfo", "namespace": b.ns},
		"spec": map[string]any{"template": map[string]any{"spec": map[string]any{
			"nodeSelector": map[string]any{"stop": value},
		}}},
	}}})
}

func (b *bench) daemons(nodes map[string]string) *appsv1.DaemonSet {
	b.t.Helper()
	labels := map[string]string{"app": "podinfo"}
	d := &appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Namespace: b.ns, Name: "podinfo"}}
	d.Spec.Selector = &metav1.LabelSelector{MatchLabels: labels}
	d.Spec.Template.Labels = labels
	d.Spec.Template.Spec.Containers = []corev1.Container{{Name: "podinfod", Image: "podinfo:1"}}
	d.Spec.Template.Spec.NodeSelector = nodes
	require.NoError(b.t, b.user.Create(b.t.Context(), d))
	b.watched(d)
	return d
}

func TestMerge(t *testing.T) {
	for name, tc := range map[string]struct {
		reason string
		users  map[string]string
		on     map[string]string
	}{
		"Nothing":   {reason: "a selector that was not there goes as a whole", on: map[string]string{"stop": "true"}},
		"TheUsers":  {reason: "what the user selects by stays", users: map[string]string{"disk": "ssd"}, on: map[string]string{"disk": "ssd", "stop": "true"}},
		"SetBefore": {reason: "what somebody else has set is taken away, too", users: map[string]string{"stop": "true"}, on: map[string]string{"stop": "true"}},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.daemons(tc.users)
			require.Equal(t, tc.users["stop"] == "", b.apply(stopped(b, "true")))
			require.Equal(t, tc.on, get(b, &appsv1.DaemonSet{}, "podinfo").Spec.Template.Spec.NodeSelector, tc.reason)
			b.quiet("it is as desired", stopped(b, "true"))
			b.pends(stopped(b, nil))

			require.True(t, b.apply(stopped(b, nil)))
			after := get(b, &appsv1.DaemonSet{}, "podinfo").Spec.Template.Spec.NodeSelector
			delete(tc.users, "stop")
			require.Len(t, after, len(tc.users), tc.reason)
			require.Equal(t, tc.users["disk"], after["disk"])
			b.quiet("the field is gone", stopped(b, nil))
			b.restart()
			b.quiet("after a restart too", stopped(b, nil))
			require.True(t, kube.AppliedAt(get(b, &appsv1.DaemonSet{}, "podinfo")).IsZero(), "no annotation of ours is left there")
		})
	}
}

func TestMergeMissing(t *testing.T) {
	b := newBench(t)
	_, err := b.Apply(t.Context(), b.owner, stopped(b, "true"))
	require.ErrorIs(t, err, kube.ErrMissing)
	require.Zero(t, b.made.Writes())
}

func TestMergeGoneMeanwhile(t *testing.T) {
	for name, again := range map[string]bool{"Gone": false, "MadeAnew": true} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			d := b.daemons(nil)
			thaw := b.freeze()
			defer thaw()
			pending, err := b.Snapshot().Pending(t.Context(), b.owner, stopped(b, "true"))
			require.NoError(t, err)
			require.True(t, pending)
			require.NoError(t, b.user.Delete(t.Context(), d))
			if again {
				d.ResourceVersion, d.UID = "", ""
				require.NoError(t, b.user.Create(t.Context(), d))
			}
			changed, err := b.Apply(t.Context(), b.owner, stopped(b, "true"))
			require.NoError(t, err)
			require.True(t, changed, "the cache was wrong")
			if again {
				require.Empty(t, get(b, d, "podinfo").Spec.Template.Spec.NodeSelector, "the new one was not looked at yet")
			}
		})
	}
}

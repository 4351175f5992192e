package controller

import (
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// podsBehind are the workloads whose pods a Service leads to.
func (w *world) podsBehind(service string) []string {
	w.Helper()
	s, pods := &corev1.Service{}, &corev1.PodList{}
	require.NoError(w, w.Get(w.Context(), client.ObjectKey{Namespace: w.ns, Name: service}, s))
	require.NotEmpty(w, s.Spec.Selector)
	require.NoError(w, w.List(w.Context(), pods, client.InNamespace(w.ns), client.MatchingLabels(s.Spec.Selector)))
	found := map[string]bool{}
	for _, p := range pods.Items {
		d := &appsv1.DeploymentList{}
		require.NoError(w, w.List(w.Context(), d, client.InNamespace(w.ns)))
		for _, of := range d.Items {
			by := metav1.GetControllerOf(&p)
			if by != nil && by.Name == of.Name+"-"+p.Labels[appsv1.DefaultDeploymentUniqueLabelKey] {
				found[of.Name] = true
			}
		}
	}
	var names []string
	for name := range found {
		names = append(names, name)
	}
	return names
}

// component is another Deployment of the same app.
func (w *world) component(name string) *appsv1.Deployment {
	d := w.deployment()
	d.Name = name
	labels := map[string]string{"app": "podinfo", "component": name}
	d.Spec.Selector.MatchLabels, d.Spec.Template.Labels = labels, labels
	return d
}

// A Service leads to the pods of its own side, whatever other workloads share of the selector.
func TestServicesSelectOneComponent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.remake(w.component("podinfo"))
	require.NoError(t, w.Create(t.Context(), w.component("worker")))
	w.begin()
	// As a primary of the other component has it.
	other := w.component("worker-primary")
	other.Spec.Template.Labels = map[string]string{"app": "podinfo-primary", "component": "worker"}
	other.Spec.Selector.MatchLabels = other.Spec.Template.Labels
	require.NoError(t, w.Create(t.Context(), other))
	w.await("the others run", func() bool {
		return w.live("worker").Status.AvailableReplicas == 2 && w.live("worker-primary").Status.AvailableReplicas == 2
	})
	require.Empty(t, w.podsBehind("podinfo-canary"), "the target is stopped, and the worker is no canary")
	require.Equal(t, []string{"podinfo-primary"}, w.podsBehind("podinfo"))
	require.Equal(t, []string{"podinfo-primary"}, w.podsBehind("podinfo-primary"))
	require.Equal(t, map[string]string{"app": "podinfo-primary", "component": "podinfo"}, w.live("podinfo-primary").Spec.Selector.MatchLabels)
}

// remake deletes the target and makes it again.
func (w *world) remake(d *appsv1.Deployment) {
	w.Helper()
	require.NoError(w, w.Delete(w.Context(), w.live(d.Name)))
	w.await("the Deployment is gone", func() bool {
		return client.IgnoreNotFound(w.Get(w.Context(), client.ObjectKeyFromObject(d), &appsv1.Deployment{})) == nil &&
			w.Get(w.Context(), client.ObjectKeyFromObject(d), &appsv1.Deployment{}) != nil
	})
	require.NoError(w, w.Create(w.Context(), d))
	w.await("the Deployment runs", func() bool { return w.live(d.Name).Status.AvailableReplicas == 2 })
}

// A target can be made again with other labels, which its selector cannot be changed to. Users stay with the primary all the
// time, and the next promotion reaches it.
func TestTargetMadeAgainWithOtherLabels(t *testing.T) {
	t.Parallel()
	for name, labels := range map[string]map[string]string{
		"OtherValue": {"app": "shop"},
		"OneMore":    {"app": "podinfo", "component": "web"},
		"OtherBoth":  {"app": "shop", "component": "web"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.begin()
			d := w.deployment()
			d.Spec.Selector.MatchLabels, d.Spec.Template.Labels = labels, labels
			d.Spec.Template.Spec.Containers[0].Image = imageTwo
			w.remake(d)
			lost := ""
			w.await("it is promoted", func() bool {
				for _, service := range []string{"podinfo", "podinfo-primary"} {
					// What it selects, pods and their owners are read one after the other, between which a promotion may come.
					first, second := len(w.podsBehind(service)), len(w.podsBehind(service))
					if first+second == 0 {
						lost = service
					}
				}
				return w.status().Phase == v1beta1.PhaseSucceeded && image(w.live("podinfo-primary")) == imageTwo
			})
			require.Empty(t, lost, "a Service that led to nobody")
			w.awaitTargetStopped()
			want := map[string]string{"app": "podinfo-primary"}
			for k, v := range labels {
				if k != "app" {
					want[k] = v
				}
			}
			w.await("the Services select by all labels of the target", func() bool {
				s := &corev1.Service{}
				require.NoError(t, w.Get(t.Context(), client.ObjectKey{Namespace: w.ns, Name: "podinfo"}, s))
				return len(s.Spec.Selector) == len(want) && s.Spec.Selector["app"] == "podinfo-primary"
			})
			require.Equal(t, []string{"podinfo-primary"}, w.podsBehind("podinfo"))
		})
	}
}

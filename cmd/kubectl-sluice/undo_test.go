package main

import (
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/kube/kubetest"
	"github.com/sluice-cd/sluice/pkg/workload"
)

// daemonSet makes a target or a primary, or gives one another image.
func (s *scene) daemonSet(name, image string, annotations, nodes map[string]string) {
	s.Helper()
	labels := map[string]string{"app": name}
	d := &appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Namespace: s.ns, Name: name}}
	err := s.Get(s.Context(), client.ObjectKeyFromObject(d), d)
	before := d.DeepCopy()
	d.Annotations = maps.Clone(annotations)
	d.Spec.Selector, d.Spec.Template.Labels = &metav1.LabelSelector{MatchLabels: labels}, labels
	d.Spec.Template.Spec.Containers = []corev1.Container{{Name: "podinfod", Image: image}}
	d.Spec.Template.Spec.NodeSelector = nodes
	if err != nil {
		require.NoError(s, client.IgnoreNotFound(err))
		require.NoError(s, s.Create(s.Context(), d))
	} else {
		require.NoError(s, s.Patch(s.Context(), d, client.MergeFrom(before)))
	}
	s.await(name+" is kept with "+image, func() bool {
		list := &appsv1.ControllerRevisionList{}
		require.NoError(s, s.List(s.Context(), list, client.InNamespace(s.ns), client.MatchingLabels(labels)))
		for i := range list.Items {
			found, err := workload.DaemonSet{}.KeptTemplates(d, &appsv1.ControllerRevisionList{Items: list.Items[i : i+1]})
			require.NoError(s, err)
			if t := found[0].Template; t.Spec.Containers[0].Image == image && maps.Equal(t.Spec.NodeSelector, nodes) {
				return true
			}
		}
		return false
	})
}

// A DaemonSet goes back to what its ControllerRevisions have. One that is stopped stays so.
func TestUndoDaemonSet(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	kubetest.DaemonSets(t, s.ns)
	stop := map[string]string{workload.ScaleToZero: "true"}
	s.daemonSet("podinfo", "example.com/podinfo:1", nil, nil)
	s.daemonSet("podinfo", "example.com/podinfo:1", nil, stop)
	s.daemonSet("podinfo", "example.com/podinfo:2", nil, stop)
	s.canary("podinfo", func(c *v1beta1.Canary) { c.Spec.TargetRef.Kind = "DaemonSet" })
	code, out, stderr := s.called("undo", "podinfo")
	require.Zero(t, code, stderr)
	require.Regexp(t, `^daemonset.apps/podinfo put back to what served before run 2 \(podinfo-[0-9a-f]+, podinfo:1\)\n$`, out)
	d := &appsv1.DaemonSet{}
	require.NoError(t, s.Get(t.Context(), client.ObjectKey{Namespace: s.ns, Name: "podinfo"}, d))
	require.Equal(t, "example.com/podinfo:1", d.Spec.Template.Spec.Containers[0].Image)
	require.Equal(t, stop, d.Spec.Template.Spec.NodeSelector)

	code, _, stderr = s.called("undo", "podinfo")
	require.Equal(t, 1, code)
	require.Contains(t, stderr, "the history of daemonset.apps/podinfo has nothing of what served before run 2: podinfo:1", "it has them already")
}

func TestDifferenceOfDaemonSets(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	kubetest.DaemonSets(t, s.ns)
	s.daemonSet("podinfo-primary", "podinfo:1", map[string]string{workload.RevisionAnnotation: "r1-one"}, nil)
	s.daemonSet("podinfo-primary", "podinfo:2", map[string]string{workload.RevisionAnnotation: "r1-two"}, nil)
	s.canary("podinfo", succeeded, func(c *v1beta1.Canary) { c.Spec.TargetRef.Kind = "DaemonSet" })
	code, out, stderr := s.called("history", "podinfo", "--diff", "1", "2")
	require.Zero(t, code, stderr)
	require.Contains(t, out, "-  - image: podinfo:1\n+  - image: podinfo:2\n")
}

// knativeKinds are two of Knative's, as far as they are looked at.
const knativeKinds = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: PLURAL.serving.knative.dev}
spec:
  group: serving.knative.dev
  scope: Namespaced
  names: {kind: KIND, plural: PLURAL, singular: SINGULAR}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
`

// A Service of Knative's goes back to what one of its Revisions has, without what Knative has noted on that.
func TestUndoKnative(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	for kind, plural := range map[string]string{"Service": "services", "Revision": "revisions"} {
		file := filepath.Join(t.TempDir(), plural+".yaml")
		text := strings.NewReplacer("PLURAL", plural, "KIND", kind, "SINGULAR", strings.ToLower(kind)).Replace(knativeKinds)
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		kubetest.Install(t, kubetest.Config(t), file)
	}
	object := func(kind, name string, labels map[string]any, spec map[string]any) *unstructured.Unstructured {
		return &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "serving.knative.dev/v1", "kind": kind, "spec": spec,
			"metadata": map[string]any{
				"namespace": s.ns, "name": name, "labels": labels,
				"annotations": map[string]any{"serving.knative.dev/creator": "somebody", "autoscaling.knative.dev/max-scale": "3"},
			},
		}}
	}
	containers := func(image string) map[string]any {
		return map[string]any{"containerConcurrency": int64(7), "containers": []any{map[string]any{"image": image}}}
	}
	for i, image := range []string{"example.com/podinfo:1", "example.com/podinfo:2"} {
		labels := map[string]any{"serving.knative.dev/service": "podinfo", "serving.knative.dev/configurationGeneration": strconv.Itoa(i + 1)}
		require.NoError(t, s.Create(t.Context(), object("Revision", "podinfo-0000"+strconv.Itoa(i+1), labels, containers(image))))
	}
	service := object("Service", "podinfo", map[string]any{}, map[string]any{"template": map[string]any{"spec": containers("example.com/podinfo:2")}})
	require.NoError(t, s.Create(t.Context(), service))
	s.canary("podinfo", func(c *v1beta1.Canary) {
		c.Spec.Provider, c.Spec.TargetRef = "knative", v1beta1.TargetRef{APIVersion: "serving.knative.dev/v1", Kind: "Service", Name: "podinfo"}
		c.Status.LastPromotedSpec, c.Status.LastAppliedSpec = "r1-podinfo-00001", "r1-podinfo-00002"
		c.Status.History[0].Revision, c.Status.Run.Revision = "r1-podinfo-00001", "r1-podinfo-00002"
	})
	_, out, stderr := s.called("history", "podinfo", "--diff", "1", "2")
	require.Contains(t, out, "-  - image: example.com/podinfo:1\n+  - image: example.com/podinfo:2\n", stderr)
	code, out, stderr := s.called("undo", "podinfo")
	require.Zero(t, code, stderr)
	require.Equal(t, "service.serving.knative.dev/podinfo put back to what serves (podinfo-00001, podinfo:1)\n", out)
	require.NoError(t, s.Get(t.Context(), client.ObjectKeyFromObject(service), service))
	require.Equal(t, map[string]any{
		"metadata": map[string]any{"annotations": map[string]any{"autoscaling.knative.dev/max-scale": "3"}}, "spec": containers("example.com/podinfo:1"),
	}, service.Object["spec"].(map[string]any)["template"])
}

package kube_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// rewrite makes the API server put a label of its own choice on the Services of
// the namespace, as the policies of many clusters do, and waits until it does.
func (b *bench) rewrite() {
	b.t.Helper()
	meta := metav1.ObjectMeta{Name: b.ns}
	rule := admissionv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"services"}}
	policy := &admissionv1.MutatingAdmissionPolicy{ObjectMeta: meta, Spec: admissionv1.MutatingAdmissionPolicySpec{
		ReinvocationPolicy: admissionv1.NeverReinvocationPolicy,
		MatchConstraints: &admissionv1.MatchResources{ResourceRules: []admissionv1.NamedRuleWithOperations{{
			RuleWithOperations: admissionv1.RuleWithOperations{
				Operations: []admissionv1.OperationType{admissionv1.Create, admissionv1.Update}, Rule: rule,
			},
		}}},
		Mutations: []admissionv1.Mutation{{
			PatchType: admissionv1.PatchTypeJSONPatch,
			JSONPatch: &admissionv1.JSONPatch{Expression: `[JSONPatch{op: "add", path: "/metadata/labels/app", value: "policy"}]`},
		}},
	}}
	binding := &admissionv1.MutatingAdmissionPolicyBinding{ObjectMeta: meta, Spec: admissionv1.MutatingAdmissionPolicyBindingSpec{
		PolicyName: b.ns,
		MatchResources: &admissionv1.MatchResources{NamespaceSelector: &metav1.LabelSelector{
			MatchLabels: map[string]string{"kubernetes.io/metadata.name": b.ns},
		}},
	}}
	for _, obj := range []client.Object{policy, binding} {
		require.NoError(b.t, b.user.Create(b.t.Context(), obj))
		b.t.Cleanup(func() { _ = b.user.Delete(context.Background(), obj) })
	}
	require.Eventually(b.t, func() bool {
		try := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: b.ns, Name: "try", Labels: map[string]string{"app": "x"}}}
		try.Spec.Ports = []corev1.ServicePort{{Port: 80}}
		err := b.user.Create(b.t.Context(), try, client.DryRunAll)
		return err == nil && try.Labels["app"] == "policy"
	}, patience, 20*tick, "the policy takes effect")
}

func TestServerChangesWhatItIsSent(t *testing.T) {
	b := newBench(t)
	b.rewrite()
	svc := b.service()
	require.True(t, b.apply(svc))
	require.Equal(t, "policy", get(b, &corev1.Service{}, "podinfo").Labels["app"])
	b.quiet("what the server makes of it is not fought over", svc)

	touched := &corev1.Service{}
	edit(b, touched, "podinfo", func(s *corev1.Service) { s.Labels["team"] = "blue" })
	b.watched(touched)
	b.quiet("nor when something else of the object changes", svc)

	edit(b, touched, "podinfo", func(s *corev1.Service) { s.Spec.Selector = map[string]string{"app": "other"} })
	b.pends(svc)
	require.True(t, b.apply(svc), "an edit of what the server does keep is still put back")
	require.Equal(t, map[string]string{"app": "podinfo-primary"}, get(b, touched, "podinfo").Spec.Selector)
	b.quiet("once", svc)

	b.restart()
	b.made.Reset()
	require.True(t, b.apply(svc), "a new process tries it once")
	require.Equal(t, 1, b.made.Writes())
	b.quiet("and no more", svc)
}

func TestManagedFieldsStripped(t *testing.T) {
	b := newBench(t)
	b.Reader = stripped{b.Reader}
	objs := b.all()
	for _, obj := range objs {
		require.True(t, b.apply(obj))
		b.quiet("a cache without the record of owners will do", obj)
	}
	b.restart()
	for _, obj := range objs {
		b.quiet("after a restart too", obj)
	}
	edit(b, anyVirtualService(), "podinfo", setWeights(50, 50))
	b.pends(objs["virtualservices"])
}

// stripped is a cache that drops managedFields, as many do to save memory.
type stripped struct{ client.Reader }

func (s stripped) Get(ctx context.Context, key client.ObjectKey, obj client.Object, _ ...client.GetOption) error {
	err := s.Reader.Get(ctx, key, obj)
	obj.SetManagedFields(nil)
	return err
}

func TestMalformed(t *testing.T) {
	b := newBench(t)
	nameless := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Service"}}
	unserved := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "example.com/v1", "kind": "Route", "metadata": map[string]any{"name": "x", "namespace": b.ns},
	}}
	misshapen := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Service", "metadata": map[string]any{"name": "x", "namespace": b.ns}, "spec": map[string]any{"ports": "80"},
	}}
	for name, tc := range map[string]struct {
		reason string
		obj    *unstructured.Unstructured
		want   string
	}{
		"Nameless":  {reason: "nothing could be found by it", obj: nameless, want: "no name"},
		"Unserved":  {reason: "the kind's CRD is not installed", obj: unserved, want: `read Route "` + b.ns + `/x": `},
		"Misshapen": {reason: "the server would refuse it", obj: misshapen, want: `apply Service "` + b.ns + `/x": `},
	} {
		t.Run(name, func(t *testing.T) {
			changed, err := b.Apply(t.Context(), b.owner, client.ApplyConfigurationFromUnstructured(tc.obj))
			require.ErrorContains(t, err, tc.want, tc.reason)
			require.False(t, changed)
		})
	}
	_, err := b.Apply(t.Context(), b.owner, b.service(), client.ApplyConfigurationFromUnstructured(nameless))
	require.Error(t, err)
	require.True(t, metav1.IsControlledBy(get(b, &corev1.Service{}, "podinfo"), b.owner), "what came before the bad one was made")
}

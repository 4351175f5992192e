package kube_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/kube"
	"github.com/sluice-cd/sluice/pkg/kube/kubetest"
)

func TestMapper(t *testing.T) {
	client, err := rest.HTTPClientFor(kubetest.Config(t))
	require.NoError(t, err)
	m, err := kube.Mapper(kubetest.Config(t), client)
	require.NoError(t, err)
	cases := map[string]struct {
		reason string
		kind   schema.GroupKind
		want   string
		scope  meta.RESTScopeName
	}{
		"Ours":       {reason: "A custom resource.", kind: v1beta1.GroupVersion.WithKind("Canary").GroupKind(), want: "canaries", scope: meta.RESTScopeNameNamespace},
		"Namespaced": {reason: "A kind of Kubernetes' own.", kind: schema.GroupKind{Group: "apps", Kind: "Deployment"}, want: "deployments", scope: meta.RESTScopeNameNamespace},
		"Cluster":    {reason: "One outside of namespaces.", kind: schema.GroupKind{Kind: "Namespace"}, want: "namespaces", scope: meta.RESTScopeNameRoot},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			first, err := m.RESTMapping(tc.kind)
			require.NoError(t, err, tc.reason)
			require.Equal(t, tc.want, first.Resource.Resource, tc.reason)
			require.Equal(t, tc.scope, first.Scope.Name(), tc.reason)
			again, err := m.RESTMapping(tc.kind)
			require.NoError(t, err)
			require.Same(t, first, again, "it is asked for once")
		})
	}
	_, err = m.RESTMapping(schema.GroupKind{Group: "apps", Kind: "Sundial"})
	require.True(t, meta.IsNoMatchError(err), "an unknown kind is an error that callers know: %v", err)
}

// TestStored says when a cached Canary is as good as a live one.
func TestStored(t *testing.T) {
	b := newBench(t)
	require.False(t, b.canaries.StatusStoredLast(b.owner), "another process may have stored its status")
	after := b.owner.DeepCopy()
	after.Status.Phase = v1beta1.PhaseProgressing
	require.NoError(t, b.canaries.PatchStatus(t.Context(), b.owner, after))
	require.True(t, b.canaries.StatusStoredLast(after))

	anew := after.DeepCopy()
	anew.UID = "another"
	require.False(t, b.canaries.StatusStoredLast(anew), "a Canary that was made again under the same name is another one")
	b.canaries.ForgetStatus(after)
	require.False(t, b.canaries.StatusStoredLast(after), "after a conflict nothing is sure")
	require.False(t, b.canaries.StatusSeen(b.owner), "but our own write is still waited for")
}

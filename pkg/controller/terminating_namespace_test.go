package controller

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// TestNamespaceGoes deletes a namespace with all that is in it: what was deleted first cannot be made again, and must
// not keep the Canary, and with it the namespace, for ever.
func TestNamespaceGoes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.begin(revert)
	require.NoError(t, w.Delete(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: w.ns}}))
	routes := &unstructured.Unstructured{}
	routes.SetAPIVersion("networking.istio.io/v1")
	routes.SetKind("VirtualService")
	routes.SetNamespace(w.ns)
	routes.SetName("podinfo")
	c := &v1beta1.Canary{ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: "podinfo"}}
	require.NoError(t, w.Delete(t.Context(), c))
	require.NoError(t, client.IgnoreNotFound(w.Delete(t.Context(), routes)))
	w.await("the Canary is gone", func() bool {
		return apierrors.IsNotFound(w.Get(t.Context(), client.ObjectKeyFromObject(c), c))
	})
}

package kubetest_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/kubernetes"

	"github.com/sluice-cd/sluice/pkg/kube/kubetest"
)

func TestMain(m *testing.M) { os.Exit(kubetest.Main(m, "../testdata/crds")) }

func TestNamespaceIsOneTestsOwn(t *testing.T) {
	one, other := kubetest.Namespace(t), kubetest.Namespace(t)
	require.NotEqual(t, one, other)

	api, err := kubernetes.NewForConfig(kubetest.Config(t))
	require.NoError(t, err)
	for _, name := range []string{one, other} {
		_, err := api.CoreV1().Namespaces().Get(t.Context(), name, metav1.GetOptions{})
		require.NoError(t, err, "the namespace is there when Namespace returns")
	}
}

func TestMainInstallsCRDs(t *testing.T) {
	api, err := discovery.NewDiscoveryClientForConfig(kubetest.Config(t))
	require.NoError(t, err)
	list, err := api.ServerResourcesForGroupVersion("networking.istio.io/v1")
	require.NoError(t, err)
	names := []string{}
	for _, r := range list.APIResources {
		names = append(names, r.Name)
	}
	require.Contains(t, names, "virtualservices", "a CRD is served when Main runs the tests")
}

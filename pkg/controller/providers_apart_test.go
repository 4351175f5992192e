package controller

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/kube"
	"github.com/sluice-cd/sluice/pkg/kube/kubetest"
	"github.com/sluice-cd/sluice/pkg/router"
	"github.com/sluice-cd/sluice/pkg/workload"
)

// elsewhere has the test run against a server of its own, for kinds that other tests need to be missing.
func elsewhere(t *testing.T, crds ...string) {
	t.Helper()
	cfg := kubetest.Apart(t, crds...)
	c := clientcmdapi.NewConfig()
	c.Clusters["apart"] = &clientcmdapi.Cluster{Server: cfg.Host, CertificateAuthorityData: cfg.CAData, CertificateAuthority: cfg.CAFile}
	c.AuthInfos["apart"] = &clientcmdapi.AuthInfo{
		Token: cfg.BearerToken, ClientCertificateData: cfg.CertData, ClientKeyData: cfg.KeyData,
		ClientCertificate: cfg.CertFile, ClientKey: cfg.KeyFile,
	}
	c.Contexts["apart"] = &clientcmdapi.Context{Cluster: "apart", AuthInfo: "apart"}
	c.CurrentContext = "apart"
	file := filepath.Join(t.TempDir(), "kubeconfig")
	require.NoError(t, clientcmd.WriteToFile(*c, file))
	t.Setenv(kubetest.Kubeconfig, file)
}

func TestGloo(t *testing.T) {
	elsewhere(t, ownCRDs, istioCRDs(), testdata("gloo")(t))
	gloo := provider{
		example: "gloo/canary.yaml", api: "gateway.solo.io/v1", kind: "RouteTable",
		name: routeNamed("podinfo"), shares: percents("weight", "spec", "routes", "routeAction", "multi", "destinations"),
		sources: []string{"Upstream"},
	}
	t.Run("Good", gloo.good)
	t.Run("Bad", gloo.bad)
	t.Run("Drift", gloo.drift)
	t.Run("Settings", gloo.settings)
}

// colorOf are the user's Upstream's, and follow it.
func (p provider) settings(t *testing.T) {
	s, _ := p.open(t)
	original := s.users[0]
	require.NoError(t, unstructured.SetNestedField(original.Object, "3s", "spec", "connectionConfig", "connectTimeout"))
	require.NoError(t, s.Update(t.Context(), original))
	for _, name := range []string{s.ns + "-podinfo-primaryupstream-9898", s.ns + "-podinfo-canaryupstream-9898"} {
		s.await(name+" follows", func() bool {
			u := &unstructured.Unstructured{}
			u.SetGroupVersionKind(original.GroupVersionKind())
			require.NoError(t, s.Get(t.Context(), client.ObjectKey{Namespace: s.ns, Name: name}, u))
			timeout, _, _ := unstructured.NestedString(u.Object, "spec", "connectionConfig", "connectTimeout")
			return timeout == "3s"
		})
	}
}

// TestMissingIngress says what is missing, changes nothing, and goes on when it comes.
func TestMissingIngress(t *testing.T) {
	t.Parallel()
	s := &setting{world: newWorld(t), provider: providers()["Nginx"]}
	s.run(func(c *v1beta1.Canary) {
		c.Spec.Provider = "nginx"
		c.Spec.IngressRef = &v1beta1.IngressRef{APIVersion: "networking.k8s.io/v1", Kind: "Ingress", Name: "podinfo"}
	})
	s.awaitCondition(v1beta1.ConditionValid, metav1.ConditionFalse, `spec.ingressRef.name: Ingress "podinfo" does not exist in namespace`)
	require.Equal(t, int32(2), workload.SizeOf(s.live("podinfo")), "users are served as before")
	s.exemplify()
	s.at("100/0")
	s.phase(v1beta1.PhaseInitialized)
}

// TestCopyFollowsItsOriginal changes the user's Ingress in the middle of a rollout.
func TestCopyFollowsItsOriginal(t *testing.T) {
	t.Parallel()
	s, _ := providers()["Nginx"].open(t)
	s.editCanary(slowly)
	s.setImage(imageTwo)
	s.at("50/50")
	original := &networkingv1.Ingress{}
	require.NoError(t, s.Get(t.Context(), client.ObjectKeyFromObject(s.users[0]), original))
	original.Spec.Rules[0].Host = "other.example.com"
	require.NoError(t, s.Update(t.Context(), original))
	s.await("the copy has the new host", func() bool {
		rules, _, err := unstructured.NestedSlice(s.way().Object, "spec", "rules")
		require.NoError(t, err)
		return rules[0].(map[string]any)["host"] == "other.example.com"
	})
	s.at("50/50")
	require.Equal(t, 50, s.status().CanaryWeight, "the rollout is where it was")
}

// TestKnativeTraffic applies a route to a Service that somebody else writes to as well.
func TestKnativeTraffic(t *testing.T) {
	elsewhere(t, ownCRDs, istioCRDs(), testdata("knative")(t))
	w := newWorld(t)
	kind := schema.GroupVersionKind{Group: "serving.knative.dev", Version: "v1", Kind: "Service"}
	service := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{
		"template": map[string]any{"spec": map[string]any{"containers": []any{map[string]any{"image": imageOne}}}},
	}}}
	service.SetGroupVersionKind(kind)
	service.SetNamespace(w.ns)
	service.SetName("podinfo")
	service.SetLabels(map[string]string{"team": "payments"})
	service.SetAnnotations(map[string]string{v1beta1.PrimaryRevisionAnnotation: "podinfo-00001"})
	require.NoError(t, w.Create(t.Context(), service, client.FieldOwner("argocd")))

	r, _, err := router.New("knative", router.Options{APIVersions: []string{"serving.knative.dev/v1"}})
	require.NoError(t, err)
	c := w.canary(func(c *v1beta1.Canary) {
		c.Spec.TargetRef = v1beta1.TargetRef{APIVersion: "serving.knative.dev/v1", Kind: "Service", Name: "podinfo"}
	})
	for _, weight := range []int{0, 50, 100} {
		in := router.Input{Canary: c, Revision: "podinfo-00002", Read: map[router.Ref]*unstructured.Unstructured{r.Reads(c)[0]: service}}
		in.Traffic.Weight = weight
		applied, err := r.Render(in)
		require.NoError(t, err)
		require.NoError(t, w.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(applied[0].(router.Object).Unstructured), client.FieldOwner(kube.FieldManager), client.ForceOwnership))
		require.NoError(t, w.Get(t.Context(), client.ObjectKeyFromObject(service), service))
		traffic, _, err := unstructured.NestedSlice(service.Object, "spec", "traffic")
		require.NoError(t, err)
		require.Len(t, traffic, 2)
		require.Equal(t, int64(100-weight), traffic[1].(map[string]any)["percent"])
		require.Equal(t, "payments", service.GetLabels()["team"])
		for _, e := range service.GetManagedFields() {
			fields := string(e.FieldsV1.GetRawBytes())
			require.Equal(t, e.Manager == "argocd", strings.Contains(fields, "f:template"), "the template stays theirs: %s has %s", e.Manager, fields)
			require.Equal(t, e.Manager == kube.FieldManager, strings.Contains(fields, "f:traffic"), "the traffic is ours: %s has %s", e.Manager, fields)
		}
	}
}

package console

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/kube/kubetest"
)

// apart gives a test a server of its own.
func apart(t *testing.T) {
	t.Helper()
	cfg := kubetest.Apart(t, "../../artifacts/crds")
	c := clientcmdapi.NewConfig()
	c.Clusters["apart"] = &clientcmdapi.Cluster{Server: cfg.Host, CertificateAuthorityData: cfg.CAData, CertificateAuthority: cfg.CAFile}
	c.AuthInfos["apart"] = &clientcmdapi.AuthInfo{
		Token: cfg.BearerToken, ClientCertificateData: cfg.CertData, ClientKeyData: cfg.KeyData, ClientCertificate: cfg.CertFile, ClientKey: cfg.KeyFile,
	}
	c.Contexts["apart"] = &clientcmdapi.Context{Cluster: "apart", AuthInfo: "apart"}
	c.CurrentContext = "apart"
	file := filepath.Join(t.TempDir(), "kubeconfig")
	require.NoError(t, clientcmd.WriteToFile(*c, file))
	t.Setenv(kubetest.Kubeconfig, file)
}

// shipped are the objects of a file that installations have.
func shipped(t *testing.T, file string) (all []*unstructured.Unstructured) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../kustomize", file))
	require.NoError(t, err)
	for d := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(text), 4096); ; {
		u := &unstructured.Unstructured{}
		if d.Decode(&u.Object) != nil {
			return all
		}
		all = append(all, u)
	}
}

// as is a client with the token of an account.
func (s *scene) as(token string) client.Client {
	s.Helper()
	cfg := rest.AnonymousClientConfig(kubetest.Config(s))
	cfg.BearerToken = token
	c, err := client.New(cfg, client.Options{Scheme: s.Scheme()})
	require.NoError(s, err)
	return c
}

// The page, with the rights that it is installed with, writes an action for the user who asks: the admission policies let it name
// that user, and nobody else.
func TestPolicies(t *testing.T) {
	apart(t)
	s := newScene(t)
	s.canary("podinfo")
	for _, file := range []string{"policies/author.yaml", "policies/actions.yaml"} {
		for _, o := range shipped(t, file) {
			require.NoError(t, s.Create(t.Context(), o))
		}
	}
	page, promoter := s.account("page"), s.account("promoter", "get", "patch", "promote")
	for _, o := range shipped(t, "components/console/rbac.yaml") {
		if o.GetKind() == "ClusterRole" {
			require.NoError(t, s.Create(t.Context(), o))
		}
	}
	require.NoError(t, s.Create(t.Context(), &rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: "sluice-console"},
		RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "sluice-console"}, Subjects: []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: s.ns, Name: "page"}}}))
	api, self := s.as(page), s.as(promoter)
	s.server.API, s.server.Login.(*TokenLogin).Client, s.server.Rights.(*Reviews).Client = api, api, api
	write := func(c client.Client, text, by, manager string) error {
		now := s.live("podinfo")
		before := now.DeepCopy()
		metav1.SetMetaDataAnnotation(&now.ObjectMeta, v1beta1.ActionAnnotation, text)
		if by != "" {
			metav1.SetMetaDataAnnotation(&now.ObjectMeta, v1beta1.ActionByAnnotation, by)
		}
		return c.Patch(t.Context(), now, client.MergeFrom(before), client.FieldOwner(manager))
	}
	account := func(name string) string { return "system:serviceaccount:" + s.ns + ":" + name }
	by := func() string { return s.live("podinfo").Annotations[v1beta1.ActionByAnnotation] }
	n := 0
	text := func() string {
		n++
		return "promote id=" + time.Unix(int64(n), 0).UTC().Format(time.RFC3339) + " revision=r1-two"
	}
	// Each policy takes a moment of its own to be in effect.
	require.Eventually(t, func() bool { return write(self, strings.Replace(text(), "promote", "abort", 1), "", "kubectl") != nil }, time.Minute, 100*time.Millisecond)
	require.Eventually(t, func() bool {
		return write(self, text(), "", "kubectl") == nil && by() == account("promoter")
	}, time.Minute, 100*time.Millisecond)

	b := s.loggedIn(promoter)
	ask := func(verb string) (int, string) {
		answered := s.live("podinfo") // what was there, by the operator
		before := answered.DeepCopy()
		delete(answered.Annotations, v1beta1.ActionAnnotation)
		require.NoError(t, s.Patch(t.Context(), answered, client.MergeFrom(before)))
		return b.post("/api/v1/canaries/"+s.ns+"/podinfo/actions", map[string]any{"verb": verb, "revision": "r1-two", "step": 2})
	}
	code, answer := ask("promote")
	require.Equal(t, http.StatusAccepted, code, answer)
	require.Equal(t, account("promoter"), by(), "and not the page")
	code, _ = ask("abort")
	require.Equal(t, http.StatusForbidden, code, "the page may, the user may not")

	require.NoError(t, write(self, text(), "olga", fieldManager))
	require.Equal(t, account("promoter"), by(), "who calls themselves the page is none")
	require.NoError(t, write(api, text(), "olga", fieldManager))
	require.Equal(t, "olga", by())
	require.NoError(t, write(api, text(), "olga", "another"))
	require.Equal(t, account("page"), by(), "by its page alone does it name others")
	require.NoError(t, write(s.Client, text(), "", "kubectl"))
	require.NotEqual(t, account("page"), by(), "who may do everything, and names nobody, is named")
	require.Error(t, write(api, s.live("podinfo").Annotations[v1beta1.ActionAnnotation], "eve", fieldManager), "who asked is not changed afterwards")

	// It reads what it shows.
	code, answer = b.get("/api/v1/canaries/" + s.ns + "/podinfo/pods")
	require.Equal(t, http.StatusOK, code)
	require.Contains(t, answer, `"unread":[]`)
	code, answer = b.get("/api/v1/canaries/" + s.ns + "/podinfo/events")
	require.Equal(t, http.StatusOK, code, answer)
	require.NoError(t, client.IgnoreNotFound(api.Get(t.Context(), client.ObjectKey{Namespace: s.ns, Name: "x"}, &v1beta1.CanaryRun{})))
	require.Error(t, api.Get(t.Context(), client.ObjectKey{Namespace: s.ns, Name: "x"}, &corev1.Secret{}))
}

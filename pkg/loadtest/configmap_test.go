package loadtest

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"

	"github.com/sluice-cd/sluice/pkg/kube/kubetest"
)

func TestMain(m *testing.M) { os.Exit(kubetest.Main(m)) }

const gatesName = "flagger-loadtester-gates"

func configMaps(t *testing.T, ns string, config *rest.Config) typedcorev1.ConfigMapInterface {
	t.Helper()
	client, err := typedcorev1.NewForConfig(config)
	require.NoError(t, err)
	return client.ConfigMaps(ns)
}

// replica is a load tester with a client of its own that keeps its gates in the namespace.
func replica(t *testing.T, ns string) tester {
	t.Helper()
	return newTester(t, Options{Gates: &ConfigMap{Client: configMaps(t, ns, kubetest.Config(t)), Name: gatesName}})
}

func of(name string) string { return `{"name":"` + name + `","namespace":"test"}` }

func TestGatesAreSharedAndLast(t *testing.T) {
	ns := kubetest.Namespace(t)
	one, two := replica(t, ns), replica(t, ns)
	code, _ := two.post("/gate/check", of("podinfo"))
	require.Equal(t, 403, code, "Without a ConfigMap all gates are closed.")
	code, _ = two.post("/gate/close", of("podinfo"))
	require.Equal(t, 202, code, "Closing what is closed needs none.")
	code, said := one.post("/gate/open", of("podinfo"))
	require.Equal(t, 202, code, said)
	for name, x := range map[string]tester{"Itself": one, "Other": two, "Restarted": replica(t, ns)} {
		code, _ = x.post("/gate/check", of("podinfo"))
		require.Equal(t, 200, code, "%s sees the open gate.", name)
		code, _ = x.post("/rollback/check", of("podinfo"))
		require.Equal(t, 403, code, "%s tells the two sorts apart.", name)
		code, _ = x.post("/gate/check", of("other"))
		require.Equal(t, 403, code, "%s tells Canaries apart.", name)
	}
	code, _ = two.post("/gate/close", of("podinfo"))
	require.Equal(t, 202, code)
	code, _ = one.post("/gate/check", of("podinfo"))
	require.Equal(t, 403, code, "What one closes is closed for the other.")
}

func TestGatesSurviveConcurrentWrites(t *testing.T) {
	const each = 12
	ns := kubetest.Namespace(t)
	replicas := []tester{replica(t, ns), replica(t, ns)}
	codes := make(chan int, 4*each)
	var all sync.WaitGroup
	turn := func(x tester, path, name string) {
		all.Go(func() {
			code, _ := x.post(path, of(name))
			codes <- code
		})
	}
	for i := range each {
		for r, x := range replicas {
			turn(x, "/gate/open", fmt.Sprintf("c%d-%d", r, i))
			turn(x, "/rollback/open", fmt.Sprintf("c%d-%d", r, i))
		}
	}
	all.Wait()
	close(codes)
	for code := range codes {
		require.Equal(t, 202, code, "Every write is taken in the end.")
	}
	kept, err := configMaps(t, ns, kubetest.Config(t)).Get(t.Context(), gatesName, metav1.GetOptions{})
	require.NoError(t, err)
	require.Len(t, kept.Data, 4*each, "None is lost to another one's.")
	for i := range each {
		for r := range replicas {
			code, _ := replicas[1-r].post("/gate/check", of(fmt.Sprintf("c%d-%d", r, i)))
			require.Equal(t, 200, code, "Each is seen by the other replica.")
		}
	}
}

// TestGatesAreWrittenOnWhatWasRead changes the ConfigMap between a replica's read and its write, more often
// than the pauses between its tries grow.
func TestGatesAreWrittenOnWhatWasRead(t *testing.T) {
	ns := kubetest.Namespace(t)
	direct := configMaps(t, ns, kubetest.Config(t))
	_, err := direct.Create(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: gatesName}}, metav1.CreateOptions{})
	require.NoError(t, err)
	const times = 15
	var writes atomic.Int32
	config := rest.CopyConfig(kubetest.Config(t))
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return trip(func(r *http.Request) (*http.Response, error) {
			if r.Method != http.MethodPut {
				return next.RoundTrip(r)
			}
			if n := writes.Add(1); n <= times {
				seen, err := direct.Get(r.Context(), gatesName, metav1.GetOptions{})
				if err == nil {
					seen.Data = map[string]string{"gate_test_other": opened, "turn": strconv.Itoa(int(n))}
					_, err = direct.Update(r.Context(), seen, metav1.UpdateOptions{})
				}
				if err != nil {
					t.Errorf("write in between: %v", err)
				}
			}
			return next.RoundTrip(r)
		})
	})
	g := &ConfigMap{Client: configMaps(t, ns, config), Name: gatesName}
	require.NoError(t, g.Turn(t.Context(), "gate_test_podinfo", true))
	kept, err := direct.Get(t.Context(), gatesName, metav1.GetOptions{})
	require.NoError(t, err)
	require.Equal(t, map[string]string{"gate_test_other": opened, "turn": "15", "gate_test_podinfo": opened}, kept.Data)
	require.EqualValues(t, times+1, writes.Load(), "Each refused write is tried once more.")
}

type trip func(*http.Request) (*http.Response, error)

func (f trip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestGatesByHand(t *testing.T) {
	ns := kubetest.Namespace(t)
	direct := configMaps(t, ns, kubetest.Config(t))
	_, err := direct.Create(t.Context(), &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Name: gatesName},
		Data:       map[string]string{"gate_test_podinfo": "open", "gate_test_other": "closed", "note": "kept"},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	x := replica(t, ns)
	code, _ := x.post("/gate/check", of("podinfo"))
	require.Equal(t, 200, code, "kubectl opens a gate as well.")
	code, _ = x.post("/gate/check", of("other"))
	require.Equal(t, 403, code, "Any other word leaves it closed.")
	code, _ = x.post("/gate/close", of("podinfo"))
	require.Equal(t, 202, code)
	kept, err := direct.Get(t.Context(), gatesName, metav1.GetOptions{})
	require.NoError(t, err)
	require.Equal(t, map[string]string{"gate_test_other": "closed", "note": "kept"}, kept.Data, "Nothing else is touched.")
	before := kept.ResourceVersion
	code, _ = x.post("/gate/close", of("podinfo"))
	require.Equal(t, 202, code)
	kept, err = direct.Get(t.Context(), gatesName, metav1.GetOptions{})
	require.NoError(t, err)
	require.Equal(t, before, kept.ResourceVersion, "A gate that is as it should be costs no write.")
}

// TestGatesWithTheirRights runs as a service account with the rules of the manifests: to read and change
// this one ConfigMap.
func TestGatesWithTheirRights(t *testing.T) {
	ns := kubetest.Namespace(t)
	admin, err := kubernetes.NewForConfig(kubetest.Config(t))
	require.NoError(t, err)
	meta := metav1.ObjectMeta{Name: "flagger-loadtester"}
	_, err = admin.RbacV1().Roles(ns).Create(t.Context(), &rbacv1.Role{ObjectMeta: meta, Rules: []rbacv1.PolicyRule{{
		APIGroups: []string{""}, Resources: []string{"configmaps"}, ResourceNames: []string{gatesName}, Verbs: []string{"get", "update"},
	}}}, metav1.CreateOptions{})
	require.NoError(t, err)
	_, err = admin.RbacV1().RoleBindings(ns).Create(t.Context(), &rbacv1.RoleBinding{
		ObjectMeta: meta,
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: meta.Name},
		Subjects:   []rbacv1.Subject{{Kind: "ServiceAccount", Name: meta.Name, Namespace: ns}},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	config := rest.CopyConfig(kubetest.Config(t))
	config.Impersonate = rest.ImpersonationConfig{UserName: "system:serviceaccount:" + ns + ":" + meta.Name}
	g := &ConfigMap{Client: configMaps(t, ns, config), Name: gatesName}

	err = g.Turn(t.Context(), "gate_test_podinfo", true)
	require.True(t, apierrors.IsForbidden(err), "It may make none: %v", err)
	require.ErrorContains(t, err, `keeping the gate in ConfigMap "`+gatesName+`"`)
	direct := configMaps(t, ns, kubetest.Config(t))
	_, err = direct.Create(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: gatesName}}, metav1.CreateOptions{})
	require.NoError(t, err)
	require.NoError(t, g.Turn(t.Context(), "gate_test_podinfo", true), "The manifests bring it.")
	is, err := g.Open(t.Context(), "gate_test_podinfo")
	require.NoError(t, err)
	require.True(t, is)
	_, err = (&ConfigMap{Client: configMaps(t, ns, config), Name: "other"}).Open(t.Context(), "gate_test_podinfo")
	require.True(t, apierrors.IsForbidden(err), "Others are none of its business: %v", err)
}

func TestTurningEndsWithItsCaller(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	g := &ConfigMap{Client: configMaps(t, kubetest.Namespace(t), kubetest.Config(t)), Name: gatesName}
	require.ErrorIs(t, g.Turn(ctx, "gate_test_podinfo", true), context.Canceled)
}

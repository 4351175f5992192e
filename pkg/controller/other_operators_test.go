package controller

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	coordinationv1 "k8s.io/api/coordination/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/record"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/sluice-cd/sluice/pkg/kube/kubetest"
)

// lease is that of an operator which has renewed it at a time.
func (w *world) lease(namespace string, renewed time.Time) *coordinationv1.Lease {
	w.Helper()
	l := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: LeaseName}}
	l.Spec.HolderIdentity, l.Spec.LeaseDurationSeconds = new("pod-of-"+namespace), new(int32(15))
	l.Spec.RenewTime = &metav1.MicroTime{Time: renewed}
	require.NoError(w, w.Create(w.Context(), l))
	return l
}

// TestAnotherOperator has a lease held in another namespace, as by another overlay. The operator has the rights of its manifests.
func TestAnotherOperator(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	text, err := os.ReadFile("../../kustomize/base/rights/rbac.yaml")
	require.NoError(t, err)
	first, _, _ := strings.Cut(string(text), "\n---\n")
	role := &rbacv1.ClusterRole{}
	require.NoError(t, yaml.Unmarshal([]byte(first), role))
	role.Name = "operator-" + w.ns
	require.NoError(t, w.Create(t.Context(), role))
	require.NoError(t, w.Create(t.Context(), &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: role.Name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role.Name},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: "User", Name: role.Name}},
	}))
	cfg := rest.CopyConfig(kubetest.Config(t))
	cfg.Impersonate = rest.ImpersonationConfig{UserName: role.Name}
	live, err := client.New(cfg, client.Options{})
	require.NoError(t, err)
	require.NoError(t, w.Create(t.Context(), w.canary()))

	now := time.Now()
	events := record.NewFakeRecorder(100)
	o := NewOtherOperators(client.NewNamespacedClient(w.Client, w.ns), live, events)
	o.Own, o.now = "own-"+w.ns, func() time.Time { return now }
	look := func() (told []string) {
		t.Helper()
		require.NoError(t, o.look(t.Context()))
		for {
			select {
			case e := <-events.Events:
				told = append(told, e)
			default:
				return told
			}
		}
	}
	require.Empty(t, look(), "nobody else is there")
	l := w.lease(w.ns, now)
	told := look()
	require.Len(t, told, 1)
	require.Contains(t, told[0], "Warning AnotherOperator Another operator of flagger.app is at work: pod-of-"+w.ns+" in namespace "+w.ns)
	require.Empty(t, look(), "it is said once")
	now = now.Add(10 * time.Second)
	o.told = now.Add(-repeatOperators)
	require.Len(t, look(), 1, "and again when the event is about to be forgotten")
	now = now.Add(time.Minute)
	require.Empty(t, look(), "who does not renew a lease does not work")
	l.Spec.RenewTime = &metav1.MicroTime{Time: now}
	require.NoError(t, w.Update(t.Context(), l))
	require.Len(t, look(), 1, "who comes back is told of again")
	l.Spec.HolderIdentity = new(strings.Repeat("x\n", 500))
	require.NoError(t, w.Update(t.Context(), l))
	told = look()
	require.Len(t, told, 1, "who has another name is another one")
	require.NotContains(t, told[0], "\n")
	require.Less(t, len(told[0]), 500, "what others write is cut")
	o.found, o.Leads = "", func() bool { return false }
	require.Empty(t, look(), "a replica that waits leaves it to the one that works")
	o.Own, o.Leads = w.ns, func() bool { return true }
	require.Empty(t, look(), "the own lease is no other's")
}

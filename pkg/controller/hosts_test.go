package controller

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/kube/kubetest"
	"github.com/sluice-cd/sluice/pkg/observe"
)

// restricting is an operator with, or without, lists of hosts.
func restricting(enforced bool) func(*Reconciler) {
	return func(r *Reconciler) { r.Hosts = &observe.Hosts{Domain: "cluster.local", Enforced: enforced} }
}

// giveHosts has the test's Namespace list hosts and gateways.
func (w *world) giveHosts(hosts, gateways string) {
	w.Helper()
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": map[string]string{
		observe.HostsAnnotation: hosts, observe.GatewaysAnnotation: gateways,
	}}})
	require.NoError(w, err)
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: w.ns}}
	require.NoError(w, w.Patch(w.Context(), ns, client.RawPatch("application/merge-patch+json", patch)))
}

// TestHostsOfOthersAreRefused has a user, who may write no VirtualServices, ask for one that takes the requests of another
// namespace's Service.
func TestHostsOfOthersAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	victim := kubetest.Namespace(t)
	require.NoError(t, w.Create(t.Context(), w.canary(func(c *v1beta1.Canary) { c.Spec.Service.Hosts = []string{"web." + victim} })))
	start(t, w.ns, w.clock, w.judge, 0, restricting(false))
	told := `spec.service.hosts[0]: "web.` + victim + `" is a host of namespace "` + victim + `"`
	w.awaitCondition(v1beta1.ConditionValid, metav1.ConditionFalse, told)
	w.editCanary(func(c *v1beta1.Canary) { c.Spec.Service.Hosts = []string{"shop.example.com", "*.svc.cluster.local"} })
	w.awaitCondition(v1beta1.ConditionValid, metav1.ConditionFalse, `spec.service.hosts[1]: "*.svc.cluster.local" includes hosts of other namespaces`)
	require.Equal(t, "none", w.weights(), "no route has been written")
	w.editCanary(func(c *v1beta1.Canary) {
		c.Spec.Service.Hosts = []string{"shop.example.com", "podinfo." + w.ns, "example.com"}
	})
	w.awaitPhase(v1beta1.PhaseInitialized)
}

// TestHostsAreListed has hosts and a gateway that nobody has given to the namespace yet.
func TestHostsAreListed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	require.NoError(t, w.Create(t.Context(), w.canary(func(c *v1beta1.Canary) {
		c.Spec.Service.Hosts, c.Spec.Service.Gateways = []string{"shop.example.com"}, []string{"mesh", "edge/public"}
	})))
	o := start(t, w.ns, w.clock, w.judge, 0, restricting(true))
	w.awaitCondition(v1beta1.ConditionValid, metav1.ConditionFalse, `spec.service.hosts[0]: "shop.example.com" is not listed in annotation sluice.dev/allowed-hosts`)
	w.giveHosts("*.example.com", "")
	w.awaitCondition(v1beta1.ConditionValid, metav1.ConditionFalse, `spec.service.gateways[1]: "edge/public" is not listed in annotation sluice.dev/allowed-gateways`)
	require.Equal(t, "none", w.weights(), "no route has been written")
	w.giveHosts("*.example.com", "edge/public")
	w.awaitPhase(v1beta1.PhaseInitialized)
	require.True(t, o.manager.GetCache().WaitForCacheSync(t.Context()))
}

// TestNamespacesMayNotBeRead has an operator with rights in one namespace: it knows of no others, refuses by the form of a
// host alone, and is ready.
func TestNamespacesMayNotBeRead(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	require.NoError(t, w.Create(t.Context(), w.canary(func(c *v1beta1.Canary) { c.Spec.Service.Hosts = []string{"example.com"} })))
	o := &operator{Crasher: &kubetest.Crasher{}}
	o.launch(t, w.entitled(everythingBut("none")...), w.ns, w.clock, w.judge, restricting(false))
	w.awaitPhase(v1beta1.PhaseInitialized)
	w.editCanary(func(c *v1beta1.Canary) { c.Spec.Service.Hosts = []string{"web.other.svc"} })
	w.awaitCondition(v1beta1.ConditionValid, metav1.ConditionFalse, `"web.other.svc" is a host of namespace "other"`)
	require.Eventually(t, func() bool { return o.manager.GetCache().WaitForCacheSync(t.Context()) }, time.Minute, lookout)
}

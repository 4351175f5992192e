package controller

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/kube/kubetest"
	"github.com/sluice-cd/sluice/pkg/workload"
)

// entitled is a connection as an account that has rules' rights in the namespace, and no others.
func (w *world) entitled(rules ...rbacv1.PolicyRule) *rest.Config {
	w.Helper()
	account := "operator-" + w.ns
	meta := metav1.ObjectMeta{Namespace: w.ns, Name: account}
	require.NoError(w, w.Create(w.Context(), &rbacv1.Role{ObjectMeta: meta, Rules: rules}))
	w.bind(account)
	cfg := rest.CopyConfig(kubetest.Config(w))
	cfg.Impersonate = rest.ImpersonationConfig{UserName: account}
	return cfg
}

func (w *world) bind(account string) {
	w.Helper()
	require.NoError(w, w.Create(w.Context(), &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: account},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: account},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: "User", Name: account}},
	}))
}

// everythingBut are all rights but those on one group.
func everythingBut(group string) []rbacv1.PolicyRule {
	var rules []rbacv1.PolicyRule
	for _, g := range []string{"", "apps", "autoscaling", "policy", "flagger.app", "networking.istio.io", "networking.k8s.io", "coordination.k8s.io"} {
		if g != group {
			rules = append(rules, rbacv1.PolicyRule{APIGroups: []string{g}, Resources: []string{"*"}, Verbs: []string{"*"}})
		}
	}
	return rules
}

// TestRoutesMayNotBeListed has an operator whose account has no right to a provider's routes. Its informer would never be
// filled: the worker, and readiness, would wait for it for ever.
func TestRoutesMayNotBeListed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	other := w.canary(func(c *v1beta1.Canary) {
		c.Name, c.Spec.TargetRef.Name, c.Spec.Provider = "other", "other", "kubernetes"
		c.Spec.Analysis.StepWeight, c.Spec.Analysis.MaxWeight, c.Spec.Analysis.Iterations = 0, 0, 1
	})
	d := w.deployment()
	d.Name, d.Spec.Selector.MatchLabels["app"] = "other", "other"
	d.Spec.Template.Labels = d.Spec.Selector.MatchLabels
	require.NoError(t, w.Create(t.Context(), d))
	require.NoError(t, w.Create(t.Context(), w.canary()))
	o := &operator{Crasher: &kubetest.Crasher{}}
	o.launch(t, w.entitled(everythingBut("networking.istio.io")...), w.ns, w.clock, w.judge)

	const missing = `the operator may not list destinationrules.networking.istio.io: grant its account`
	w.awaitCondition(v1beta1.ConditionValid, metav1.ConditionFalse, missing)
	w.awaitEvent(o, "Warning Invalid "+missing)
	require.Equal(t, v1beta1.CanaryPhase(""), w.status().Phase, "nothing is initialised before a route can exist")
	require.NoError(t, w.Create(t.Context(), other))
	w.await("the worker is free for others", func() bool { return w.named("other").Status.Phase == v1beta1.PhaseInitialized })
	require.True(t, o.manager.GetCache().WaitForCacheSync(t.Context()), "readiness waits for nothing that never comes")
}

// TestTargetMayNotBeRead has a Canary deleted that is to give its target back, while the operator may not read that: whether
// there is one it cannot know, so that the primary, which serves, must not go.
func TestTargetMayNotBeRead(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.begin(revert).stop()
	rules := append(everythingBut("apps"),
		rbacv1.PolicyRule{APIGroups: []string{"apps"}, Resources: []string{"*"}, Verbs: []string{"list", "watch", "create", "update", "patch"}})
	o := &operator{Crasher: &kubetest.Crasher{}}
	o.launch(t, w.entitled(rules...), w.ns, w.clock, w.judge)
	require.NoError(t, w.Delete(t.Context(), w.canary()))
	w.awaitCondition(v1beta1.ConditionReconciled, metav1.ConditionFalse, `cannot get resource "deployments"`)
	w.awaitEvent(o, "Warning ReconcileFailed")
	passes := o.passes()
	w.setImage(imageTwo)
	w.await("it was looked at again", func() bool { return o.passes() > passes })
	require.Equal(t, []string{v1beta1.Finalizer}, w.named("podinfo").Finalizers)
	require.NotNil(t, w.live("podinfo-primary"))

	role := &rbacv1.Role{}
	require.NoError(t, w.Get(t.Context(), client.ObjectKey{Namespace: w.ns, Name: "operator-" + w.ns}, role))
	role.Rules[len(role.Rules)-1].Verbs = []string{"*"}
	require.NoError(t, w.Update(t.Context(), role))
	w.setImage(imageOne)
	w.gone(&v1beta1.Canary{}, "podinfo")
	require.Equal(t, int32(2), workload.SizeOf(w.live("podinfo")))
}

// TestRightsOfManyTenants has an operator with the rights that the overlay for many tenants leaves it, in all namespaces: it rolls
// out a target that uses a Secret, at a host that its Namespace lists.
func TestRightsOfManyTenants(t *testing.T) {
	t.Parallel()
	w := configured(t)
	text, err := os.ReadFile("../../kustomize/base/rights/rbac.yaml")
	require.NoError(t, err)
	first, _, _ := strings.Cut(string(text), "---")
	role := &rbacv1.ClusterRole{}
	require.NoError(t, yaml.Unmarshal([]byte(first), role))
	for _, r := range role.Rules {
		for _, kept := range []string{"secrets", "jobs", "pods/log"} {
			require.NotContains(t, r.Resources, kept, "it is a component")
		}
	}
	role.Name = "tenants-" + w.ns
	role.Rules = append(role.Rules, rbacv1.PolicyRule{ // of kustomize/istio
		APIGroups: []string{"networking.istio.io"}, Resources: []string{"virtualservices", "destinationrules"},
		Verbs: []string{"get", "list", "watch", "create", "patch", "delete"},
	})
	require.NoError(t, w.Create(t.Context(), role))
	require.NoError(t, w.Create(t.Context(), &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: role.Name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role.Name},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: "User", Name: role.Name}},
	}))
	cfg := rest.CopyConfig(kubetest.Config(t))
	cfg.Impersonate = rest.ImpersonationConfig{UserName: role.Name}
	w.giveHosts("shop.example.com", "")
	require.NoError(t, w.Create(t.Context(), w.canary(func(c *v1beta1.Canary) { c.Spec.Service.Hosts = []string{"shop.example.com"} })))
	o := &operator{Crasher: &kubetest.Crasher{}}
	o.launch(t, cfg, w.ns, w.clock, w.judge, restricting(true))
	w.awaitSettled(v1beta1.PhaseInitialized, imageOne)
	w.awaitTargetStopped()
	w.setImage(imageTwo)
	w.awaitSettled(v1beta1.PhaseSucceeded, imageTwo)
	require.False(t, meta.IsStatusConditionFalse(w.status().Conditions, v1beta1.ConditionReconciled), "nothing was refused")
	require.Equal(t, "token", w.live("podinfo-primary").Spec.Template.Spec.Volumes[0].Secret.SecretName)
	require.Equal(t, "blue", w.colorOf("settings-primary"), "ConfigMaps are copied as ever")
}

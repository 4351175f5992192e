package chart

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// kustomized renders a kustomization, as kubectl apply -k would.
func kustomized(t *testing.T, parts ...string) []client.Object {
	t.Helper()
	dir := filepath.Join(append([]string{repository(t), "kustomize"}, parts...)...)
	made, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), dir)
	require.NoError(t, err, dir)
	text, err := made.AsYaml()
	require.NoError(t, err)
	objects, err := Objects(text)
	require.NoError(t, err)
	return objects
}

// granted are all rights that ClusterRoleBindings give to the operator's account.
func granted(t *testing.T, objects []client.Object) (all []rbacv1.PolicyRule) {
	t.Helper()
	for _, o := range objects {
		b, ok := o.(*rbacv1.ClusterRoleBinding)
		if !ok {
			continue
		}
		require.Equal(t, "sluice", b.Subjects[0].Name)
		require.NotEqual(t, "default", b.Subjects[0].Namespace, "%s is of the namespace that the operator is in", b.Name)
		all = append(all, find[*rbacv1.ClusterRole](t, objects, b.RoleRef.Name).Rules...)
	}
	return all
}

// sensitive are the rights that a tenant would use through the operator.
func sensitive(all []rbacv1.PolicyRule) (found []string) {
	for _, r := range all {
		for _, resource := range r.Resources {
			if slices.Contains([]string{"secrets", "jobs", "pods/log", "keptnmetrics", "analyses"}, resource) && len(r.ResourceNames) == 0 {
				found = append(found, resource)
			}
		}
	}
	slices.Sort(found)
	return found
}

func TestMultiTenant(t *testing.T) {
	plain, strict := kustomized(t, "istio"), kustomized(t, "multi-tenant")
	require.Equal(t, []string{"analyses", "jobs", "keptnmetrics", "pods/log", "secrets"}, sensitive(granted(t, plain)), "an overlay for one team keeps all")
	require.Empty(t, sensitive(granted(t, strict)))
	var names []string
	for _, r := range granted(t, strict) {
		if slices.Contains(r.Resources, "secrets") {
			require.Equal(t, []string{"get"}, r.Verbs)
			names = append(names, r.ResourceNames...)
		}
	}
	require.Equal(t, []string{"flagger-loadtester-token"}, names, "one name in each namespace")

	before, after := args(t, plain, "sluice"), args(t, strict, "sluice")
	require.Equal(t, append(before, "-no-cross-namespace-refs=true", "-allow-ambient-credentials=false", "-restrict-hosts=true", "-restrict-jobs=true"), after)
	require.Subset(t, flagsOf(t, program(t, "sluice")), flagNames(t, after))
	policy := find[*networkingv1.NetworkPolicy](t, strict, "sluice")
	require.Equal(t, "istio-system", policy.Namespace)
	require.Equal(t, map[string]string{"app.kubernetes.io/name": "sluice"}, policy.Spec.PodSelector.MatchLabels)
	require.Len(t, policy.Spec.Ingress, 1)
	require.Len(t, policy.Spec.Ingress[0].From, 2)
}

// TestMultiTenantOnEveryOverlay puts the component on top of each provider's overlay.
func TestMultiTenantOnEveryOverlay(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(repository(t), "kustomize", "*", "kustomization.yaml"))
	require.NoError(t, err)
	seen := 0
	for _, file := range files {
		name := filepath.Base(filepath.Dir(file))
		if slices.Contains([]string{"base", "podinfo", "tester", "multi-tenant", "policies"}, name) {
			continue
		}
		seen++
		fs := filesys.MakeFsOnDisk()
		dir, err := filesys.NewTmpConfirmedDir()
		require.NoError(t, err)
		t.Cleanup(func() { _ = fs.RemoveAll(dir.String()) })
		root, err := filepath.Rel(dir.String(), filepath.Join(repository(t), "kustomize"))
		require.NoError(t, err)
		text := "namespace: somewhere\nresources: [" + filepath.Join(root, name) + "]\ncomponents: [" + filepath.Join(root, "components", "multi-tenant") + "]\n"
		require.NoError(t, fs.WriteFile(dir.Join("kustomization.yaml"), []byte(text)))
		made, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(fs, dir.String())
		require.NoError(t, err, name)
		yaml, err := made.AsYaml()
		require.NoError(t, err)
		objects, err := Objects(yaml)
		require.NoError(t, err, name)
		require.Empty(t, sensitive(granted(t, objects)), name)
		require.Contains(t, args(t, objects, "sluice"), "-restrict-hosts=true", name)
		require.Equal(t, "somewhere", find[*networkingv1.NetworkPolicy](t, objects, "sluice").Namespace, name)
	}
	require.GreaterOrEqual(t, seen, 13)
}

func TestMultiTenantTester(t *testing.T) {
	objects := kustomized(t, "multi-tenant", "tester")
	d := find[*appsv1.Deployment](t, objects, "flagger-loadtester")
	require.Contains(t, args(t, objects, "flagger-loadtester"), "-token-sha256=$(TOKEN_SHA256)")
	require.Subset(t, flagsOf(t, program(t, "loadtester")), flagNames(t, args(t, objects, "flagger-loadtester")))
	found := false
	for _, e := range d.Spec.Template.Spec.Containers[0].Env {
		require.False(t, strings.HasPrefix(e.Name, "LOADTESTER_TOKEN"), "commands can read it")
		if e.Name == "TOKEN_SHA256" {
			found = true
			require.Nil(t, e.ValueFrom.ConfigMapKeyRef.Optional, "without it nothing starts")
		}
	}
	require.True(t, found)
	policy := find[*networkingv1.NetworkPolicy](t, objects, "flagger-loadtester")
	require.Equal(t, d.Spec.Selector.MatchLabels, policy.Spec.PodSelector.MatchLabels)
	from := policy.Spec.Ingress[0].From
	require.Len(t, from, 1)
	require.Equal(t, "istio-system", from[0].NamespaceSelector.MatchLabels["kubernetes.io/metadata.name"])
	require.Equal(t, "sluice", from[0].PodSelector.MatchLabels["app.kubernetes.io/name"])
}

// TestChartDropsRights holds the chart's switches to what the component takes away.
func TestChartDropsRights(t *testing.T) {
	h := helm(t)
	rights := func(set ...string) []string {
		return sensitive(find[*rbacv1.ClusterRole](t, render(t, h, "sluice", append(set, "meshProvider=istio")...), "test-sluice").Rules)
	}
	require.Equal(t, []string{"analyses", "jobs", "keptnmetrics", "pods/log", "secrets"}, rights())
	require.Empty(t, rights("rbac.secrets=false", "rbac.jobs=false", "rbac.podLogs=false", "rbac.keptn=false"))
	require.Equal(t, []string{"jobs"}, rights("rbac.secrets=false", "rbac.podLogs=false", "rbac.keptn=false"))
}

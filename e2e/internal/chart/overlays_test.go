package chart

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// TestKustomizeAgrees holds the two ways of installing to the same rights.
func TestKustomizeAgrees(t *testing.T) {
	root := repository(t)
	read := func(parts ...string) []client.Object {
		text, err := os.ReadFile(filepath.Join(append([]string{root, "kustomize", "base"}, parts...)...))
		require.NoError(t, err)
		objects, err := Objects(text)
		require.NoError(t, err)
		return objects
	}
	all := render(t, helm(t), "sluice", "meshProvider=kubernetes")
	base, roles := read("rights", "rbac.yaml"), read("roles.yaml")
	for name, from := range map[string][]client.Object{"sluice": base, "sluice-view": roles, "sluice-edit": roles, "sluice-act": roles} {
		want, got := find[*rbacv1.ClusterRole](t, from, name), find[*rbacv1.ClusterRole](t, all, "test-"+name)
		common := want.Rules
		if name == "sluice" {
			// The chart has one role of all; here what can be left out has a role of its own.
			for _, part := range []string{"secrets", "jobs", "pod-logs", "keptn"} {
				common = append(common, find[*rbacv1.ClusterRole](t, read("..", "components", part, "rbac.yaml"), "sluice-"+part).Rules...)
			}
		}
		require.ElementsMatch(t, rules(common), rules(got.Rules), name)
		for label, value := range want.Labels {
			if strings.HasPrefix(label, "rbac.authorization.k8s.io/") {
				require.Equal(t, value, got.Labels[label], "%s: %s", name, label)
			}
		}
	}
	page, served := find[*rbacv1.ClusterRole](t, read("..", "components", "console", "rbac.yaml"), "sluice-console"), render(t, helm(t), "sluice", "console.enabled=true")
	require.ElementsMatch(t, rules(page.Rules), append(rules(find[*rbacv1.ClusterRole](t, served, "test-sluice-console").Rules),
		rules(find[*rbacv1.ClusterRole](t, served, "test-sluice-console-reviews").Rules)...))
	require.Equal(t, rules(find[*rbacv1.Role](t, read("leader.yaml"), "sluice-leader").Rules), rules(find[*rbacv1.Role](t, all, "test-sluice-leader").Rules))
	want, got := find[*appsv1.Deployment](t, read("deployment.yaml"), "sluice"), find[*appsv1.Deployment](t, all, "test-sluice")
	require.Equal(t, want.Spec.Template.Spec.SecurityContext, got.Spec.Template.Spec.SecurityContext)
	one, other := want.Spec.Template.Spec.Containers[0], got.Spec.Template.Spec.Containers[0]
	require.Equal(t, one.SecurityContext, other.SecurityContext)
	require.Equal(t, one.LivenessProbe, other.LivenessProbe)
	require.Equal(t, one.ReadinessProbe, other.ReadinessProbe)
	require.Equal(t, one.Ports, other.Ports)
	require.Equal(t, one.Image, other.Image)
}

// TestPoliciesAgree holds the chart's admission policies to those of kustomize.
func TestPoliciesAgree(t *testing.T) {
	kinds := func(objects []client.Object) (all []string) {
		for _, o := range objects {
			if kind := o.GetObjectKind().GroupVersionKind().Kind; strings.Contains(kind, "AdmissionPolicy") {
				all = append(all, kind+" "+o.GetName())
			}
		}
		return all
	}
	var want []string
	for _, file := range []string{"author.yaml", "actions.yaml"} {
		text, err := os.ReadFile(filepath.Join(repository(t), "kustomize", "policies", file))
		require.NoError(t, err)
		objects, err := Objects(text)
		require.NoError(t, err)
		want = append(want, kinds(objects)...)
	}
	require.Len(t, want, 4)
	require.Empty(t, kinds(render(t, helm(t), "sluice")))
	require.ElementsMatch(t, want, kinds(render(t, helm(t), "sluice", "actionPolicies=true")))
}

// TestOverlaysAgree holds each provider's overlay to the chart: what either of them adds to the common rights is what
// the other one does, and none of the overlay's flags is missing in the chart.
func TestOverlaysAgree(t *testing.T) {
	h := helm(t)
	files, err := filepath.Glob(filepath.Join(repository(t), "kustomize", "*", "kustomization.yaml"))
	require.NoError(t, err)
	common, providers := rules(find[*rbacv1.ClusterRole](t, render(t, h, "sluice", "meshProvider=kubernetes"), "test-sluice").Rules), 0
	for _, file := range files {
		added, flags := overlay(t, file)
		provider, found := "", false
		for _, flag := range flags {
			if name, ok := strings.CutPrefix(flag, "-mesh-provider="); ok {
				provider, found = name, true
			}
		}
		if !found {
			continue // not an installation of the operator
		}
		providers++
		all := render(t, h, "sluice", "meshProvider="+provider)
		chart := slices.DeleteFunc(rules(find[*rbacv1.ClusterRole](t, all, "test-sluice").Rules), func(rule string) bool {
			return slices.Contains(common, rule)
		})
		require.ElementsMatch(t, chart, rules(added), file)
		for _, flag := range flags {
			if !strings.HasPrefix(flag, "-metrics-server=") {
				require.Contains(t, args(t, all, "test-sluice"), flag, file)
			}
		}
	}
	require.GreaterOrEqual(t, providers, 13)
}

// TestOverlaysApart applies two overlays one after the other: what the first one's operator may do stays as it is. Definitions
// and the roles of users are those of all.
func TestOverlaysApart(t *testing.T) {
	shared := []string{"sluice-act", "sluice-edit", "sluice-view"}
	owner := map[string]string{}
	for _, name := range installations(t) {
		for _, o := range kustomized(t, name) {
			switch o.(type) {
			case *rbacv1.ClusterRole, *rbacv1.ClusterRoleBinding:
			default:
				continue
			}
			if slices.Contains(shared, o.GetName()) {
				continue
			}
			id := o.GetObjectKind().GroupVersionKind().Kind + "/" + o.GetName()
			require.Empty(t, owner[id], "%s is of the overlay %s as well", id, name)
			owner[id] = name
		}
	}
	require.Equal(t, "istio", owner["ClusterRoleBinding/sluice-istio"])
	require.Equal(t, "gatewayapi", owner["ClusterRole/sluice-secrets-gatewayapi"])
}

// TestRoutesAdded holds kustomize/routes, which gives an operator that is there the rights for one more provider, to the overlays:
// each has the rights of its provider's, and is what every installation adds up.
func TestRoutesAdded(t *testing.T) {
	dir, chart := filepath.Join(repository(t), "kustomize"), render(t, helm(t), "sluice", "meshProvider=istio")
	seen := 0
	for _, name := range installations(t) {
		added, _ := overlay(t, filepath.Join(dir, name, "kustomization.yaml"))
		text, err := os.ReadFile(filepath.Join(dir, "routes", name+".yaml"))
		if len(added) == 0 {
			require.ErrorIs(t, err, os.ErrNotExist, "%s needs no rights", name)
			continue
		}
		seen++
		require.NoError(t, err)
		objects, err := Objects(text)
		require.NoError(t, err)
		role := find[*rbacv1.ClusterRole](t, objects, "sluice-routes-"+name)
		require.ElementsMatch(t, rules(added), rules(role.Rules), name)
		for _, by := range []*rbacv1.ClusterRole{
			find[*rbacv1.ClusterRole](t, kustomized(t, name), "sluice-routes-of-"+name), find[*rbacv1.ClusterRole](t, chart, "test-sluice-routes"),
		} {
			require.Len(t, by.AggregationRule.ClusterRoleSelectors, 1)
			require.Subset(t, role.Labels, by.AggregationRule.ClusterRoleSelectors[0].MatchLabels, "%s is not added to %s", role.Name, by.Name)
			require.Nil(t, by.Rules, "to apply it again would take away what is added")
		}
	}
	require.GreaterOrEqual(t, seen, 12)
	find[*rbacv1.ClusterRoleBinding](t, chart, "test-sluice-routes")
}

// installations are the overlays of providers.
func installations(t *testing.T) (names []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(repository(t), "kustomize", "*", "rights", "kustomization.yaml"))
	require.NoError(t, err)
	for _, file := range files {
		if name := filepath.Base(filepath.Dir(filepath.Dir(file))); name != "base" {
			names = append(names, name)
		}
	}
	require.GreaterOrEqual(t, len(names), 13)
	return names
}

// overlay reads what a kustomization adds to the operator's rights and arguments.
func overlay(t *testing.T, file string) (added []rbacv1.PolicyRule, flags []string) {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	var k struct {
		Patches []struct {
			Target struct{ Kind string } `json:"target"`
			Patch  string                `json:"patch"`
		} `json:"patches"`
	}
	require.NoError(t, yaml.Unmarshal(text, &k))
	for _, p := range k.Patches {
		var operations []struct {
			Path  string          `json:"path"`
			Value json.RawMessage `json:"value"`
		}
		require.NoError(t, yaml.Unmarshal([]byte(p.Patch), &operations), file)
		for _, o := range operations {
			switch o.Path {
			case "/rules/-":
				var rule rbacv1.PolicyRule
				require.NoError(t, json.Unmarshal(o.Value, &rule), file)
				added = append(added, rule)
			case "/spec/template/spec/containers/0/args/-":
				var flag string
				require.NoError(t, json.Unmarshal(o.Value, &flag), file)
				flags = append(flags, flag)
			}
		}
	}
	return added, flags
}

package router_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/router"
)

// overlay is what an installation for one provider adds to the base.
type overlay struct {
	provider string
	rules    []rbacv1.PolicyRule
}

func readOverlay(t *testing.T, file string) overlay {
	t.Helper()
	raw, err := os.ReadFile(file)
	require.NoError(t, err)
	var k struct {
		Patches []struct {
			Target struct{ Kind string }
			Patch  string
		}
	}
	require.NoError(t, yaml.Unmarshal(raw, &k))
	o := overlay{}
	for _, p := range k.Patches {
		if p.Target.Kind == "ClusterRole" {
			var ops []struct{ Value rbacv1.PolicyRule }
			require.NoError(t, yaml.Unmarshal([]byte(p.Patch), &ops))
			for _, op := range ops {
				o.rules = append(o.rules, op.Value)
			}
		}
		if found := regexp.MustCompile(`-mesh-provider=(\S+)`).FindStringSubmatch(p.Patch); found != nil {
			o.provider = found[1]
		}
	}
	return o
}

// allows says whether a verb is allowed on a kind.
func (o overlay) allows(kind schema.GroupVersionKind, verb string) bool {
	plural, _ := meta.UnsafeGuessKindToResource(kind)
	return slices.ContainsFunc(o.rules, func(r rbacv1.PolicyRule) bool {
		return slices.Contains(r.APIGroups, kind.Group) && slices.Contains(r.Resources, plural.Resource) && slices.Contains(r.Verbs, verb)
	})
}

// Every provider can be installed, with the rights for what it writes and reads, and for no other group.
func TestOverlays(t *testing.T) {
	files, err := filepath.Glob("../../kustomize/*/kustomization.yaml")
	require.NoError(t, err)
	var installed []string
	for _, file := range files {
		o := readOverlay(t, file)
		if o.provider == "" {
			continue // the base, and what is no operator
		}
		installed = append(installed, filepath.Base(filepath.Dir(file)))
		t.Run(o.provider, func(t *testing.T) {
			r, _, err := router.New(o.provider, router.Options{APIVersions: []string{
				"networking.istio.io/v1", "gateway.networking.k8s.io/v1", "traefik.io/v1alpha1", "projectcontour.io/v1", "split.smi-spec.io/v1alpha2",
				"kuma.io/v1alpha1", "apisix.apache.org/v2", "gloo.solo.io/v1", "gateway.solo.io/v1", "serving.knative.dev/v1",
			}})
			require.NoError(t, err)
			c := behind(func(c *v1beta1.Canary) {
				c.Spec.RouteRef = &v1beta1.RouteRef{Name: "web"}
				c.Spec.UpstreamRef = &v1beta1.UpstreamRef{Name: "web"}
			})
			var groups []string
			for _, kind := range r.Writes() {
				groups = append(groups, kind.Group)
				for _, verb := range []string{"get", "list", "watch", "patch"} {
					require.True(t, o.allows(kind, verb), "%s %s", verb, kind)
				}
			}
			for _, ref := range r.Reads(c) {
				groups = append(groups, ref.Group)
				require.True(t, o.allows(ref.GroupVersionKind, "watch"), "watch %s", ref.Kind)
			}
			for _, rule := range o.rules {
				require.Subset(t, groups, rule.APIGroups, "rights that nothing needs")
			}
		})
	}
	require.Subset(t, installed, []string{"apisix", "contour", "gloo", "istio", "knative", "kubernetes", "kuma", "linkerd", "nginx", "skipper", "smi", "traefik"})
}

package router_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
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
	of, _, _ := strings.Cut(resource(kind), ".")
	return slices.ContainsFunc(o.rules, func(r rbacv1.PolicyRule) bool {
		return slices.Contains(r.APIGroups, kind.Group) && slices.Contains(r.Resources, of) && slices.Contains(r.Verbs, verb)
	})
}

// routersOf are what a provider can be, by what the cluster serves: all there is, or only what came before the Gateway API.
func routersOf(t *testing.T, provider string) []router.Router {
	t.Helper()
	r, _, err := router.New(provider, allServed())
	require.NoError(t, err)
	all := []router.Router{r}
	if older, _, err := router.New(provider, router.Options{APIVersions: []string{"split.smi-spec.io/v1alpha1"}}); err == nil {
		all = append(all, older)
	}
	return all
}

// referring is a Canary that names all objects of the user's that routers read.
func referring(protocol string) *v1beta1.Canary {
	return behind(func(c *v1beta1.Canary) {
		c.Spec.Service.AppProtocol = protocol
		c.Spec.RouteRef = &v1beta1.RouteRef{Name: "web"}
		c.Spec.UpstreamRef = &v1beta1.UpstreamRef{Name: "web"}
	})
}

func resource(kind schema.GroupVersionKind) string {
	plural, _ := meta.UnsafeGuessKindToResource(kind)
	return plural.GroupResource().String()
}

// Every provider can be installed, with the rights for what it writes and reads, and for no other kind.
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
			var needed []string
			for _, r := range routersOf(t, o.provider) {
				for _, kind := range r.Writes() {
					needed = append(needed, resource(kind))
					for _, verb := range []string{"get", "list", "watch", "patch"} {
						require.True(t, o.allows(kind, verb), "%s %s", verb, kind)
					}
				}
				for _, ref := range slices.Concat(r.Reads(referring("http")), r.Reads(referring("grpc"))) {
					needed = append(needed, resource(ref.GroupVersionKind))
					require.True(t, o.allows(ref.GroupVersionKind, "watch"), "watch %s", ref.Kind)
				}
			}
			for _, rule := range o.rules {
				for _, of := range rule.Resources {
					require.Contains(t, needed, of+"."+rule.APIGroups[0], "a right that nothing needs")
				}
			}
		})
	}
	require.Subset(t, installed, []string{"apisix", "contour", "gloo", "istio", "knative", "kubernetes", "kuma", "linkerd", "nginx", "skipper", "smi", "traefik"})
}

package router_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
	"github.com/sluice-cd/sluice/pkg/router"
	"github.com/sluice-cd/sluice/pkg/router/routertest"
)

func newKuma(t *testing.T) router.Router {
	t.Helper()
	return build(t, "kuma", rollout.Weighted, "kuma.io/v1alpha1")
}

func TestKumaGolden(t *testing.T) {
	routertest.Golden(t, "testdata/kuma", "kuma", *update, routertest.Read(t, "testdata/kuma/crd.yaml"))
}

func TestKumaContract(t *testing.T) {
	split := listed([]string{"destination", "kuma.io/service"}, []string{"weight"}, "spec", "conf", "split")
	routertest.Contract(t, newKuma(t), podinfo(nil), func(t *testing.T, objects []*unstructured.Unstructured) map[string]int64 {
		t.Helper()
		found := split(t, objects)
		return map[string]int64{
			"podinfo-primary": found["podinfo-primary_test_svc_9898"],
			"podinfo-canary":  found["podinfo-canary_test_svc_9898"],
		}
	})
}

func TestKumaNames(t *testing.T) {
	apex := func(name, namespace string) *v1beta1.Canary {
		c := podinfo(func(s *v1beta1.CanaryService) { s.Name = name })
		c.Namespace = namespace
		return c
	}
	cases := map[string]struct {
		reason string
		a, b   *v1beta1.Canary
	}{
		"SameApex":  {reason: "two namespaces may have an apex of one name", a: apex("shop", "test"), b: apex("shop", "prod")},
		"Ambiguous": {reason: "nor may a name and a namespace be taken for others", a: apex("a-b", "c"), b: apex("a", "b-c")},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			a, b := one(t, newKuma(t), input(tc.a)), one(t, newKuma(t), input(tc.b))
			require.NotEqual(t, a.GetName(), b.GetName(), tc.reason)
			require.Equal(t, tc.a.Namespace+"/podinfo", a.GetAnnotations()[router.CanaryAnnotation], "whose it is can be told without an owner")
		})
	}
}

func TestKumaCustomAnnotationsDoNotHideTheOwner(t *testing.T) {
	c := podinfo(func(s *v1beta1.CanaryService) {
		s.Apex = &v1beta1.CustomMetadata{Annotations: map[string]string{router.CanaryAnnotation: "somebody/else"}}
	})
	require.Equal(t, "test/podinfo", one(t, newKuma(t), input(c)).GetAnnotations()[router.CanaryAnnotation])
}

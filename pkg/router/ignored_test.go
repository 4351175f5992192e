package router_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/router"
)

func TestIgnored(t *testing.T) {
	c := &v1beta1.Canary{}
	c.Spec.IngressRef = &v1beta1.IngressRef{Name: "x"}
	c.Spec.RouteRef = &v1beta1.RouteRef{Name: "x"}
	c.Spec.UpstreamRef = &v1beta1.UpstreamRef{Name: "x"}
	c.Spec.Service.GatewayRefs = []v1beta1.GatewayRef{{Name: "x"}}
	c.Spec.Service.Mirror = []v1beta1.HTTPRequestMirror{{}}
	c.Spec.Service.BackendTimeout = "1s"
	c.Spec.Service.RouteRefs = []v1beta1.OwnRoute{{Name: "x"}}
	c.Spec.Service.MeshName = "x"
	c.Spec.Service.Backends = []string{"x"}
	cases := map[string]struct {
		reason, provider string
		used             []string
	}{
		"Istio":      {"its own routes", "istio", []string{"spec.service.routeRefs"}},
		"Nginx":      {"the Ingress", "nginx", []string{"spec.ingressRef"}},
		"Apisix":     {"the route", "apisix", []string{"spec.routeRef"}},
		"Gloo":       {"the upstream", "gloo", []string{"spec.upstreamRef"}},
		"GatewayAPI": {"a version is the same family", "gatewayapi:v1", []string{"spec.service.gatewayRefs", "spec.service.mirror", "spec.service.backendTimeout", "spec.service.routeRefs"}},
		"Kubernetes": {"none of them", "kubernetes", nil},
	}
	all := router.Ignored("kubernetes", c)
	require.Len(t, all, 9)
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			require.ElementsMatch(t, all, append(router.Ignored(tc.provider, c), tc.used...), tc.reason)
			require.Empty(t, router.Ignored(tc.provider, &v1beta1.Canary{}), "nothing set, nothing ignored")
		})
	}
}

package router

import (
	"slices"
	"strings"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// Ignored lists the fields that a Canary sets and that its provider has no use for. The API allows them, so that a
// manifest can be moved from one provider to another; people should know all the same.
func Ignored(provider string, c *v1beta1.Canary) []string {
	s := c.Spec
	var fields []string
	for _, f := range []struct {
		name  string
		set   bool
		users []string // families of providers: gatewayapi stands for gatewayapi:v1
	}{
		{"spec.ingressRef", s.IngressRef != nil, []string{"nginx", "skipper"}},
		{"spec.routeRef", s.RouteRef != nil, []string{"apisix"}},
		{"spec.upstreamRef", s.UpstreamRef != nil, []string{"gloo"}},
		{"spec.service.gatewayRefs", len(s.Service.GatewayRefs) > 0, []string{"gatewayapi", "linkerd"}},
		{"spec.service.mirror", len(s.Service.Mirror) > 0, []string{"gatewayapi", "linkerd"}},
		{"spec.service.backendTimeout", s.Service.BackendTimeout != "", []string{"gatewayapi", "linkerd"}},
		{"spec.service.routeRefs", len(s.Service.RouteRefs) > 0, []string{"istio", "gatewayapi"}},
		{"spec.service.meshName", s.Service.MeshName != "", []string{"appmesh"}},
		{"spec.service.backends", len(s.Service.Backends) > 0, []string{"appmesh"}},
	} {
		family, _, _ := strings.Cut(provider, ":")
		if f.set && !slices.Contains(f.users, family) {
			fields = append(fields, f.name)
		}
	}
	return fields
}

package router

import (
	api "istio.io/api/networking/v1alpha3"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// split names both sides at every weight.
func split(c *v1beta1.Canary, l line) []*api.HTTPRouteDestination {
	return []*api.HTTPRouteDestination{
		share(c, c.PrimaryName(), 100-l.weight, l.primaryCookie),
		share(c, c.CanaryName(), l.weight, l.canaryCookie),
	}
}

// share is one side's part of the requests. Its cookie is set on its own answers alone.
// The header is added and not set: the app's own cookies stay.
func share(c *v1beta1.Canary, host string, weight int, cookie string) *api.HTTPRouteDestination {
	d := &api.HTTPRouteDestination{Destination: destination(c, host), Weight: int32(weight)}
	if cookie != "" {
		d.Headers = &api.Headers{Response: &api.Headers_HeaderOperations{Add: map[string]string{"Set-Cookie": cookie}}}
	}
	return d
}

// destination is a side's Service. With more than one port Istio keeps the port that was asked, which at a gateway
// is the gateway's own and none of the Service's, so there it has to be named.
func destination(c *v1beta1.Canary, host string) *api.Destination {
	s := c.Spec.Service
	d := &api.Destination{Host: host}
	if s.PortDiscovery && (s.Delegation || outside(s)) {
		d.Port = &api.PortSelector{Number: uint32(s.Port)}
	}
	return d
}

package router

import (
	"slices"

	api "istio.io/api/networking/v1alpha3"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// split names both sides at every weight.
func split(c *v1beta1.Canary, l line, e entry) []*api.HTTPRouteDestination {
	return []*api.HTTPRouteDestination{
		share(e.destination(c.PrimaryName()), 100-l.weight, l.primaryCookie),
		share(e.destination(c.CanaryName()), l.weight, l.canaryCookie),
	}
}

// share is one side's part of the requests. Its cookie is set on its own answers alone.
// The header is added and not set: the app's own cookies stay.
func share(to *api.Destination, weight int, cookie string) *api.HTTPRouteDestination {
	d := &api.HTTPRouteDestination{Destination: to, Weight: int32(weight)}
	if cookie != "" {
		d.Headers = &api.Headers{Response: &api.Headers_HeaderOperations{Add: map[string]string{"Set-Cookie": cookie}}}
	}
	return d
}

// entry is a way in which requests come to a route. With more than one port Istio keeps the port that was asked, which at a
// gateway is the gateway's own and none of the Service's, so there it has to be named. From inside it must not be: who asks
// another port would be sent to this one.
type entry struct {
	port uint32 // named for all that come in this way; zero: the port that was asked
	mesh bool   // only what comes from inside
}

// entries are what each route is written for, once for each.
func entries(in Input) []entry {
	s := in.Canary.Spec.Service
	if !s.PortDiscovery && len(in.Ports) < 2 || !s.Delegation && !outside(s) {
		return []entry{{}}
	}
	named := entry{port: uint32(s.Port)}
	// Where a delegate's requests come from is up to the route that delegates.
	if s.Delegation || !slices.Contains(s.Gateways, mesh) {
		return []entry{named}
	}
	return []entry{{mesh: true}, named}
}

// destination is a side's Service.
func (e entry) destination(host string) *api.Destination {
	d := &api.Destination{Host: host}
	if e.port != 0 {
		d.Port = &api.PortSelector{Number: e.port}
	}
	return d
}

// match narrows a match to what comes in this way; false: no request does.
func (e entry) match(all []v1beta1.HTTPMatchRequest) ([]v1beta1.HTTPMatchRequest, bool) {
	switch {
	case !e.mesh:
		return all, true
	case len(all) == 0:
		return []v1beta1.HTTPMatchRequest{{Gateways: []string{mesh}}}, true
	}
	var inside []v1beta1.HTTPMatchRequest
	for _, m := range all {
		if len(m.Gateways) == 0 || slices.Contains(m.Gateways, mesh) {
			m.Gateways = []string{mesh}
			inside = append(inside, m)
		}
	}
	return inside, len(inside) > 0
}

package router

import (
	"slices"
	"strings"

	networking "istio.io/api/networking/v1alpha3"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
)

// mesh is Istio's word for all sidecars, as opposed to the gateways at the edge.
const mesh = "mesh"

// istio renders a VirtualService under the apex's name, and a DestinationRule for each side's Service.
// Lists of a VirtualService are applied as a whole, so that a route somebody adds by hand does not stay.
type istio struct{ version schema.GroupVersion }

func newIstio(o Options) (Router, rollout.Capabilities, error) {
	gv, err := pick(o, "istio", "networking.istio.io", "v1", "v1beta1")
	if err != nil {
		return nil, 0, err
	}
	return istio{version: gv}, rollout.Weighted, nil
}

func (r istio) Writes() []schema.GroupVersionKind {
	return []schema.GroupVersionKind{
		r.version.WithKind("DestinationRule"),
		r.version.WithKind("VirtualService"),
	}
}

// Reads nothing: all that a route says is in the Canary.
func (istio) Reads(*v1beta1.Canary) []Ref { return nil }

// Render puts the rules first: a route that came before its destinations' settings would for a moment
// send requests without them.
func (r istio) Render(in Input) ([]runtime.ApplyConfiguration, error) {
	primary, err := r.rule(in.Canary, in.Canary.PrimaryName())
	if err != nil {
		return nil, err
	}
	canary, err := r.rule(in.Canary, in.Canary.CanaryName())
	if err != nil {
		return nil, err
	}
	service, err := r.service(in)
	if err != nil {
		return nil, err
	}
	return []runtime.ApplyConfiguration{primary, canary, service}, nil
}

// rule gives one side's Service the traffic policy. It is rendered without a policy as well, since what a
// Canary generates is known by name to dashboards and scripts.
func (r istio) rule(c *v1beta1.Canary, host string) (Object, error) {
	var first problem
	spec := map[string]any{"host": host}
	set(spec, "trafficPolicy", verbatim[networking.TrafficPolicy](&first, "trafficPolicy", c.Spec.Service.TrafficPolicy))
	return object(r.version.WithKind("DestinationRule"), host, c, nil, spec), first.err
}

// service renders the VirtualService. A delegate is found by its name, so it has no hosts or gateways:
// those are on the VirtualService that delegates to it.
func (r istio) service(in Input) (Object, error) {
	s := in.Canary.Spec.Service
	kind, route, err := routeOf(s)
	if err != nil {
		return Object{}, err
	}
	route["route"] = split(in)
	spec := map[string]any{kind: []any{route}}
	if !s.Delegation {
		spec["hosts"] = list(hosts(in.Canary))
		spec["gateways"] = list(gateways(s))
	}
	return object(r.version.WithKind("VirtualService"), in.Canary.ApexName(), in.Canary, s.Apex, spec), nil
}

// split names both sides at every weight. A weight of zero is written out, as Istio's own JSON would not:
// people, and whoever compares objects, shall see that it was chosen.
func split(in Input) []any {
	weight := in.Traffic.Weight
	return []any{
		share(in.Canary, in.Canary.PrimaryName(), 100-weight),
		share(in.Canary, in.Canary.CanaryName(), weight),
	}
}

// share is one side's part of the requests. With more than one port Istio keeps the port that was asked,
// which at a gateway is the gateway's own and none of the Service's, so there it has to be named.
func share(c *v1beta1.Canary, host string, weight int) any {
	s := c.Spec.Service
	destination := map[string]any{"host": host}
	if s.PortDiscovery && (s.Delegation || outside(s)) {
		destination["port"] = map[string]any{"number": int64(s.Port)}
	}
	return map[string]any{"destination": destination, "weight": int64(weight)}
}

// hosts always has the apex itself, unless every host is asked for.
func hosts(c *v1beta1.Canary) []string {
	asked := c.Spec.Service.Hosts
	if slices.Contains(asked, "*") || slices.Contains(asked, c.ApexName()) {
		return asked
	}
	return append(slices.Clone(asked), c.ApexName())
}

// gateways spells out what Istio would assume, for people who list VirtualServices.
func gateways(s v1beta1.CanaryService) []string {
	if len(s.Gateways) == 0 {
		return []string{mesh}
	}
	return s.Gateways
}

// outside says that requests come in through a gateway at the edge.
func outside(s v1beta1.CanaryService) bool {
	return slices.ContainsFunc(gateways(s), func(g string) bool { return g != mesh })
}

func tcp(s v1beta1.CanaryService) bool { return strings.EqualFold(s.AppProtocol, "tcp") }

func list(texts []string) []any {
	l := make([]any, len(texts))
	for i, t := range texts {
		l[i] = t
	}
	return l
}

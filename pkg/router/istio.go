package router

import (
	"slices"
	"strings"

	api "istio.io/api/networking/v1alpha3"
	networking "istio.io/client-go/pkg/apis/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
)

// mesh is Istio's word for all sidecars, as opposed to the gateways at the edge.
const mesh = "mesh"

// istio renders a VirtualService under the apex's name, and a DestinationRule for each side's Service.
// Lists of a VirtualService are applied as a whole, so that a route somebody adds by hand does not stay.
//
// https://istio.io/latest/docs/reference/config/networking/virtual-service/
type istio struct{ version schema.GroupVersion }

func newIstio(o Options) (Router, rollout.Capabilities, error) {
	gv, err := pick(o, "istio", "networking.istio.io", "v1", "v1beta1")
	if err != nil {
		return nil, 0, err
	}
	return istio{version: gv}, rollout.Weighted | rollout.Mirrored | rollout.Matched | rollout.MatchedWeighted | rollout.Sticky, nil
}

func (r istio) Writes() []schema.GroupVersionKind {
	return []schema.GroupVersionKind{
		r.version.WithKind("DestinationRule"),
		r.version.WithKind("VirtualService"),
	}
}

// Reads the user's own routes. All that a generated one says is in the Canary.
func (r istio) Reads(c *v1beta1.Canary) []Ref { return r.own().reads(c) }

func (r istio) own() own {
	return own{provider: "istio", versions: map[string]schema.GroupVersion{"VirtualService": r.version}}
}

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
	rules := []runtime.ApplyConfiguration{primary, canary}
	if r.own().asked(in.Canary) {
		// The rules are ours in any case: a traffic policy goes with the Services, whoever writes the routes.
		routes, err := r.own().render(in)
		return append(rules, routes...), err
	}
	service, err := r.service(in)
	if err != nil {
		return nil, err
	}
	return append(rules, service), nil
}

// rule gives one side's Service the traffic policy. It is rendered without a policy as well, since what a
// Canary generates is known by name to dashboards and scripts.
// https://istio.io/latest/docs/reference/config/networking/destination-rule/
func (r istio) rule(c *v1beta1.Canary, host string) (Object, error) {
	var s settings
	rule := &networking.DestinationRule{TypeMeta: r.typed("DestinationRule"), ObjectMeta: metadata(host, c, nil)}
	rule.Spec.Host = host
	rule.Spec.TrafficPolicy = setting[api.TrafficPolicy](&s, "trafficPolicy", c.Spec.Service.TrafficPolicy)
	if s.err != nil {
		return Object{}, s.err
	}
	return applied(rule, s.given)
}

func (r istio) typed(kind string) metav1.TypeMeta {
	return metav1.TypeMeta{APIVersion: r.version.String(), Kind: kind}
}

// service renders the VirtualService. A delegate is found by its name, so it has no hosts or gateways:
// those are on the VirtualService that delegates to it.
func (r istio) service(in Input) (Object, error) {
	s := in.Canary.Spec.Service
	v := &networking.VirtualService{TypeMeta: r.typed("VirtualService"), ObjectMeta: metadata(in.Canary.ApexName(), in.Canary, s.Apex)}
	if !s.Delegation {
		v.Spec.Hosts, v.Spec.Gateways = hosts(in.Canary), gateways(s)
	}
	var given []map[string]any
	var err error
	if tcp(s) {
		v.Spec.Tcp, given, err = tcpRoutes(in)
	} else {
		v.Spec.Http, given, err = httpRoutes(in)
	}
	if err != nil {
		return Object{}, err
	}
	return appliedRoutes(v, given)
}

// hosts always has the apex itself, unless every host is asked for.
// Sidecars look for a route by the name that was asked, and that is the apex's.
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

// tcp says that connections are divided instead of requests: a TCP route cannot see what is in them.
func tcp(s v1beta1.CanaryService) bool { return strings.EqualFold(s.AppProtocol, "tcp") }

// list is of the type that unstructured objects hold; a []string in one makes a copy of it panic.
func list(texts []string) []any {
	l := make([]any, len(texts))
	for i, t := range texts {
		l[i] = t
	}
	return l
}

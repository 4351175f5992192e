package router

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"k8s.io/utils/ptr"
	gateway "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// A host belongs to whoever answers for it, and a route for it takes the requests. Users who may write no routes of a
// provider write Canaries, and the operator has its rights in all namespaces: whose a host is has to be looked at here.

// Claimant is a Router whose routes are for hosts, or at gateways, that the Canary names. Routes that are copied from an
// object of the user's claim nothing that this one has not.
type Claimant interface {
	// Claims are all hosts and gateways of the generated routes.
	Claims(c *v1beta1.Canary) []Claim
}

// Claim is one host or one gateway that a Canary has routes for.
type Claim struct {
	Field   string // of the spec
	Host    string // empty: it is a gateway
	Gateway string // NAMESPACE/NAME
	// Local says that a host without a dot is the Service of that name in the Canary's namespace. Elsewhere it is a host as
	// any other.
	Local bool
}

// Claims implements Claimant. The apex is among the hosts, and Deployments may have dots in their names.
func (r istio) Claims(c *v1beta1.Canary) []Claim {
	s := c.Spec.Service
	if r.own().asked(c) {
		return nil
	}
	var claims []Claim
	if !s.Delegation {
		claims = append(hostClaims(c), gatewayClaims(c, "spec.service.gateways", gateways(s))...)
	}
	lists := []preview{{"spec.service.match", s.Match}}
	if a := c.Spec.Analysis; a != nil {
		lists = append(lists, preview{"spec.analysis.match", a.Match})
		for _, p := range previews(a) {
			lists = append(lists, preview{"spec.analysis." + p.field, p.match})
		}
	}
	// Those of a match take the place of the route's.
	for _, list := range lists {
		for i, m := range list.match {
			claims = append(claims, gatewayClaims(c, fmt.Sprintf("%s[%d].gateways", list.field, i), m.Gateways)...)
		}
	}
	return claims
}

// Claims implements Claimant. A split is for the first host.
func (smi) Claims(c *v1beta1.Canary) []Claim { return hostClaims(c)[:1] }

// Claims implements Claimant. A route without hosts takes all that its gateways listen for.
func (r gatewayAPI) Claims(c *v1beta1.Canary) []Claim {
	if r.own().asked(c) {
		return nil
	}
	var claims []Claim
	for i, h := range c.Spec.Service.Hosts {
		claims = append(claims, Claim{Field: fmt.Sprintf("spec.service.hosts[%d]", i), Host: h})
	}
	for i, g := range c.Spec.Service.GatewayRefs {
		name := cmp.Or(g.Namespace, c.Namespace) + "/" + g.Name
		claims = append(claims, Claim{Field: fmt.Sprintf("spec.service.gatewayRefs[%d]", i), Gateway: name})
		service := g.Kind == "Service" && slices.Contains([]string{"", coreGroup}, ptr.Deref(g.Group, gateway.GroupName))
		if len(c.Spec.Service.Hosts) == 0 && !service {
			claims = append(claims, Claim{Field: "spec.service.hosts", Host: "*"})
		}
	}
	return claims
}

// hostClaims are the hosts of a mesh's route, with the apex.
func hostClaims(c *v1beta1.Canary) []Claim {
	var claims []Claim
	for i, h := range c.Spec.Service.Hosts {
		claims = append(claims, Claim{Field: fmt.Sprintf("spec.service.hosts[%d]", i), Host: h, Local: true})
	}
	apex := "spec.service.name"
	if c.Spec.Service.Name == "" {
		apex = "spec.targetRef.name"
	}
	return append(claims, Claim{Field: apex, Host: c.ApexName(), Local: true})
}

// gatewayClaims are gateways in Istio's ways to write them: NAMESPACE/NAME, ./NAME, NAME, and the older
// NAME.NAMESPACE.svc.cluster.local. The mesh is none: who may be asked there is a matter of hosts.
func gatewayClaims(c *v1beta1.Canary, field string, names []string) []Claim {
	var claims []Claim
	for i, name := range names {
		if name == mesh {
			continue
		}
		namespace, short, found := strings.Cut(name, "/")
		if !found {
			short, namespace, _ = strings.Cut(name, ".")
			namespace, _, _ = strings.Cut(namespace, ".")
		}
		if namespace == "" || namespace == "." {
			namespace = c.Namespace
		}
		claims = append(claims, Claim{Field: fmt.Sprintf("%s[%d]", field, i), Gateway: namespace + "/" + short})
	}
	return claims
}

// ServiceHost says which namespace the Services are in that a host stands for, in a cluster of the domain; `*` if they are in
// several. Certain is false of two words, the second of which may be a namespace or end a host of the world. A host that
// stands for no Service, or for one of whoever asks, has no namespace.
func ServiceHost(host, domain string) (namespace string, certain bool) {
	host = plainHost(host)
	// The second is what Services of several clusters have.
	for _, domain := range []string{plainHost(domain), "clusterset.local"} {
		// A beginning of the domain suffices: proxies know Services by these names too.
		for end := "svc." + domain; end != ""; end = end[:max(strings.LastIndex(end, "."), 0)] {
			wide, ok := strings.CutPrefix(host, "*.")
			if host == end || ok && strings.HasSuffix("."+end, "."+wide) {
				return "*", true
			}
			if name, ok := strings.CutSuffix(host, "."+end); ok {
				return name[strings.LastIndex(name, ".")+1:], true
			}
		}
	}
	if labels := strings.Split(host, "."); len(labels) == 2 {
		return labels[1], false
	}
	return "", true
}

// Listed says whether a list of hosts has a host. *.example.com has all that end in .example.com, and * has every host.
func Listed(list []string, host string) bool {
	host = plainHost(host)
	return slices.ContainsFunc(list, func(entry string) bool {
		entry = plainHost(entry)
		if entry == "*" || entry == host {
			return true
		}
		end, wide := strings.CutPrefix(entry, "*")
		return wide && strings.HasPrefix(end, ".") && strings.HasSuffix(host, end)
	})
}

// GatewayListed says whether a list of gateways, NAMESPACE/NAME or NAMESPACE/*, has one.
func GatewayListed(list []string, name string) bool {
	namespace, _, _ := strings.Cut(name, "/")
	return slices.Contains(list, name) || slices.Contains(list, namespace+"/*")
}

// plainHost is a host as it is compared: case means nothing in it, nor does a dot at its end.
func plainHost(host string) string { return strings.ToLower(strings.TrimSuffix(host, ".")) }

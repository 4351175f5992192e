package router

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
)

// linkerd renders a route of the Gateway API whose parent is the apex Service: the proxies beside those who ask divide
// by it. Before Linkerd knew the Gateway API, and where that is not installed, it is a TrafficSplit.
//
// https://linkerd.io/2/reference/httproute/
type linkerd struct{ gatewayAPI }

// coreGroup is Linkerd's word for the group of a Service, whose own name is empty. Its statuses have it.
const coreGroup = "core"

func newLinkerd(o Options) (Router, rollout.Capabilities, error) {
	for _, version := range []string{"v1", "v1beta1"} {
		if r, _, err := newGatewayAPI("linkerd", version)(o); err == nil {
			// Its proxies neither copy requests nor set headers by which a user could be known again.
			return linkerd{r.(gatewayAPI)}, rollout.Weighted | rollout.Matched | rollout.MatchedWeighted, nil
		}
	}
	for _, version := range []string{"v1alpha1", "v1alpha2", "v1alpha3"} {
		if r, can, err := newSMI(version)(o); err == nil {
			return r, can, nil
		}
	}
	return nil, 0, &NotServedError{Provider: "linkerd", Group: "gateway.networking.k8s.io"}
}

// Render attaches the route to the apex unless the spec says what else. Filters that Linkerd's proxies do not have are
// refused: a route with one of them answers every request with an error.
func (r linkerd) Render(in Input) ([]runtime.ApplyConfiguration, error) {
	s := in.Canary.Spec.Service
	if err := refuse("is not supported by Linkerd; leave it out, or do it at the gateway", []asked{
		{"spec.service.rewrite", s.Rewrite != nil},
		{"spec.service.corsPolicy", s.CorsPolicy != nil},
		{"spec.service.mirror", len(s.Mirror) > 0},
	}); err != nil {
		return nil, err
	}
	if len(s.GatewayRefs) == 0 && !r.own().asked(in.Canary) {
		// What is rendered from is not ours to change.
		in.Canary = in.Canary.DeepCopy()
		group := coreGroup
		in.Canary.Spec.Service.GatewayRefs = []v1beta1.GatewayRef{{
			Group: &group, Kind: "Service", Name: in.Canary.ApexName(), Namespace: in.Canary.Namespace, Port: &s.Port,
		}}
	}
	return r.gatewayAPI.Render(in)
}

// Accepted takes both names of the group for the same, since a route can have one and its status the other.
func (r linkerd) Accepted(live []*unstructured.Unstructured) (ok bool, reason string) {
	same := make([]*unstructured.Unstructured, len(live))
	for i, u := range live {
		same[i] = u.DeepCopy() // it is the cache's own
		refs, _, _ := unstructured.NestedFieldNoCopy(same[i].Object, "spec", "parentRefs")
		entries, _ := refs.([]any)
		for _, ref := range entries {
			regroup(ref)
		}
		said, _, _ := unstructured.NestedFieldNoCopy(same[i].Object, "status", "parents")
		parents, _ := said.([]any)
		for _, p := range parents {
			m, _ := p.(map[string]any)
			regroup(m["parentRef"])
		}
	}
	return r.gatewayAPI.Accepted(same)
}

// regroup changes an entry of a copy: Accepted has one of its own of each route.
func regroup(ref any) {
	if m, ok := ref.(map[string]any); ok && m["group"] == coreGroup {
		m["group"] = ""
	}
}

package router_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
	"github.com/sluice-cd/sluice/pkg/router"
	"github.com/sluice-cd/sluice/pkg/router/routertest"
)

func TestServiceHost(t *testing.T) {
	for host, want := range map[string]struct {
		reason    string
		namespace string
		uncertain bool
	}{
		"bank.example.com":                    {reason: "a host of the world"},
		"web":                                 {reason: "a Service of whoever asks"},
		"*":                                   {reason: "all hosts: Istio lets no mesh have it, and of a gateway a list tells whose they are"},
		"web.team-b.svc":                      {namespace: "team-b", reason: "a Service"},
		"web.team-b.svc.cluster.local":        {namespace: "team-b", reason: "the same in full"},
		"WEB.Team-B.svc.Cluster.Local.":       {namespace: "team-b", reason: "in another spelling"},
		"pod.web.team-b.svc.cluster.local":    {namespace: "team-b", reason: "a pod of a headless Service"},
		"web.team-b.svc.cluster":              {namespace: "team-b", reason: "what Envoy is told of it besides"},
		"web.team-b.svc.clusterset.local":     {namespace: "team-b", reason: "of several clusters"},
		"*.team-b.svc.cluster.local":          {namespace: "team-b", reason: "all of a namespace"},
		"*.svc.cluster.local":                 {namespace: "*", reason: "all Services"},
		"*.cluster.local":                     {namespace: "*", reason: "all Services and more"},
		"*.local":                             {namespace: "*", reason: "all Services and still more"},
		"*.svc":                               {namespace: "*", reason: "all Services in short"},
		"svc.cluster.local":                   {namespace: "*", reason: "what all of them end in"},
		"web.team-b":                          {namespace: "team-b", uncertain: true, reason: "a Service, if there is such a namespace"},
		"*.team-b":                            {namespace: "team-b", uncertain: true, reason: "all of it"},
		"example.com":                         {namespace: "com", uncertain: true, reason: "no Service, if there is no such namespace"},
		"api.svc.example.com":                 {reason: "a host of the world whose owner likes the word"},
		"web.team-b.svc.cluster.local.bad.io": {reason: "a host of the world that looks like a Service"},
	} {
		namespace, certain := router.ServiceHost(host, "cluster.local")
		require.Equal(t, want.namespace, namespace, "%s: %s", host, want.reason)
		require.Equal(t, !want.uncertain, certain, "%s: %s", host, want.reason)
	}
}

func TestListed(t *testing.T) {
	list := []string{"shop.example.com", "*.team-a.example.com", ""}
	for host, want := range map[string]bool{
		"shop.example.com": true, "Shop.Example.com.": true, "a.team-a.example.com": true, "*.team-a.example.com": true, "*.x.team-a.example.com": true,
		"team-a.example.com": false, "x.shop.example.com": false, "bank.example.com": false, "evilteam-a.example.com": false, "*": false, "*.example.com": false,
	} {
		require.Equal(t, want, router.Listed(list, host), host)
	}
	require.True(t, router.Listed([]string{"*"}, "*"))
	require.False(t, router.Listed(nil, ""))
	require.True(t, router.GatewayListed([]string{"istio-system/public"}, "istio-system/public"))
	require.True(t, router.GatewayListed([]string{"istio-system/*"}, "istio-system/public"))
	require.False(t, router.GatewayListed([]string{"istio-system/public", "other/*", "*"}, "istio-system/private"))
}

func TestClaims(t *testing.T) {
	service := ""
	for name, tc := range map[string]struct {
		reason   string
		provider string
		change   func(*v1beta1.Canary)
		want     []router.Claim
	}{
		"Mesh": {
			reason:   "sidecars find a route by the apex's name as well",
			provider: "istio",
			change:   func(c *v1beta1.Canary) { c.Spec.Service.Hosts = []string{"web.team-b"} },
			want: []router.Claim{
				{Field: "spec.service.hosts[0]", Host: "web.team-b", Local: true}, {Field: "spec.targetRef.name", Host: "podinfo", Local: true},
			},
		},
		"DottedTarget": {
			reason:   "a Deployment may be called like another namespace's Service",
			provider: "istio",
			change:   func(c *v1beta1.Canary) { c.Spec.TargetRef.Name = "web.team-b" },
			want:     []router.Claim{{Field: "spec.targetRef.name", Host: "web.team-b", Local: true}},
		},
		"Gateways": {
			reason:   "all of Istio's ways to name one, in the route and in its matches",
			provider: "istio",
			change: func(c *v1beta1.Canary) {
				c.Spec.Service.Name = "web"
				c.Spec.Service.Gateways = []string{"mesh", "own", "./own", "edge/public", "public.edge", "public.edge.svc.cluster.local"}
				c.Spec.Service.Match = []v1beta1.HTTPMatchRequest{{Gateways: []string{"edge/other"}}}
				c.Spec.Analysis = &v1beta1.CanaryAnalysis{Match: []v1beta1.HTTPMatchRequest{{}, {Gateways: []string{"edge/tested"}}}}
			},
			want: []router.Claim{
				{Field: "spec.service.name", Host: "web", Local: true},
				{Field: "spec.service.gateways[1]", Gateway: "test/own"},
				{Field: "spec.service.gateways[2]", Gateway: "test/own"},
				{Field: "spec.service.gateways[3]", Gateway: "edge/public"},
				{Field: "spec.service.gateways[4]", Gateway: "edge/public"},
				{Field: "spec.service.gateways[5]", Gateway: "edge/public"},
				{Field: "spec.service.match[0].gateways[0]", Gateway: "edge/other"},
				{Field: "spec.analysis.match[1].gateways[0]", Gateway: "edge/tested"},
			},
		},
		"Delegate": {
			reason:   "hosts and gateways are another's",
			provider: "istio",
			change:   func(c *v1beta1.Canary) { c.Spec.Service.Delegation, c.Spec.Service.Hosts = true, []string{"x.y"} },
		},
		"HTTPRoute": {
			reason:   "no name is short for anything",
			provider: "gatewayapi",
			change: func(c *v1beta1.Canary) {
				c.Spec.Service.Hosts = []string{"shop"}
				c.Spec.Service.GatewayRefs = []v1beta1.GatewayRef{{Name: "public", Namespace: "edge"}}
			},
			want: []router.Claim{{Field: "spec.service.hosts[0]", Host: "shop"}, {Field: "spec.service.gatewayRefs[0]", Gateway: "edge/public"}},
		},
		"AllHosts": {
			reason:   "a route without hosts has all of its gateway's",
			provider: "gatewayapi",
			change: func(c *v1beta1.Canary) {
				c.Spec.Service.GatewayRefs = []v1beta1.GatewayRef{{Name: "public"}}
			},
			want: []router.Claim{{Field: "spec.service.gatewayRefs[0]", Gateway: "test/public"}, {Field: "spec.service.hosts", Host: "*"}},
		},
		"MeshOfGatewayAPI": {
			reason:   "at a Service there are no hosts",
			provider: "gatewayapi",
			change: func(c *v1beta1.Canary) {
				c.Spec.Service.GatewayRefs = []v1beta1.GatewayRef{{Group: &service, Kind: "Service", Name: "web"}}
			},
			want: []router.Claim{{Field: "spec.service.gatewayRefs[0]", Gateway: "test/web"}},
		},
		"Split": {
			reason:   "the first host is what is divided",
			provider: "smi:v1alpha2",
			change:   func(c *v1beta1.Canary) { c.Spec.Service.Hosts = []string{"web.team-b", "x"} },
			want:     []router.Claim{{Field: "spec.service.hosts[0]", Host: "web.team-b", Local: true}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			r, _, err := router.New(tc.provider, allServed())
			require.NoError(t, err)
			c := podinfo(nil)
			tc.change(c)
			require.Equal(t, tc.want, r.(router.Claimant).Claims(c), tc.reason)
		})
	}
}

// TestHostsAreClaimed renders a host with every provider: one that has it in its routes has to say so.
func TestHostsAreClaimed(t *testing.T) {
	const host, gateway = "bank.example.com", "edge-of-others"
	claimants := 0
	for _, family := range []string{"apisix", "contour", "gatewayapi", "gloo", "istio", "kuma", "linkerd", "nginx", "skipper", "smi", "traefik"} {
		t.Run(family, func(t *testing.T) {
			c, rest := routertest.Example(t, family+"/canary.yaml")
			c.Spec.Service.Hosts = []string{host}
			c.Spec.Service.Gateways = nil
			if family == "istio" {
				c.Spec.Service.Gateways = []string{"edge/" + gateway}
			}
			c.Spec.Service.GatewayRefs = []v1beta1.GatewayRef{{Name: gateway, Namespace: "edge"}}
			for _, r := range routersOf(t, c.Spec.Provider) {
				in := router.Input{Canary: c, Traffic: rollout.Traffic{Weight: 10}, Read: map[router.Ref]*unstructured.Unstructured{}}
				for _, o := range rest {
					in.Read[router.Ref{GroupVersionKind: o.GroupVersionKind(), Namespace: o.GetNamespace(), Name: o.GetName()}] = o
				}
				objects, err := r.Render(in)
				require.NoError(t, err)
				text, err := json.Marshal(objects)
				require.NoError(t, err)
				claimed := ""
				if k, ok := r.(router.Claimant); ok {
					claimants++
					for _, claim := range k.Claims(c) {
						claimed += claim.Host + " " + claim.Gateway + " "
					}
				}
				for _, what := range []string{host, gateway} {
					require.Equal(t, strings.Contains(string(text), what), strings.Contains(claimed, what), "%s in %s", what, text)
				}
			}
		})
	}
	require.GreaterOrEqual(t, claimants, 4)
}

package desired

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/kube"
	"github.com/sluice-cd/sluice/pkg/router"
	"github.com/sluice-cd/sluice/pkg/workload"
)

// users is an object of a user's, called podinfo in namespace test, of what is written as YAML.
func users(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	u := &unstructured.Unstructured{}
	raw, err := yaml.YAMLToJSON([]byte(text))
	require.NoError(t, err)
	require.NoError(t, u.UnmarshalJSON(raw))
	u.SetNamespace("test")
	u.SetName("podinfo")
	return u
}

func takenOver(t *testing.T, c *v1beta1.Canary, rendered, live *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	t.Helper()
	o := Objects{Apply: []kube.Chain{kube.Links(router.Object{Unstructured: rendered})}}
	gvk := live.GroupVersionKind()
	name := v1beta1.MadeObject{Group: gvk.Group, Kind: gvk.Kind, Name: live.GetName()}
	if err := o.Adopt(&Facts{Canary: c, Adopted: map[v1beta1.MadeObject]workload.Object{name: live}}); err != nil {
		return nil, err
	}
	return o.Apply[0][0].Object.(router.Object).Unstructured, nil
}

func adopting() *v1beta1.Canary {
	c := &v1beta1.Canary{ObjectMeta: metav1.ObjectMeta{Namespace: "test", Name: "podinfo"}}
	c.Spec.TargetRef.Name, c.Spec.Service.Port = "podinfo", 9898
	return c
}

// TestAdopt takes over a route of the user's, applies that, and gives it back.
func TestAdopt(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		reason   string
		users    string
		rendered string
		want     string // the spec while it is taken over
		edited   string // the spec as somebody makes it meanwhile; empty: as want
		back     string // the spec that it is given back with; empty: that of users
	}{
		"VirtualService": {
			reason: "rules of others come before ours, those about the Canary are noted",
			users: `{apiVersion: networking.istio.io/v1, kind: VirtualService, spec: {hosts: [shop], http: [
				{match: [{uri: {prefix: /admin}}], route: [{destination: {host: admin}}]},
				{route: [{destination: {host: podinfo.test.svc.cluster.local}}]},
				{match: [{uri: {prefix: /old}}], redirect: {uri: /new}},
				{route: [{destination: {host: podinfo.other}}]}]}}`,
			rendered: `{apiVersion: networking.istio.io/v1, kind: VirtualService, spec: {hosts: [podinfo], http: [{route: [{destination: {host: podinfo-primary}, weight: 100}]}]}}`,
			want: `{hosts: [podinfo], http: [
				{match: [{uri: {prefix: /admin}}], route: [{destination: {host: admin}}]},
				{match: [{uri: {prefix: /old}}], redirect: {uri: /new}},
				{route: [{destination: {host: podinfo.other}}]},
				{route: [{destination: {host: podinfo-primary}, weight: 100}]}]}`,
		},
		"Edited": {
			reason:   "a rule that is added meanwhile stays",
			users:    `{apiVersion: networking.istio.io/v1, kind: VirtualService, spec: {http: [{route: [{destination: {host: podinfo}}]}]}}`,
			rendered: `{apiVersion: networking.istio.io/v1, kind: VirtualService, spec: {http: [{route: [{destination: {host: podinfo-primary}}]}]}}`,
			want:     `{http: [{route: [{destination: {host: podinfo-primary}}]}]}`,
			edited:   `{http: [{route: [{destination: {host: admin}}]}, {route: [{destination: {host: podinfo-primary}}]}]}`,
			back:     `{http: [{route: [{destination: {host: admin}}]}, {route: [{destination: {host: podinfo}}]}]}`,
		},
		"AnotherControllers": {
			reason: "what it had before another controller took it over is given back",
			users: `{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {annotations: {
				flagger.kubernetes.io/original-configuration: '{"hosts":["shop"],"http":[{"route":[{"destination":{"host":"podinfo"}}]}]}'}},
				spec: {hosts: [podinfo], http: [{route: [{destination: {host: podinfo-primary}, weight: 100}, {destination: {host: podinfo-canary}, weight: 0}]}]}}`,
			rendered: `{apiVersion: networking.istio.io/v1, kind: VirtualService, spec: {http: [{route: [{destination: {host: podinfo-primary}}]}]}}`,
			want:     `{http: [{route: [{destination: {host: podinfo-primary}}]}]}`,
			back:     `{hosts: [shop], http: [{route: [{destination: {host: podinfo}}]}]}`,
		},
		"AnotherControllersByKubectl": {
			reason: "or what kubectl has applied, which is newer",
			users: `{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {annotations: {
				kubectl.kubernetes.io/last-applied-configuration: '{"kind":"VirtualService","spec":{"hosts":["shop"]}}'}},
				spec: {http: [{route: [{destination: {host: podinfo-primary}, weight: 100}]}]}}`,
			rendered: `{apiVersion: networking.istio.io/v1, kind: VirtualService, spec: {http: [{route: [{destination: {host: podinfo-primary}}]}]}}`,
			want:     `{http: [{route: [{destination: {host: podinfo-primary}}]}]}`,
			back:     `{hosts: [shop]}`,
		},
		"HTTPRoute": {
			reason: "the name of a rule, and what a match names, are no destinations",
			users: `{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, spec: {rules: [
				{name: podinfo, matches: [{headers: [{name: podinfo, value: x}]}], backendRefs: [{name: admin, port: 80}]},
				{backendRefs: [{name: podinfo, port: 9898}]}]}}`,
			rendered: `{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, spec: {rules: [{backendRefs: [{name: podinfo-primary}]}]}}`,
			want: `{rules: [{name: podinfo, matches: [{headers: [{name: podinfo, value: x}]}], backendRefs: [{name: admin, port: 80}]},
				{backendRefs: [{name: podinfo-primary}]}]}`,
		},
		"HTTPProxy": {
			reason:   "the same of Contour's",
			users:    `{apiVersion: projectcontour.io/v1, kind: HTTPProxy, spec: {routes: [{conditions: [{prefix: /admin}], services: [{name: admin, port: 80}]}, {services: [{name: podinfo, port: 80}]}]}}`,
			rendered: `{apiVersion: projectcontour.io/v1, kind: HTTPProxy, spec: {routes: [{services: [{name: podinfo-primary}]}]}}`,
			want:     `{routes: [{conditions: [{prefix: /admin}], services: [{name: admin, port: 80}]}, {services: [{name: podinfo-primary}]}]}`,
		},
		"RouteTable": {
			reason: "the same of Gloo's, by the names of Upstreams",
			users: `{apiVersion: gateway.solo.io/v1, kind: RouteTable, spec: {routes: [
				{routeAction: {single: {upstream: {name: test-admin-80}}}}, {routeAction: {single: {upstream: {name: test-podinfo-9898}}}}]}}`,
			rendered: `{apiVersion: gateway.solo.io/v1, kind: RouteTable, spec: {routes: [{routeAction: {single: {upstream: {name: test-podinfo-primaryupstream-9898}}}}]}}`,
			want: `{routes: [{routeAction: {single: {upstream: {name: test-admin-80}}}},
				{routeAction: {single: {upstream: {name: test-podinfo-primaryupstream-9898}}}}]}`,
		},
		"TraefikService": {
			reason:   "what has no rules is ours as a whole",
			users:    `{apiVersion: traefik.io/v1alpha1, kind: TraefikService, spec: {weighted: {services: [{name: podinfo, port: 80}]}}}`,
			rendered: `{apiVersion: traefik.io/v1alpha1, kind: TraefikService, spec: {weighted: {services: [{name: podinfo-primary}]}}}`,
			want:     `{weighted: {services: [{name: podinfo-primary}]}}`,
		},
		"Service": {
			reason:   "of a Service only selector and ports",
			users:    `{apiVersion: v1, kind: Service, metadata: {labels: {team: web}}, spec: {type: NodePort, selector: {app: mine}, ports: [{port: 80, protocol: TCP}]}}`,
			rendered: `{apiVersion: v1, kind: Service, metadata: {labels: {app: podinfo}}, spec: {type: ClusterIP, selector: {app: podinfo}, ports: [{name: http, port: 9898, protocol: TCP}]}}`,
			want:     `{selector: {app: podinfo}, ports: [{name: http, port: 9898, protocol: TCP}, {name: port-80, port: 80, protocol: TCP}]}`,
			back:     `{selector: {app: mine}, ports: [{port: 80, protocol: TCP}]}`,
		},
		"AnotherControllersSplit": {
			reason: "of what has no rules kubectl tells what it had before another controller took it over",
			users: `{apiVersion: split.smi-spec.io/v1alpha2, kind: TrafficSplit, metadata: {annotations: {
				kubectl.kubernetes.io/last-applied-configuration: '{"spec":{"service":"podinfo","backends":[{"service":"podinfo-v1","weight":100}]}}'}},
				spec: {service: podinfo, backends: [{service: podinfo-canary, weight: 0}, {service: podinfo-primary, weight: 100}]}}`,
			rendered: `{apiVersion: split.smi-spec.io/v1alpha2, kind: TrafficSplit, spec: {service: podinfo, backends: [{service: podinfo-primary, weight: 100}]}}`,
			want:     `{service: podinfo, backends: [{service: podinfo-primary, weight: 100}]}`,
			back:     `{service: podinfo, backends: [{service: podinfo-v1, weight: 100}]}`,
		},
		"AnotherControllersScaler": {
			reason: "the same of an autoscaler",
			users: `{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {annotations: {
				kubectl.kubernetes.io/last-applied-configuration: '{"spec":{"maxReplicas":9,"scaleTargetRef":{"kind":"Deployment","name":"elsewhere"}}}'}},
				spec: {maxReplicas: 4, scaleTargetRef: {kind: Deployment, name: podinfo-primary}}}`,
			rendered: `{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, spec: {maxReplicas: 4, scaleTargetRef: {kind: Deployment, name: podinfo-primary}}}`,
			want:     `{maxReplicas: 4, scaleTargetRef: {kind: Deployment, name: podinfo-primary}}`,
			back:     `{maxReplicas: 9, scaleTargetRef: {kind: Deployment, name: elsewhere}}`,
		},
		"AnotherControllersService": {
			reason: "and of a Service of a side, by what it selects",
			users: `{apiVersion: v1, kind: Service, metadata: {annotations: {
				kubectl.kubernetes.io/last-applied-configuration: '{"spec":{"type":"NodePort","selector":{"app":"mine"},"ports":[{"port":80}]}}'}},
				spec: {selector: {app: podinfo-primary}, ports: [{name: http, port: 9898, protocol: TCP}]}}`,
			rendered: `{apiVersion: v1, kind: Service, spec: {selector: {app: podinfo-primary, tier: web}, ports: [{name: http, port: 9898, protocol: TCP}]}}`,
			want:     `{selector: {app: podinfo-primary, tier: web}, ports: [{name: http, port: 9898, protocol: TCP}]}`,
			back:     `{selector: {app: mine}, ports: [{port: 80}]}`,
		},
		"OwnRule": {
			reason: "a rule for the primary is about that from the beginning",
			users: `{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {annotations: {
				kubectl.kubernetes.io/last-applied-configuration: '{"spec":{"host":"podinfo-primary"}}'}}, spec: {host: podinfo-primary, trafficPolicy: {tls: {mode: DISABLE}}}}`,
			rendered: `{apiVersion: networking.istio.io/v1, kind: DestinationRule, spec: {host: podinfo-primary}}`,
			want:     `{host: podinfo-primary}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, live, rendered := adopting(), users(t, tc.users), users(t, tc.rendered)
			rendered.SetOwnerReferences([]metav1.OwnerReference{c.OwnerReference()})
			took, err := takenOver(t, c, rendered, live)
			require.NoError(t, err)
			require.Empty(t, took.GetOwnerReferences(), "it does not go with the Canary")
			require.Equal(t, users(t, "{kind: x, spec: "+tc.want+"}").Object["spec"], took.Object["spec"], tc.reason)

			again, err := takenOver(t, c, rendered, took)
			require.NoError(t, err)
			require.Equal(t, took.Object, again.Object, "it stays as it is")
			if tc.edited != "" {
				again.Object["spec"] = users(t, "{kind: x, spec: "+tc.edited+"}").Object["spec"]
			}
			back, err := Original(c, again)
			require.NoError(t, err)
			want := live.Object["spec"]
			if tc.back != "" {
				want = users(t, "{kind: x, spec: "+tc.back+"}").Object["spec"]
			}
			require.Equal(t, want, back.(router.Object).Object["spec"])
			require.Empty(t, back.(router.Object).GetAnnotations())
		})
	}
}

func TestAdoptIsBounded(t *testing.T) {
	t.Parallel()
	live := users(t, `{apiVersion: traefik.io/v1alpha1, kind: TraefikService, spec: {text: `+strings.Repeat("x", mostNote)+`}}`)
	_, err := takenOver(t, adopting(), users(t, `{apiVersion: traefik.io/v1alpha1, kind: TraefikService, spec: {}}`), live)
	require.ErrorContains(t, err, "spec.service: TraefikService podinfo was there before, and is too large to be taken over")
}

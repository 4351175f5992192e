package router_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
	"github.com/sluice-cd/sluice/pkg/router"
	"github.com/sluice-cd/sluice/pkg/router/routertest"
)

func newLinkerd(t *testing.T) router.Router {
	t.Helper()
	return build(t, "linkerd", rollout.Weighted|rollout.Matched|rollout.MatchedWeighted, "gateway.networking.k8s.io/v1")
}

func TestLinkerdGolden(t *testing.T) {
	routertest.Golden(t, "testdata/linkerd", "linkerd", *update, gatewaySchemas(t))
}

func TestLinkerdContract(t *testing.T) {
	routertest.Contract(t, newLinkerd(t), podinfo(nil), gatewayWeights)
}

func TestLinkerdRequests(t *testing.T) {
	routertest.Requests(t, newLinkerd(t), podinfo(nil), rollout.Weighted|rollout.Matched|rollout.MatchedWeighted, askGateway)
}

func TestLinkerdTakesWhatThereIs(t *testing.T) {
	cases := map[string]struct {
		reason string
		served []string
		can    rollout.Capabilities
		writes string
	}{
		"Both":  {reason: "the newest", served: []string{"gateway.networking.k8s.io/v1beta1", "gateway.networking.k8s.io/v1"}, can: rollout.Weighted | rollout.Matched | rollout.MatchedWeighted, writes: "gateway.networking.k8s.io/v1, Kind=HTTPRoute"},
		"Older": {reason: "else the one before", served: []string{"gateway.networking.k8s.io/v1beta1"}, can: rollout.Weighted | rollout.Matched | rollout.MatchedWeighted, writes: "gateway.networking.k8s.io/v1beta1, Kind=HTTPRoute"},
		"SMI":   {reason: "before that there were splits, which do not tell requests apart", served: []string{"split.smi-spec.io/v1alpha1"}, can: rollout.Weighted, writes: "split.smi-spec.io/v1alpha1, Kind=TrafficSplit"},
		"First": {reason: "with both the Gateway API is what Linkerd goes on with", served: []string{"split.smi-spec.io/v1alpha1", "gateway.networking.k8s.io/v1"}, can: rollout.Weighted | rollout.Matched | rollout.MatchedWeighted, writes: "gateway.networking.k8s.io/v1, Kind=HTTPRoute"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tc.writes, build(t, "linkerd", tc.can, tc.served...).Writes()[0].String(), tc.reason)
		})
	}
}

func TestLinkerdRefuses(t *testing.T) {
	cases := map[string]struct {
		reason, field string
		change        func(*v1beta1.CanaryService)
	}{
		"Rewrite": {reason: "its proxies do not rewrite", field: "spec.service.rewrite", change: func(s *v1beta1.CanaryService) { s.Rewrite = &v1beta1.HTTPRewrite{URI: "/"} }},
		"CORS":    {reason: "nor answer browsers", field: "spec.service.corsPolicy", change: func(s *v1beta1.CanaryService) { s.CorsPolicy = &v1beta1.CorsPolicy{} }},
		"Mirror":  {reason: "nor copy requests", field: "spec.service.mirror", change: func(s *v1beta1.CanaryService) { s.Mirror = []v1beta1.HTTPRequestMirror{{}} }},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			refuses(t, newLinkerd(t), input(podinfo(tc.change)), rollout.InvalidError{Field: tc.field, Problem: "is not supported by Linkerd"}, tc.reason)
		})
	}
}

func TestLinkerdAccepted(t *testing.T) {
	live := func(spec, status, accepted string) *unstructured.Unstructured {
		return parse(t, `{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {name: podinfo, namespace: test, generation: 2},
			spec: {parentRefs: [{group: `+spec+`, kind: Service, name: podinfo, port: 9898}]},
			status: {parents: [{controllerName: linkerd.io/policy-controller, parentRef: {group: `+status+`, kind: Service, name: podinfo, namespace: test, port: 9898}, conditions: [
				{type: Accepted, status: "`+accepted+`", reason: NoMatchingParent, message: "", observedGeneration: 2},
				{type: ResolvedRefs, status: "True", reason: ResolvedRefs, message: "", observedGeneration: 2}]}]}}`)
	}
	cases := map[string]struct {
		reason                 string
		spec, status, accepted string
		want                   bool
	}{
		"Same":     {reason: "the parent has answered", spec: "core", status: "core", accepted: "True", want: true},
		"TwoNames": {reason: "under whichever name of the group", spec: `""`, status: "core", accepted: "True", want: true},
		"Refused":  {reason: "what it refuses is not in effect", spec: "core", status: `""`, accepted: "False"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			u := live(tc.spec, tc.status, tc.accepted)
			before := u.DeepCopy()
			ok, reason := newLinkerd(t).(router.Prober).Accepted([]*unstructured.Unstructured{u})
			require.Equal(t, tc.want, ok, "%s: %s", tc.reason, reason)
			require.Equal(t, before, u, "what the cache holds is not written to")
		})
	}
}

package router_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/sluice-cd/sluice/pkg/rollout"
	"github.com/sluice-cd/sluice/pkg/router"
	"github.com/sluice-cd/sluice/pkg/router/routertest"
)

func TestNew(t *testing.T) {
	cases := map[string]struct {
		reason   string
		name     string
		versions []string
		writes   []string
		err      string
	}{
		"IstioNewest": {
			reason:   "of two versions the cluster's newest is rendered, wherever it stands in the list",
			name:     "istio",
			versions: []string{"apps/v1", "networking.istio.io/v1beta1", "networking.istio.io/v1"},
			writes:   []string{"networking.istio.io/v1, Kind=DestinationRule", "networking.istio.io/v1, Kind=VirtualService"},
		},
		"IstioOlder": {
			reason:   "a cluster that serves v1beta1 alone gets that",
			name:     "istio",
			versions: []string{"networking.istio.io/v1beta1"},
			writes:   []string{"networking.istio.io/v1beta1, Kind=DestinationRule", "networking.istio.io/v1beta1, Kind=VirtualService"},
		},
		"IstioMissing": {
			reason:   "without Istio's resources no route could ever be written",
			name:     "istio",
			versions: []string{"apps/v1"},
			err:      `provider "istio": the cluster does not serve networking.istio.io, install its custom resources`,
		},
		"Kubernetes": {reason: "Services need nothing that a cluster might lack", name: "kubernetes"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			r, _, err := router.New(tc.name, router.Options{APIVersions: tc.versions})
			if tc.err != "" {
				require.EqualError(t, err, tc.err, tc.reason)
				return
			}
			require.NoError(t, err, tc.reason)
			var writes []string
			for _, gvk := range r.Writes() {
				writes = append(writes, gvk.String())
			}
			require.Equal(t, tc.writes, writes, tc.reason)
			require.Empty(t, r.Reads(podinfo(nil)), "neither provider copies anything of the user's")
		})
	}
}

func TestNewUnknown(t *testing.T) {
	cases := map[string]struct{ reason, name, want string }{
		"Typo":    {reason: "a name nobody knows is never a default", name: "itsio", want: `spec.provider: "itsio" is not a known provider, known are: `},
		"Empty":   {reason: "neither is no name", want: `spec.provider: "" is not a known provider, known are: `},
		"Prefix":  {reason: "nor the beginning of one", name: "smi", want: `spec.provider: "smi" is not a known provider`},
		"Known":   {reason: "those that are known are told", name: "itsio", want: "istio, knative, kubernetes, kuma, linkerd, nginx, skipper, smi:v1alpha1"},
		"AppMesh": {reason: "what has ended is refused with a way out", name: "appmesh", want: `spec.provider: "appmesh" is not supported: AWS App Mesh has reached its end of life; move to one of istio, linkerd`},
		"AppMesh2": {
			reason: "under its second name as well", name: "appmesh:v1beta2",
			want: `spec.provider: "appmesh:v1beta2" is not supported: AWS App Mesh has reached its end of life`,
		},
		"OSM": {reason: "and so is the other one", name: "osm", want: `spec.provider: "osm" is not supported: Open Service Mesh has reached its end of life`},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			_, _, err := router.New(tc.name, router.Options{})
			require.ErrorContains(t, err, tc.want, tc.reason)
			require.ErrorAs(t, err, new(*rollout.InvalidError), "it stays until the spec changes")
		})
	}
}

func TestNewErrorsCanBeToldApart(t *testing.T) {
	_, _, err := router.New("istio", router.Options{})
	var absent *router.NotServedError
	require.ErrorAs(t, err, &absent, "this passes when the resources are installed")
	var invalid *rollout.InvalidError
	require.NotErrorAs(t, err, &invalid, "the spec is not at fault")

	_, _, err = router.New("osm", router.Options{})
	require.ErrorAs(t, err, &invalid, "this stays until the spec changes")
}

func TestKubernetesRendersNothing(t *testing.T) {
	r, can, err := router.New("kubernetes", router.Options{})
	require.NoError(t, err)
	require.Zero(t, can, "Services move all requests or none")
	routertest.Contract(t, r, podinfo(nil), nil)
	objects, err := r.Render(router.Input{Canary: podinfo(nil)})
	require.NoError(t, err)
	require.Empty(t, objects, "the apex Service is the route")
}

// The validation that golden files rely on must itself be able to fail.
func TestSchemasFindProblems(t *testing.T) {
	cases := map[string]struct {
		reason string
		spoil  func(spec map[string]any)
		want   string
	}{
		"Sound":      {reason: "what the router renders is sound", spoil: func(map[string]any) {}},
		"Unknown":    {reason: "a field that Istio lacks would be dropped", spoil: func(s map[string]any) { s["tcpp"] = []any{} }, want: "spec.tcpp: unknown field"},
		"WrongType":  {reason: "a value of the wrong type is refused", spoil: func(s map[string]any) { s["hosts"] = "podinfo" }, want: `spec.hosts: Invalid value: "string"`},
		"BrokenRule": {reason: "so is one that a rule of the schema is against", spoil: func(s map[string]any) { route(s)["timeout"] = "0.1us" }, want: "must be a valid duration greater than 1ms"},
	}
	schemas := istioSchemas(t)
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			applied, err := newIstio(t).Render(router.Input{Canary: podinfo(nil)})
			require.NoError(t, err)
			service := routertest.Objects(t, applied)[2]
			tc.spoil(service.Object["spec"].(map[string]any))
			problems := schemas.Problems(t, service)
			if tc.want == "" {
				require.Empty(t, problems, tc.reason)
				return
			}
			require.NotEmpty(t, problems, tc.reason)
			require.Contains(t, problems[0], tc.want, tc.reason)
		})
	}
}

func route(spec map[string]any) map[string]any {
	routes, _, _ := unstructured.NestedFieldNoCopy(spec, "http")
	return routes.([]any)[0].(map[string]any)
}

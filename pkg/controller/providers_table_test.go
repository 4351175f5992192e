package controller

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// provider is what a test has to know of one: where its custom resources are, an example that is complete, and how
// to read the shares of its route.
type provider struct {
	crds    func(t *testing.T) string
	example string
	api     string
	kind    string
	name    func(ns string) string
	shares  func(u *unstructured.Unstructured) (primary, canary string)
	// answer plays the provider's controller, where one reports.
	answer func(w *world, u *unstructured.Unstructured)
	// foreign is a field of the route that we do not set; it stays as somebody else has set it.
	foreign []string
	// sources are further kinds of the user's own objects that the route is made from.
	sources []string
}

func testdata(provider string) func(*testing.T) string {
	return func(*testing.T) string { return "../router/testdata/" + provider + "/crd.yaml" }
}

func gatewayCRDs(t *testing.T) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "sigs.k8s.io/gateway-api").Output()
	require.NoError(t, err)
	return filepath.Join(strings.TrimSpace(string(out)), "config/crd/standard/gateway.networking.k8s.io_httproutes.yaml")
}

func routeNamed(name string) func(string) string { return func(string) string { return name } }

// percents reads weights off the first list of backends; where one of them is missing it gets nothing.
func percents(field string, path ...string) func(*unstructured.Unstructured) (string, string) {
	return func(u *unstructured.Unstructured) (primary, canary string) {
		primary, canary = "0", "0"
		for _, backend := range inside(u.Object, path...) {
			text, _ := json.Marshal(backend)
			weight := fmt.Sprint(backend.(map[string]any)[field])
			switch {
			case bytes.Contains(text, []byte("podinfo-primary")):
				primary = weight
			case bytes.Contains(text, []byte("podinfo-canary")):
				canary = weight
			}
		}
		return primary, canary
	}
}

// inside follows a path, through the first entry of every list on its way.
func inside(from any, path ...string) []any {
	if list, ok := from.([]any); ok {
		if len(path) == 0 {
			return list
		}
		from = list[0]
	}
	m, _ := from.(map[string]any)
	if len(path) == 0 || m == nil {
		return nil
	}
	return inside(m[path[0]], path[1:]...)
}

func annotated(pattern string) func(*unstructured.Unstructured) (string, string) {
	return func(u *unstructured.Unstructured) (primary, canary string) {
		text, _ := json.Marshal(u.GetAnnotations())
		found := regexp.MustCompile(pattern).FindSubmatch(bytes.ReplaceAll(text, []byte(`\"`), []byte(`"`)))
		if found == nil {
			return "?", "?"
		}
		canary = string(found[1])
		if len(found) > 2 {
			return string(found[2]), canary
		}
		var n int
		_, _ = fmt.Sscan(canary, &n)
		return fmt.Sprint(100 - n), canary
	}
}

// accepted answers as a parent does that takes the route.
func accepted(w *world, u *unstructured.Unstructured) {
	w.Helper()
	parent := inside(u.Object, "spec", "parentRefs")[0]
	var conditions []any
	for _, kind := range []string{"Accepted", "ResolvedRefs"} {
		conditions = append(conditions, map[string]any{
			"type": kind, "status": "True", "reason": kind, "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z", "observedGeneration": u.GetGeneration(),
		})
	}
	said := []any{map[string]any{"controllerName": "linkerd.io/policy-controller", "parentRef": parent, "conditions": conditions}}
	before := u.DeepCopy()
	require.NoError(w, unstructured.SetNestedSlice(u.Object, said, "status", "parents"))
	require.NoError(w, client.IgnoreNotFound(w.Status().Patch(w.Context(), u, client.MergeFrom(before))))
}

// providers are those that rollouts of a Deployment go by. Istio and the Gateway API have tests of their own.
func providers() map[string]provider {
	return map[string]provider{
		"Traefik": {
			crds: testdata("traefik"), example: "traefik/canary.yaml", api: "traefik.io/v1alpha1", kind: "TraefikService",
			name: routeNamed("podinfo"), shares: percents("weight", "spec", "weighted", "services"),
			foreign: []string{"spec", "weighted", "sticky", "cookie", "name"},
		},
		"Contour": {
			crds: testdata("contour"), example: "contour/canary.yaml", api: "projectcontour.io/v1", kind: "HTTPProxy",
			name: routeNamed("podinfo"), shares: percents("weight", "spec", "routes", "services"),
			foreign: []string{"spec", "ingressClassName"},
		},
		"SMI": {
			crds: testdata("smi"), example: "smi/canary.yaml", api: "split.smi-spec.io/v1alpha2", kind: "TrafficSplit",
			name: routeNamed("podinfo"), shares: percents("weight", "spec", "backends"),
		},
		"Kuma": {
			crds: testdata("kuma"), example: "kuma/canary.yaml", api: "kuma.io/v1alpha1", kind: "TrafficRoute",
			name: func(ns string) string { return "podinfo." + ns }, shares: percents("weight", "spec", "conf", "split"),
		},
		"Linkerd": {
			crds: gatewayCRDs, example: "linkerd/canary.yaml", api: "gateway.networking.k8s.io/v1", kind: "HTTPRoute",
			name: routeNamed("podinfo"), shares: percents("weight", "spec", "rules", "backendRefs"), answer: accepted,
		},
		"Nginx": {
			example: "nginx/canary.yaml", api: "networking.k8s.io/v1", kind: "Ingress",
			name: routeNamed("podinfo-canary"), shares: annotated(`canary-weight":"(\d+)"`),
		},
		"Skipper": {
			example: "skipper/canary.yaml", api: "networking.k8s.io/v1", kind: "Ingress",
			name: routeNamed("podinfo-canary"), shares: annotated(`podinfo-canary":(\d+),"podinfo-primary":(\d+)`),
		},
		"Apisix": {
			crds: testdata("apisix"), example: "apisix/canary.yaml", api: "apisix.apache.org/v2", kind: "ApisixRoute",
			name: routeNamed("podinfo-podinfo-canary"), shares: percents("weight", "spec", "http", "backends"),
			foreign: []string{"spec", "ingressClassName"},
		},
	}
}

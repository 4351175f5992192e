package router_test

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utiljson "k8s.io/apimachinery/pkg/util/json"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
	"github.com/sluice-cd/sluice/pkg/router"
	"github.com/sluice-cd/sluice/pkg/router/routertest"
)

// FuzzRender renders specs that compile, beside objects of the user's that look like anything, with every provider. A tenant
// writes both: what ends in a panic ends the operator of all.
func FuzzRender(f *testing.F) {
	files, err := filepath.Glob("../../artifacts/examples/*/*.yaml")
	require.NoError(f, err)
	for _, file := range files {
		c, rest := routertest.Example(f, strings.TrimPrefix(filepath.ToSlash(file), "../../artifacts/examples/"))
		spec, err := json.Marshal(c.Spec)
		require.NoError(f, err)
		f.Add(spec, []byte(`{}`), uint8(30))
		for _, o := range rest {
			read, err := json.Marshal(o.Object)
			require.NoError(f, err)
			f.Add(spec, read, uint8(100))
		}
	}
	providers := []string{"apisix", "contour", "gatewayapi", "gatewayapi:v1beta1", "gloo", "istio", "knative", "kuma", "linkerd", "nginx", "skipper", "smi:v1alpha2", "traefik"}
	f.Fuzz(func(t *testing.T, spec, read []byte, weight uint8) {
		c := podinfo(nil)
		if json.Unmarshal(spec, &c.Spec) != nil {
			return
		}
		object := map[string]any{}
		if utiljson.Unmarshal(read, &object) != nil || object == nil {
			return
		}
		for _, provider := range providers {
			r, can, err := router.New(provider, allServed())
			require.NoError(t, err)
			renderAll(c.DeepCopy(), r, can, object, int(weight)%101)
		}
	})
}

// renderAll does with a router what a pass does. What it refuses is an answer as well.
func renderAll(c *v1beta1.Canary, r router.Router, can rollout.Capabilities, object map[string]any, weight int) {
	if _, err := rollout.Compile(c.Spec, can); err != nil {
		return
	}
	if k, ok := r.(router.Claimant); ok {
		for _, claim := range k.Claims(c) {
			router.ServiceHost(claim.Host, "cluster.local")
		}
	}
	read := &unstructured.Unstructured{Object: object}
	in := router.Input{Canary: c, Revision: "r1", Read: map[router.Ref]*unstructured.Unstructured{}}
	for _, ref := range r.Reads(c) {
		in.Read[ref] = read
	}
	a := c.Spec.Analysis
	for _, leaving := range []bool{false, true} {
		in.Leaving = leaving
		in.Traffic = rollout.Traffic{Weight: weight}
		_, _ = r.Render(in)
		in.Traffic.Matched, in.Traffic.Preview = a != nil && len(a.Match) > 0, a != nil && len(a.PreviewMatch) > 0
		in.Traffic.Mirror = weight
		_, _ = r.Render(in)
		in.Traffic.Preview, in.Traffic.PreviewOf = true, 1
		_, _ = r.Render(in)
	}
	if p, ok := r.(router.Prober); ok {
		p.Accepted([]*unstructured.Unstructured{read})
	}
}

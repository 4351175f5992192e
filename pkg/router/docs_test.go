package router_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
	"github.com/sluice-cd/sluice/pkg/router"
	"github.com/sluice-cd/sluice/pkg/router/routertest"
)

// allServed is a cluster with what the routes of all providers are made of.
func allServed() router.Options {
	return router.Options{APIVersions: []string{
		"networking.istio.io/v1", "gateway.networking.k8s.io/v1", "gateway.networking.k8s.io/v1beta1", "traefik.io/v1alpha1", "projectcontour.io/v1",
		"split.smi-spec.io/v1alpha1", "split.smi-spec.io/v1alpha2", "split.smi-spec.io/v1alpha3", "kuma.io/v1alpha1", "apisix.apache.org/v2",
		"gloo.solo.io/v1", "gateway.solo.io/v1", "serving.knative.dev/v1",
	}}
}

// Every example can be followed by its provider, with the objects that are in its file, and none of its fields is one
// that the provider has no use for.
func TestExamples(t *testing.T) {
	files, err := filepath.Glob("../../artifacts/examples/*/*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		name := strings.TrimPrefix(filepath.ToSlash(file), "../../artifacts/examples/")
		t.Run(name, func(t *testing.T) {
			c, rest := routertest.Example(t, name)
			folder, _, _ := strings.Cut(name, "/")
			require.True(t, strings.HasPrefix(c.Spec.Provider, folder), "the provider is named, and is the folder's")
			r, can, err := router.New(c.Spec.Provider, allServed())
			require.NoError(t, err)
			plan, err := rollout.Compile(c.Spec, can)
			require.NoError(t, err)
			require.Empty(t, plan.Remarks, "what is asked for is what is done")
			require.Empty(t, router.Ignored(c.Spec.Provider, r, c))
			in := router.Input{Canary: c, Revision: "podinfo-00002", Read: map[router.Ref]*unstructured.Unstructured{}}
			in.Traffic.Weight = 30
			for _, o := range rest {
				if folder == "knative" { // as the operator marks it first
					o.SetAnnotations(map[string]string{v1beta1.PrimaryRevisionAnnotation: "podinfo-00001"})
				}
				in.Read[router.Ref{GroupVersionKind: o.GroupVersionKind(), Namespace: o.GetNamespace(), Name: o.GetName()}] = o
			}
			routes, err := r.Render(in)
			require.NoError(t, err)
			require.Equal(t, folder == "kubernetes", len(routes) == 0)
		})
	}
}

// TestDocumentedProviders compares the table of providers with what they say of themselves.
func TestDocumentedProviders(t *testing.T) {
	text, err := os.ReadFile("../../docs/providers/README.md")
	require.NoError(t, err)
	seen := 0
	for _, row := range regexp.MustCompile(`(?m)^\| \[([^\]]+)\]\(\w+\.md\) \|(.+)\|$`).FindAllStringSubmatch(string(text), -1) {
		cells := strings.Split(row[2], "|") // what is divided, weights, A/B and insiders, mirror, affinity, what is waited for
		require.Len(t, cells, 6, row[0])
		family := ""
		for name := range strings.SplitSeq(row[1], ", ") {
			if strings.Contains(name, ":") {
				family, _, _ = strings.Cut(name, ":")
			} else if family != "" {
				name = family + ":" + name
			}
			seen++
			r, can, err := router.New(name, allServed())
			require.NoError(t, err)
			for i, need := range []rollout.Capabilities{rollout.Weighted, rollout.Matched, rollout.Mirrored, rollout.Sticky} {
				cell := strings.TrimSpace(cells[i+1])
				require.Equal(t, can.Has(need), cell != "no" && !strings.HasPrefix(cell, "all or nothing"), "%s: %s", name, cell)
			}
			_, reports := r.(router.Prober)
			require.Equal(t, reports, strings.Contains(cells[5], "its status"), name)
		}
	}
	require.Equal(t, 16, seen, "all but gatewayapi, which is short for its v1")
}

// TestDocumentedOrder compares the order of detection: with all APIs served the first is found, without that the next.
func TestDocumentedOrder(t *testing.T) {
	text, err := os.ReadFile("../../docs/providers/README.md")
	require.NoError(t, err)
	served := append([]string{"policy.linkerd.io/v1alpha1"}, allServed().APIVersions...)
	order := regexp.MustCompile("`([a-z0-9.-]+)` \\((\\w+)\\)").FindAllStringSubmatch(string(text), -1)
	require.Len(t, order, 9)
	for _, next := range order {
		found, why := router.Detect(served)
		family, _, _ := strings.Cut(found, ":")
		require.Equal(t, next[2], family, why)
		require.Contains(t, why, next[1])
		served = slices.DeleteFunc(served, func(api string) bool { return strings.HasPrefix(api, next[1]+"/") })
	}
	last, _ := router.Detect(served)
	require.Equal(t, "kubernetes", last)
}

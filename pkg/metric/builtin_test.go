package metric

import (
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/promql/parser"
	"github.com/stretchr/testify/require"
)

// families are all whose series are read, by one provider each.
func families() map[string]string {
	return map[string]string{
		"apisix": "apisix", "appmesh": "appmesh:v1beta2", "contour": "contour", "gloo": "gloo", "http": "kubernetes",
		"istio": "istio", "knative": "knative", "kuma": "kuma", "linkerd": "linkerd", "nginx": "nginx", "osm": "osm",
		"skipper": "skipper", "traefik": "traefik",
	}
}

// TestBuiltinParses has Prometheus' own parser read every query as it is sent.
func TestBuiltinParses(t *testing.T) {
	p := parser.NewParser(parser.Options{})
	for family, provider := range families() {
		for _, name := range []string{SuccessRate, Duration} {
			t.Run(family+"/"+name, func(t *testing.T) {
				text, err := Builtin(provider, name)
				require.NoError(t, err)
				query, err := Render(text, podinfo())
				require.NoError(t, err)
				expr, err := p.ParseExpr(query)
				require.NoError(t, err, query)
				require.Equal(t, parser.ValueTypeVector, expr.Type(), "An element with the number in it.")
				looksBack(t, expr)
			})
		}
	}
}

// looksBack makes sure that the query reads series that are restricted, over the metric's own interval.
func looksBack(t *testing.T, expr parser.Expr) {
	t.Helper()
	back := 0
	parser.Inspect(expr, func(n parser.Node, _ []parser.Node) error {
		switch n := n.(type) {
		case *parser.MatrixSelector:
			back++
			require.Equal(t, time.Minute, n.Range)
		case *parser.VectorSelector:
			// The name of the series is a matcher too.
			require.Greater(t, len(n.LabelMatchers), 1, "Not everybody's requests.")
			if n.OriginalOffset != 0 {
				back++
				require.Equal(t, time.Minute, n.OriginalOffset)
			}
		}
		return nil
	})
	require.Positive(t, back)
}

// TestBuiltinIsComplete finds files that no provider leads to.
func TestBuiltinIsComplete(t *testing.T) {
	files, err := fs.Glob(builtin, "builtin/*.promql")
	require.NoError(t, err)
	p := parser.NewParser(parser.Options{})
	for _, file := range files {
		family, _, _ := strings.Cut(strings.TrimPrefix(file, "builtin/"), "_")
		require.Contains(t, families(), family, file)
		text, err := builtin.ReadFile(file)
		require.NoError(t, err)
		query, err := Render(string(text), podinfo())
		require.NoError(t, err, file)
		_, err = p.ParseExpr(query)
		require.NoError(t, err, file)
	}
}

func TestFamilies(t *testing.T) {
	for _, tc := range []struct{ reason, provider, want string }{
		{"a version says nothing of who measures", "gatewayapi:v1", "http"},
		{"a version says nothing of who measures", "gatewayapi:v1beta1", "http"},
		{"without one it is the same provider", "gatewayapi", "http"},
		{"the application measures where nobody else does", "kubernetes", "http"},
		{"traffic splits are made by a mesh that is not named", "smi:v1alpha1", "istio"},
		{"traffic splits are made by a mesh that is not named", "smi:v1alpha3", "istio"},
		{"it has two APIs", "appmesh", "appmesh"},
		{"it has two APIs", "appmesh:v1beta2", "appmesh"},
	} {
		got, known := familyOf(tc.provider)
		require.True(t, known, tc.reason)
		require.Equal(t, tc.want, got, tc.reason)
	}
}

func TestSkipperWritesNamesItsWay(t *testing.T) {
	v := podinfo()
	v.Namespace, v.Ingress = "my-shop", "front.door"
	for _, name := range []string{SuccessRate, Duration} {
		text, err := Builtin("skipper", name)
		require.NoError(t, err)
		got, err := Render(text, v)
		require.NoError(t, err)
		require.Contains(t, got, `route=~"kube(ew)?_my_shop__front_door_canary__.*__podinfo_svc_canary(_[0-9]+)?"`,
			"Its routes have no characters but letters, digits and underscores.")
	}
}

func TestWord(t *testing.T) {
	for given, want := range map[string]string{"a-b.c": "a_b_c", "a_b": "a_b", "Ab9": "Ab9", "": "", "é": "_"} {
		require.Equal(t, want, word(given), "%q", given)
	}
}

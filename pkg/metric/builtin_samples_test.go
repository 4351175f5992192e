package metric

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestBuiltinSamplesRefuses(t *testing.T) {
	_, err := BuiltinSamples("isto", SuccessRate)
	require.ErrorContains(t, err, `provider "isto"`, "No provider is ever taken for another.")
	_, err = BuiltinSamples("istio", "latency")
	require.ErrorContains(t, err, `no built-in metric "latency" to compare`, "The error names the metric.")
}

func TestExact(t *testing.T) {
	cases := map[string]struct{ reason, query, want string }{
		"Selector": {"What is counted is a difference.", `sum(increase(a_total{x=~"b{2}"}[{{ interval }}])) by (le)`, `sum(((a_total{x=~"b{2}"} - a_total{x=~"b{2}"} offset {{ interval }}) >= 0 or a_total{x=~"b{2}"})) by (le)`},
		"Name":     {"Without labels, too, and with other spaces.", `increase(a:b_total[{{interval}}])`, `((a:b_total - a:b_total offset {{ interval }}) >= 0 or a:b_total)`},
		"Two":      {"Each by itself.", `increase(a{}[{{ interval }}]) or increase(b{}[{{ interval }}])`, `((a{} - a{} offset {{ interval }}) >= 0 or a{}) or ((b{} - b{} offset {{ interval }}) >= 0 or b{})`},
		"Fixed":    {"Another range is what the user wants.", `increase(a{}[5m])`, `increase(a{}[5m])`},
		"Rate":     {"A rate is no count.", `rate(a{}[{{ interval }}])`, `rate(a{}[{{ interval }}])`},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) { require.Equal(t, tc.want, Exact(tc.query), tc.reason) })
	}
	require.Equal(t, "s", BoundUnit("kubernetes"))
	require.Equal(t, "ms", BoundUnit("istio"))
}

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

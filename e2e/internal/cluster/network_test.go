package cluster

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestCaptureRule reads off the rule what the kernel would do with a connection of a pod's to a Service.
func TestCaptureRule(t *testing.T) {
	cases := map[string]struct {
		reason, port string
		want         bool
	}{
		"Web":        {reason: "the port at which most Services are", port: "80", want: true},
		"Podinfo":    {reason: "the port of the examples", port: "9898", want: true},
		"Any":        {reason: "a port that nobody has thought of", port: "3000", want: true},
		"DNS":        {reason: "names are looked up before the mesh is there", port: "53"},
		"API":        {reason: "the API server is nobody's to judge", port: "443"},
		"Prometheus": {reason: "who counts is not counted", port: "9090"},
		"Istiod":     {reason: "the mesh hears from it", port: istiodAddress[strings.LastIndex(istiodAddress, ":")+1:]},
	}
	rule := captureRule()
	at := slices.Index(rule, "--dports")
	require.Equal(t, "!", rule[at-1], "what is listed is left alone")
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, c.want, !slices.Contains(strings.Split(rule[at+1], ","), c.port), c.reason)
		})
	}
	require.Contains(t, rule, podRange, "only what pods send")
	require.Contains(t, rule, captureMark, "it has to be found again")
}

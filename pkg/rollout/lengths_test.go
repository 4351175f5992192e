package rollout

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// TestLengths has lists at their bound, which are followed, and one entry more, which is refused by its field.
func TestLengths(t *testing.T) {
	matches := func(n int) []v1beta1.HTTPMatchRequest { return make([]v1beta1.HTTPMatchRequest, n) }
	cases := map[string]struct {
		most int
		set  func(s *v1beta1.CanarySpec, n int)
	}{
		"spec.analysis.iterations":   {mostIterations, func(s *v1beta1.CanarySpec, n int) { s.Analysis.Iterations = n }},
		"spec.analysis.stepWeights":  {mostEntries, func(s *v1beta1.CanarySpec, n int) { s.Analysis.StepWeights = make([]int, n) }},
		"spec.analysis.metrics":      {mostChecks, func(s *v1beta1.CanarySpec, n int) { s.Analysis.Metrics = make([]v1beta1.CanaryMetric, n) }},
		"spec.analysis.webhooks":     {mostChecks, func(s *v1beta1.CanarySpec, n int) { s.Analysis.Webhooks = make([]v1beta1.CanaryWebhook, n) }},
		"spec.analysis.alerts":       {mostChecks, func(s *v1beta1.CanarySpec, n int) { s.Analysis.Alerts = make([]v1beta1.CanaryAlert, n) }},
		"spec.analysis.match":        {mostEntries, func(s *v1beta1.CanarySpec, n int) { s.Analysis.Match = matches(n) }},
		"spec.analysis.previewMatch": {mostEntries, func(s *v1beta1.CanarySpec, n int) { s.Analysis.PreviewMatch = matches(n) }},
		"spec.service.match":         {mostEntries, func(s *v1beta1.CanarySpec, n int) { s.Service.Match = matches(n) }},
		"spec.service.hosts":         {mostEntries, func(s *v1beta1.CanarySpec, n int) { s.Service.Hosts = make([]string, n) }},
		"spec.service.gateways":      {mostEntries, func(s *v1beta1.CanarySpec, n int) { s.Service.Gateways = make([]string, n) }},
		"spec.service.gatewayRefs":   {mostEntries, func(s *v1beta1.CanarySpec, n int) { s.Service.GatewayRefs = make([]v1beta1.GatewayRef, n) }},
		"spec.service.routeRefs":     {mostEntries, func(s *v1beta1.CanarySpec, n int) { s.Service.RouteRefs = make([]v1beta1.OwnRoute, n) }},
		"spec.service.mirror":        {mostEntries, func(s *v1beta1.CanarySpec, n int) { s.Service.Mirror = make([]v1beta1.HTTPRequestMirror, n) }},
		"spec.service.backends":      {mostEntries, func(s *v1beta1.CanarySpec, n int) { s.Service.Backends = make([]string, n) }},
	}
	for field, tc := range cases {
		t.Run(field, func(t *testing.T) {
			for extra, refused := range []bool{false, true} {
				spec := v1beta1.CanarySpec{Analysis: &v1beta1.CanaryAnalysis{}}
				tc.set(&spec, tc.most+extra)
				err := validateLengths(spec, 0)
				if !refused {
					require.NoError(t, err, "A spec may go up to its bound.")
					continue
				}
				require.ErrorContains(t, err, field+": ", "Beyond it a slip of the pen would cost every pass.")
				require.ErrorContains(t, err, "are too many")
			}
		})
	}
}

func TestLongNames(t *testing.T) {
	spec := v1beta1.CanarySpec{Analysis: &v1beta1.CanaryAnalysis{Metrics: []v1beta1.CanaryMetric{{Name: strings.Repeat("n", mostName)}}}}
	require.NoError(t, validateLengths(spec, 0))
	spec.Analysis.Metrics[0].Name += "n"
	require.EqualError(t, validateLengths(spec, 0), "spec.analysis.metrics[0].name: has 257 bytes, at most 256 are possible")
}

// TestMatchesMultiplied took 2.4 GiB to render.
func TestMatchesMultiplied(t *testing.T) {
	spec := v1beta1.CanarySpec{Analysis: &v1beta1.CanaryAnalysis{}}
	spec.Service.Match = make([]v1beta1.HTTPMatchRequest, 32)
	spec.Analysis.Match = make([]v1beta1.HTTPMatchRequest, 32)
	require.NoError(t, validateLengths(spec, 0))
	spec.Analysis.Match = make([]v1beta1.HTTPMatchRequest, 33)
	require.EqualError(t, validateLengths(spec, 0),
		"spec.analysis.match: 33 by 32 of spec.service.match are too many, at most 1024 combinations are possible")
	spec.Analysis.PreviewMatch, spec.Analysis.Match = spec.Analysis.Match, nil
	require.ErrorContains(t, validateLengths(spec, 0), "spec.analysis.previewMatch: ", "A preview is multiplied as well.")
}

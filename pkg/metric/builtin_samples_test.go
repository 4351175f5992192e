package metric

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestBuiltinSamples(t *testing.T) {
	istio := `reporter="destination", destination_workload_namespace="test", destination_workload=~"podinfo"`
	pods := `kubernetes_namespace="test", kubernetes_pod_name=~"podinfo-[0-9a-zA-Z]+(-[0-9a-zA-Z]+)"`
	cases := map[string]struct {
		reason, provider, metric, want string
	}{
		"IstioDuration": {
			reason:   "The whole histogram.",
			provider: "istio",
			metric:   Duration,
			want:     `sum(increase(istio_request_duration_milliseconds_bucket{ ` + istio + ` }[1m])) by (le)`,
		},
		"KubernetesSuccess": {
			reason:   "The same of the application's own series.",
			provider: "kubernetes",
			metric:   SuccessRate,
			want: `label_replace(sum(increase(http_request_duration_seconds_count{ ` + pods + `, status!~"5.*" }[1m])), "count", "success", "", "") or ` +
				`label_replace(sum(increase(http_request_duration_seconds_count{ ` + pods + ` }[1m])), "count", "total", "", "")`,
		},
		"GatewayDuration": {
			reason:   "A gateway's backends measure for themselves; the unit is the same for both sides.",
			provider: "gatewayapi:v1",
			metric:   Duration,
			want:     `sum(increase(http_request_duration_seconds_bucket{ ` + pods + ` }[1m])) by (le)`,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			text, err := BuiltinSamples(tc.provider, tc.metric)
			require.NoError(t, err, tc.reason)
			got, err := Render(text, podinfo())
			require.NoError(t, err, tc.reason)
			require.Equal(t, tc.want, strings.Join(strings.Fields(got), " "), tc.reason)
		})
	}
}

func TestBuiltinSamplesRefuses(t *testing.T) {
	_, err := BuiltinSamples("isto", SuccessRate)
	require.ErrorContains(t, err, `provider "isto"`, "No provider is ever taken for another.")
	_, err = BuiltinSamples("istio", "latency")
	require.ErrorContains(t, err, `no built-in metric "latency" to compare`, "The error names the metric.")
}

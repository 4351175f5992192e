package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-cd/sluice/pkg/analysis"
	"github.com/sluice-cd/sluice/pkg/metric/metrictest"
)

// measured is a Prometheus with ten minutes of a rollout, of which the last five were bad for the canary.
func measured(t *testing.T) string {
	const requests = `istio_requests_total{reporter="destination",destination_workload_namespace="test",response_flags="-",grpc_response_status="",`
	const buckets = `istio_request_duration_milliseconds_bucket{reporter="destination",destination_workload_namespace="test",destination_workload="podinfo",`
	return metrictest.Serve(t,
		requests+`destination_workload="podinfo",response_code="200"} 0+150x40`,
		requests+`destination_workload="podinfo",response_code="503"} 0x20 15+15x19`,
		requests+`destination_workload="podinfo-primary",response_code="200"} 0+1500x40`,
		requests+`destination_workload="podinfo-primary",response_code="503"} 0x40`,
		buckets+`le="100"} 0+150x20 3000x20`,
		buckets+`le="1000"} 0+150x40`,
		buckets+`le="+Inf"} 0+150x40`,
		`orders_total{shop="north",namespace="test"} 0+3x40`,
	)
}

// TestReplay asks about two times of one rollout, and holds what is printed to golden files.
func TestReplay(t *testing.T) {
	address := measured(t)
	for at, code := range map[string]int{"1970-01-01T00:05:00Z": 0, "1970-01-01T00:10:00Z": 1} {
		t.Run(at, func(t *testing.T) {
			args := []string{"simulate", "-f", "testdata/replay.yaml", "--replay", "--prometheus", address, "--at", at}
			got, table, stderr := called("", args...)
			require.Equal(t, code, got, table)
			require.Empty(t, stderr, "what was found is in the table")
			golden(t, filepath.Join("testdata", "replay-"+at[14:16]+"m.golden"), table)

			got, text, _ := called("", append(args, "-o", "json")...)
			require.Equal(t, code, got)
			var all []replayed
			require.NoError(t, json.Unmarshal([]byte(text), &all))
			require.Len(t, all, 1)
			require.Len(t, all[0].Metrics, 7)
			for _, m := range all[0].Metrics {
				require.Contains(t, table, m.Metric)
				require.Contains(t, table, m.Query)
				require.Contains(t, table, m.Why)
			}
			require.NotContains(t, text, "only-in-the-cluster")
		})
	}
}

// TestReplayUnanswered has a server that is away, says no, or does not end: the program ends with 1, and blames no metric.
func TestReplayUnanswered(t *testing.T) {
	servers := map[string]struct {
		answer http.HandlerFunc
		why    string
	}{
		"Refuses": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }, "403"},
		"Endless": {func(w http.ResponseWriter, r *http.Request) {
			for text := []byte(strings.Repeat(" ", 1<<16)); r.Context().Err() == nil; {
				if _, err := w.Write(text); err != nil {
					return
				}
			}
		}, "the answer is larger than"},
	}
	for name, tc := range servers {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(tc.answer)
			defer server.Close()
			address := strings.Replace(server.URL, "http://", "http://anna:secret@", 1)
			code, text, stderr := called("", "simulate", "-f", examples+"podinfo-canary.yaml", "--replay", "--prometheus", address, "-o", "json")
			require.Equal(t, 1, code, stderr)
			require.NotContains(t, text+stderr, "secret")
			var all []replayed
			require.NoError(t, json.Unmarshal([]byte(text), &all))
			for _, m := range all[0].Metrics {
				require.Equal(t, analysis.ReplayUnanswered, m.Result)
				require.Contains(t, m.Why, tc.why)
			}
		})
	}
}

func TestReplayFlags(t *testing.T) {
	cases := map[string]struct{ args, stderr string }{
		"NoServer":   {"--replay", "--prometheus is missing"},
		"NoURL":      {"--replay --prometheus prometheus:9090", "the address of --prometheus"},
		"NoTime":     {"--replay --prometheus http://p --at yesterday", "--at \"yesterday\" is no time"},
		"Future":     {"--replay --prometheus http://p --at 2999-01-01T00:00:00Z", "has not passed yet"},
		"Format":     {"--replay --prometheus http://p -o mermaid", "neither table nor json"},
		"With":       {"--replay --prometheus http://p --with good", "--with does nothing with --replay"},
		"WithoutIt":  {"--prometheus http://p", "--prometheus needs --replay"},
		"JSONOfPlay": {"-o json", "neither table nor mermaid"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			code, _, stderr := called("", append([]string{"simulate", "-f", examples + "podinfo-canary.yaml"}, strings.Fields(tc.args)...)...)
			require.Equal(t, 2, code)
			require.Contains(t, stderr, tc.stderr)
		})
	}
}

package systems

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-cd/sluice/pkg/analysis"
	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/metric"
)

// TestVictoriaMetrics asks a server that answers as Prometheus does, and whose language is like PromQL.
func TestVictoriaMetrics(t *testing.T) {
	port := free(t)
	path := program(t, "victoria-metrics", "Debian's package victoria-metrics")
	run(t, nil, path, "-storageDataPath="+t.TempDir(), fmt.Sprintf("-httpListenAddr=127.0.0.1:%d", port))
	get(t, local(port)+"/health")

	// Ten minutes ago, for a minute: what is older than half a minute the server takes as it is.
	began := time.Now().Add(-10 * time.Minute).Truncate(time.Second)
	var text strings.Builder
	write := func(second int, series string, value int) {
		fmt.Fprintf(&text, "%s %d %d\n", series, value, began.Add(time.Duration(second)*time.Second).UnixMilli())
	}
	for s := 0; s <= 60; s += 2 {
		write(s, `orders_total{pod="old"}`, 100+s)
		if s >= 40 {
			write(s, `orders_total{pod="new"}`, s-37)
		}
		if s < 40 {
			write(s, `orders_total{pod="restarted"}`, 50+s)
		} else {
			write(s, `orders_total{pod="restarted"}`, s-36)
		}
	}
	now := time.Now().Truncate(time.Second)
	for ago := 60; ago >= 0; ago-- {
		fmt.Fprintf(&text, "seconds %d %d\n", 60-ago, now.Add(-time.Duration(ago)*time.Second).UnixMilli())
	}
	post(t, local(port)+"/api/v1/import/prometheus", text.String())
	get(t, local(port)+"/internal/force_flush")

	p := provider(t, "prometheus", local(port))
	answers(t, p, map[string]answer{
		"Number":  {reason: "The address of a Prometheus may be one of VictoriaMetrics.", query: "vector(3)", want: 3},
		"Nothing": {reason: "Nothing was measured.", query: "nothing_total", none: true},
		"NaN":     {reason: "Nothing by nothing is left out there.", query: "vector(0) / vector(0)", none: true},
		"Mistake": {reason: "What is wrong with a query.", query: "sum(", err: "unexpected token"},
	})
	t.Run("Counts", func(t *testing.T) {
		query, err := metric.Render(metric.Exact("increase(orders_total[{{ interval }}])"), metric.Vars{Interval: "20s"})
		require.NoError(t, err)
		found, err := p.(metric.Sampler).Samples(t.Context(), query, began.Add(50*time.Second))
		require.NoError(t, err)
		counts := map[string]float64{}
		for _, s := range found {
			counts[s.Labels["pod"]] = s.Value
		}
		require.Equal(t, map[string]float64{"old": 20, "new": 13, "restarted": 14}, counts, "a comparison counts there as it does in a Prometheus")
	})
	t.Run("Replay", func(t *testing.T) {
		least := func(name, query string, limit float64) v1beta1.CanaryMetric {
			return v1beta1.CanaryMetric{Name: name, Query: query, Interval: "20s", ThresholdRange: &v1beta1.ThresholdRange{Min: &limit}}
		}
		c := &v1beta1.Canary{ObjectMeta: metav1.ObjectMeta{Name: "shop", Namespace: "test"}}
		c.Spec.TargetRef = v1beta1.TargetRef{Kind: "Deployment", Name: "old"}
		c.Spec.Analysis = &v1beta1.CanaryAnalysis{Metrics: []v1beta1.CanaryMetric{
			least("then", `orders_total{pod="{{ target }}"}`, 150), least("more", `orders_total{pod="{{ target }}"}`, 151), least("other", `orders_total{pod="{{ name }}"}`, 1),
		}}
		found := analysis.New(local(port), "istio").Replay(t.Context(), c, time.Minute, began.Add(50*time.Second))
		require.Len(t, found, 3)
		require.Equal(t, analysis.Replayed{Metric: "then", Result: analysis.ReplayPassed, Value: "150", Limit: ">= 150", Query: `orders_total{pod="old"}`}, found[0], "the value of that time")
		require.Equal(t, analysis.ReplayFailed, found[1].Result)
		require.Equal(t, "150", found[1].Value)
		require.Equal(t, analysis.ReplayFailed, found[2].Result)
		require.Contains(t, found[2].Why, "no values found")
	})
	t.Run("Time", func(t *testing.T) {
		found, err := p.(metric.Sampler).Samples(t.Context(), "seconds", now.Add(-15*time.Second))
		require.NoError(t, err)
		require.Len(t, found, 1)
		require.Equal(t, 45., found[0].Value, "a window ends so soon before it is asked about, and the next one begins there")
	})
}

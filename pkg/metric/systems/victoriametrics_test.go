package systems

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

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
	t.Run("Time", func(t *testing.T) {
		found, err := p.(metric.Sampler).Samples(t.Context(), "seconds", now.Add(-15*time.Second))
		require.NoError(t, err)
		require.Len(t, found, 1)
		require.Equal(t, 45., found[0].Value, "a window ends so soon before it is asked about, and the next one begins there")
	})
}

package systems

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-cd/sluice/pkg/metric"
)

// TestStatsD has applications send what they count instead of being asked for it: by StatsD to the exporter of the
// authors of Prometheus, which is scraped. A series begins there with the first event that is sent.
func TestStatsD(t *testing.T) {
	exporter, server := built(t, "statsd_exporter"), program(t, "victoria-metrics", "Debian's package victoria-metrics")
	told, exposed, port := free(t), free(t), free(t)
	run(t, nil, exporter, fmt.Sprintf("--web.listen-address=127.0.0.1:%d", exposed), fmt.Sprintf("--statsd.listen-udp=127.0.0.1:%d", told), "--statsd.listen-tcp=")
	get(t, local(exposed)+"/metrics")
	scraped := filepath.Join(t.TempDir(), "scrape.yaml")
	require.NoError(t, os.WriteFile(scraped, fmt.Appendf(nil, "scrape_configs: [{job_name: apps, scrape_interval: 1s, static_configs: [{targets: ['127.0.0.1:%d']}]}]", exposed), 0o600))
	run(t, nil, server, "-storageDataPath="+t.TempDir(), fmt.Sprintf("-httpListenAddr=127.0.0.1:%d", port), "-promscrape.config="+scraped, "-search.latencyOffset=1s")
	get(t, local(port)+"/health")

	c, err := net.Dial("udp", fmt.Sprintf("127.0.0.1:%d", told))
	require.NoError(t, err)
	defer c.Close()
	for pod := range 10 {
		_, err := fmt.Fprintf(c, "orders:99|c|#pod:%d,status:200\norders:1|c|#pod:%d,status:500\n", pod, pod)
		require.NoError(t, err)
	}
	template := metric.Exact(`sum(increase(orders{status=~"WHICH"}[{{ interval }}]))`)
	counts := func(which string) float64 {
		query, err := metric.Render(strings.ReplaceAll(template, "WHICH", which), metric.Vars{Interval: "600s"})
		require.NoError(t, err)
		v, err := provider(t, "prometheus", local(port)).Query(t.Context(), query)
		if err != nil {
			require.ErrorIs(t, err, metric.ErrNoData)
		}
		return v
	}
	require.Eventually(t, func() bool { return counts(".*") == 1000 }, patience, 100*time.Millisecond, "all is counted")
	require.Equal(t, 10., counts("5.."), "ten pods that failed once each failed ten times")
}

package systems

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"
)

// TestInfluxDB asks the last release that is built of Go alone, which answers Flux as later ones do.
func TestInfluxDB(t *testing.T) {
	path := built(t, "influxd")
	port, backup, dir := free(t), free(t), t.TempDir()
	run(t, []string{
		"INFLUXDB_REPORTING_DISABLED=true", "INFLUXDB_META_DIR=" + dir + "/meta", "INFLUXDB_DATA_DIR=" + dir + "/data",
		"INFLUXDB_DATA_WAL_DIR=" + dir + "/wal", fmt.Sprintf("INFLUXDB_BIND_ADDRESS=127.0.0.1:%d", backup),
		fmt.Sprintf("INFLUXDB_HTTP_BIND_ADDRESS=127.0.0.1:%d", port), "INFLUXDB_HTTP_FLUX_ENABLED=true", "INFLUXDB_MONITOR_STORE_ENABLED=false",
	}, path, "run", "-config", "/dev/null")
	get(t, local(port)+"/ping")
	post(t, local(port)+"/query?q="+url.QueryEscape("CREATE DATABASE shop"), "")
	var text strings.Builder
	for ago := range 10 {
		at := time.Now().Add(-time.Duration(ago+1) * time.Minute).UnixNano()
		fmt.Fprintf(&text, "orders,app=one failed=%di,share=0.5 %d\norders,app=two failed=1i %d\n", ago, at, at)
	}
	post(t, local(port)+"/write?db=shop", text.String())

	from := `from(bucket: "shop/autogen") |> range(start: -1h) |> filter(fn: (r) => r._measurement == "orders" and `
	answers(t, provider(t, "influxdb", local(port)), map[string]answer{
		"Whole":    {reason: "A sum of whole numbers.", query: from + `r.app == "one" and r._field == "failed") |> sum()`, want: 45},
		"Fraction": {reason: "A mean of others.", query: from + `r.app == "one" and r._field == "share") |> mean()`, want: 0.5},
		"Last":     {reason: "The newest of one series.", query: from + `r.app == "two" and r._field == "failed") |> last()`, want: 1},
		"Nothing":  {reason: "No record.", query: from + `r.app == "three")`, none: true},
		"Mistake":  {reason: "What is wrong with a query.", query: `from(bucket: "shop/autogen") |> nonsense()`, err: "nonsense"},
		"Absent":   {reason: "A database that does not exist.", query: `from(bucket: "none/autogen") |> range(start: -1h)`, err: "no database"},
	})
}

package analysis

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/outbound"
)

// mixed are ten metrics of every sort.
func mixed() []v1beta1.CanaryMetric {
	all := []v1beta1.CanaryMetric{rate(99), {Name: "request-duration", Threshold: 500}}
	for i := range 4 {
		all = append(all, v1beta1.CanaryMetric{Name: fmt.Sprint("inline-", i), Query: `q{app="{{ target }}"}`, SuccessCondition: "result > 1.0 && !isNaN(result)"})
	}
	for i := range 4 {
		m := referring("here")
		m.Name, m.ThresholdRange = fmt.Sprint("template-", i), &v1beta1.ThresholdRange{Min: new(99.0)}
		all = append(all, m)
	}
	return all
}

func analyst(t testing.TB, value string) *Analyst {
	server := serve(t, measuring(value))
	a := impatient(server)
	a.Library = &shelf{templates: map[string]v1beta1.MetricTemplateSpec{"test/here": template(server, `t{app="{{ target }}"}`)}}
	return a
}

// TestMemoryIsFlat runs a thousand rounds of ten metrics each, after a hundred that fill what is kept.
func TestMemoryIsFlat(t *testing.T) {
	a, q, c := analyst(t, "99.9"), checks{Metrics: mixed()}, podinfo()
	play := func(rounds int) {
		for range rounds {
			for _, f := range ask(t.Context(), a, c, q) {
				require.Equal(t, v1beta1.Passed, f.Verdict, f.Message)
			}
			a.Library.(*shelf).reads = nil // what the test itself remembers
		}
	}
	play(100)
	before := heap()
	resident := rss(t)
	play(1000)
	after := heap()
	t.Logf("heap after 100 rounds %d KiB, after 1100 %d KiB; resident before %s, after %s", before>>10, after>>10, resident, rss(t))
	require.Less(t, after, before+512<<10, "Nothing may be left of a round.")
}

func heap() uint64 {
	runtime.GC()
	runtime.GC() // what finalizers let go
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// rss is the resident memory of this process, where the system tells.
func rss(t testing.TB) string {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return "unknown"
	}
	for line := range strings.Lines(string(text)) {
		if size, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			return strings.TrimSpace(size)
		}
	}
	t.Log("no VmRSS in /proc/self/status")
	return "unknown"
}

// BenchmarkRound is one check of a Canary with ten metrics of Prometheus, with the server's own work in it.
func BenchmarkRound(b *testing.B) {
	builtin := checks{}
	for range 10 {
		builtin.Metrics = append(builtin.Metrics, rate(99))
	}
	for name, q := range map[string]checks{"Builtin": builtin, "Mixed": {Metrics: mixed()}} {
		b.Run(name, func(b *testing.B) {
			a, c := analyst(b, "99.9"), podinfo()
			b.ReportAllocs()
			for b.Loop() {
				if found := ask(b.Context(), a, c, q); !agreed(found) {
					b.Fatal(found)
				}
			}
		})
	}
}

// BenchmarkThousand is a round of ten metrics for each of a thousand Canaries with an interval of a minute. The server takes 20 ms for
// each query.
func BenchmarkThousand(b *testing.B) {
	const canaries, within = 1000, time.Minute
	var open, most atomic.Int64
	answer := measuring("99.9")
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(20 * time.Millisecond)
		answer(w, r)
	}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateClosed {
			open.Add(-1)
		}
		if state != http.StateNew {
			return
		}
		if n := open.Add(1); n > most.Load() { // those of one listener come one after the other
			most.Store(n)
		}
	}
	server.Start()
	b.Cleanup(server.Close)
	a := impatient(server.URL)
	q := checks{}
	for range 10 {
		q.Metrics = append(q.Metrics, rate(99))
	}
	for b.Loop() {
		next := time.NewTicker(within / canaries)
		var rounds sync.WaitGroup
		for i := range canaries {
			<-next.C
			c := podinfo()
			c.Namespace = fmt.Sprint("team-", i%50)
			rounds.Go(func() {
				if found := ask(outbound.For(b.Context(), c.Namespace), a, c, q); !agreed(found) {
					b.Error(found)
				}
			})
		}
		rounds.Wait()
		next.Stop()
	}
	b.ReportMetric(float64(most.Load()), "connections")
}

// BenchmarkCompare is the test of single values, without asking for anything.
func BenchmarkCompare(b *testing.B) {
	var low, high []float64
	for i := range 20 {
		low, high = append(low, float64(i)), append(high, float64(i)+0.5)
	}
	b.ReportAllocs()
	for b.Loop() {
		if p := ranked(grouped(high, low)).higher(); p < 0 || p > 1 {
			b.Fatal(p)
		}
	}
}

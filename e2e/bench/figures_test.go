package bench

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

const page = `# Figures

## Many Canaries

Each column is a run.

| | Target | 20 | 1 000 |
|---|---|---|---|
| Measured | | 2026-01-02 | 2026-01-03 |
| At rest: requests | 0 | 0 | |
| Rollouts of all at once: requests per rollout, the operator | ≤ 32 | 40.0 | 41.0 |
| Rollouts of all at once: it took | | 60.0 s | |

## What follows
`

// report is one of the two figures of the page, and of a new one.
func reported(requests, took string) Report {
	r := Report{}
	r.section("Rollouts of all at once", "20 rollouts")
	r.row("requests per rollout, all clients", "100.0", "", fromAudit)
	r.row("requests per rollout, the operator", requests, "≤ 30", fromAudit)
	r.row("it took", took, "", fromWatch)
	return r
}

func written(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "figures.md")
	require.NoError(t, os.WriteFile(file, []byte(page), 0o600))
	return file
}

func TestFiguresAreWritten(t *testing.T) {
	file := written(t)
	b := &Bench{Options: Options{N: 100, Root: t.TempDir()}, report: reported("38.5", "70.0 s")}
	require.NoError(t, b.writeFigures(file))
	raw, err := os.ReadFile(file)
	require.NoError(t, err)
	text := string(raw)
	require.Contains(t, text, "| | Target | 20 | 100 | 1 000 |\n|---|---|---|---|---|\n", "columns are in the order of their numbers")
	require.Contains(t, text, "| Rollouts of all at once: requests per rollout, the operator | ≤ 30 | 40.0 | 38.5 | 41.0 |\n", "the target is the program's")
	require.Contains(t, text, "| Rollouts of all at once: requests per rollout, all clients | | | 100.0 | |\n| Rollouts of all at once: requests per rollout, the operator", "what is new has the place that it has in a report")
	require.Contains(t, text, "| At rest: requests | 0 | 0 | | |\n", "what was not measured is left as it was")
	require.Contains(t, text, "| 2026-01-02 | "+time.Now().UTC().Format(time.DateOnly)+" | 2026-01-03 |")
	require.True(t, strings.HasPrefix(text, "# Figures\n\n## Many Canaries\n\nEach column is a run.\n\n| |"))
	require.True(t, strings.HasSuffix(text, "\n\n## What follows\n"))
	require.NoError(t, b.writeFigures(file))
	again, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, text, string(again), "one run more replaces its column")
}

func TestFiguresAreCompared(t *testing.T) {
	tests := map[string]struct {
		reason         string
		n              int
		requests, took string
		want           string
	}{
		"Worse":  {reason: "requests do not depend on the machine", n: 20, requests: "44.1", took: "60.0 s", want: "WORSE"},
		"Within": {reason: "a tenth is chance", n: 20, requests: "44.0", took: "60.0 s", want: "no figure is more than a tenth above"},
		"Better": {reason: "fewer are no loss", n: 20, requests: "30.0", took: "60.0 s", want: "no figure is more than a tenth above"},
		"Slower": {reason: "a time is the machine's", n: 20, requests: "40.0", took: "90.0 s", want: "no figure is more than a tenth above"},
		"Other":  {reason: "of so many nothing was measured", n: 30, requests: "99.0", took: "60.0 s", want: "has no figures of 30 Canaries"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			b := &Bench{Options: Options{N: tc.n, Root: t.TempDir(), Out: &out}, report: reported(tc.requests, tc.took)}
			require.NoError(t, b.compareFigures(written(t)))
			require.Contains(t, out.String(), tc.want, tc.reason)
			require.Equal(t, tc.want == "WORSE", strings.Contains(out.String(), "the operator: "+tc.requests+", was 40.0"))
		})
	}
}

func TestFiguresOfZero(t *testing.T) {
	f := &figures{columns: []string{"20"}, rows: []figure{{name: "writes", measured: map[string]string{"20": "0"}}}}
	all := func(string) bool { return true }
	require.Empty(t, f.worse("20", []figure{{name: "writes", measured: map[string]string{"20": "0"}}}, all))
	require.Len(t, f.worse("20", []figure{{name: "writes", measured: map[string]string{"20": "1"}}}, all), 1, "there is to be none")
}

// TestPageOfFigures holds the page to what the program reads and writes.
func TestPageOfFigures(t *testing.T) {
	raw, err := os.ReadFile("../../docs/operations/figures.md")
	require.NoError(t, err)
	before, table, after, err := splitPage(string(raw))
	require.NoError(t, err)
	f, err := parseFigures(table)
	require.NoError(t, err)
	require.Equal(t, string(raw), before+f.String()+after)
}

func TestColumns(t *testing.T) {
	require.Equal(t, "100", columnOf(Options{N: 100}))
	require.Equal(t, "1 000", columnOf(Options{N: 1000}))
	require.Equal(t, "10 000 at rest", columnOf(Options{N: 10000, Settled: true}))
	for text, want := range map[string]float64{"1 000": 1000, "10 000 at rest": 10000, "46.5 MiB": 46.5, "0": 0, "1.04": 1.04, "unknown": 0} {
		require.InDelta(t, want, leading(text), 1e-9, text)
	}
}

func TestAvailable(t *testing.T) {
	d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Generation: 3}}
	status := available(d, metav1.Now())
	require.EqualValues(t, 3, status["observedGeneration"])
	require.EqualValues(t, 1, status["availableReplicas"], "one is the API's default")
	d.Spec.Replicas = ptr.To(int32(0))
	require.EqualValues(t, 0, available(d, metav1.Now())["replicas"], "one that is stopped has none")
	require.Contains(t, available(d, metav1.Now()), "replicas", "what is left out would stay as it was")
}

func TestPatienceGrows(t *testing.T) {
	require.Greater(t, patienceFor(10000), 10*patienceFor(1))
}

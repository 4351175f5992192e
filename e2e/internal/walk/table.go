package walk

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/sluice-cd/sluice/e2e/internal/traffic"
)

// Table shows a rollout line by line. Nothing is overwritten, so that it reads the same in a terminal and in
// a file.
type Table struct {
	Out io.Writer
}

const columns = "%-8s  %-12s  %6s  %-34s  %8s  %7s\n"

// Header names the columns.
func (t Table) Header() {
	fmt.Fprintf(t.Out, columns, "TIME", "PHASE", "WEIGHT", "ANSWERED BY", "REQUESTS", "SUCCESS")
}

// Line is one moment: how far the Canary is, and what users saw in the seconds before.
func (t Table) Line(r Row, seen traffic.Report) {
	fmt.Fprintf(t.Out, columns, r.At.Format("15:04:05"), r.Phase, fmt.Sprint(r.Weight), shares(seen), fmt.Sprint(seen.Total), success(seen))
}

// shares says who answered how much, oldest version first.
func shares(seen traffic.Report) string {
	var parts []string
	for _, version := range slices.Sorted(maps.Keys(seen.ByVersion)) {
		name := version
		if name == "" {
			name = "?"
		}
		parts = append(parts, fmt.Sprintf("%s %.1f%%", name, 100*seen.Share(version)))
	}
	if parts == nil {
		return "-"
	}
	return strings.Join(parts, "  ")
}

// success is the part of requests that were answered well. It never rounds up to all.
func success(seen traffic.Report) string {
	if seen.Total == 0 {
		return "-"
	}
	good := 100 * float64(seen.Total-seen.Failed) / float64(seen.Total)
	if seen.Failed > 0 && good > 99.9 {
		return "<100%"
	}
	return fmt.Sprintf("%.1f%%", good)
}

package analysis

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"

	"github.com/sluice-cd/sluice/pkg/metric"
	"github.com/sluice-cd/sluice/pkg/sequential"
)

// File sample.go reads the answers of two workloads into what the tests take: counts, values, or buckets of both.

// The labels by which a query tells the elements of its answer apart.
const (
	countLabel  = "count" // of proportions: success or total
	bucketLabel = "le"    // of a histogram: the greatest value that a bucket counts, as Prometheus has it
)

// tally reads the counts of a side. Nothing at all is a side without events, and so is a total without successes one
// in which everything failed: a series of successes exists from the first of them on.
func tally(samples []metric.Sample) (sequential.Counts, error) {
	counts := map[string]int64{}
	for _, s := range samples {
		name := s.Labels[countLabel]
		if name != "success" && name != "total" {
			return sequential.Counts{}, fmt.Errorf("the label count of an element is %q, neither success nor total", name)
		}
		// To add them up here could count requests twice, where a query lists parts and their sum.
		if _, twice := counts[name]; twice {
			return sequential.Counts{}, fmt.Errorf("there are several elements with count %q; add them up in the query", name)
		}
		n, err := whole(s.Value)
		if err != nil {
			return sequential.Counts{}, fmt.Errorf("count %q: %w", name, err)
		}
		counts[name] = n
	}
	if _, ok := counts["total"]; !ok && len(samples) > 0 {
		return sequential.Counts{}, fmt.Errorf("there is no element with count %q", "total")
	}
	all := counts["total"]
	// What is extrapolated from two series can cross by a fraction.
	return sequential.Counts{Events: all, Bad: []int64{max(all-counts["success"], 0)}}, nil
}

// whole rounds a count: a query may extrapolate to the ends of its interval, and so return fractions.
func whole(v float64) (int64, error) {
	if math.IsNaN(v) {
		return 0, metric.ErrNaN
	}
	if math.IsInf(v, 0) || v < 0 || v > sequential.MaxEvents {
		return 0, fmt.Errorf("%v is not a count", v)
	}
	return int64(math.Round(v)), nil
}

// bucketed says that the elements are buckets of a histogram. One label is enough to expect it of all.
// A list without it on the other side is then an error that names the label, and not counts taken for values.
func bucketed(samples []metric.Sample) bool {
	return slices.ContainsFunc(samples, func(s metric.Sample) bool { _, has := s.Labels[bucketLabel]; return has })
}

// values are single ones, in any order. One that is no number cannot be ranked among others, and is left out: a pod
// that had nothing to measure says nothing of those that had.
func values(samples []metric.Sample) ([]float64, error) {
	all := make([]float64, 0, len(samples))
	for _, s := range samples {
		if !math.IsNaN(s.Value) {
			all = append(all, s.Value)
		}
	}
	if len(all) == 0 && len(samples) > 0 {
		return nil, metric.ErrNaN
	}
	return all, nil
}

// buckets reads a histogram: how many values are at most as large as each bound.
func buckets(samples []metric.Sample) (map[float64]int64, error) {
	upTo := map[float64]int64{}
	for _, s := range samples {
		text, has := s.Labels[bucketLabel]
		bound, err := strconv.ParseFloat(text, 64)
		if !has || err != nil || math.IsNaN(bound) {
			return nil, fmt.Errorf("the label le of an element is %q, not a number", text)
		}
		if _, twice := upTo[bound]; twice {
			return nil, fmt.Errorf("there are several buckets with le %q; add them up in the query, by (le)", text)
		}
		if upTo[bound], err = whole(s.Value); err != nil {
			return nil, fmt.Errorf("bucket %q: %w", text, err)
		}
	}
	// It says how many values there are. Without it those above the last bound, the slow ones, would be left out.
	if _, ok := upTo[math.Inf(1)]; !ok && len(samples) > 0 {
		return nil, fmt.Errorf("there is no bucket with le %q", "+Inf")
	}
	return upTo, nil
}

// ascending evens out counts that were extrapolated one by one, and so can decrease by a fraction.
func ascending(upTo map[float64]int64) map[float64]int64 {
	least := int64(0)
	for _, bound := range slices.Sorted(maps.Keys(upTo)) {
		least = max(least, upTo[bound])
		upTo[bound] = least
	}
	return upTo
}

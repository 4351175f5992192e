package analysis

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"

	"github.com/sluice-cd/sluice/pkg/metric"
)

// File sample.go reads the answers of two workloads into what the tests take: counts, values, or buckets of both.

// The labels by which a query tells the elements of its answer apart.
const (
	countLabel  = "count" // of proportions: success or total
	bucketLabel = "le"    // of a histogram: the greatest value that a bucket counts, as Prometheus has it
)

// tally reads the counts of a side. Nothing at all is a side without events, and so is a total without successes one
// in which everything failed: a series of successes exists from the first of them on.
func tally(samples []metric.Sample) (proportion, error) {
	counts := map[string]float64{}
	for _, s := range samples {
		name := s.Labels[countLabel]
		if name != "success" && name != "total" {
			return proportion{}, fmt.Errorf("the label count of an element is %q, neither success nor total", name)
		}
		// To add them up here could count requests twice, where a query lists parts and their sum.
		if _, twice := counts[name]; twice {
			return proportion{}, fmt.Errorf("there are several elements with count %q; add them up in the query", name)
		}
		n, err := whole(s.Value)
		if err != nil {
			return proportion{}, fmt.Errorf("count %q: %w", name, err)
		}
		counts[name] = n
	}
	if _, ok := counts["total"]; !ok && len(samples) > 0 {
		return proportion{}, fmt.Errorf("there is no element with count %q", "total")
	}
	// What is extrapolated from two series can cross by a fraction.
	return proportion{good: min(counts["success"], counts["total"]), all: counts["total"]}, nil
}

// whole rounds a count: increase() extrapolates to the ends of its interval, and so returns fractions.
func whole(v float64) (float64, error) {
	if math.IsNaN(v) {
		return 0, metric.ErrNaN
	}
	if math.IsInf(v, 0) || v < 0 {
		return 0, fmt.Errorf("%v is not a count", v)
	}
	return math.Round(v), nil
}

// arrange puts the values of both sides into groups, in ascending order.
func arrange(canary, primary []metric.Sample) ([]group, error) {
	if !bucketed(canary) && !bucketed(primary) {
		c, err := values(canary)
		if err != nil {
			return nil, fmt.Errorf("canary: %w", err)
		}
		p, err := values(primary)
		if err != nil {
			return nil, fmt.Errorf("primary: %w", err)
		}
		return grouped(c, p), nil
	}
	c, err := buckets(canary)
	if err != nil {
		return nil, fmt.Errorf("canary: %w", err)
	}
	p, err := buckets(primary)
	if err != nil {
		return nil, fmt.Errorf("primary: %w", err)
	}
	return merged(c, p)
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
func buckets(samples []metric.Sample) (map[float64]float64, error) {
	upTo := map[float64]float64{}
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

// merged makes groups of the bounds that both sides have: a new revision may measure in other buckets.
func merged(canary, primary map[float64]float64) ([]group, error) {
	if len(canary) == 0 || len(primary) == 0 {
		// Only the sizes: that is too few on one side, and is said so.
		return []group{{canary: canary[math.Inf(1)], primary: primary[math.Inf(1)]}}, nil
	}
	var groups []group
	var before group
	for _, bound := range slices.Sorted(maps.Keys(canary)) {
		// What is between two bounds of which one side knows none goes into the next bucket that both have.
		if _, shared := primary[bound]; !shared {
			continue
		}
		// Counts that are extrapolated one by one can decrease by a fraction.
		upTo := group{canary: max(before.canary, canary[bound]), primary: max(before.primary, primary[bound])}
		groups = append(groups, group{canary: upTo.canary - before.canary, primary: upTo.primary - before.primary})
		before = upTo
	}
	// All values would be ties, and every canary as good as its primary.
	if len(groups) < 2 {
		return nil, fmt.Errorf("canary and primary have no bucket in common but +Inf, in which everything is")
	}
	return groups, nil
}

package sequential

import (
	"fmt"
	"math"
	"slices"
)

// File histogram.go turns histograms into counts of bad events: those above a bound, or those up to it. Which bounds
// are compared is fixed by the first stratum, from both sides together: given how many are bad in all, which side they
// are of is still open.

// The share of bad events in the first stratum between which a bound is compared.
const (
	leastShare = 0.001
	mostShare  = 0.999
)

// Shared are the finite bounds that both histograms have, ascending. A histogram is how many values are at most as
// large as each bound; the bound +Inf has them all.
func Shared(canary, primary map[float64]int64) []float64 {
	var bounds []float64
	for bound := range canary {
		if _, has := primary[bound]; has && !math.IsNaN(bound) && !math.IsInf(bound, 0) {
			bounds = append(bounds, bound)
		}
	}
	slices.Sort(bounds)
	return bounds
}

// Slower are the counts of the values above each of these bounds.
func Slower(histogram map[float64]int64, bounds []float64) (Counts, error) {
	c, err := Faster(histogram, bounds)
	for i, upTo := range c.Bad {
		c.Bad[i] = c.Events - upTo
	}
	return c, err
}

// Faster are the counts of the values up to each of these bounds, for what is worse the lower it is.
func Faster(histogram map[float64]int64, bounds []float64) (Counts, error) {
	if len(histogram) == 0 {
		return Counts{}, nil
	}
	events, has := histogram[math.Inf(1)]
	if !has {
		return Counts{}, fmt.Errorf("a histogram without the bound %v", math.Inf(1))
	}
	c := Counts{Events: events, Bad: make([]int64, len(bounds))}
	before := int64(0)
	for i, bound := range bounds {
		upTo, has := histogram[bound]
		if !has {
			return Counts{}, fmt.Errorf("a histogram without the bound %v", bound)
		}
		if upTo < before || upTo > events {
			return Counts{}, fmt.Errorf("%d values up to %v, of %d, and %d up to the bound below", upTo, bound, events, before)
		}
		c.Bad[i], before = upTo, upTo
	}
	return c, nil
}

// informative are the bounds at which both sides together have between a thousandth and all but a thousandth of bad
// events. Where there is none of them, it is the two between which almost all values are, or the first and the last.
func informative(s Stratum) []float64 {
	if len(s.Bounds) == 0 {
		return nil
	}
	var chosen []float64
	last := len(s.Bounds) - 1
	beside := []float64{s.Bounds[0], s.Bounds[last]}
	for i, bound := range s.Bounds {
		if x := share(s, i); x >= leastShare && x <= mostShare {
			chosen = append(chosen, bound)
		}
		if i > 0 && (share(s, i) > mostShare) != (share(s, i-1) > mostShare) {
			beside = []float64{s.Bounds[i-1], bound}
		}
	}
	switch {
	case len(chosen) > 0:
		return spaced(chosen)
	case last == 0:
		return beside[:1]
	}
	return beside
}

// share is which part of the events of both sides is bad at the i-th bound.
func share(s Stratum, i int) float64 {
	return float64(s.Canary.Bad[i]+s.Primary.Bad[i]) / float64(s.Canary.Events+s.Primary.Events)
}

// spaced are at most MaxBounds of these, evenly, the first and the last among them.
func spaced(bounds []float64) []float64 {
	if len(bounds) <= MaxBounds {
		return bounds
	}
	kept := make([]float64, MaxBounds)
	for i := range kept {
		kept[i] = bounds[i*(len(bounds)-1)/(MaxBounds-1)]
	}
	return kept
}

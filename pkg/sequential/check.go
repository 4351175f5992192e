package sequential

import (
	"errors"
	"fmt"
	"math"
)

// File check.go refuses what does not fit together: strata are what a monitoring system answered, and evidence is what
// an API server stored.

// check refuses counts that can't be.
func (s Stratum) check() error {
	if s.Begin < 0 || s.End <= s.Begin {
		return fmt.Errorf("a stratum from %d to %d", s.Begin, s.End)
	}
	if len(s.Bounds) > MaxBuckets {
		return fmt.Errorf("a histogram with %d bounds, and %d at most are read", len(s.Bounds), MaxBuckets)
	}
	for i, bound := range s.Bounds {
		if math.IsNaN(bound) || math.IsInf(bound, 0) || i > 0 && bound <= s.Bounds[i-1] {
			return fmt.Errorf("bound %v of a histogram: they are finite and ascending", bound)
		}
	}
	wanted := max(1, len(s.Bounds))
	for _, side := range []struct {
		name   string
		counts Counts
	}{{"canary", s.Canary}, {"primary", s.Primary}, {"primary before", s.Before}} {
		if err := side.counts.check(wanted); err != nil {
			return fmt.Errorf("%s: %w", side.name, err)
		}
	}
	return nil
}

// check refuses counts that can't be, of a side with so many bounds. Bad events of nothing need not be listed.
func (c Counts) check(wanted int) error {
	if c.Events < 0 || c.Events > MaxEvents {
		return fmt.Errorf("%d events", c.Events)
	}
	if len(c.Bad) != wanted && (c.Events > 0 || len(c.Bad) > 0) {
		return fmt.Errorf("%d counts of bad events, not %d", len(c.Bad), wanted)
	}
	for _, bad := range c.Bad {
		if bad < 0 || bad > c.Events {
			return fmt.Errorf("%d bad events of %d", bad, c.Events)
		}
	}
	return nil
}

// errStored is what is wrong with evidence that was not stored by this package, or was changed since.
var errStored = errors.New("the evidence that is stored does not fit together")

// check refuses evidence with which nothing can be computed.
func (e *Evidence) check() error {
	if len(e.Bounds) != len(e.Sums) && (len(e.Bounds) > 0 || len(e.Sums) > 1) || len(e.Sums) > MaxBounds {
		return errStored
	}
	if len(e.Recent) > min(MaxStrata, e.Strata) || len(e.Bounds) > 0 && len(e.Recent) > 0 {
		return errStored
	}
	if e.Until < 0 || !within(0, MaxEvents, float64(e.Strata), float64(e.Canary), float64(e.Primary), e.Pairs) {
		return errStored
	}
	if f := e.Final; f != nil && (!within(0, 1, f.P) || f.Bound < 0 || f.Bound >= len(e.Sums)) {
		return errStored
	}
	for i, bound := range e.Bounds {
		if math.IsNaN(bound) || i > 0 && bound <= e.Bounds[i-1] {
			return errStored
		}
	}
	for _, r := range e.Recent {
		nc, xc, np, xp := r[0], r[1], r[2], r[3]
		if min(nc, np) < 1 || max(nc, np) > MaxEvents || min(xc, xp) < 0 || xc > nc || xp > np {
			return errStored
		}
	}
	for _, s := range e.Sums {
		if !s.possible(float64(e.Canary), float64(e.Primary)) {
			return errStored
		}
	}
	return nil
}

// possible says that these can be sums of so many events: no more is bad than there is, and what is a sum of counts or of
// squares is not negative.
func (s *Sums) possible(canary, primary float64) bool {
	return within(0, MaxEvents, s[variance], s[crossOdds], s[residuals], s[informed]) &&
		within(0, canary, s[canaryBad]) && within(0, primary, s[badBefore]) &&
		within(-MaxEvents, MaxEvents, s[excess]) && within(-maxLog, maxLog, s[inFavour]) &&
		within(-maxLog, maxLog, s[:mixture]...)
}

// within says that all of these are numbers from least to most.
func within(least, most float64, numbers ...float64) bool {
	for _, n := range numbers {
		if math.IsNaN(n) || n < least || n > most {
			return false
		}
	}
	return true
}

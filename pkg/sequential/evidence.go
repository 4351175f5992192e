// Package sequential compares the canary of a rollout with its primary, by counts, at as many looks as there are.
//
// Each check adds one stratum: the events and the bad events of both sides in the time since the check before. Of the
// strata three things are computed. The evidence against the canary (against.go) is an e-process: however often it is
// looked at, it exceeds 1/a with probability at most a where canary and primary are alike. The final test (final.go) is
// made once, at the planned end. The evidence for the canary (clearance.go) is an e-process against every canary that is
// worse by a margin. What follows from them at a check is in verdict.go, and what is promised in Parameters.
//
// A histogram is a comparison at each of its bounds, in which the events above a bound are the bad ones (histogram.go).
//
// Evidence is the only state. It is a plain value of bounded size (size.go), to be stored with the decision that it led to.
package sequential

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

// Limits of what is taken in and of what is kept.
const (
	// MaxMetrics is how many metrics a rollout can compare, so that their evidence fits into a status.
	MaxMetrics = 8
	// MaxBounds is at how many bounds a histogram is compared.
	MaxBounds = 16
	// MaxBuckets is how many bounds a stratum can have to choose from.
	MaxBuckets = 1024
	// MaxStrata is how many strata are kept one by one, for the exact test.
	MaxStrata = 64
	// MaxEvents is how many events of a side can be added to an Evidence, and how many a stratum can have.
	MaxEvents = 9_999_999_999
)

// Reasons for which a stratum is refused. The evidence is as it was then.
var (
	// ErrOverlap is returned for a stratum that begins before the last one ends, or is the last one.
	ErrOverlap = errors.New("the stratum begins before the one that was added last ends")
	// ErrFull is returned where a side would have more than MaxEvents. What was found so far stands.
	ErrFull = errors.New("more events than can be added")
	// ErrBounds is returned where a histogram lacks a bound at which its first stratum was compared.
	ErrBounds = errors.New("the histogram has other bounds than its first stratum")
)

// Counts are the events of one side. Of a histogram there are bad ones for each bound.
type Counts struct {
	Events int64
	Bad    []int64 // one number, or one for each of Stratum.Bounds; none where there are no events
}

// Stratum is what one check adds: the events of both sides after Begin and up to End, in Unix seconds.
type Stratum struct {
	Begin, End      int64
	Bounds          []float64 // of a histogram, ascending; nil: the share of bad events is compared
	Canary, Primary Counts
	// Before is the primary in an equal time before the canary had requests, used by the first stratum alone. Without it
	// the evidence for the canary begins with the second.
	Before Counts
}

// Evidence is what was found of one metric so far. The zero value is that of a rollout that begins.
type Evidence struct {
	Until   int64      // end of the last stratum, in Unix seconds
	Strata  int        // that had events of both sides
	Canary  int64      // events of the canary in them
	Primary int64      // events of the primary in them, and before
	Pairs   float64    // sum of nc np / N, the weights of the Mantel-Haenszel difference
	Bounds  []float64  // of a histogram, fixed by its first stratum
	Sums    []Sums     // one, or one for each bound
	Recent  [][4]int64 // nc, xc, np, xp of the newest strata; of a histogram none
	Crossed uint32     // a bit for each of Sums: worse by the margin was excluded
	Final   *Final     // the final test, once it was made
}

// Sums are what is kept of all strata at one bound, in this order: they are stored as a list, to be short.
type Sums [sums]float64

// What the numbers of Sums are. The first eleven are the logarithms L_j of the evidence against the canary.
const (
	excess    = mixture + iota // D: bad events of the canary above those expected of it, sum of xc - K nc/N
	variance                   // V: the variance of D where both sides are alike
	crossOdds                  // sum of xc (np-xp) / N
	residuals                  // Q: sum of squared residuals, see dispersion.go
	informed                   // k: strata with 0 < K < N
	canaryBad                  // sum of xc
	badBefore                  // bad events of the primary, those before the first stratum included
	inFavour                   // lnF
	sums                       // how many numbers there are
)

// table is one stratum at one bound.
type table struct{ nc, xc, np, xp float64 }

func (t table) all() float64 { return t.nc + t.np } // N
func (t table) bad() float64 { return t.xc + t.xp } // K

// informs says that the table has good and bad events. Others say nothing of how the sides differ.
func (t table) informs() bool { return t.bad() > 0 && t.bad() < t.all() }

// expected is the mean of xc, given N, K and nc, where both sides are alike.
func (t table) expected() float64 { return t.bad() * t.nc / t.all() }

// nullVariance is the variance of xc, given N, K and nc, where both sides are alike.
func (t table) nullVariance() float64 {
	return t.bad() * (t.nc / t.all()) * (t.np / t.all()) * (t.all() - t.bad()) / (t.all() - 1)
}

// Add adds the counts of one check. A stratum that was added already, or overlaps with one, is refused with ErrOverlap,
// so that a caller who is not sure can add it again. A stratum in which one side had no events says nothing. Where an
// error is returned the evidence is as it was.
func (e *Evidence) Add(s Stratum, p Parameters) error {
	if err := errors.Join(p.Check(), e.check(), s.check()); err != nil {
		return err
	}
	if e.Until != 0 && s.Begin < e.Until {
		return ErrOverlap
	}
	if max(e.Canary+s.Canary.Events, e.Primary+s.Primary.Events+s.Before.Events) > MaxEvents {
		return ErrFull
	}
	next := e.clone()
	next.Until = s.End
	both := s.Canary.Events > 0 && s.Primary.Events > 0
	if len(next.Sums) == 0 {
		// At which bounds a histogram is compared follows from both sides.
		if len(s.Bounds) > 0 && !both {
			*e = next
			return nil
		}
		next.Bounds = informative(s)
		next.Sums = make([]Sums, max(1, len(next.Bounds)))
	}
	at, err := next.places(s)
	if err != nil {
		return err
	}
	next.take(s, at, both, p.Margin)
	next.fold()
	next.cross(p)
	*e = next
	return nil
}

// take adds the counts, which are at these places of the stratum's lists.
func (e *Evidence) take(s Stratum, at []int, both bool, margin float64) {
	if e.Primary == 0 && s.Before.Events > 0 {
		e.addPrimary(s.Before, at)
	}
	switch {
	case both:
		nc, np := float64(s.Canary.Events), float64(s.Primary.Events)
		for b, i := range at {
			t := table{nc: nc, xc: float64(s.Canary.Bad[i]), np: np, xp: float64(s.Primary.Bad[i])}
			e.Sums[b].add(t, float64(e.Primary), margin)
			if len(e.Bounds) == 0 {
				e.Recent = append(e.Recent, [4]int64{s.Canary.Events, s.Canary.Bad[i], s.Primary.Events, s.Primary.Bad[i]})
			}
		}
		e.Strata++
		e.Canary += s.Canary.Events
		e.Primary += s.Primary.Events
		e.Pairs = rounded(e.Pairs + nc*np/(nc+np))
	case s.Primary.Events > 0:
		e.addPrimary(s.Primary, at)
	}
}

// addPrimary adds events of the primary from a time in which the canary had none.
func (e *Evidence) addPrimary(c Counts, at []int) {
	for b, i := range at {
		e.Sums[b][badBefore] += float64(c.Bad[i])
	}
	e.Primary += c.Events
}

// add adds one stratum at one bound. primary is how many events of the primary were counted before it: without any there
// is no rate to begin the evidence for the canary with.
func (s *Sums) add(t table, primary, margin float64) {
	if primary > 0 {
		th := (s[badBefore] + 0.5) / (primary + 1)
		s[inFavour] = floored(s[inFavour] + clearance(t, th, margin))
	}
	if t.informs() {
		s.scatter(t) // by what was known before
		for j, l := range logWeights {
			s[j] = floored(s[j] + l*t.xc - logMoment(t, l))
		}
		s[excess] = rounded(s[excess] + t.xc - t.expected())
		s[variance] = rounded(s[variance] + t.nullVariance())
		s[crossOdds] = rounded(s[crossOdds] + t.xc*(t.np-t.xp)/t.all())
		s[informed] = min(s[informed]+1, 99_999)
	}
	s[canaryBad] += t.xc
	s[badBefore] += t.xp
}

// cross notes the bounds at which worse by the margin is excluded by now. It stays so.
func (e *Evidence) cross(p Parameters) {
	for b := range e.Sums {
		if e.Sums[b][inFavour]/e.dispersion(b, p) >= -math.Log(p.Missed) {
			e.Crossed |= 1 << b
		}
	}
}

// Cleared says that a canary that is worse by the margin was excluded, at every bound.
func (e *Evidence) Cleared() bool {
	return len(e.Sums) > 0 && e.Crossed == 1<<len(e.Sums)-1
}

// Difference is how much larger the canary's share of bad events is than the primary's, at one bound: the strata's
// differences with the weights nc np / N, so that a share that both sides change together makes none.
//
//	sum u (xc/nc - xp/np) / sum u,  u = nc np / N,  of which the numerator is the sum of xc - K nc/N
//
// Source: N. Mantel, W. Haenszel, J. Natl. Cancer Inst. 22 (1959) 719-748; S. Greenland, J. M. Robins, Biometrics 41
// (1985) 55-68.
func (e *Evidence) Difference(b int) float64 {
	if b < 0 || b >= len(e.Sums) || e.Pairs <= 0 {
		return 0
	}
	return e.Sums[b][excess] / e.Pairs
}

// places are where the bounds of the evidence are in the lists of the stratum.
func (e *Evidence) places(s Stratum) ([]int, error) {
	switch {
	case len(e.Bounds) == 0 && len(s.Bounds) > 0:
		return nil, fmt.Errorf("the strata before were no histograms: %w", ErrBounds)
	case len(e.Bounds) == 0:
		return []int{0}, nil
	}
	at := make([]int, len(e.Bounds))
	for b, bound := range e.Bounds {
		i, has := slices.BinarySearch(s.Bounds, bound)
		if !has {
			return nil, fmt.Errorf("%v is missing: %w", bound, ErrBounds)
		}
		at[b] = i
	}
	return at, nil
}

// fold drops the oldest of the strata that are kept one by one, whose sums remain.
func (e *Evidence) fold() {
	for len(e.Recent) > MaxStrata || length(e.Recent) > maxRecent {
		e.Recent = e.Recent[1:]
	}
}

func (e *Evidence) clone() Evidence {
	next := *e
	next.Bounds, next.Sums, next.Recent = slices.Clone(e.Bounds), slices.Clone(e.Sums), slices.Clone(e.Recent)
	if e.Final != nil {
		final := *e.Final
		next.Final = &final
	}
	return next
}

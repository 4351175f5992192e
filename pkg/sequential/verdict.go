package sequential

import (
	"fmt"
	"math"
)

// Auto is the dispersion that is measured.
const Auto = 0

// The parts of alpha that the evidence at every check and the final test can use up.
const (
	alphaLooks = 0.3
	alphaFinal = 0.7
)

// Parameters are what a comparison promises.
type Parameters struct {
	// Confidence is 1 - alpha: how probable it is that a canary as good as its primary is not failed, in the whole
	// rollout, by all metrics that are compared.
	Confidence float64
	// Margin is the smallest regression that must not be promoted, as a share of the events: 0.01 is one of a hundred.
	Margin float64
	// Missed is how probable it is at most that a canary that is worse by the margin is cleared.
	Missed float64
	// Tolerance is the estimated difference, as a share of the events, below which nothing fails.
	Tolerance float64
	// Dispersion is by how much bad events scatter more than independent ones: Auto, or 1 and more. With a number Confidence
	// holds for events whose variance is that of independent ones, at most, times it. With Auto it holds as measured.
	Dispersion float64
	// Metrics is how many metrics of the rollout are compared and can fail it: each gets its part of alpha (Bonferroni).
	Metrics int
}

// Check says what is wrong with the parameters.
func (p Parameters) Check() error {
	switch {
	case !(p.Confidence >= 0.5 && p.Confidence < 1):
		return fmt.Errorf("confidence is %v, not from 0.5 to below 1", p.Confidence)
	case !(p.Margin >= 1e-6 && p.Margin <= 0.5):
		return fmt.Errorf("margin is %v, not from 0.000001 to 0.5", p.Margin)
	case !(p.Missed >= 1e-9 && p.Missed <= 0.5):
		return fmt.Errorf("missed is %v, not from 0.000000001 to 0.5", p.Missed)
	case !(p.Tolerance >= 0 && p.Tolerance <= 1):
		return fmt.Errorf("tolerance is %v, not from 0 to 1", p.Tolerance)
	case p.Dispersion != Auto && !(p.Dispersion >= 1 && p.Dispersion <= 1e6):
		return fmt.Errorf("dispersion is %v, neither %d nor from 1 to 1000000", p.Dispersion, Auto)
	case p.Metrics < 1 || p.Metrics > MaxMetrics:
		return fmt.Errorf("%d metrics, not from 1 to %d", p.Metrics, MaxMetrics)
	}
	return nil
}

// alpha is the part of one metric in how probable a false alarm may be.
func (p Parameters) alpha() float64 { return (1 - p.Confidence) / float64(p.Metrics) }

// Verdict is what follows from the evidence at a check.
type Verdict string

// The verdicts.
const (
	Passed       Verdict = "Passed"       // the rollout can go on
	Failed       Verdict = "Failed"       // the canary is worse: final, whatever else was found or will be
	Inconclusive Verdict = "Inconclusive" // in the last step that compares: more events are needed
)

// Reason is the rule that a verdict follows from.
type Reason string

// The reasons, in the order in which they are looked at.
const (
	EvidenceAgainst Reason = "EvidenceAgainst" // Failed: E exceeds what chance would bring, at any number of looks
	FinalTest       Reason = "FinalTest"       // Failed: the test at the planned end
	Cleared         Reason = "Cleared"         // Passed: worse by the margin was excluded
	Continuing      Reason = "Continuing"      // Passed: a later step compares, too
	NotExcluded     Reason = "NotExcluded"     // Inconclusive: worse by the margin is not excluded yet
)

// Result is a verdict and what it follows from.
type Result struct {
	Verdict Verdict
	Reason  Reason
	// Against is lnE, for all bounds together: where the sides are alike it gets as large by chance once in e^Against rollouts.
	Against float64
	// For is lnF by the dispersion, of the bound at which worse by the margin is least excluded; Needed is where it is.
	For, Needed float64
	// Bound is the place in Evidence.Bounds of what is told: the one that failed, else the one with the most against it.
	Bound int
	// Difference, Canary and Primary are shares of bad events at that bound. The difference is the Mantel-Haenszel one:
	// not that of the other two, where shares and weights both changed from step to step.
	Difference, Canary, Primary float64
	// Dispersion is phi at that bound.
	Dispersion float64
	// P is the final test's, and 1 before it.
	P float64
}

// Judge takes the verdict at a check. last says that no later step compares. It is total: of evidence that does not fit
// together, and by parameters that are none, nothing follows.
func (e *Evidence) Judge(p Parameters, last bool) Result {
	r := Result{Verdict: Passed, Reason: Continuing, P: 1, Dispersion: 1, Needed: -math.Log(p.Missed)}
	if last {
		r.Verdict, r.Reason = Inconclusive, NotExcluded
	}
	if p.Check() != nil || e.check() != nil || len(e.Sums) == 0 {
		return r
	}
	against := make([]float64, len(e.Sums))
	for b := range e.Sums {
		against[b] = e.Sums[b].against(e.dispersion(b, p))
		if against[b] > against[r.Bound] {
			r.Bound = b
		}
	}
	// The mean of several E is one, whatever they have to do with each other.
	r.Against = logMean(against)
	r.For = e.leastFavour(p)
	a := p.alpha()
	switch {
	case e.Difference(r.Bound) >= p.Tolerance && r.Against >= -math.Log(alphaLooks*a):
		r.Verdict, r.Reason = Failed, EvidenceAgainst
	case e.Final != nil && e.Final.P <= alphaFinal*a:
		r.Verdict, r.Reason, r.Bound = Failed, FinalTest, e.Final.Bound
	case last && e.Cleared():
		r.Verdict, r.Reason = Passed, Cleared
	}
	if e.Final != nil {
		r.P = e.Final.P
	}
	e.describe(&r, p)
	return r
}

// describe fills in what was found at the bound of the result.
func (e *Evidence) describe(r *Result, p Parameters) {
	s := &e.Sums[r.Bound]
	r.Difference, r.Dispersion = e.Difference(r.Bound), e.dispersion(r.Bound, p)
	if e.Canary > 0 {
		r.Canary = s[canaryBad] / float64(e.Canary)
	}
	if e.Primary > 0 {
		r.Primary = s[badBefore] / float64(e.Primary)
	}
}

// leastFavour is lnF by the dispersion at the bound that keeps the canary from being cleared, or the least of all.
func (e *Evidence) leastFavour(p Parameters) float64 {
	least := math.Inf(1)
	for b := range e.Sums {
		if e.Cleared() || e.Crossed>>b&1 == 0 {
			least = min(least, e.Sums[b][inFavour]/e.dispersion(b, p))
		}
	}
	return least
}

// EventsNeeded is how many more events of the canary clear it, if they are like those that it had. It returns false
// where they would not: nothing speaks for the canary so far.
func (e *Evidence) EventsNeeded(r Result) (int64, bool) {
	if r.For >= r.Needed || e.Cleared() {
		return 0, true
	}
	if r.For <= 0 || e.Canary <= 0 {
		return 0, false
	}
	more := float64(e.Canary) * (r.Needed/r.For - 1)
	return int64(math.Ceil(min(more, MaxEvents))), true
}

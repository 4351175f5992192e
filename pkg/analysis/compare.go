package analysis

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/metric"
)

// File compare.go holds the canary against the primary. Why this is a test and not a difference of two numbers is in
// docs/decisions/0013-verdicts-by-statistics.md.

// What a comparison needs that its metric leaves out.
const (
	defaultConfidence = 0.95
	// Below these hardly a difference could be told from chance, see docs/concepts/analysis.md#measured.
	minEvents = 100 // of proportions
	minValues = 20  // of a distribution
	// With fewer, p has to be so many times smaller: a canary that fails every request needs no hundred of them.
	certainty = 50
)

// The tests a comparison can use, and which values of a distribution can be worse.
const (
	proportions  = "proportions"
	distribution = "distribution"
	lower        = "lower"
)

// evidence is what both sides together say.
type evidence struct {
	canary, primary float64 // events or values of each side
	p               float64 // probability of it, or of worse, were both sides alike; not computed for an empty side
	shown           string  // what was found, for people
	number          float64 // the canary's own number, where it has one
	numbered        bool
}

// compare holds the canary against the primary, over the same time: both are asked at once.
func (a *Analyst) compare(ctx context.Context, s *source, o outcome) outcome {
	sampler, ok := s.system.(metric.Sampler)
	if !ok {
		return o.decided(v1beta1.Failed, s.kind.failed(s.metric,
			errors.New("this monitoring system returns one number, and a comparison needs counts, buckets or values")))
	}
	var (
		both  sync.WaitGroup
		sides [2]side
	)
	for i, target := range []string{s.canary.Spec.TargetRef.Name, s.canary.PrimaryWorkload()} {
		both.Go(func() { sides[i] = s.sample(ctx, sampler, target) })
	}
	both.Wait()
	canary, primary := sides[0], sides[1]
	// The measurement shows one query; the primary's differs in the name of the workload.
	o.query = canary.query
	switch {
	case canary.err != nil:
		return s.failedSide(o, canary.err)
	case errors.Is(primary.err, metric.ErrNoData) && !errors.Is(primary.err, metric.ErrNaN):
		// A primary without requests leaves nothing to compare with, and is not the canary's fault.
	case primary.err != nil:
		return s.failedSide(o, primary.err)
	}
	e, err := examine(s.metric, canary.samples, primary.samples)
	if err != nil {
		return s.unanswered(o, err)
	}
	// As many as a canary without series has: whether its series stand still or are missing says the same of it.
	if e.canary == 0 {
		return s.unanswered(o, metric.ErrNoData)
	}
	// Only a share is a number that the metric has without a comparison too; a rank is none that anybody could plot.
	if e.numbered {
		a.observe(s, e.number)
	}
	return s.conclude(o, e)
}

// side is what one workload was found to be.
type side struct {
	query   string
	samples []metric.Sample
	err     error
}

// sample asks about one workload. Both are asked by the same query, so that whatever is wrong with it is wrong
// with both sides.
func (s *source) sample(ctx context.Context, from metric.Sampler, target string) (found side) {
	defer func() {
		if err := panicked(ctx, recover()); err != nil {
			found.err = err
		}
	}()
	query, err := s.query(target)
	if err != nil {
		return side{err: err}
	}
	samples, err := from.Samples(ctx, query)
	return side{query: query, samples: samples, err: err}
}

// failedSide is the outcome of a side that could not be asked, or did not answer.
func (s *source) failedSide(o outcome, err error) outcome {
	var why *setupError
	if errors.As(err, &why) {
		return s.unasked(o, err)
	}
	return s.unanswered(o, err)
}

// examine reads the samples of both sides and tests them.
func examine(m v1beta1.CanaryMetric, canary, primary []metric.Sample) (evidence, error) {
	if testOf(m) == proportions {
		return contrast(canary, primary)
	}
	groups, err := arrange(canary, primary)
	if err != nil {
		return evidence{}, err
	}
	return rank(groups, m.Worse == lower), nil
}

// contrast compares shares of good events.
func contrast(canary, primary []metric.Sample) (evidence, error) {
	c, err := tally(canary)
	if err != nil {
		return evidence{}, fmt.Errorf("canary: %w", err)
	}
	p, err := tally(primary)
	if err != nil {
		return evidence{}, fmt.Errorf("primary: %w", err)
	}
	e := evidence{canary: c.all, primary: p.all}
	if min(c.all, p.all) == 0 {
		e.shown = fmt.Sprintf("%v of %v", c.good, c.all)
		return e, nil
	}
	e.p = c.worse(p)
	e.number, e.numbered = c.share(), true
	e.shown = fmt.Sprintf("%.2f%% (%.0f of %.0f), primary %.2f%% (%.0f of %.0f), p = %.3g",
		c.share(), c.good, c.all, p.share(), p.good, p.all, e.p)
	return e, nil
}

// rank compares values by their order.
func rank(groups []group, lower bool) evidence {
	word := "higher"
	if lower {
		word, groups = "lower", reversed(groups)
	}
	r := ranked(groups)
	e := evidence{canary: r.n, primary: r.m}
	if min(r.n, r.m) == 0 {
		e.shown = fmt.Sprintf("%.0f values", r.n)
		return e
	}
	e.p = r.higher()
	e.shown = fmt.Sprintf("%s in %.1f%% of pairs (%.0f values, primary %.0f), p = %.3g", word, 100*r.u/(r.n*r.m), r.n, r.m, e.p)
	return e
}

// conclude turns evidence into a verdict. It is one-sided: a canary that is better for certain passes.
func (s *source) conclude(o outcome, e evidence) outcome {
	o.value = e.shown
	least, alpha := s.least(), 1-confidence(s.metric)
	few := e.canary < least || e.primary < least
	if few {
		alpha /= certainty
	}
	// Of a side without values no p was computed.
	if min(e.canary, e.primary) > 0 && e.p <= alpha {
		return o.decided(v1beta1.Failed, s.halt(fmt.Sprintf("%s <= %.3g", e.shown, alpha)))
	}
	if few && (e.canary < least || !s.over()) {
		return o.decided(v1beta1.Inconclusive, s.halt(fmt.Sprintf(
			"cannot be compared yet: %.0f of the canary and %.0f of the primary, %.0f of each are needed", e.canary, e.primary, least)))
	}
	return o.decided(v1beta1.Passed, "")
}

// over says that all requests go to the canary, so that there is nothing to compare with any more, and that what was
// compared before had passed. A metric that has the name of another has its number behind that in the status.
func (s *source) over() bool {
	spec, status := s.canary.Spec.Analysis, s.canary.Status
	if status.CanaryWeight < 100 || status.Analysis == nil || spec != nil && len(spec.Match) > 0 {
		return false
	}
	passed := false
	for _, m := range status.Analysis.Metrics {
		if name, _, _ := strings.Cut(m.Name, "#"); name != s.metric.Name || len(m.Measurements) == 0 {
			continue
		}
		if m.Measurements[0].Verdict != v1beta1.Passed { // the newest
			return false
		}
		passed = true
	}
	return passed
}

// least is how many events or values a side must have.
func (s *source) least() float64 {
	switch {
	case s.metric.MinSamples > 0:
		return float64(s.metric.MinSamples)
	case testOf(s.metric) == proportions:
		return minEvents
	}
	return minValues
}

// confidence is how sure a comparison has to be before it fails. The schema holds it to more than a half.
func confidence(m v1beta1.CanaryMetric) float64 {
	if m.Confidence == nil {
		return defaultConfidence
	}
	return *m.Confidence
}

// testOf is the test of a comparison. Of the built-in success rate there are counts, of anything else values.
func testOf(m v1beta1.CanaryMetric) string {
	if m.Test == "" && kindOf(m) == &successRate {
		return proportions
	}
	return cmp.Or(m.Test, distribution)
}

package analysis

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/metric"
	"github.com/sluice-cd/sluice/pkg/rollout"
	"github.com/sluice-cd/sluice/pkg/sequential"
)

// File compare.go asks about the canary and the primary. What is counted of both is a stratum, of which the rollout makes
// its evidence: docs/decisions/0020-verdicts-over-a-rollout.md. Single values are tested here, once, at the end.

// What a comparison of single values needs.
const (
	// Below this hardly a difference could be told from chance, see docs/concepts/analysis.md#measured.
	minValues = 20
	// With fewer, p has to be so many times smaller.
	certainty = 50
)

// The tests a comparison can use, and which values of a distribution can be worse.
const (
	proportions  = "proportions"
	distribution = "distribution"
	lower        = "lower"
)

// compare asks about the canary and the primary at once, over the same window.
func (a *Analyst) compare(ctx context.Context, s *source, o outcome) outcome {
	sampler, ok := s.system.(metric.Sampler)
	if !ok {
		return o.decided(v1beta1.Failed, s.kind.failed(s.metric,
			errors.New("this monitoring system returns one number, and a comparison needs counts, buckets or values")))
	}
	var canary, primary, before side
	var all sync.WaitGroup
	ask := func(into *side, target string, at time.Time) {
		all.Go(func() { *into = s.sample(ctx, sampler, target, at) })
	}
	ask(&canary, s.canary.Spec.TargetRef.Name, s.window.End)
	ask(&primary, s.canary.PrimaryWorkload(), s.window.End)
	if s.window.First {
		ask(&before, s.canary.PrimaryWorkload(), s.window.Begin)
	}
	all.Wait()
	// The measurement shows one query; the primary's differs in the name of the workload.
	o.query = canary.query
	if errors.Is(canary.err, metric.ErrNoData) && !errors.Is(canary.err, metric.ErrNaN) {
		o = s.unanswered(o, canary.err)
	} else if canary.err != nil {
		return s.failedSide(o, canary.err)
	}
	switch {
	case errors.Is(primary.err, metric.ErrNoData) && !errors.Is(primary.err, metric.ErrNaN):
		// A primary without requests leaves nothing to compare with, and is not the canary's fault.
	case primary.err != nil:
		return s.failedSide(o, primary.err)
	}
	if testOf(s.metric) == distribution && !bucketed(canary.samples) && !bucketed(primary.samples) {
		return s.rank(o, canary, primary)
	}
	return a.count(s, o, canary.samples, primary.samples, before.samples)
}

// side is what one workload was found to be.
type side struct {
	query   string
	samples []metric.Sample
	err     error
}

// sample asks about one workload. Both are asked by the same query, so that whatever is wrong with it is wrong
// with both sides.
func (s *source) sample(ctx context.Context, from metric.Sampler, target string, at time.Time) (found side) {
	defer func() {
		if err := panicked(ctx, recover()); err != nil {
			found.err = err
		}
	}()
	query, err := s.query(target)
	if err != nil {
		return side{err: err}
	}
	samples, err := from.Samples(ctx, query, at)
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

// count makes a stratum of the counts of both sides. What was found of the primary before is left out where it can't be
// used: all it does is to make the evidence for the canary begin one window earlier.
func (a *Analyst) count(s *source, o outcome, canary, primary, before []metric.Sample) outcome {
	counted, err := s.counted(canary, primary, before)
	if err != nil {
		if counted, err = s.counted(canary, primary, nil); err != nil {
			return s.unanswered(o, err)
		}
	}
	// What nobody counted is counted with the next window, whose time begins where the evidence ends.
	if counted.Canary.Events+counted.Primary.Events == 0 {
		return s.unanswered(o, metric.ErrNoData)
	}
	o.stratum = counted
	// As many as a canary without series has: whether its series stand still or are missing says the same of it.
	if counted.Canary.Events == 0 {
		return s.unanswered(o, metric.ErrNoData)
	}
	o.value = fmt.Sprintf("%d of the canary, %d of the primary", counted.Canary.Events, counted.Primary.Events)
	// Only a share is a number that the metric has without a comparison too.
	if len(counted.Bounds) == 0 {
		a.observe(s, 100*float64(counted.Canary.Events-counted.Canary.Bad[0])/float64(counted.Canary.Events))
	}
	return o.decided(v1beta1.Passed, "")
}

// counted reads the answers of both sides.
func (s *source) counted(canary, primary, before []metric.Sample) (*rollout.Stratum, error) {
	n := &rollout.Stratum{Title: s.kind.title(s.metric)}
	n.Begin, n.End = s.window.Begin.Unix(), s.window.End.Unix()
	read, err := s.reader(n, canary, primary)
	if err != nil {
		return nil, err
	}
	for _, one := range []struct {
		name    string
		to      *sequential.Counts
		samples []metric.Sample
	}{{"canary", &n.Canary, canary}, {"primary", &n.Primary, primary}, {"primary before", &n.Before, before}} {
		if *one.to, err = read(one.samples); err != nil {
			return nil, fmt.Errorf("%s: %w", one.name, err)
		}
	}
	return n, nil
}

// reader says how the counts of one side are read, and how people speak of them.
func (s *source) reader(n *rollout.Stratum, canary, primary []metric.Sample) (func([]metric.Sample) (sequential.Counts, error), error) {
	if testOf(s.metric) == proportions {
		n.Bad = "events bad"
		if s.kind == &successRate {
			n.Bad = "requests failed"
		}
		return tally, nil
	}
	both := make([]map[float64]int64, 2)
	for i, samples := range [][]metric.Sample{canary, primary} {
		var err error
		if both[i], err = buckets(samples); err != nil {
			return nil, fmt.Errorf("%s: %w", []string{"canary", "primary"}[i], err)
		}
		if len(both[i]) == 0 { // nobody asked that side
			both[i] = nil
		}
	}
	n.Bounds = sequential.Shared(orOther(both[0], both[1]), orOther(both[1], both[0]))
	if len(n.Bounds) == 0 {
		return nil, errors.New("canary and primary have no bucket in common but +Inf, in which everything is")
	}
	n.Bad = "values above %s"
	beyond := sequential.Slower
	switch {
	case s.metric.Worse == lower:
		n.Bad, beyond = "values up to %s", sequential.Faster
	case s.kind == &latency:
		n.Bad, n.Unit = "requests slower than %s", metric.BoundUnit(s.provider)
	}
	return func(samples []metric.Sample) (sequential.Counts, error) {
		histogram, err := buckets(samples)
		if err != nil {
			return sequential.Counts{}, err
		}
		return beyond(ascending(histogram), n.Bounds)
	}, nil
}

func orOther(one, other map[float64]int64) map[float64]int64 {
	if one == nil {
		return other
	}
	return one
}

// rank compares single values by their order, once, in the last step that compares. Until then they are not judged.
func (s *source) rank(o outcome, canary, primary side) outcome {
	if canary.err != nil {
		return o // what its policy says
	}
	c, err := values(canary.samples)
	if err != nil {
		return s.unanswered(o, fmt.Errorf("canary: %w", err))
	}
	p, err := values(primary.samples)
	if err != nil {
		return s.unanswered(o, fmt.Errorf("primary: %w", err))
	}
	if !s.window.Last {
		o.value = fmt.Sprintf("%d values, primary %d, not compared before the last step", len(c), len(p))
		return o.decided(v1beta1.Passed, "")
	}
	word, groups := "higher", grouped(c, p)
	if s.metric.Worse == lower {
		word, groups = "lower", reversed(groups)
	}
	return s.conclude(o, ranked(groups), word)
}

// conclude takes the verdict on single values. It is one-sided: a canary that is better for certain passes.
func (s *source) conclude(o outcome, r ranks, word string) outcome {
	least := float64(cmp.Or(s.metric.MinSamples, minValues))
	promised := rollout.Promise(s.metric, s.metrics())
	alpha := (1 - promised.Confidence) / float64(promised.Metrics)
	few := r.n < least || r.m < least
	if few {
		alpha /= certainty
	}
	o.value = fmt.Sprintf("%.0f values", r.n)
	// Of a side without values no p is computed.
	if min(r.n, r.m) > 0 {
		p := r.higher()
		o.value = fmt.Sprintf("%s in %.1f%% of pairs (%.0f values, primary %.0f), p = %.3g", word, 100*r.u/(r.n*r.m), r.n, r.m, p)
		if p <= alpha {
			o.final = true
			return o.decided(v1beta1.Failed, s.halt(fmt.Sprintf("%s <= %.3g", o.value, alpha)))
		}
	}
	if few {
		return o.decided(v1beta1.Inconclusive, s.halt(fmt.Sprintf(
			"cannot be compared yet: %.0f values of the canary and %.0f of the primary, %.0f of each are needed", r.n, r.m, least)))
	}
	o.final = true
	return o.decided(v1beta1.Passed, "")
}

// metrics are all of the Canary, which share what they may be wrong by.
func (s *source) metrics() []v1beta1.CanaryMetric {
	if s.canary.Spec.Analysis == nil {
		return nil
	}
	return s.canary.Spec.Analysis.Metrics
}

// testOf is the test of a comparison. Of the built-in success rate there are counts, of anything else values.
func testOf(m v1beta1.CanaryMetric) string {
	if m.Test == "" && kindOf(m) == &successRate {
		return proportions
	}
	return cmp.Or(m.Test, distribution)
}

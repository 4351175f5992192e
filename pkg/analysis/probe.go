package analysis

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
)

// File probe.go is asked before a Canary's first rollout, so that a mistake shows while nobody is waiting.
//
// `vector(1)` is a query that every Prometheus answers without looking at a series.

// Probe says whether the metrics of a Canary can be asked for: their templates and Secrets are there, their queries
// can be rendered, and a Prometheus answers; other systems are not asked, since that may cost money. The error is about
// the first metric that cannot.
func (a *Analyst) Probe(ctx context.Context, c *v1beta1.Canary) error {
	if c.Spec.Analysis == nil {
		return nil
	}
	shared := newRound()
	for _, m := range c.Spec.Analysis.Metrics {
		if err := a.probe(ctx, shared, c, m); err != nil {
			return err
		}
	}
	return nil
}

// probe goes as far as a check would, short of asking for the number: nobody has asked the canary yet, so that there
// would be none.
func (a *Analyst) probe(ctx context.Context, r *round, c *v1beta1.Canary, m v1beta1.CanaryMetric) error {
	s, err := a.source(ctx, r, c, rollout.Question{Metric: &m})
	if err != nil {
		return err
	}
	if _, err := s.query(c.Spec.TargetRef.Name); err != nil {
		return err
	}
	if !s.promql {
		return nil
	}
	if _, err := s.system.Query(ctx, "vector(1)"); err != nil {
		return errors.New(s.secrets.Hide(fmt.Sprintf("metric %s: %v", m.Name, err)))
	}
	return nil
}

// probeTimeout bounds a probe, which goes through the metrics one after the other.
const probeTimeout = time.Minute

// systems is what a probe found.
func (a *Analyst) systems(ctx context.Context, c *v1beta1.Canary) (f rollout.Finding) {
	defer func() {
		if err := panicked(ctx, recover()); err != nil {
			f = failure(err)
		}
	}()
	ctx, stop := context.WithTimeout(ctx, probeTimeout)
	defer stop()
	if err := a.Probe(ctx, c); err != nil {
		return failure(err)
	}
	return rollout.Finding{Verdict: v1beta1.Passed}
}

// failure is the finding of a question that came to nothing, on one line of bounded length.
func failure(err error) rollout.Finding {
	return rollout.Finding{Verdict: v1beta1.Failed, Message: bounded(line(err.Error()), maxMessage)}
}

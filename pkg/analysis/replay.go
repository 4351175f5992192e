package analysis

import (
	"context"
	"fmt"
	"regexp"
	"time"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/metric"
	"github.com/sluice-cd/sluice/pkg/rollout"
)

// File replay.go asks what the metrics of a Canary would have been found to be at some time.

// Replayed is what a metric would have been found to be.
type Replayed struct {
	Metric string         `json:"metric"`
	Result ReplayedResult `json:"result"`
	DryRun bool           `json:"dryRun,omitempty"` // it fails nothing
	Value  string         `json:"value,omitempty"`
	Limit  string         `json:"limit,omitempty"`
	Query  string         `json:"query,omitempty"`
	Why    string         `json:"why,omitempty"` // that was not what it should be
}

// ReplayedResult is a verdict, or why there is none.
type ReplayedResult string

// The results.
const (
	ReplayPassed        ReplayedResult = "passed"
	ReplayFailed        ReplayedResult = "failed"
	ReplayInconclusive  ReplayedResult = "inconclusive"
	ReplayWaiting       ReplayedResult = "waiting"        // there was no value, and onNoData says to wait for one
	ReplayNotReplayable ReplayedResult = "not-replayable" // nobody was asked
	ReplayUnanswered    ReplayedResult = "unanswered"     // the server did not answer
)

// Replay asks MetricsServer, a Prometheus, for each metric of a Canary as it was at a time. The Library has the templates:
// what they ask another Prometheus for is asked of this one, with their headers and without their Secret. A comparison is
// judged by the one interval of the analysis before that time, as at the first check of a rollout.
func (a *Analyst) Replay(ctx context.Context, c *v1beta1.Canary, interval time.Duration, at time.Time) []Replayed {
	c = c.DeepCopy()
	c.Spec.MetricsServer = ""
	if c.Spec.Analysis == nil {
		return nil
	}
	asked := *a
	asked.at, asked.Library, asked.Observe = at, elsewhere{Library: a.library(), address: a.MetricsServer}, nil
	shared := newRound()
	var all []Replayed
	for i := range c.Spec.Analysis.Metrics {
		q := rollout.Question{Metric: &c.Spec.Analysis.Metrics[i]}
		if end := at.Truncate(time.Second); q.Metric.Baseline != "" {
			q.Window = &rollout.Window{Begin: end.Add(-interval.Truncate(time.Second)), End: end, First: true, Last: true}
		}
		all = append(all, asked.replay(ctx, shared, c, q))
	}
	return all
}

// elsewhere is a library whose templates ask one Prometheus.
type elsewhere struct {
	Library
	address string
}

// Template is one of the library's, with the address.
func (e elsewhere) Template(ctx context.Context, c *v1beta1.Canary, ref v1beta1.CrossNamespaceRef) (*v1beta1.MetricTemplate, error) {
	t, err := e.Library.Template(ctx, c, ref)
	if err != nil {
		return nil, err
	}
	t = t.DeepCopy()
	if p := &t.Spec.Provider; p.Type == "prometheus" {
		p.Address, p.SecretRef, t.Spec.QuoteAnswers = e.address, nil, true
	}
	return t, nil
}

func (a *Analyst) replay(ctx context.Context, r *round, c *v1beta1.Canary, q rollout.Question) Replayed {
	out := Replayed{Metric: q.Metric.Name, DryRun: q.Metric.DryRun, Result: ReplayNotReplayable}
	if out.Why = a.unreplayable(ctx, c, *q.Metric); out.Why != "" {
		return out
	}
	answered := true
	a.Failed = func(string) { answered = false }
	f := rollout.JudgeWindow(a.measure(ctx, r, c, q), *q.Metric, c.Spec.Analysis.Metrics)
	out.Result = resultOf(f.Verdict)
	if n := f.Measurement; n != nil {
		out.Value, out.Limit, out.Query, out.Why = n.Value, n.Limit, n.Query, n.Message
	}
	if !answered {
		out.Result = ReplayUnanswered
	}
	return out
}

func resultOf(v v1beta1.Verdict) ReplayedResult {
	switch v {
	case v1beta1.Passed:
		return ReplayPassed
	case v1beta1.Inconclusive:
		return ReplayInconclusive
	case v1beta1.Waiting:
		return ReplayWaiting
	default:
		return ReplayFailed
	}
}

// ofRevision finds the word of a query that is a revision of Knative's.
var ofRevision = regexp.MustCompile(`\broute\b`)

// unreplayable is why nobody can be asked about a metric; empty: somebody can.
func (a *Analyst) unreplayable(ctx context.Context, c *v1beta1.Canary, m v1beta1.CanaryMetric) string {
	text := m.Query
	switch {
	case m.TemplateRef != nil:
		at := m.TemplateRef.KeyFor(c)
		ref := v1beta1.CrossNamespaceRef{Name: at.Name, Namespace: at.Namespace}
		t, err := a.library().Template(ctx, c, ref)
		if err != nil {
			return fmt.Sprintf("MetricTemplate %s: %v", at, err)
		}
		if kind := t.Spec.Provider.Type; kind != "prometheus" {
			return fmt.Sprintf("it is measured by %s, and not by a Prometheus", kind)
		}
		text = t.Spec.Query
	case text == "":
		text, _ = metric.Builtin(a.Meter(c), m.Name) // one that there is not fails when it is measured
	}
	if c.Spec.TargetRef.Kind == "Service" && ofRevision.MatchString(text) {
		return "its query names a revision of Knative's, which is not known before the rollout"
	}
	return ""
}

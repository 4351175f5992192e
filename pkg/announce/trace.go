package announce

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// A rollout is a trace:
//
//	rollout podinfo.test                     detection of the revision … its outcome
//	 ├─ Progressing
//	 │   ├─ request-success-rate  99.8       a measurement, when it was taken
//	 │   └─ request-success-rate  97.5
//	 ├─ Promoting
//	 └─ Finalising
//
// It takes hours, and the operator may be restarted meanwhile. So nothing is kept open: a span is written when it
// is over, with the times of the status, and its ids are derived from the Canary, the revision and when the rollout
// began, so that parts which different processes wrote belong together.

// Tracer writes rollouts as traces. Spans has to come from a provider whose IDGenerator is SpanIDs.
type Tracer struct{ Spans trace.Tracer }

// SpanIDs is an IDGenerator that hands out the ids its caller has put into the context.
type SpanIDs struct{}

type spanKey struct{}

// NewIDs implements the IDGenerator of OpenTelemetry's SDK, for the first span of a trace.
func (SpanIDs) NewIDs(ctx context.Context) (trace.TraceID, trace.SpanID) {
	id, _ := ctx.Value(spanKey{}).(trace.SpanContextConfig)
	return id.TraceID, id.SpanID
}

// NewSpanID implements the IDGenerator of OpenTelemetry's SDK, for all further spans.
func (SpanIDs) NewSpanID(ctx context.Context, _ trace.TraceID) trace.SpanID {
	id, _ := ctx.Value(spanKey{}).(trace.SpanContextConfig)
	return id.SpanID
}

// rolloutTrace is what is traced of one decision.
type rolloutTrace struct {
	*Tracer
	news   News
	was    rolloutRecord
	rollID string // what all ids of the rollout are derived from
}

// record writes the spans that a decision ended. A nil Tracer writes none.
func (t *Tracer) record(ctx context.Context, n News, was rolloutRecord) {
	// What rests is no part of a rollout; and without a revision there is nothing to derive ids from.
	if t == nil || !n.Before.Phase.Unfinished() || was.revision == "" {
		return
	}
	w := rolloutTrace{Tracer: t, news: n, was: was}
	// With the time, since a revision can be rolled out more than once: each time is a trace of its own.
	w.rollID = fmt.Sprintf("%s/%s/%d", n.Canary.UID, was.revision, unknownSince(n.Before).Unix())
	// Before the phase is asked about: most decisions end none, and checks are taken in all of them.
	w.measurements(ctx)
	from, to := sinceOf(n.Before), sinceOf(n.Canary.Status)
	if from.IsZero() || !to.After(from) {
		return
	}
	w.write(ctx, span{name: string(n.Before.Phase), id: w.phase(), parent: w.rollID, from: from, to: to,
		attributes: []attribute.KeyValue{attribute.Int("sluice.canary.weight", n.Before.CanaryWeight), attribute.Int("sluice.canary.step", n.Before.Step)}})
	if was.outcome != "" {
		w.root(ctx, to)
	}
}

// phase is the id of the phase's span. A phase that was interrupted has one for each part.
func (w *rolloutTrace) phase() string {
	return fmt.Sprintf("%s/%s/%d", w.rollID, w.news.Before.Phase, sinceOf(w.news.Before).UnixMicro())
}

func (w *rolloutTrace) root(ctx context.Context, to time.Time) {
	c := w.news.Canary
	from := w.was.began
	// Of a status of another controller no more is known than when its present phase began.
	if from.IsZero() {
		from = sinceOf(w.news.Before)
	}
	s := span{name: "rollout " + c.Name + "." + c.Namespace, id: w.rollID, from: from, to: to,
		attributes: []attribute.KeyValue{attribute.String("sluice.outcome", string(w.was.outcome))}}
	if w.was.outcome == failed {
		s.wrong = condition(c.Status, v1beta1.ConditionPromoted)
	}
	for _, i := range w.was.images {
		s.attributes = append(s.attributes, attribute.String("sluice.image."+i.Container, i.New))
	}
	w.write(ctx, s)
}

// measurements writes those that the status before did not have.
func (w *rolloutTrace) measurements(ctx context.Context) {
	for _, m := range metrics(w.news.Canary.Status.Analysis) {
		known := measured(w.news.Before.Analysis, m.Name)
		for i, one := range m.Measurements {
			if slices.Contains(known, one) || one.Time.Time.Before(unknownSince(w.news.Before)) {
				continue
			}
			s := span{name: m.Name, id: fmt.Sprintf("%s/%s/%d/%d", w.phase(), m.Name, one.Time.Unix(), m.Checks-i), parent: w.phase(),
				from: one.Time.Time, to: one.Time.Time, attributes: []attribute.KeyValue{
					attribute.String("sluice.value", one.Value), attribute.String("sluice.limit", one.Limit),
					attribute.String("sluice.query", one.Query), attribute.String("sluice.verdict", string(one.Verdict)),
				}}
			if one.Verdict == v1beta1.Failed {
				s.wrong = one.Message
			}
			w.write(ctx, s)
		}
	}
}

func metrics(a *v1beta1.AnalysisStatus) []v1beta1.MetricStatus {
	if a == nil {
		return nil
	}
	return a.Metrics
}

func measured(a *v1beta1.AnalysisStatus, name string) []v1beta1.Measurement {
	for _, m := range metrics(a) {
		if m.Name == name {
			return m.Measurements
		}
	}
	return nil
}

// span is one that is over.
type span struct {
	name, id, parent string // a parent that is empty: the root
	from, to         time.Time
	attributes       []attribute.KeyValue
	wrong            string // empty: nothing
}

func (w *rolloutTrace) write(ctx context.Context, s span) {
	c := w.news.Canary
	own := trace.SpanContextConfig{TraceID: traceID(w.rollID), SpanID: spanID(s.id), TraceFlags: trace.FlagsSampled}
	ctx = context.WithValue(ctx, spanKey{}, own)
	options := []trace.SpanStartOption{trace.WithTimestamp(s.from), trace.WithAttributes(s.attributes...), trace.WithAttributes(
		attribute.String("k8s.namespace.name", c.Namespace), attribute.String("sluice.canary", c.Name),
		attribute.String("sluice.target", c.Spec.TargetRef.Kind+"/"+c.Spec.TargetRef.Name), attribute.String("sluice.revision", w.was.revision))}
	// A root of its own, whatever the context is part of.
	if s.parent == "" {
		options = append(options, trace.WithNewRoot())
	} else {
		// Remote, because it is written by a later decision, and perhaps by another process.
		parent := own
		parent.SpanID, parent.Remote = spanID(s.parent), true
		ctx = trace.ContextWithRemoteSpanContext(ctx, trace.NewSpanContext(parent))
	}
	_, open := w.Spans.Start(ctx, s.name, options...)
	if s.wrong != "" {
		open.SetStatus(codes.Error, s.wrong)
	}
	open.End(trace.WithTimestamp(s.to))
}

func traceID(text string) trace.TraceID {
	sum := sha256.Sum256([]byte(text))
	return trace.TraceID(sum[:16])
}

func spanID(text string) trace.SpanID {
	sum := sha256.Sum256([]byte(text))
	return trace.SpanID(sum[16:24])
}

package controller

import (
	"testing"

	"github.com/stretchr/testify/require"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/sluice-cd/sluice/pkg/announce"
	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// TestARealRolloutIsOneTrace follows an operator on a real API server, which is replaced in the middle.
func TestARealRolloutIsOneTrace(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	into := tracetest.NewInMemoryExporter()
	traced := func(r *Reconciler) {
		spans := sdktrace.NewTracerProvider(sdktrace.WithSyncer(into), sdktrace.WithIDGenerator(announce.SpanIDs{}))
		r.Announcer.Tracer = &announce.Tracer{Spans: spans.Tracer("sluice")}
	}
	require.NoError(t, w.Create(t.Context(), w.canary()))
	o := start(t, w.ns, w.clock, w.judge, 0, traced)
	w.awaitPhase(v1beta1.PhaseInitialized)
	w.judge.hold(50)
	w.setImage(imageTwo)
	w.awaitWeights("50/50")
	o.stop()
	w.judge.goOn()
	start(t, w.ns, w.clock, w.judge, 0, traced)
	w.awaitPhase(v1beta1.PhaseSucceeded)
	w.await("the rollout is written", func() bool { return len(into.GetSpans()) == 6 })

	spans := into.GetSpans()
	var names []string
	for _, s := range spans {
		names = append(names, s.Name)
		require.False(t, s.EndTime.Before(s.StartTime), s.Name)
	}
	root := "rollout podinfo." + w.ns
	require.Equal(t, []string{"Initializing", root, "Progressing", "Promoting", "Finalising", root}, names)
	whole := spans[5]
	for _, s := range spans[2:5] {
		require.Equal(t, whole.SpanContext.TraceID(), s.SpanContext.TraceID())
		require.Equal(t, whole.SpanContext.SpanID(), s.Parent.SpanID())
		require.False(t, s.StartTime.Before(whole.StartTime), "%s begins in its rollout", s.Name)
		require.False(t, s.EndTime.After(whole.EndTime), "%s ends in its rollout", s.Name)
	}
	require.NotEqual(t, spans[1].SpanContext.TraceID(), whole.SpanContext.TraceID(), "the initialisation is no rollout")
}

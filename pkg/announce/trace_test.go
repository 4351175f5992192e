package announce

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// process is one process of the operator that traces, with a memory of its own.
type process struct {
	history rolloutHistory
	*Tracer
}

func newProcess(into trace.SpanExporter) *process {
	p := trace.NewTracerProvider(trace.WithSyncer(into), trace.WithIDGenerator(SpanIDs{}))
	return &process{Tracer: &Tracer{Spans: p.Tracer("sluice")}}
}

func (p *process) see(before, after v1beta1.CanaryStatus) {
	n := newsOf(before, after)
	was, _ := p.history.recordDecision(n)
	p.record(context.Background(), n, was)
}

// journey is a rollout of three phases that takes eleven minutes, with a measurement that passed and one that did not.
func journey() []v1beta1.CanaryStatus {
	idle := stands(v1beta1.PhaseSucceeded, "r1-a", -60)
	begun := stands(v1beta1.PhaseProgressing, "r1-b", 0)
	passed := begun
	one := v1beta1.Measurement{Time: metav1.NewTime(noon.Add(2 * time.Minute)), Value: "99.8", Limit: ">= 99", Query: "up", Verdict: v1beta1.Passed}
	two := v1beta1.Measurement{Time: metav1.NewTime(noon.Add(3 * time.Minute)), Value: "97.5", Limit: ">= 99", Verdict: v1beta1.Failed, Message: "97.50% < 99%"}
	passed.Analysis = &v1beta1.AnalysisStatus{Metrics: []v1beta1.MetricStatus{{Name: "success", Checks: 1, Measurements: []v1beta1.Measurement{one}}}}
	failed := begun
	failed.Analysis = &v1beta1.AnalysisStatus{Metrics: []v1beta1.MetricStatus{{Name: "success", Checks: 2, Measurements: []v1beta1.Measurement{two, one}}}}
	promoting, finalising := stands(v1beta1.PhasePromoting, "r1-b", 5), stands(v1beta1.PhaseFinalising, "r1-b", 9)
	done := stands(v1beta1.PhaseSucceeded, "r1-b", 11)
	for _, s := range []*v1beta1.CanaryStatus{&promoting, &finalising, &done} {
		s.Analysis = failed.Analysis
	}
	return []v1beta1.CanaryStatus{idle, begun, passed, failed, promoting, finalising, done}
}

// lines are spans as `name from-to parent`, in minutes after noon.
func lines(spans tracetest.SpanStubs) []string {
	names := map[string]string{}
	for _, s := range spans {
		names[s.SpanContext.SpanID().String()] = s.Name
	}
	var all []string
	for _, s := range spans {
		all = append(all, fmt.Sprintf("%s %v-%v in %q", s.Name, s.StartTime.Sub(noon).Minutes(), s.EndTime.Sub(noon).Minutes(), names[s.Parent.SpanID().String()]))
	}
	return all
}

var wholeTrace = []string{
	`success 2-2 in "Progressing"`,
	`success 3-3 in "Progressing"`,
	`Progressing 0-5 in "rollout podinfo.test"`,
	`Promoting 5-9 in "rollout podinfo.test"`,
	`Finalising 9-11 in "rollout podinfo.test"`,
	`rollout podinfo.test 0-11 in ""`,
}

func TestTraceOfARollout(t *testing.T) {
	into := tracetest.NewInMemoryExporter()
	p, seen := newProcess(into), journey()
	for i := range seen[1:] {
		p.see(seen[i], seen[i+1])
	}
	spans := into.GetSpans()
	require.Equal(t, wholeTrace, lines(spans))
	told := map[string]string{}
	for _, a := range spans[1].Attributes {
		told[string(a.Key)] = a.Value.String()
	}
	require.Equal(t, map[string]string{
		"sluice.value": "97.5", "sluice.limit": ">= 99", "sluice.query": "", "sluice.verdict": "Failed", "k8s.namespace.name": "test",
		"sluice.canary": "podinfo", "sluice.target": "Deployment/podinfo", "sluice.revision": "r1-b",
	}, told)
	require.Equal(t, codes.Error, spans[1].Status.Code)
	require.Equal(t, "97.50% < 99%", spans[1].Status.Description)
	for _, s := range spans {
		require.Equal(t, spans[0].SpanContext.TraceID(), s.SpanContext.TraceID(), "It is one trace.")
		require.True(t, s.SpanContext.IsSampled())
	}
}

func TestTraceSurvivesRestarts(t *testing.T) {
	whole := tracetest.NewInMemoryExporter()
	p, seen := newProcess(whole), journey()
	for i := range seen[1:] {
		p.see(seen[i], seen[i+1])
	}
	parts := tracetest.NewInMemoryExporter()
	for i := range seen[1:] {
		newProcess(parts).see(seen[i], seen[i+1])
	}
	require.Equal(t, wholeTrace, lines(parts.GetSpans()), "A process for each decision writes the same.")
	for i, s := range parts.GetSpans() {
		require.Equal(t, whole.GetSpans()[i].SpanContext.SpanID(), s.SpanContext.SpanID())
		require.Equal(t, whole.GetSpans()[i].SpanContext.TraceID(), s.SpanContext.TraceID())
	}
}

func TestTraceEnds(t *testing.T) {
	from := stands(v1beta1.PhaseProgressing, "r1-b", 0)
	bad := stands(v1beta1.PhaseFailed, "r1-b", 4)
	bad.Conditions[0].Message = "Canary analysis failed."
	cases := map[string]struct {
		reason        string
		before, after v1beta1.CanaryStatus
		want          []string
		outcome       string
		wrong         string
	}{
		"Failed": {
			reason: "A failure says why.", before: from, after: bad,
			want:    []string{`Progressing 0-4 in "rollout podinfo.test"`, `rollout podinfo.test 0-4 in ""`},
			outcome: "failed", wrong: "Canary analysis failed.",
		},
		"Superseded": {
			reason: "A newer revision is another trace.", before: from, after: stands(v1beta1.PhaseProgressing, "r1-c", 3),
			want:    []string{`Progressing 0-3 in "rollout podinfo.test"`, `rollout podinfo.test 0-3 in ""`},
			outcome: "superseded",
		},
		"GoesOn":      {reason: "What is not over is not written.", before: from, after: from},
		"Interrupted": {reason: "A clock that is set back divides a phase.", before: from, after: stands(v1beta1.PhaseProgressing, "r1-b", 2), want: []string{`Progressing 0-2 in ""`}},
		"AtRest":      {reason: "Nothing is rolled out.", before: bad, after: stands(v1beta1.PhaseSucceeded, "r1-a", 5)},
		"NoTimes":     {reason: "A status of another controller has none.", before: v1beta1.CanaryStatus{Phase: v1beta1.PhaseProgressing, LastAppliedSpec: "x"}, after: bad},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			into := tracetest.NewInMemoryExporter()
			newProcess(into).see(tc.before, tc.after)
			spans := into.GetSpans()
			require.Equal(t, tc.want, lines(spans), tc.reason)
			if tc.outcome == "" {
				return
			}
			root := spans[len(spans)-1]
			require.Equal(t, tc.outcome, root.Attributes[0].Value.AsString(), tc.reason)
			require.Equal(t, tc.wrong, root.Status.Description, tc.reason)
		})
	}
}

func TestNothingIsTracedUnlessAskedFor(t *testing.T) {
	var none *Tracer
	require.NotPanics(t, func() { none.record(t.Context(), newsOf(journey()[5], journey()[6]), rolloutRecord{}) })
}

package controller

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/analysis"
	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/kube/kubetest"
	"github.com/sluice-cd/sluice/pkg/rollout"
	"github.com/sluice-cd/sluice/pkg/sequential"
)

// TestCrashKeepsEvidence kills the operator after its k-th write, for every k of a rollout that compares the canary with
// the primary: whatever was stored is the evidence of all requests since its beginning, each counted once.
func TestCrashKeepsEvidence(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		reason string
		bad    int64
		want   outcome
	}{
		"Alike": {
			reason: "a canary as good as the primary is cleared, and promoted", bad: 1,
			want: outcome{phase: v1beta1.PhaseSucceeded, primary: imageTwo, weights: "100/0", selector: "podinfo-primary"},
		},
		"Worse": {
			reason: "a worse one fails for good, and once", bad: 3,
			want: outcome{phase: v1beta1.PhaseFailed, primary: imageOne, weights: "100/0", selector: "podinfo-primary", failed: 1},
		},
	} {
		t.Run(name, func(t *testing.T) {
			crashAfterAny(t, 9, func(t *testing.T, k int) int {
				w, c := newWorld(t), &counter{bad: tc.bad}
				require.NoError(t, w.Create(t.Context(), w.canary(comparing)))
				stored := w.evidence()
				writes := w.crashAfterJudgedBy(c, k, func() { w.setImage(imageTwo) }, func() bool { return w.outcome() == tc.want })
				found := stored()
				require.NotEmpty(t, found, tc.reason)
				for metric, all := range found {
					c.requireOnce(t, metric, all)
				}
				return writes
			})
		})
	}
}

// comparing has a Canary judged by a share and by a histogram, and wait as long as it takes for the requests it needs.
func comparing(c *v1beta1.Canary) {
	a := c.Spec.Analysis
	a.StepWeight, a.MaxWeight, a.StepWeights = 0, 0, []int{30, 60}
	a.Metrics = []v1beta1.CanaryMetric{
		{Name: "request-success-rate", Baseline: "primary", MaxHold: "10h"},
		{Name: "request-duration", Baseline: "primary", MaxHold: "10h"},
	}
}

// evidence notes the evidence of each metric in every status that is stored, in order.
func (w *world) evidence() func() map[string][]*v1beta1.Evidence {
	w.Helper()
	c, err := client.NewWithWatch(kubetest.Config(w), client.Options{Scheme: w.Scheme()})
	require.NoError(w, err)
	ctx, cancel := context.WithCancel(w.Context())
	watching, err := c.Watch(ctx, &v1beta1.CanaryList{}, client.InNamespace(w.ns))
	require.NoError(w, err)
	seen, done := map[string][]*v1beta1.Evidence{}, make(chan struct{})
	go func() {
		defer close(done)
		for e := range watching.ResultChan() {
			k, ok := e.Object.(*v1beta1.Canary)
			if !ok || k.Status.Analysis == nil {
				continue
			}
			for _, m := range k.Status.Analysis.Metrics {
				if m.Evidence != nil {
					seen[m.Name] = append(seen[m.Name], m.Evidence)
				}
			}
		}
	}()
	return func() map[string][]*v1beta1.Evidence { cancel(); <-done; return seen }
}

// counter answers comparisons with requests of which there are others in every second, so that what is lost or counted
// twice shows. Of a hundred of the canary's so many are bad, and one of the primary's.
type counter struct {
	bad int64

	mu    sync.Mutex
	first []*rollout.Window // those before which nothing was counted
}

func (c *counter) Round(*v1beta1.Canary) analysis.Answer {
	return func(_ context.Context, q rollout.Question) rollout.Finding {
		f := rollout.Finding{Verdict: v1beta1.Passed}
		if w := q.Window; w != nil {
			if w.First {
				c.mu.Lock()
				c.first = append(c.first, w)
				c.mu.Unlock()
			}
			f.Stratum = &rollout.Stratum{Stratum: c.stratum(q.Metric.Name, w.Begin, w.End, w.First), Title: q.Metric.Name, Bad: "requests bad"}
		}
		return f
	}
}

// stratum is what a window counts.
func (c *counter) stratum(metric string, begin, end time.Time, first bool) sequential.Stratum {
	s := sequential.Stratum{Begin: begin.Unix(), End: end.Unix()}
	if metric == "request-duration" {
		s.Bounds = []float64{100, 500}
	}
	of := func(begin, end, bad int64) sequential.Counts {
		n := sequential.Counts{Bad: make([]int64, max(1, len(s.Bounds)))}
		for second := begin + 1; second <= end; second++ {
			n.Events += 100 + second%7
			for i := range n.Bad {
				n.Bad[i] += bad
			}
		}
		return n
	}
	s.Canary, s.Primary = of(s.Begin, s.End, c.bad), of(s.Begin, s.End, 1)
	if first {
		s.Before = of(2*s.Begin-s.End, s.Begin, 1)
	}
	return s
}

// requireOnce checks that each stored evidence is that of the one before and of what was counted from then on.
func (c *counter) requireOnce(t *testing.T, metric string, stored []*v1beta1.Evidence) {
	t.Helper()
	var canary v1beta1.Canary
	canary.Spec.Analysis = &v1beta1.CanaryAnalysis{}
	comparing(&canary)
	metrics := canary.Spec.Analysis.Metrics
	p := rollout.Promise(metrics[0], metrics)
	var want sequential.Evidence
	for _, e := range stored {
		got, err := sequential.Parse(e.State)
		require.NoError(t, err)
		require.Equal(t, e.Until.Unix(), got.Until)
		if got.Until != want.Until {
			begin, first := time.Unix(want.Until, 0), want.Until == 0
			if first {
				begin = c.began(t, e.Until.Time)
			}
			require.NoError(t, want.Add(c.stratum(metric, begin, e.Until.Time, first), p), metric)
		}
		want.Final = got.Final // made when the last step's time is over, which is not what this is about
		require.Equal(t, want.Text(), e.State, "%s: each request is counted once", metric)
	}
	require.Positive(t, want.Strata, "something was counted")
}

// began is when the first window began, whoever asked for it.
func (c *counter) began(t *testing.T, end time.Time) (begin time.Time) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, w := range c.first {
		if !w.End.Equal(end) {
			continue
		}
		require.True(t, begin.IsZero() || begin.Equal(w.Begin), "what is stored says when it began")
		begin = w.Begin
	}
	require.False(t, begin.IsZero(), "it was asked for")
	return begin
}

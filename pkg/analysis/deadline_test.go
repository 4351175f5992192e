package analysis

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
)

// unread is a Library that never has anything, as a cache of a kind that may not be listed.
type unread struct{}

func (unread) Template(ctx context.Context, _ *v1beta1.Canary, _ v1beta1.CrossNamespaceRef) (*v1beta1.MetricTemplate, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func (unread) Secret(ctx context.Context, _, _ string) (map[string][]byte, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// TestEveryQuestionEnds is about what is read for a question and never comes.
func TestEveryQuestionEnds(t *testing.T) {
	c := podinfo()
	c.Spec.Analysis = &v1beta1.CanaryAnalysis{Metrics: []v1beta1.CanaryMetric{referring("here")}}
	for name, tc := range map[string]struct {
		reason string
		ask    func(context.Context, *Analyst) rollout.Finding
		within time.Duration
		want   string
	}{
		"Metric": {
			reason: "a template", within: 10 * time.Second, want: "Metric template here.test error: ",
			ask: func(ctx context.Context, a *Analyst) rollout.Finding {
				m := referring("here")
				return a.measure(ctx, newRound(), c, rollout.Question{Metric: &m})
			},
		},
		"Probe": {
			reason: "the same, before the first rollout", within: 10 * time.Second, want: "Metric template here.test error: ",
			ask: func(ctx context.Context, a *Analyst) rollout.Finding { return a.systems(ctx, c) },
		},
		"Hook": {
			reason: "a Secret, of a hook that has a day", within: time.Hour, want: "context deadline exceeded",
			ask: func(ctx context.Context, a *Analyst) rollout.Finding {
				return a.hook(ctx, c, v1beta1.CanaryWebhook{Name: "gate", URL: "http://gate", Timeout: "24h", SecretRef: &v1beta1.SecretRef{Name: "keys"}})
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := impatient("")
				a.Library = unread{}
				began := time.Now()
				found := tc.ask(t.Context(), a)
				require.Equal(t, tc.within, time.Since(began), tc.reason)
				require.Equal(t, v1beta1.Failed, found.Verdict)
				require.Contains(t, found.Message, tc.want)
			})
		})
	}
}

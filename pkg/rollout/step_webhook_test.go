package rollout

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// No deadline runs while a rollout is halted, that of a step's webhook neither.
func TestStepWebhookIsNotOverdueByAHalt(t *testing.T) {
	s := snap(func(s *Snapshot) {
		s.Paused = true
		s.Status.StepStarted = &v1beta1.StepStart{Revision: "r1-v2", Step: 1, Time: *micro(noon.Add(-2 * time.Minute)), WebhookSince: micro(noon.Add(-time.Minute))}
	})
	s.Status = Decide(s, Findings{}).Status
	s.Now, s.Paused = noon.Add(30*time.Minute), false
	s.Status = Decide(s, Findings{}).Status
	require.Equal(t, noon.Add(29*time.Minute), s.Status.StepStarted.WebhookSince.UTC(), "it has waited for a minute")
}

// A webhook of a step is given an hour at most, like all others.
func TestStepWebhookIsShortened(t *testing.T) {
	p, err := Compile(analysisOf(t, "{steps: [{weight: 1}, {name: smoke, weight: 2, webhook: {url: 'http://a', timeout: 2h}}]}"), Weighted)
	require.NoError(t, err)
	require.Contains(t, p.Remarks, Remark{ReasonStrategyAdjusted, "The webhook of step smoke (spec.analysis.steps[1].webhook) is given 1h to answer, not its timeout of 2h"})
}

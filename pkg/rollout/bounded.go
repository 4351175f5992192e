package rollout

import (
	"math"
	"slices"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// bounded is a status whose numbers are within their bounds. Nobody but a person, or another program, writes others;
// the next decision that is stored puts them right. The schema has no such bounds: one that was stored beyond them
// could not be patched any more.
func bounded(s v1beta1.CanaryStatus) v1beta1.CanaryStatus {
	s.CanaryWeight = min(max(s.CanaryWeight, 0), everything)
	s.Step, s.Iterations, s.FailedChecks = atLeastZero(s.Step), atLeastZero(s.Iterations), atLeastZero(s.FailedChecks)
	s.PrimaryReplicas = max(s.PrimaryReplicas, 0)
	if s.ActualWeight != nil {
		actual := min(max(*s.ActualWeight, 0), everything)
		s.ActualWeight = &actual
	}
	// Copied only where something is wrong: every look at every Canary comes by here.
	if s.Analysis != nil && slices.ContainsFunc(s.Analysis.Metrics, outOfBounds) {
		s.Analysis = s.Analysis.DeepCopy()
		for i := range s.Analysis.Metrics {
			m := &s.Analysis.Metrics[i]
			m.Checks, m.Failures, m.PassesInRow = atLeastZero(m.Checks), atLeastZero(m.Failures), atLeastZero(m.PassesInRow)
		}
	}
	return s
}

func outOfBounds(m v1beta1.MetricStatus) bool {
	return m.Checks != atLeastZero(m.Checks) || m.Failures != atLeastZero(m.Failures) || m.PassesInRow != atLeastZero(m.PassesInRow)
}

// atLeastZero is a number of things, to which one can be added.
func atLeastZero(n int) int { return min(max(n, 0), math.MaxInt32) }

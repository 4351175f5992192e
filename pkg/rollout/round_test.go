package rollout

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

func TestLimitsOfMetricsWithOneName(t *testing.T) {
	passed, failed := Finding{Name: "errors", Verdict: v1beta1.Passed}, Finding{Name: "errors", Verdict: v1beta1.Failed, Message: "too many"}
	cases := map[string]struct {
		reason        string
		first, second *int
		found         Findings
		counted       int
	}{
		"OwnLimitFirst":   {reason: "The second has none, so that its failure counts for all.", first: ptr(3), found: Findings{passed, failed}, counted: 1},
		"OwnLimitSecond":  {reason: "The second counts by itself.", second: ptr(3), found: Findings{passed, failed}},
		"FirstBySelf":     {reason: "So does the first, whatever the second does.", first: ptr(3), found: Findings{failed, passed}},
		"FirstForAll":     {reason: "The first has none.", second: ptr(3), found: Findings{failed, passed}, counted: 1},
		"EachByItsOwnWay": {reason: "One round is one failed check at the most.", second: ptr(3), found: Findings{failed, failed}, counted: 1},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := snap(func(s *Snapshot) {
				s.Plan.Metrics = []v1beta1.CanaryMetric{{Name: "errors", FailureLimit: tc.first}, {Name: "errors", FailureLimit: tc.second}}
			})
			require.Equal(t, tc.counted, Decide(s, tc.found).Status.FailedChecks, tc.reason)
		})
	}
}

func TestFailureAfterThePrimaryRecovered(t *testing.T) {
	// The promotion to v2 was given up; v2 came up on the primary after all while v3 is judged at 100, and v3 fails.
	s := snap(func(s *Snapshot) {
		s.Revision, s.Target.Revision, s.Primary.Revision = "r1-v3", "r1-v3", "r1-v2"
		s.Status.LastAppliedSpec, s.Status.Promoting, s.Status.CanaryWeight, s.Status.Step = "r1-v3", "r1-v2", 100, 2
		s.Status.FailedChecks = 1
	})
	d := Decide(s, Findings{{Name: "request-success-rate", Verdict: v1beta1.Failed, Message: "success rate 41% < 99%"}})
	require.Equal(t, v1beta1.PhaseFailed, d.Status.Phase)
	require.Equal(t, 0, d.Status.CanaryWeight)
	require.Equal(t, "r1-v2", d.Status.LastPromotedSpec)
	require.Equal(t, "Canary analysis failed, Deployment scaled to zero. Cause: 2 failed checks of podinfo.test, the last: success rate 41% < 99%.",
		message(d.Status, v1beta1.ConditionPromoted), "the primary serves, and what failed is the canary")
}

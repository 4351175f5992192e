package rollout

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// measured is a status with metrics, each with measurements whose texts have so many bytes.
func measured(metrics, measurements, message, query, limit int) v1beta1.CanaryStatus {
	s := v1beta1.CanaryStatus{Analysis: &v1beta1.AnalysisStatus{}}
	for i := range metrics {
		m := v1beta1.MetricStatus{Name: fmt.Sprintf("m%d", i), Checks: 7, Failures: 2, PassesInRow: 1}
		for range measurements {
			m.Measurements = append(m.Measurements, v1beta1.Measurement{Value: "1", Verdict: v1beta1.Waiting,
				Message: strings.Repeat("<", message), Query: strings.Repeat("q", query), Limit: strings.Repeat("l", limit)})
		}
		s.Analysis.Metrics = append(s.Analysis.Metrics, m)
	}
	return s
}

func TestStatusFits(t *testing.T) {
	cases := map[string]struct {
		reason string
		status v1beta1.CanaryStatus
		has    func(m []v1beta1.Measurement) bool // what is left of each metric's
	}{
		"Small": {reason: "What fits stays as it is.", status: measured(10, 10, 10, 10, 10),
			has: func(m []v1beta1.Measurement) bool { return len(m) == 10 && m[9].Message != "" && m[9].Query != "" }},
		"Messages": {reason: "Messages of older measurements go first.", status: measured(64, 5, 60, 20, 5),
			has: func(m []v1beta1.Measurement) bool {
				return len(m) == 5 && m[0].Message != "" && m[1].Message == "" && m[1].Query != ""
			}},
		"Queries": {reason: "Then queries of older ones.", status: measured(64, 5, 10, 300, 5),
			has: func(m []v1beta1.Measurement) bool {
				return len(m) == 5 && m[0].Message == "" && m[0].Query != "" && m[1].Query == ""
			}},
		"Measurements": {reason: "Then older measurements.", status: measured(64, 10, 10, 1000, 90),
			has: func(m []v1beta1.Measurement) bool { return len(m) == 1 && m[0].Limit != "" && m[0].Query == "" }},
		"Limits": {reason: "At last what was accepted, which the spec says too.", status: measured(64, 10, 10, 1000, 2000),
			has: func(m []v1beta1.Measurement) bool { return len(m) == 1 && m[0].Limit == "" }},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			before := tc.status.DeepCopy()
			s := fitted(tc.status)
			require.Equal(t, *before, tc.status, "What it was made from is another's.")
			require.LessOrEqual(t, sizeOf(s), mostStatus)
			require.Equal(t, s, fitted(s), "What was made to fit stays as it is, or each pass would store it.")
			require.Len(t, s.Analysis.Metrics, len(tc.status.Analysis.Metrics))
			for _, m := range s.Analysis.Metrics {
				require.Equal(t, []int{7, 2, 1}, []int{m.Checks, m.Failures, m.PassesInRow}, "Decisions read the counts.")
				require.Equal(t, v1beta1.Waiting, m.Measurements[0].Verdict, "And the newest verdict.")
				require.True(t, tc.has(m.Measurements), tc.reason)
			}
		})
	}
}

// TestTextThatIsNotCounted has a status whose text is just too short to be looked at, as long as JSON can make it.
func TestTextThatIsNotCounted(t *testing.T) {
	for _, s := range []v1beta1.CanaryStatus{measured(1, 1, smallText-100, 0, 0), measured(100, 0, 0, 0, 0), measured(1, 100, 0, 0, 0)} {
		require.LessOrEqual(t, textOf(s), smallText)
		require.LessOrEqual(t, sizeOf(s), mostStatus)
	}
}

func TestMessagesOfConditionsAreCut(t *testing.T) {
	s := v1beta1.CanaryStatus{LastFailure: strings.Repeat("f", 1<<20), Cause: strings.Repeat("é", 1<<20)}
	for _, kind := range []string{v1beta1.ConditionPromoted, v1beta1.ConditionValid, v1beta1.ConditionWaiting, v1beta1.ConditionReconciled} {
		s.Conditions = append(s.Conditions, metav1.Condition{Type: kind, Message: strings.Repeat("m", 1<<20)})
	}
	cut := fitted(s)
	require.LessOrEqual(t, sizeOf(cut), mostStatus)
	require.True(t, strings.HasSuffix(cut.Conditions[0].Message, "m…"), "It says that there is more.")
	require.Equal(t, cut, fitted(cut))
	require.Len(t, s.Conditions[0].Message, 1<<20, "What it was made from is another's.")
}

// TestDecisionsFit has a stored status of an earlier version that is too large to be stored again.
func TestDecisionsFit(t *testing.T) {
	s := Snapshot{Status: measured(250, 10, 1000, 1000, 100)}
	s.Status.Phase = v1beta1.PhaseProgressing
	require.LessOrEqual(t, sizeOf(Refuse(s, invalid("spec", "%s", strings.Repeat("x", 1<<20))).Status), mostStatus)
}

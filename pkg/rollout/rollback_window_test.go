package rollout

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// ended is a run of a history.
func ended(number int64, revision string, outcome v1beta1.RunOutcome, from ...string) v1beta1.PastRun {
	past := v1beta1.PastRun{Number: number, Revision: revision, Outcome: outcome}
	if len(from) > 0 {
		past.From = from[0]
	}
	return past
}

func TestPromotedBefore(t *testing.T) {
	for name, tc := range map[string]struct {
		reason  string
		history []v1beta1.PastRun
		serves  string
		most    int
		want    []string
		kept    []int64 // with a limit of one
	}{
		"None":  {reason: "nothing was rolled out", most: 2},
		"First": {reason: "the first revision is of no run", history: []v1beta1.PastRun{ended(1, "v2", v1beta1.RunPromoted, "v1")}, serves: "v2", most: 2, want: []string{"v1"}, kept: []int64{1}},
		"Most": {
			reason:  "so many, beside the one that serves",
			history: []v1beta1.PastRun{ended(4, "v5", v1beta1.RunPromoted), ended(3, "v4", v1beta1.RunFastPromoted), ended(2, "v3", v1beta1.RunPromoted), ended(1, "v2", v1beta1.RunPromoted, "v1")},
			serves:  "v5", most: 2, want: []string{"v4", "v3"}, kept: []int64{4, 3, 2},
		},
		"Off": {
			reason: "no window needs nothing", history: []v1beta1.PastRun{ended(2, "v3", v1beta1.RunPromoted), ended(1, "v2", v1beta1.RunPromoted, "v1")},
			serves: "v3", kept: []int64{2},
		},
		"FailedSince": {
			reason:  "what was found to be bad, or was taken back, is judged again",
			history: []v1beta1.PastRun{ended(4, "v2", v1beta1.RunReverted), ended(3, "v3", v1beta1.RunRolledBack), ended(2, "v3", v1beta1.RunPromoted), ended(1, "v2", v1beta1.RunPromoted, "v1")},
			serves:  "v4", most: 3, want: []string{"v1"}, kept: []int64{4, 1},
		},
		"CalledOffSince": {
			reason:  "one that was not judged to its end is as it was",
			history: []v1beta1.PastRun{ended(3, "v2", v1beta1.RunSuperseded), ended(2, "v3", v1beta1.RunPromoted), ended(1, "v2", v1beta1.RunPromoted, "v1")},
			serves:  "v3", most: 1, want: []string{"v2"}, kept: []int64{3, 2, 1},
		},
		"Once": {
			reason:  "a revision counts once",
			history: []v1beta1.PastRun{ended(4, "v3", v1beta1.RunPromoted), ended(3, "v2", v1beta1.RunPromoted), ended(2, "v3", v1beta1.RunPromoted), ended(1, "v2", v1beta1.RunPromoted, "v1")},
			serves:  "v3", most: 2, want: []string{"v2", "v1"}, kept: []int64{4, 3, 1},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, promoted := range promotedBefore(tc.history, tc.serves, tc.most) {
				got = append(got, promoted.revision)
			}
			require.Equal(t, tc.want, got, tc.reason)
			var numbers []int64
			for _, past := range kept(tc.history, tc.serves, Plan{History: 1, RollbackWindow: tc.most}) {
				numbers = append(numbers, past.Number)
			}
			require.Equal(t, tc.kept, numbers, tc.reason)
		})
	}
}

// TestPlanFor follows the plan without analysis for as long as the run that is not judged is under way.
func TestPlanFor(t *testing.T) {
	target := v1beta1.TargetRef{Kind: "Deployment", Name: "podinfo"}
	spec := v1beta1.CanarySpec{TargetRef: target, Analysis: &v1beta1.CanaryAnalysis{StepWeights: []int{20, 50}}, History: &v1beta1.CanaryHistory{RollbackWindow: new(int32(2))}}
	plan, err := Compile(spec, Weighted)
	require.NoError(t, err)
	plan.Provider, plan.Remarks = "istio", []Remark{{Text: "said"}}
	fast := v1beta1.CanaryStatus{LastAppliedSpec: "r1-a", Run: &v1beta1.Run{Revision: "r1-a", Fast: true}}
	of := plan.For(fast)
	require.True(t, of.Skip)
	require.Zero(t, of.Length())
	require.Equal(t, "istio", of.Provider)
	require.Equal(t, plan.Remarks, of.Remarks, "what is remarked is not told again")
	for name, s := range map[string]v1beta1.CanaryStatus{
		"Judged":  {LastAppliedSpec: "r1-a", Run: &v1beta1.Run{Revision: "r1-a"}},
		"Ended":   {LastAppliedSpec: "r1-a", Run: &v1beta1.Run{Revision: "r1-a", Fast: true, Finished: &noonOfRun}},
		"Another": {LastAppliedSpec: "r1-b", Run: &v1beta1.Run{Revision: "r1-a", Fast: true}},
	} {
		require.Equal(t, 2, func() int { p := plan.For(s); return p.Length() }(), name)
	}
	plan, err = Compile(v1beta1.CanarySpec{TargetRef: target, Analysis: spec.Analysis}, Weighted)
	require.NoError(t, err)
	of = plan.For(fast)
	require.Equal(t, 2, of.Length(), "the window was taken out of the spec")
}

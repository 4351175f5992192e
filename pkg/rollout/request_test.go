package rollout

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

func TestRequestText(t *testing.T) {
	at := time.Date(2026, 11, 29, 13, 34, 0, 500, time.UTC)
	for name, tc := range map[string]struct {
		reason  string
		request Request
		want    string
		err     string
	}{
		"Promote": {reason: "what a late click is told by is always there", request: Request{Verb: v1beta1.ActionPromote, Revision: "r1-a", Step: 3},
			want: "promote id=2026-11-29T13:34:00.0000005Z revision=r1-a step=3"},
		"Reason": {reason: "it goes to the end of the line", request: Request{Verb: v1beta1.ActionPromote, Revision: "r1-a", SkipStep: true, Reason: "looks good, id=2"},
			want: "promote id=2026-11-29T13:34:00.0000005Z revision=r1-a step=0 skip-step=true reason=looks good, id=2"},
		"Run":   {reason: "a rollback names its run", request: Request{Verb: v1beta1.ActionRollback, Revision: "r1-a", Run: 16}, want: "rollback id=2026-11-29T13:34:00.0000005Z revision=r1-a step=0 run=16"},
		"Gates": {reason: "they are passed by promote-full", request: Request{Verb: v1beta1.ActionPromoteFull, Revision: "r1-a", OverrideGates: true}, want: "promote-full id=2026-11-29T13:34:00.0000005Z revision=r1-a step=0 override-gates=true"},
		"Long":  {reason: "the operator would refuse it", request: Request{Verb: v1beta1.ActionPause, Revision: "r1-a", Reason: strings.Repeat("x", 1024)}, err: "the reason is "},
		"Verb":  {reason: "what is written can be read", request: Request{Verb: "delete", Revision: "r1-a"}, err: `"delete" is none of`},
		"Words": {reason: "a revision brings no parameters along", request: Request{Verb: v1beta1.ActionPromote, Revision: "r1-a skip-step=true"}, err: "is not one"},
		"Line":  {reason: "nor a line", request: Request{Verb: v1beta1.ActionPromote, Revision: "r1-a", Reason: "a\nb"}, err: "it is not of the form"},
		"Twice": {reason: "a parameter that is smuggled in is refused", request: Request{Verb: v1beta1.ActionPromote, Revision: "r1-a step=7"}, err: "step is given twice"},
		"Wrong": {reason: "gates belong to promote-full", request: Request{Verb: v1beta1.ActionAbort, Revision: "r1-a", OverrideGates: true}, err: "override-gates=true is not possible here"},
	} {
		t.Run(name, func(t *testing.T) {
			text, id, err := tc.request.Text(at)
			if tc.err != "" {
				require.ErrorContains(t, err, tc.err, tc.reason)
				return
			}
			require.NoError(t, err)
			require.Equal(t, tc.want, text, tc.reason)
			require.Equal(t, "2026-11-29T13:34:00.0000005Z", id)
		})
	}
}

// TestImpossible has the machine itself say what a phase permits.
func TestImpossible(t *testing.T) {
	noon := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	spec := v1beta1.CanarySpec{
		TargetRef: v1beta1.TargetRef{Kind: "Deployment", Name: "podinfo"},
		Analysis:  &v1beta1.CanaryAnalysis{Interval: "1m", Threshold: 5, Steps: []v1beta1.AnalysisStep{{Weight: new(10)}, {Weight: new(30), Pause: &v1beta1.StepPause{}}}},
	}
	plan, err := Compile(spec, Weighted)
	require.NoError(t, err)
	at := func(phase v1beta1.CanaryPhase, change func(*v1beta1.Canary)) *v1beta1.Canary {
		c := &v1beta1.Canary{ObjectMeta: metav1.ObjectMeta{Namespace: "test", Name: "podinfo"}, Spec: spec}
		c.Status = v1beta1.CanaryStatus{Phase: phase, LastAppliedSpec: "r1-b", LastPromotedSpec: "r1-a", PlanHash: plan.Hash, Step: 2,
			Run: &v1beta1.Run{Number: 2, Revision: "r1-b", Started: metav1.NewTime(noon.Add(-time.Hour)), From: &v1beta1.RunOrigin{Run: 1, Revision: "r1-a"}}}
		if phase.Analysing() {
			c.Status.StepStarted = &v1beta1.StepStart{Revision: "r1-b", Step: 2, Time: metav1.NewMicroTime(noon.Add(-time.Minute))}
		}
		change(c)
		return c
	}
	nothing := func(*v1beta1.Canary) {}
	for name, tc := range map[string]struct {
		reason string
		canary *v1beta1.Canary
		may    []v1beta1.ActionVerb
	}{
		"New":     {reason: "nothing is known of it", canary: at("", nothing)},
		"Running": {reason: "a step has no pause to leave", canary: at(v1beta1.PhaseProgressing, nothing), may: []v1beta1.ActionVerb{"promote-full", "abort", "pause"}},
		"Paused": {reason: "a person is waited for", canary: at(v1beta1.PhaseProgressing, func(c *v1beta1.Canary) {
			c.Status.StepStarted.Paused, c.Status.WaitingFor = micro(noon), string(WaitStepPaused)
		}), may: []v1beta1.ActionVerb{"promote", "promote-full", "abort", "pause"}},
		"Gate": {reason: "it is passed by override", canary: at(v1beta1.PhaseProgressing, func(c *v1beta1.Canary) { c.Status.WaitingFor = string(WaitTrafficIncreaseApproval) }),
			may: []v1beta1.ActionVerb{"override", "abort", "pause"}},
		"Held": {reason: "it is resumed first", canary: at(v1beta1.PhaseProgressing, func(c *v1beta1.Canary) { c.Status.Held = &v1beta1.Hold{By: "ben"} }),
			may: []v1beta1.ActionVerb{"abort", "resume"}},
		"Failing": {reason: "no action leads past a failed check", canary: at(v1beta1.PhaseProgressing, func(c *v1beta1.Canary) { c.Status.WaitingFor = string(WaitRetry) }),
			may: []v1beta1.ActionVerb{"abort", "pause"}},
		"Waiting": {reason: "the rollout has not begun", canary: at(v1beta1.PhaseWaiting, func(c *v1beta1.Canary) {
			c.Status.LastAppliedSpec, c.Status.WaitingFor, c.Status.Step = "r1-a", string(WaitRolloutApproval), 0
		}), may: []v1beta1.ActionVerb{"override", "abort", "pause"}},
		"Failed": {reason: "it may be tried again", canary: at(v1beta1.PhaseFailed, nothing), may: []v1beta1.ActionVerb{"retry"}},
		"Succeeded": {reason: "what served before is known", canary: at(v1beta1.PhaseSucceeded, func(c *v1beta1.Canary) {
			c.Status.LastPromotedSpec, c.Status.Run.Outcome, c.Status.Run.Finished = "r1-b", v1beta1.RunPromoted, new(metav1.NewTime(noon))
		}), may: []v1beta1.ActionVerb{"rollback"}},
		"Suspended": {reason: "Git has the last word", canary: at(v1beta1.PhaseProgressing, func(c *v1beta1.Canary) { c.Spec.Suspend = true })},
	} {
		t.Run(name, func(t *testing.T) {
			var may []v1beta1.ActionVerb
			impossible := Impossible(tc.canary, plan, nil, noon)
			for _, verb := range v1beta1.ActionVerbs {
				if impossible[verb] == "" {
					may = append(may, verb)
				}
			}
			require.Equal(t, tc.may, may, "%s: %v", tc.reason, impossible)
		})
	}
	require.Len(t, Impossible(at(v1beta1.PhaseFailed, nothing), Plan{}, &InvalidError{Field: "spec.analysis", Problem: "is wrong"}, noon), len(v1beta1.ActionVerbs))
}

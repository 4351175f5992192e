package rollout

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// analysisOf is a spec whose analysis is what a text says.
func analysisOf(t *testing.T, text string) v1beta1.CanarySpec {
	t.Helper()
	a := v1beta1.CanaryAnalysis{Interval: "10s", Threshold: 3, Metrics: []v1beta1.CanaryMetric{{Name: "request-success-rate"}}}
	require.NoError(t, yaml.UnmarshalStrict([]byte(text), &a))
	return v1beta1.CanarySpec{TargetRef: v1beta1.TargetRef{Kind: "Deployment", Name: "podinfo"}, Analysis: &a}
}

func TestListedStepsRefused(t *testing.T) {
	const all = Weighted | Mirrored | Matched | MatchedWeighted | Sticky
	for name, tc := range map[string]struct {
		analysis string
		can      Capabilities
		field    string
		problem  string
	}{
		"Falling":            {"{steps: [{weight: 20}, {weight: 10}]}", all, "steps[1].weight", "10 is below the 20 of the step before"},
		"TooHeavy":           {"{steps: [{weight: 120}]}", all, "steps[0].weight", "not a percentage"},
		"SameName":           {"{steps: [{name: a, weight: 1}, {name: a, weight: 2}]}", all, "steps[1].name", `"a" is the name of spec.analysis.steps[0]`},
		"TwoPlans":           {"{stepWeight: 10, steps: [{weight: 1}]}", all, "stepWeight", "cannot be combined with steps"},
		"Iterations":         {"{iterations: 10, steps: [{weight: 1}]}", all, "iterations", "cannot be combined with steps"},
		"MaxWeight":          {"{maxWeight: 10, steps: [{weight: 1}]}", all, "maxWeight", "cannot be combined with steps"},
		"Mirror":             {"{mirror: true, steps: [{weight: 1}]}", all, "mirror", "cannot be combined with steps"},
		"MirrorWeight":       {"{mirrorWeight: 10, steps: [{weight: 1}]}", all, "mirrorWeight", "cannot be combined with steps"},
		"Between":            {"{steps: [{weight: 0}, {weight: 50}]}", 0, "steps[1].weight", "50 is neither 0 nor 100"},
		"NoCopies":           {"{steps: [{weight: 0, mirror: 10}]}", Weighted, "steps[0].mirror", "cannot copy requests"},
		"MirrorAll":          {"{steps: [{weight: 100, mirror: 10}]}", all, "steps[0].mirror", "has every request already"},
		"BackInTime":         {"{steps: [{weight: 1, pause: {after: -1m}}]}", all, "steps[0].pause.after", "not a duration above zero"},
		"NoTime":             {"{steps: [{weight: 1, duration: 0s}]}", all, "steps[0].duration", "not a duration above zero"},
		"ThenWithoutAfter":   {"{steps: [{weight: 1, pause: {then: abort}}]}", all, "steps[0].pause.then", "needs after"},
		"ThenWhat":           {"{steps: [{weight: 1, pause: {after: 1m, then: wait}}]}", all, "steps[0].pause.then", "neither continue nor abort"},
		"UnknownMetric":      {"{steps: [{weight: 1, metrics: [latency]}]}", all, "steps[0].metrics[0]", `"latency" is the name of no metric`},
		"TwoSizes":           {"{steps: [{weight: 1, replicas: 2, scale: 50}]}", all, "steps[0].scale", "cannot be combined with replicas"},
		"NoPods":             {"{steps: [{weight: 1, replicas: 0}]}", all, "steps[0].replicas", "not a number of pods above zero"},
		"SizeIsWeight":       {"{replicaRatio: true, steps: [{weight: 10, replicas: 2}]}", 0, "steps[0]", "with replicaRatio the size is the weight"},
		"BakeWithoutService": {"{replicaRatio: true, steps: [{weight: 20}], promotion: {bake: 1m}}", 0, "promotion.bake", "needs spec.service"},
		"AutoAfter":          {"{steps: [{weight: 1}], promotion: {autoAfter: 1h}}", all, "promotion.autoAfter", "needs auto: false"},
		"BakeMetrics":        {"{steps: [{weight: 1}], promotion: {bakeMetrics: [request-success-rate]}}", all, "promotion.bakeMetrics", "needs bake"},
		"UnknownBakeMetric":  {"{steps: [{weight: 1}], promotion: {bake: 1m, bakeMetrics: [x]}}", all, "promotion.bakeMetrics[0]", "the name of no metric"},
		"BakeBaseline": {"{steps: [{weight: 1}], metrics: [{name: x, query: q, test: proportions, baseline: primary}], promotion: {bake: 1m, bakeMetrics: [x]}}", all,
			"promotion.bakeMetrics[0]", "compares with the primary, which has no requests then"},
		"NoURL":              {"{steps: [{weight: 1, webhook: {url: ''}}]}", all, "steps[0].webhook.url", "is empty"},
		"WebhookTimeout":     {"{steps: [{weight: 1, webhook: {url: 'http://a', timeout: 0s}}]}", all, "steps[0].webhook.timeout", "not a duration above zero"},
		"PreviewBesideMatch": {"{match: [{headers: {a: {exact: b}}}], steps: [{weight: 1, previewMatch: []}]}", all, "steps[0].previewMatch", "cannot be combined with match"},
		"PreviewUntold":      {"{steps: [{weight: 1, previewMatch: [{headers: {a: {exact: b}}}]}]}", Weighted, "steps[0].previewMatch", "cannot tell requests apart"},
		"OnFailure":          {"{steps: [{weight: 1}], onFailure: burn}", all, "onFailure", "neither rollback nor keep"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Compile(analysisOf(t, tc.analysis), tc.can)
			var wrong *InvalidError
			require.ErrorAs(t, err, &wrong)
			require.Equal(t, "spec.analysis."+tc.field, wrong.Field)
			require.Contains(t, wrong.Problem, tc.problem)
		})
	}
	many := analysisOf(t, "{}")
	for range 51 {
		many.Analysis.Steps = append(many.Analysis.Steps, v1beta1.AnalysisStep{})
	}
	_, err := Compile(many, all)
	require.ErrorContains(t, err, "spec.analysis.steps: 51 are too many, at most 50")
}

// From a step on, others are sent to the canary at every weight.
func TestPreviewOfSteps(t *testing.T) {
	const a, b = "[{headers: {x: {exact: a}}}]", "[{headers: {x: {exact: b}}}]"
	steps := func(first, second, third string) string {
		return "steps: [{weight: 10" + first + "}, {weight: 20" + second + "}, {weight: 30" + third + "}, {weight: 100}]"
	}
	type seen struct {
		some bool
		by   int
	}
	for name, tc := range map[string]struct {
		reason   string
		analysis string
		want     [3]seen // step by step
	}{
		"OfAnalysis": {"left out, it is that of the analysis", "{previewMatch: " + a + ", " + steps("", "", "") + "}", [3]seen{{true, 0}, {true, 0}, {true, 0}}},
		"FromOn":     {"it holds until another step has one", "{" + steps("", ", previewMatch: "+a, "") + "}", [3]seen{{}, {true, 2}, {true, 2}}},
		"InPlace":    {"it takes the place of that before", "{previewMatch: " + a + ", " + steps("", ", previewMatch: "+b, "") + "}", [3]seen{{true, 0}, {true, 2}, {true, 2}}},
		"None":       {"an empty list ends it", "{previewMatch: " + a + ", " + steps("", "", ", previewMatch: []") + "}", [3]seen{{true, 0}, {true, 0}, {}}},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := Compile(analysisOf(t, tc.analysis), Weighted|Matched)
			require.NoError(t, err)
			var got [3]seen
			preview := func(s v1beta1.CanaryStatus) seen {
				s.LastAppliedSpec = "r1-b"
				traffic := IntentOf(p, s).Traffic
				return seen{traffic.Preview, traffic.PreviewOf}
			}
			for i := range got {
				got[i] = preview(v1beta1.CanaryStatus{Phase: v1beta1.PhaseProgressing, Step: i + 1, CanaryWeight: p.Step(i + 1).Weight})
			}
			require.Equal(t, tc.want, got, tc.reason)
			all := IntentOf(p, v1beta1.CanaryStatus{Phase: v1beta1.PhaseProgressing, Step: 4, CanaryWeight: 100, LastAppliedSpec: "r1-b"}).Traffic
			require.False(t, all.Preview, "they are with the canary already")
			back := preview(v1beta1.CanaryStatus{Phase: v1beta1.PhasePromoting, Step: 4, CanaryWeight: 15, Promoting: "r1-b"})
			require.Equal(t, tc.want[2], back, "on the way back it is that of the last step")
			changed := preview(v1beta1.CanaryStatus{Phase: v1beta1.PhaseProgressing, Step: 1, CanaryWeight: 25})
			require.Equal(t, tc.want[1], changed, "between two steps of a changed spec it is that of the lower one")
		})
	}
	p, err := Compile(analysisOf(t, "{steps: [{weight: 0, previewMatch: "+a+"}, {weight: 100}]}"), Weighted|Matched)
	require.NoError(t, err)
	require.Contains(t, p.Remarks, Remark{ReasonStrategyAdjusted, "spec.analysis.steps[0].previewMatch has no effect: it holds in no step with a weight between 0 and 100"})
}

func TestPromotionIsAskedForBefore(t *testing.T) {
	const all = Weighted | Mirrored | Matched | MatchedWeighted | Sticky
	gate := []v1beta1.HookType{v1beta1.ConfirmPromotionHook}
	increase := []v1beta1.HookType{v1beta1.ConfirmTrafficIncreaseHook}
	for name, tc := range map[string]struct {
		reason   string
		analysis string
		can      Capabilities
		paused   int // step with the pause before the promotion
		gated    int // step with the gate before the promotion
		baked    int
		weights  []int
	}{
		"Weights":       {"after the last", "{stepWeights: [20, 50], promotion: {auto: false}}", all, 2, 2, 0, []int{20, 50}},
		"WeightsBaked":  {"all users come with the bake", "{stepWeights: [20, 50], promotion: {auto: false, bake: 1m}}", all, 2, 2, 3, []int{20, 50, 100}},
		"EndsAtAll":     {"the bake lengthens that step", "{stepWeights: [20, 100], promotion: {auto: false, bake: 1m}}", all, 1, 1, 2, []int{20, 100}},
		"Listed":        {"as with weights", "{steps: [{weight: 20}, {weight: 50}], promotion: {auto: false, bake: 1m}}", all, 2, 2, 3, []int{20, 50, 100}},
		"AtOnce":        {"before all users move", "{steps: [{weight: 0}, {weight: 100}], promotion: {auto: false}}", all, 1, 2, 0, []int{0, 100}},
		"BlueGreen":     {"before all users move", "{iterations: 2, promotion: {auto: false, bake: 1m}}", all, 2, 2, 3, []int{0, 0, 100}},
		"ServicesAlone": {"before all users move", "{iterations: 2, promotion: {auto: false}}", 0, 2, 2, 0, []int{0, 0, 100}},
		"ABTest":        {"those who fit stay, all others come", "{iterations: 2, match: [{headers: {a: {exact: b}}}], promotion: {auto: false, bake: 1m}}", all, 2, 2, 3, []int{100, 100, 100}},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := Compile(analysisOf(t, tc.analysis), tc.can)
			require.NoError(t, err)
			require.Equal(t, len(tc.weights), p.Length())
			for n := 1; n <= p.Length(); n++ {
				s := p.Step(n)
				require.Equal(t, tc.weights[n-1], s.Weight, "step %d", n)
				require.Equal(t, n == tc.paused, len(s.Until.Pauses) > 0, "pause of step %d: %s", n, tc.reason)
				require.Equal(t, n == tc.baked, s.Bake, "bake of step %d", n)
				if n == tc.gated {
					require.Subset(t, s.Gates, gate, "gate of step %d", n)
				} else {
					require.NotSubset(t, append(s.Gates, increase...), gate, "gate of step %d", n)
				}
			}
		})
	}
}

// A spec that is changed in mid-rollout: users get no more of the canary by that.
func TestListedStepsChanged(t *testing.T) {
	for name, tc := range map[string]struct {
		reason string
		steps  string
		step   int  // that the rollout is at by then
		pause  bool // what is known of its pause is kept
	}{
		"Same":         {"only its length is another", "[{name: a, weight: 10}, {name: b, weight: 20, duration: 1h, pause: {}}, {weight: 50}]", 2, true},
		"StepTaken":    {"one before it is gone", "[{name: b, weight: 20, pause: {}}, {weight: 50}]", 1, true},
		"StepPut":      {"one was put before it that nobody has met", "[{name: a, weight: 10}, {weight: 15}, {name: b, weight: 20, pause: {}}, {weight: 50}]", 3, false},
		"Raised":       {"its weight is above what users have", "[{name: a, weight: 10}, {name: b, weight: 30, pause: {}}, {weight: 50}]", 1, false},
		"Renamed":      {"it has the weight", "[{name: a, weight: 10}, {name: c, weight: 20, pause: {}}, {weight: 50}]", 2, true},
		"Lowered":      {"users keep what they have until the next step is above it", "[{name: a, weight: 10}, {name: b, weight: 15, pause: {}}, {weight: 50}]", 2, true},
		"OtherWeights": {"the last with no more than users have", "[{weight: 5}, {weight: 18}, {weight: 19}, {weight: 50}]", 3, false},
	} {
		t.Run(name, func(t *testing.T) {
			before, err := Compile(analysisOf(t, "{steps: [{name: a, weight: 10}, {name: b, weight: 20, pause: {}}, {weight: 50}]}"), Weighted)
			require.NoError(t, err)
			after, err := Compile(analysisOf(t, "{steps: "+tc.steps+"}"), Weighted)
			require.NoError(t, err)
			s := snap(func(s *Snapshot) {
				s.Plan = before
				s.Status.Step, s.Status.CanaryWeight, s.Status.PlanHash = 2, 20, before.Hash
				s.Status.StepStarted = &v1beta1.StepStart{Revision: "r1-v2", Step: 2, Name: "b", Time: *micro(noon.Add(-time.Minute)), Paused: micro(noon.Add(-time.Second))}
			})
			s.Plan = after
			for range 3 {
				if d := Decide(s, Findings{}); d.Questions.Empty() {
					s.Status = d.Status
				}
			}
			require.Equal(t, tc.step, s.Status.Step, tc.reason)
			require.Equal(t, 20, s.Status.CanaryWeight, "users have what they had")
			require.Equal(t, tc.pause, s.Status.StepStarted.Paused != nil, tc.reason)
		})
	}
}

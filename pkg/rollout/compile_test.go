package rollout

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// weighted is what a mesh can do here.
const weighted = Weighted | Mirrored | Matched | MatchedWeighted | Sticky

// specOf is a sound spec of five steps, changed as a case needs it.
func specOf(change ...func(*v1beta1.CanarySpec)) v1beta1.CanarySpec {
	s := v1beta1.CanarySpec{
		TargetRef: v1beta1.TargetRef{APIVersion: "apps/v1", Kind: "Deployment", Name: "podinfo"},
		Analysis:  &v1beta1.CanaryAnalysis{Interval: "10s", Threshold: 3, StepWeight: 10, MaxWeight: 50},
	}
	for _, c := range change {
		c(&s)
	}
	// A top belongs to steps by stepWeight.
	if a := s.Analysis; a != nil && a.MaxWeight == 50 && (a.StepWeight == 0 || a.Iterations > 0) {
		a.MaxWeight = 0
	}
	return s
}

// analysis changes the analysis of a spec.
func analysis(change func(*v1beta1.CanaryAnalysis)) func(*v1beta1.CanarySpec) {
	return func(s *v1beta1.CanarySpec) { change(s.Analysis) }
}

func weights(steps []Step) []int {
	var all []int
	for _, s := range steps {
		all = append(all, s.Weight)
	}
	return all
}

// inOrder are the steps of a plan, one by one.
func inOrder(p Plan) []Step {
	var all []Step
	for n := range p.Length() {
		all = append(all, p.Step(n+1))
	}
	return all
}

func TestCompileLaysOutSteps(t *testing.T) {
	cases := map[string]struct {
		reason    string
		can       Capabilities
		change    func(*v1beta1.CanaryAnalysis)
		strategy  Strategy
		steps     []int
		stepsBack []int
		remarks   []string
		unchanged bool
	}{
		"StepWeight": {
			reason: "Equal steps climb to maxWeight.",
			can:    weighted, change: func(*v1beta1.CanaryAnalysis) {},
			strategy: Canary, steps: []int{10, 20, 30, 40, 50},
		},
		"StepWeightThatDoesNotDivide": {
			reason: "The last step is the top itself and never above it.",
			can:    weighted, change: func(a *v1beta1.CanaryAnalysis) { a.StepWeight, a.MaxWeight = 30, 50 },
			strategy: Canary, steps: []int{30, 50},
		},
		"NoMaxWeight": {
			reason: "A climb without a top goes to everything.",
			can:    weighted, change: func(a *v1beta1.CanaryAnalysis) { a.StepWeight, a.MaxWeight = 50, 0 },
			strategy: Canary, steps: []int{50, 100},
		},
		"StepAtOnce": {
			reason: "A step as high as the top is the only one.",
			can:    weighted, change: func(a *v1beta1.CanaryAnalysis) { a.StepWeight, a.MaxWeight = 50, 50 },
			strategy: Canary, steps: []int{50},
		},
		"StepWeights": {
			reason: "A list is taken as it is and ignores maxWeight.",
			can:    weighted, change: func(a *v1beta1.CanaryAnalysis) { a.StepWeight, a.StepWeights = 0, []int{1, 5, 80} },
			strategy: Canary, steps: []int{1, 5, 80},
		},
		"StepWeightWinsOverTheList": {
			reason: "The contract lets stepWeight win where both are stored.",
			can:    weighted, change: func(a *v1beta1.CanaryAnalysis) { a.StepWeights = []int{1} },
			strategy: Canary, steps: []int{10, 20, 30, 40, 50},
			remarks: []string{"spec.analysis.stepWeights has no effect beside stepWeight"},
		},
		"Iterations": {
			reason: "Blue/green checks without users, then lets all of them in.",
			can:    weighted, change: func(a *v1beta1.CanaryAnalysis) { a.StepWeight, a.Iterations = 0, 3 },
			strategy: BlueGreen, steps: []int{0, 0, 0, 100},
		},
		"ABTesting": {
			reason: "Whoever fits meets the canary at every check.",
			can:    weighted, change: func(a *v1beta1.CanaryAnalysis) { a.StepWeight, a.Iterations, a.Match = 0, 3, some },
			strategy: ABTesting, steps: []int{100, 100, 100},
		},
		"StepWeightPromotion": {
			reason: "Traffic comes back by equal steps; the way to zero belongs to Finalising.",
			can:    weighted, change: func(a *v1beta1.CanaryAnalysis) { a.StepWeightPromotion = 20 },
			strategy: Canary, steps: []int{10, 20, 30, 40, 50}, stepsBack: []int{30, 10},
		},
		"ServicesOnlyWithSteps": {
			reason: "A Service selects one side, so steps become ten checks and a swap, and that is said.",
			can:    0, change: func(a *v1beta1.CanaryAnalysis) { a.StepWeightPromotion = 20 },
			strategy: BlueGreen, steps: []int{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 100},
			remarks: []string{
				"Progressive traffic is not supported when using the kubernetes provider",
				"Setting canaryAnalysis.iterations: 10",
			},
		},
		"ServicesOnlyWithIterations": {
			reason: "Blue/green by Services is what was asked for; there is nothing to remark.",
			can:    0, change: func(a *v1beta1.CanaryAnalysis) { a.StepWeight, a.Iterations = 0, 2 },
			strategy: BlueGreen, steps: []int{0, 0, 100},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			p, err := Compile(specOf(analysis(c.change)), c.can)
			require.NoError(t, err, c.reason)
			require.Equal(t, c.strategy, p.Strategy, c.reason)
			require.Equal(t, c.steps, weights(inOrder(p)), c.reason)
			require.Equal(t, c.stepsBack, weights(p.StepsBack), c.reason)
			require.Equal(t, c.remarks, texts(p.Remarks), c.reason)
			require.False(t, p.Skip, c.reason)
		})
	}
}

func TestCompileCountsIterations(t *testing.T) {
	for name, match := range map[string][]v1beta1.HTTPMatchRequest{"BlueGreen": nil, "ABTesting": some} {
		t.Run(name, func(t *testing.T) {
			p, err := Compile(specOf(analysis(func(a *v1beta1.CanaryAnalysis) {
				a.StepWeight, a.Iterations, a.Mirror, a.Match = 0, mostIterations, match == nil, match
			})), weighted|Mirrored)
			require.NoError(t, err)
			require.LessOrEqual(t, len(p.Steps), 2, "a hundred thousand of one kind need no more memory than one")
			require.GreaterOrEqual(t, p.Length(), mostIterations)
			for _, n := range []int{1, mostIterations} {
				require.Equal(t, n, p.iteration(n))
				require.Equal(t, p.Steps[0].Weight, p.Step(n).Weight)
				require.Equal(t, fmt.Sprintf("Advance %%s canary iteration %d/%d", n, mostIterations), p.Step(n).Event)
			}
			require.Zero(t, p.iteration(mostIterations+1), "the step at 100 is no iteration")
		})
	}
}

func texts(remarks []Remark) []string {
	var all []string
	for _, r := range remarks {
		all = append(all, r.Text)
	}
	return all
}

func TestCompileNamesWhatServicesIgnore(t *testing.T) {
	spec := specOf(analysis(func(a *v1beta1.CanaryAnalysis) { a.StepWeight, a.Iterations = 0, 2 }))
	spec.Service.Hosts = []string{"app.example.com"}
	spec.Service.Gateways = []string{"public"}
	p, err := Compile(spec, 0)
	require.NoError(t, err)
	require.Equal(t, []Remark{{
		Reason: ReasonFieldIgnored,
		Text:   "Services alone have no use for spec.service.gateways, spec.service.hosts",
	}}, p.Remarks, "what is accepted and has no effect is said")
	p, err = Compile(spec, weighted)
	require.NoError(t, err)
	require.Empty(t, p.Remarks, "a mesh has")
}

func TestCompileSkips(t *testing.T) {
	cases := map[string]struct {
		reason string
		change func(*v1beta1.CanarySpec)
	}{
		"SkipAnalysis": {reason: "It is asked for.", change: func(s *v1beta1.CanarySpec) { s.SkipAnalysis = true }},
		"NoAnalysis":   {reason: "There is nothing to judge by.", change: func(s *v1beta1.CanarySpec) { s.Analysis = nil }},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			for _, can := range []Capabilities{0, weighted} {
				p, err := Compile(specOf(c.change), can)
				require.NoError(t, err, c.reason)
				require.True(t, p.Skip, c.reason)
				require.Empty(t, p.Steps, c.reason)
				require.Empty(t, p.Remarks, c.reason)
			}
		})
	}
}

func TestCompileFigures(t *testing.T) {
	cases := map[string]struct {
		reason    string
		change    func(*v1beta1.CanarySpec)
		interval  time.Duration
		threshold int
		deadline  time.Duration
	}{
		"AsGiven": {
			reason:   "What the spec says is taken.",
			change:   func(s *v1beta1.CanarySpec) { s.Analysis.Interval = "90s"; s.ProgressDeadlineSeconds = ptr(int32(60)) },
			interval: 90 * time.Second, threshold: 3, deadline: time.Minute,
		},
		"LeftOut": {
			reason:   "The contract's defaults: 60s, one failure, ten minutes.",
			change:   analysis(func(a *v1beta1.CanaryAnalysis) { a.Interval, a.Threshold = "", 0 }),
			interval: time.Minute, threshold: 1, deadline: 10 * time.Minute,
		},
		"TooShort": {
			reason:   "An interval below ten seconds is ten seconds.",
			change:   analysis(func(a *v1beta1.CanaryAnalysis) { a.Interval, a.Threshold = "1s", -4 }),
			interval: 10 * time.Second, threshold: 1, deadline: 10 * time.Minute,
		},
		"Hours": {
			reason:   "Any duration of Go's is understood.",
			change:   analysis(func(a *v1beta1.CanaryAnalysis) { a.Interval = "1h30m" }),
			interval: 90 * time.Minute, threshold: 3, deadline: 10 * time.Minute,
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			p, err := Compile(specOf(c.change), weighted)
			require.NoError(t, err, c.reason)
			require.Equal(t, c.interval, p.Interval, c.reason)
			require.Equal(t, c.threshold, p.Threshold, c.reason)
			require.Equal(t, c.deadline, p.Deadline, c.reason)
		})
	}
}

func ptr[T any](v T) *T { return &v }

func TestCompileRefuses(t *testing.T) {
	type change = func(*v1beta1.CanarySpec)
	metric := func(m v1beta1.CanaryMetric) change {
		return analysis(func(a *v1beta1.CanaryAnalysis) { a.Metrics = []v1beta1.CanaryMetric{m} })
	}
	hook := func(h v1beta1.CanaryWebhook) change {
		return analysis(func(a *v1beta1.CanaryAnalysis) { a.Webhooks = []v1beta1.CanaryWebhook{h} })
	}
	cases := map[string]struct {
		field  string
		change change
	}{
		"NoTarget":    {"spec.targetRef.name", func(s *v1beta1.CanarySpec) { s.TargetRef.Name = "" }},
		"ForeignKind": {"spec.targetRef.kind", func(s *v1beta1.CanarySpec) { s.TargetRef.Kind = "StatefulSet" }},
		"ScaledDaemonSet": {"spec.autoscalerRef", func(s *v1beta1.CanarySpec) {
			s.TargetRef.Kind, s.AutoscalerRef = "DaemonSet", &v1beta1.AutoscalerRef{Kind: "HorizontalPodAutoscaler"}
		}},
		"ForeignAutoscaler": {"spec.autoscalerRef.kind", func(s *v1beta1.CanarySpec) { s.AutoscalerRef = &v1beta1.AutoscalerRef{Kind: "Autopilot"} }},
		"StepOverAll":       {"spec.analysis.stepWeight", analysis(func(a *v1beta1.CanaryAnalysis) { a.StepWeight = 101 })},
		"NegativeTop":       {"spec.analysis.maxWeight", analysis(func(a *v1beta1.CanaryAnalysis) { a.MaxWeight = -1 })},
		"RetreatOverAll":    {"spec.analysis.stepWeightPromotion", analysis(func(a *v1beta1.CanaryAnalysis) { a.StepWeightPromotion = 120 })},
		"ListedStepOverAll": {"spec.analysis.stepWeights[1]", analysis(func(a *v1beta1.CanaryAnalysis) { a.StepWeights = []int{1, 200} })},
		"TopBelowFirstStep": {"spec.analysis.maxWeight", analysis(func(a *v1beta1.CanaryAnalysis) { a.StepWeight, a.MaxWeight = 50, 20 })},
		"PrimaryThreshold":  {"spec.analysis.primaryReadyThreshold", analysis(func(a *v1beta1.CanaryAnalysis) { a.PrimaryReadyThreshold = ptr(101) })},
		"CanaryThreshold":   {"spec.analysis.canaryReadyThreshold", analysis(func(a *v1beta1.CanaryAnalysis) { a.CanaryReadyThreshold = ptr(-1) })},
		"NoStep":            {"spec.analysis", analysis(func(a *v1beta1.CanaryAnalysis) { a.StepWeight = 0 })},
		"IntervalOfWords":   {"spec.analysis.interval", analysis(func(a *v1beta1.CanaryAnalysis) { a.Interval = "soon" })},
		"IntervalOfNothing": {"spec.analysis.interval", analysis(func(a *v1beta1.CanaryAnalysis) { a.Interval = "0s" })},
		"UnknownMetric":     {"spec.analysis.metrics[0].name", metric(v1beta1.CanaryMetric{Name: "luck"})},
		"MetricTemplate":    {"spec.analysis.metrics[0].templateRef.name", metric(v1beta1.CanaryMetric{Name: "luck", TemplateRef: &v1beta1.CrossNamespaceRef{}})},
		"MetricDelay":       {"spec.analysis.metrics[0].initialDelay", metric(v1beta1.CanaryMetric{Name: "request-duration", InitialDelay: "soon"})},
		"MetricPolicy":      {"spec.analysis.metrics[0].onNaN", metric(v1beta1.CanaryMetric{Name: "request-duration", OnNaN: "shrug"})},
		"FailureLimit":      {"spec.analysis.metrics[0].failureLimit", metric(v1beta1.CanaryMetric{Name: "request-duration", FailureLimit: ptr(-1)})},
		"Proof":             {"spec.analysis.metrics[0].consecutiveSuccessLimit", metric(v1beta1.CanaryMetric{Name: "request-duration", ConsecutiveSuccessLimit: -1})},
		"ProofBeyondCount":  {"spec.analysis.metrics[0].consecutiveSuccessLimit", metric(v1beta1.CanaryMetric{Name: "request-duration", ConsecutiveSuccessLimit: 3, Count: 2})},
		"Count":             {"spec.analysis.metrics[0].count", metric(v1beta1.CanaryMetric{Name: "request-duration", Count: -1})},
		"Baseline":          {"spec.analysis.metrics[0].baseline", metric(v1beta1.CanaryMetric{Name: "request-duration", Baseline: "yesterday"})},
		"Test":              {"spec.analysis.metrics[0].test", metric(v1beta1.CanaryMetric{Name: "request-duration", Baseline: "primary", Test: "coin"})},
		"Worse":             {"spec.analysis.metrics[0].worse", metric(v1beta1.CanaryMetric{Name: "request-duration", Baseline: "primary", Worse: "purple"})},
		"Confidence":        {"spec.analysis.metrics[0].confidence", metric(v1beta1.CanaryMetric{Name: "request-duration", Baseline: "primary", Confidence: ptr(1.0)})},
		"Margin":            {"spec.analysis.metrics[0].margin", metric(v1beta1.CanaryMetric{Name: "request-duration", Baseline: "primary", Margin: ptr(0.6)})},
		"Missed":            {"spec.analysis.metrics[0].missed", metric(v1beta1.CanaryMetric{Name: "request-duration", Baseline: "primary", Missed: ptr(0.0)})},
		"Tolerance":         {"spec.analysis.metrics[0].tolerance", metric(v1beta1.CanaryMetric{Name: "request-duration", Baseline: "primary", Tolerance: ptr(-0.1)})},
		"Dispersion":        {"spec.analysis.metrics[0].dispersion", metric(v1beta1.CanaryMetric{Name: "request-duration", Baseline: "primary", Dispersion: ptr(0.5)})},
		"MaxHold":           {"spec.analysis.metrics[0].maxHold", metric(v1beta1.CanaryMetric{Name: "request-duration", Baseline: "primary", MaxHold: "0s"})},
		"MarginAlone":       {"spec.analysis.metrics[0].margin", metric(v1beta1.CanaryMetric{Name: "request-duration", Margin: ptr(0.01)})},
		"TooManyComparisons": {"spec.analysis.metrics[8].baseline", analysis(func(a *v1beta1.CanaryAnalysis) {
			a.Metrics = slices.Repeat([]v1beta1.CanaryMetric{{Name: "request-duration", Baseline: "primary"}}, 9)
		})},
		"NoComparison":       {"spec.analysis.metrics[0].confidence", metric(v1beta1.CanaryMetric{Name: "request-duration", Confidence: ptr(.9)})},
		"MetricInterval":     {"spec.analysis.metrics[0].interval", metric(v1beta1.CanaryMetric{Name: "request-duration", Interval: "1"})},
		"EmptyRange":         {"spec.analysis.metrics[0].thresholdRange", metric(v1beta1.CanaryMetric{Name: "request-duration", ThresholdRange: &v1beta1.ThresholdRange{Min: ptr(2.0), Max: ptr(1.0)}})},
		"HookWithoutAddress": {"spec.analysis.webhooks[0].url", hook(v1beta1.CanaryWebhook{Name: "gate"})},
		"HookTimeout":        {"spec.analysis.webhooks[0].timeout", hook(v1beta1.CanaryWebhook{Name: "gate", URL: "http://x", Timeout: "-1s"})},
		"HookType":           {"spec.analysis.webhooks[0].type", hook(v1beta1.CanaryWebhook{Name: "gate", URL: "http://x", Type: "whenever"})},
		"MatchAndPreview":    {"spec.analysis.previewMatch", analysis(func(a *v1beta1.CanaryAnalysis) { a.Match, a.PreviewMatch = some, some })},
		"PreviewIterations":  {"spec.analysis.previewMatch", analysis(func(a *v1beta1.CanaryAnalysis) { a.Iterations, a.PreviewMatch = 3, some })},
		"MirrorWeight":       {"spec.analysis.mirrorWeight", analysis(func(a *v1beta1.CanaryAnalysis) { a.MirrorWeight = 101 })},
		"MirroredTest":       {"spec.analysis.mirror", analysis(func(a *v1beta1.CanaryAnalysis) { a.Mirror, a.Iterations, a.Match = true, 3, some })},
		"NamelessCookie":     {"spec.analysis.sessionAffinity.cookieName", analysis(func(a *v1beta1.CanaryAnalysis) { a.SessionAffinity = &v1beta1.SessionAffinity{} })},
		"SameCookie": {"spec.analysis.sessionAffinity.primaryCookieName", analysis(func(a *v1beta1.CanaryAnalysis) {
			a.SessionAffinity = &v1beta1.SessionAffinity{CookieName: "c", PrimaryCookieName: "c"}
		})},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := Compile(specOf(c.change), weighted)
			var wrong *InvalidError
			require.ErrorAs(t, err, &wrong)
			require.Equal(t, c.field, wrong.Field)
			require.NotEmpty(t, wrong.Problem)
			require.Equal(t, c.field+": "+wrong.Problem, err.Error())
		})
	}
}

func TestCompileTakesIntervalsOfTemplatesAsText(t *testing.T) {
	m := v1beta1.CanaryMetric{Name: "errors", Interval: "1min", TemplateRef: &v1beta1.CrossNamespaceRef{Name: "graphite"}}
	spec := specOf(analysis(func(a *v1beta1.CanaryAnalysis) { a.Metrics = []v1beta1.CanaryMetric{m} }))
	_, err := Compile(spec, weighted)
	require.NoError(t, err, "the words are those of the template's system")
	spec.Analysis.Metrics[0].TemplateRef, spec.Analysis.Metrics[0].Query = nil, "q"
	_, err = Compile(spec, weighted)
	require.ErrorContains(t, err, `spec.analysis.metrics[0].interval: "1min" is not a duration above zero`, "PromQL has no such word")
}

func TestCompileRefusesWhatTheProviderCannotDo(t *testing.T) {
	cases := map[string]struct {
		field  string
		needs  Capabilities
		change func(*v1beta1.CanarySpec)
	}{
		"Match":    {"spec.analysis.match", Matched, analysis(func(a *v1beta1.CanaryAnalysis) { a.Match = some })},
		"Preview":  {"spec.analysis.previewMatch", Matched, analysis(func(a *v1beta1.CanaryAnalysis) { a.PreviewMatch = some })},
		"Mirror":   {"spec.analysis.mirror", Mirrored, analysis(func(a *v1beta1.CanaryAnalysis) { a.Mirror = true })},
		"Affinity": {"spec.analysis.sessionAffinity", Sticky, analysis(func(a *v1beta1.CanaryAnalysis) { a.SessionAffinity = &v1beta1.SessionAffinity{CookieName: "c"} })},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := Compile(specOf(c.change), Weighted)
			var wrong *InvalidError
			require.ErrorAs(t, err, &wrong)
			require.Equal(t, c.field, wrong.Field)
			require.Equal(t, c.needs, wrong.Needs, "so that the providers that can are named")
			_, err = Compile(specOf(c.change), Weighted|c.needs)
			require.NoError(t, err)
		})
	}
}

// Who does not fit is kept from the canary, whatever the provider can do with those who do.
func TestCompileNarrowsToTheMatch(t *testing.T) {
	const remark = "The provider cannot split the requests that fit spec.analysis.match: all of them go to the canary in every step"
	cases := map[string]struct {
		reason    string
		can       Capabilities
		change    func(*v1beta1.CanaryAnalysis)
		steps     []int
		mirrors   []int
		stepsBack []int
		matched   bool
		remarks   []string
	}{
		"StepWeight": {
			reason: "The weight is one of those who fit.",
			can:    weighted, change: func(*v1beta1.CanaryAnalysis) {},
			steps: []int{10, 20, 30, 40, 50}, mirrors: []int{0, 0, 0, 0, 0}, matched: true,
		},
		"StepWeights": {
			reason: "The same for a list, and on the way back.",
			can:    weighted, change: func(a *v1beta1.CanaryAnalysis) {
				a.StepWeight, a.StepWeights, a.StepWeightPromotion = 0, []int{1, 80}, 30
			},
			steps: []int{1, 80}, mirrors: []int{0, 0}, stepsBack: []int{50, 20}, matched: true,
		},
		"Mirror": {
			reason: "Copies are of the requests that fit.",
			can:    weighted, change: func(a *v1beta1.CanaryAnalysis) { a.StepWeight, a.Mirror = 50, true },
			steps: []int{0, 50}, mirrors: []int{100, 0}, matched: true,
		},
		"Iterations": {
			reason: "An A/B test sends all that fit.",
			can:    weighted, change: func(a *v1beta1.CanaryAnalysis) { a.StepWeight, a.Iterations = 0, 2 },
			steps: []int{100, 100}, mirrors: []int{0, 0}, matched: true,
		},
		"AllOrNothing": {
			reason: "A provider that tells requests apart or weighs them sends all that fit, and nobody else.",
			can:    Weighted | Matched, change: func(a *v1beta1.CanaryAnalysis) {
				a.StepWeight, a.StepWeights, a.StepWeightPromotion = 0, []int{0, 20, 40}, 10
			},
			steps: []int{0, 100, 100}, mirrors: []int{0, 0, 0}, matched: true,
			remarks: []string{remark, "spec.analysis.stepWeightPromotion has no effect where all requests that fit match go to the canary"},
		},
		"AllOrNothingIterations": {
			reason: "An A/B test is what such a provider does anyway.",
			can:    Weighted | Matched, change: func(a *v1beta1.CanaryAnalysis) { a.StepWeight, a.Iterations = 0, 2 },
			steps: []int{100, 100}, mirrors: []int{0, 0}, matched: true,
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			p, err := Compile(specOf(analysis(func(a *v1beta1.CanaryAnalysis) { a.Match = some; c.change(a) })), c.can)
			require.NoError(t, err, c.reason)
			var mirrors []int
			for _, s := range inOrder(p) {
				mirrors = append(mirrors, s.Mirror)
			}
			require.Equal(t, c.steps, weights(inOrder(p)), c.reason)
			require.Equal(t, c.mirrors, mirrors, c.reason)
			require.Equal(t, c.stepsBack, weights(p.StepsBack), c.reason)
			require.Equal(t, c.matched, p.Matched, c.reason)
			require.Equal(t, c.remarks, texts(p.Remarks), c.reason)
		})
	}
}

func TestShareRoundsUp(t *testing.T) {
	cases := map[string]struct {
		weight     int
		size, want int32
	}{
		"Nothing":      {0, 7, 0},
		"OnePercent":   {1, 3, 1},
		"Third":        {34, 3, 2},
		"Exact":        {50, 4, 2},
		"Everything":   {100, 7, 7},
		"NoFloatNoise": {55, 100, 55},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) { require.Equal(t, c.want, Share(c.weight, c.size)) })
	}
}

func TestRoutingNamesTheStrategy(t *testing.T) {
	cases := map[string]struct {
		change func(*v1beta1.CanarySpec)
		want   string
	}{
		"Steps":     {func(*v1beta1.CanarySpec) {}, "Weight step: 10 max: 50"},
		"ABTesting": {analysis(func(a *v1beta1.CanaryAnalysis) { a.StepWeight, a.Iterations, a.Match = 0, 3, some }), "A/B Testing"},
		"List":      {analysis(func(a *v1beta1.CanaryAnalysis) { a.StepWeight, a.StepWeights = 0, []int{1, 30} }), "Weight steps: 1,30 max: 30"},
		"LongList": {
			analysis(func(a *v1beta1.CanaryAnalysis) { a.StepWeight, a.StepWeights = 0, make([]int, mostEntries) }),
			"Weight steps: " + strings.Repeat("0,", 100) + "... max: 0",
		},
		"BlueGreen": {analysis(func(a *v1beta1.CanaryAnalysis) { a.StepWeight, a.Iterations = 0, 3 }), "Blue/Green"},
		"Skipped":   {func(s *v1beta1.CanarySpec) { s.SkipAnalysis = true }, "Analysis skipped"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			spec := specOf(c.change)
			p, err := Compile(spec, weighted)
			require.NoError(t, err)
			require.Equal(t, c.want, p.Routing)
		})
	}
}

// some is a match that any provider understands.
var some = []v1beta1.HTTPMatchRequest{{Headers: map[string]v1beta1.StringMatch{"x-insider": {Exact: ptr("true")}}}}

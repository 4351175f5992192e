package rollout

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// Capabilities is what a traffic provider can do, as a set.
type Capabilities uint8

// The capabilities a provider can have. One with none of them moves all requests at once or none.
const (
	Weighted        Capabilities = 1 << iota // requests can be split by percent
	Mirrored                                 // requests can be copied
	Matched                                  // requests can be told apart by header, cookie or query
	MatchedWeighted                          // and those that fit be split by percent
	Sticky                                   // a user can be kept on the side first met
)

// Has says whether all of the wanted capabilities are there.
func (c Capabilities) Has(want Capabilities) bool { return c&want == want }

// InvalidError says what is wrong with a spec. It is final until the spec changes.
type InvalidError struct {
	Field   string       // path of the field: spec.analysis.stepWeight
	Problem string       // what was found and what is allowed
	Needs   Capabilities // that the provider lacks; zero: the provider is not what is wrong
}

// Error gives the field and the problem in one line.
func (e *InvalidError) Error() string { return e.Field + ": " + e.Problem }

func invalid(field, format string, args ...any) *InvalidError {
	return &InvalidError{Field: field, Problem: fmt.Sprintf(format, args...)}
}

// Strategy is the kind of rollout a spec asks for. Its value is the label of the metrics.
type Strategy string

// The strategies a spec can ask for.
const (
	Canary    Strategy = "canary"
	BlueGreen Strategy = "blue-green"
	ABTesting Strategy = "ab-testing"
)

// Plan is a spec reduced to what the machine runs on.
type Plan struct {
	Provider  string // that divides the requests, for people
	Strategy  Strategy
	Hash      string // of the spec's fields that the steps follow from
	Routing   string // how traffic moves, for people
	Steps     []Step // what the canary goes through, in order; read them by Step and Length
	StepsBack []Step // how traffic comes back once the primary is promoted

	// Listed says that the steps are those of analysis.steps.
	Listed bool

	// Iterations is how many intervals the first of Steps lasts, each judged at its end and counted as a step; zero: one,
	// which is no iteration.
	Iterations int

	Opening []v1beta1.HookType // whose hooks have to agree before the first step

	Skip  bool // promote as soon as the canary is available
	Swap  bool // the apex Service is the only route: traffic moves all at once
	Ratio bool // weights are reached by numbers of pods
	// Autoscaled says that an autoscaler decides on the sizes of both sides.
	Autoscaled bool
	// PrimaryStops says that the primary has no pods while it is updated.
	PrimaryStops bool
	Preview      bool // some requests go to the canary at every weight, where the steps do not say so one by one
	Matched      bool // only requests that fit analysis.match meet the canary; weights are of those

	// Affinity keeps users on the side they have met; nil: every request is decided anew.
	Affinity *v1beta1.SessionAffinity

	CanaryReady  int // percent of its pods that the canary needs
	PrimaryReady int // and the primary

	Interval  time.Duration // between checks
	Threshold int           // failed checks that end the rollout
	Deadline  time.Duration // for a workload or a route to become ready

	Hooks          []v1beta1.CanaryWebhook // asked at the moments their types name
	Metrics        []v1beta1.CanaryMetric  // judge the canary
	OnInconclusive v1beta1.InconclusivePolicy
	OnFailure      v1beta1.FailurePolicy

	History        int // runs that are kept once they have ended
	Records        int // of which so many have a CanaryRun
	RollbackWindow int // revisions promoted before, beside the one that serves, that are not judged again

	// fast is the plan of a revision that is not judged again, and judged, of that one, the plan of all others; nil: this one.
	fast, judged *Plan

	// Remarks are about what the spec asks for and does not get, or gets in another way.
	Remarks []Remark
}

// Remark is one line about a spec that is followed all the same.
type Remark struct {
	Reason Reason
	Text   string
}

func (p *Plan) remark(texts ...string) {
	for _, text := range texts {
		p.Remarks = append(p.Remarks, Remark{Reason: ReasonStrategyAdjusted, Text: text})
	}
}

// Step is one stage of a rollout, complete: nothing else asks which strategy the spec has.
type Step struct {
	Name     string
	Weight   int                // percent of requests that the canary answers
	All      bool               // of all requests, where others are of those that fit analysis.match
	Mirror   int                // percent of requests that the canary gets a copy of
	Scale    *int               // percent of the primary's pods that the canary has at least; nil: its share
	Replicas int32              // pods that the canary has at least; zero: its share
	Until    Until              // it lasts
	Metrics  []string           // that judge it; nil: all
	Gates    []v1beta1.HookType // whose hooks have to agree at its end
	Bake     bool               // the canary is rolled back as soon as a pod of it fails

	// Preview says that some requests go to the canary at any weight in between, and PreviewOf by the matches of which step, counted
	// from one; zero: by those of the analysis.
	Preview   bool
	PreviewOf int

	Webhook *v1beta1.CanaryWebhook // that has to agree; nil: none
	Event   string                 // what people are told when it is taken, with a %s for the Canary
}

// Until is how long a step lasts at least; it is judged at the end of every interval. Zero: one interval.
type Until struct {
	Duration time.Duration
	Pauses   []Pause // that follow, one after the other
}

// Length is how many steps there are, each iteration being one.
func (p *Plan) Length() int { return len(p.Steps) + max(p.Iterations-1, 0) }

// Step is the nth step, counted from one. Zero is what comes before the first: nothing but the gates at its end.
func (p *Plan) Step(n int) Step {
	if n == 0 {
		return Step{Gates: p.Opening}
	}
	step := p.Steps[max(n-max(p.Iterations, 1), 0)]
	if n < p.Iterations { // it goes on with another iteration
		step.Gates, step.Until.Pauses = nil, nil
	}
	if i := p.iteration(n); i > 0 {
		step.Event = fmt.Sprintf("Advance %%s canary iteration %d/%d", i, p.Iterations)
	}
	return step
}

// iteratedWeight is the weight that iterations are made at; zero: without users, or there are none.
func (p *Plan) iteratedWeight() int {
	if p.Iterations == 0 {
		return 0
	}
	return p.Steps[0].Weight
}

// iteration is which iteration the nth step is; zero: none.
func (p *Plan) iteration(n int) int {
	if n > p.Iterations {
		return 0
	}
	return n
}

// Limits the contract gives to what a spec leaves out or overdoes.
const (
	defaultInterval   = time.Minute
	shortestInterval  = 10 * time.Second
	defaultDeadline   = 600 * time.Second
	defaultIterations = 10
	everything        = 100 // percent
)

// Compile reduces a spec to a Plan, or says what is wrong with it by an *InvalidError.
func Compile(spec v1beta1.CanarySpec, can Capabilities) (Plan, error) {
	p, err := compile(spec, can)
	if err != nil || p.RollbackWindow == 0 || p.Skip {
		return p, err
	}
	spec.SkipAnalysis = true
	fast, err := compile(spec, can)
	p.fast = &fast
	return p, err
}

func compile(spec v1beta1.CanarySpec, can Capabilities) (Plan, error) {
	for _, check := range validations {
		if err := check(spec, can); err != nil {
			return Plan{}, err
		}
	}
	a := spec.Analysis
	if a == nil {
		a = &v1beta1.CanaryAnalysis{}
	}
	interval, err := parseInterval(a.Interval)
	if err != nil {
		return Plan{}, err
	}
	p := Plan{
		Strategy: Canary,
		Skip:     spec.SkipAnalysis || spec.Analysis == nil,
		Swap:     !can.Has(Weighted),
		Ratio:    a.ReplicaRatio && a.Iterations == 0,
		Interval: interval,
		// By the contract, a threshold that is left out is one failed check.
		Threshold:      max(a.Threshold, 1),
		Deadline:       deadline(spec),
		Preview:        len(a.PreviewMatch) > 0,
		Matched:        len(a.Match) > 0 && can.Has(Weighted) && !spec.SkipAnalysis,
		Affinity:       a.SessionAffinity,
		Hooks:          a.Webhooks,
		Metrics:        a.Metrics,
		OnInconclusive: a.OnInconclusive,
		OnFailure:      a.OnFailure,
		History:        historyOf(spec),
		Records:        recordsOf(spec),
		RollbackWindow: rollbackWindowOf(spec),
	}
	p.Swap, p.Autoscaled = p.Swap && !p.Ratio, spec.AutoscalerRef != nil
	p.CanaryReady, p.PrimaryReady = readiness(a.CanaryReadyThreshold), readiness(a.PrimaryReadyThreshold)
	if err := p.layOutSteps(a); err != nil {
		return Plan{}, err
	}
	if p.Matched && p.Strategy == Canary && !can.Has(MatchedWeighted) {
		p.sendAllMatched()
	}
	p.completeSteps()
	p.Hash, p.Routing = hashOf(spec, can), p.routing(spec.Analysis)
	p.bakeBeforePromotion(a.Promotion)
	if idle := ignoredFields(spec.Service); (p.Swap || p.Ratio) && len(idle) > 0 {
		p.Remarks = append(p.Remarks, Remark{ReasonFieldIgnored, "Services alone have no use for " + strings.Join(idle, ", ")})
	}
	p.Remarks = append(p.Remarks, p.overruledFields(a, can)...)
	p.Remarks = append(p.Remarks, shortenedHooks(&p)...)
	p.Remarks = append(p.Remarks, p.ignoredByComparisons()...)
	p.Remarks = append(p.Remarks, p.likelyMistakes()...)
	return p, nil
}

// layOutSteps lays out the steps.
func (p *Plan) layOutSteps(a *v1beta1.CanaryAnalysis) error {
	switch {
	case p.Skip:
	case len(a.Steps) > 0:
		p.layOutListed(a.Steps)
	case p.Swap:
		p.remark(swapRemarks(a)...)
		p.layOutBlueGreen(orDefault(a.Iterations, defaultIterations))
	case a.Iterations > 0 && len(a.Match) > 0:
		p.layOutABTest(a.Iterations)
	case a.Iterations > 0:
		p.layOutBlueGreen(a.Iterations)
	// The contract has stepWeight win where stepWeights is set as well.
	case a.StepWeight > 0:
		p.Steps = ramp(a.StepWeight, orDefault(a.MaxWeight, everything))
	case len(a.StepWeights) > 0:
		p.Steps = make([]Step, 0, len(a.StepWeights)+1) // and one that mirrors
		for _, w := range a.StepWeights {
			p.Steps = append(p.Steps, Step{Weight: w})
		}
	default:
		return invalid("spec.analysis", "no step: set steps, stepWeight, stepWeights or iterations, or skipAnalysis")
	}
	if a.Mirror && !p.Swap {
		p.layOutMirror(orDefault(a.MirrorWeight, everything))
	}
	p.pauseBeforePromotion(a.Promotion)
	p.StepsBack = stepsBack(p.highestWeight(), a.StepWeightPromotion, p.Swap || p.Strategy == ABTesting)
	return nil
}

// layOutMirror has the canary get copies of requests before it gets any of its own: in a step of its own, or for as
// long as a blue/green rollout keeps users away from it.
func (p *Plan) layOutMirror(percent int) {
	switch p.Strategy {
	case Canary:
		p.Steps = slices.Insert(p.Steps, 0, Step{Mirror: percent})
	case BlueGreen:
		p.Steps[0].Mirror = percent
	case ABTesting: // those who fit meet the canary from the first step on
	}
}

// layOutABTest lays out an A/B test: all requests that fit go to the canary, for some checks.
func (p *Plan) layOutABTest(n int) {
	p.Strategy = ABTesting
	p.Iterations = n
	p.Steps = []Step{{Weight: everything}}
}

// sendAllMatched has all requests that fit go to the canary in each step that has a weight, as the API's other
// controller does where those who fit cannot be split.
func (p *Plan) sendAllMatched() {
	for i := range p.Steps {
		if p.Steps[i].Weight > 0 {
			p.Steps[i].Weight = everything
		}
	}
	p.StepsBack = nil
	p.remark("The provider cannot split the requests that fit spec.analysis.match: all of them go to the canary in every step")
}

// layOutBlueGreen lays out a blue/green rollout: checks without users, then all of them at once.
func (p *Plan) layOutBlueGreen(n int) {
	p.Strategy = BlueGreen
	p.Iterations = n
	p.Steps = []Step{{}, {Weight: everything}}
}

// highestWeight is the highest weight of the steps.
func (p *Plan) highestWeight() int {
	peak := 0
	for _, s := range p.Steps {
		peak = max(peak, s.Weight)
	}
	return peak
}

// ramp climbs by equal steps; the last one is never above the top.
func ramp(step, top int) []Step {
	var steps []Step
	for w := step; w < top; w += step {
		steps = append(steps, Step{Weight: w})
	}
	return append(steps, Step{Weight: top})
}

// stepsBack descends from the peak by equal steps; the way to zero itself is Finalising's.
func stepsBack(peak, step int, swap bool) []Step {
	if step <= 0 || swap {
		return nil
	}
	var steps []Step
	for w := peak - step; w > 0; w -= step {
		steps = append(steps, Step{Weight: w})
	}
	return steps
}

func parseInterval(text string) (time.Duration, error) {
	if text == "" {
		return defaultInterval, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return 0, invalid("spec.analysis.interval", "%q is not a duration above zero, such as 30s or 1m", text)
	}
	return max(d, shortestInterval), nil
}

func deadline(spec v1beta1.CanarySpec) time.Duration {
	if spec.ProgressDeadlineSeconds == nil {
		return defaultDeadline
	}
	return time.Duration(*spec.ProgressDeadlineSeconds) * time.Second
}

// readiness is a threshold in percent; one that is left out, or asks for nothing, stands for all pods.
func readiness(threshold *int) int {
	if threshold == nil || *threshold == 0 {
		return everything
	}
	return *threshold
}

func swapRemarks(a *v1beta1.CanaryAnalysis) []string {
	var remarks []string
	if len(a.Match) > 0 {
		remarks = append(remarks, "A/B testing is not supported when using the kubernetes provider")
	}
	if a.StepWeight > 0 || len(a.StepWeights) > 0 {
		remarks = append(remarks, "Progressive traffic is not supported when using the kubernetes provider")
	}
	if a.Iterations < 1 {
		remarks = append(remarks, fmt.Sprintf("Setting canaryAnalysis.iterations: %d", defaultIterations))
	}
	return remarks
}

func orDefault(n, otherwise int) int {
	if n > 0 {
		return n
	}
	return otherwise
}

// Share is how many pods answer a weight in percent, of a side that would answer all with size pods.
func Share(weight int, size int32) int32 {
	return int32(math.Ceil(float64(weight) * float64(size) / everything))
}

// percent says whether a number is a share of requests.
func percent(n int) bool { return 0 <= n && n <= everything }

// known says whether a built-in metric has this name.
func known(name string) bool { return slices.Contains(BuiltinMetrics, name) }

// BuiltinMetrics are the metrics that need neither a query nor a template.
var BuiltinMetrics = []string{successRate, requestDuration}

const (
	successRate     = "request-success-rate"
	requestDuration = "request-duration"
)

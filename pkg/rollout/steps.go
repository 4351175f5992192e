package rollout

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// completeSteps lays down what people are asked at the end of each step, and told at its beginning. The texts are the
// contract's: people have alerts and scripts that look for them.
func (p *Plan) completeSteps() {
	if len(p.Steps) == 0 {
		return
	}
	for i := range p.Steps {
		s := &p.Steps[i]
		s.Event = fmt.Sprintf("Advance %%s canary weight %d", s.Weight)
		if s.Mirror > 0 {
			s.Event = fmt.Sprintf("Advance %%s canary mirror %d", s.Mirror)
		}
		if s.Name != "" {
			s.Event += fmt.Sprintf(" (step %d of %d, %s)", i+1, len(p.Steps), s.Name)
		}
		s.Gates = nil
	}
	last := &p.Steps[len(p.Steps)-1]
	switch p.Strategy {
	case Canary:
		p.Opening = p.gatesBefore(0)
		for i := range p.Steps {
			p.Steps[i].Gates = p.gatesBefore(i + 1)
		}
		last.Gates = append(last.Gates, v1beta1.ConfirmPromotionHook)
	case BlueGreen:
		// Before all users move: that is what people mean by it.
		p.Steps[0].Gates = []v1beta1.HookType{v1beta1.ConfirmPromotionHook}
		last.Event = "Routing all traffic to canary"
		if p.Steps[0].Mirror > 0 {
			last.Event = "Stop traffic mirroring and route all traffic to canary"
		}
	case ABTesting:
		last.Gates = []v1beta1.HookType{v1beta1.ConfirmPromotionHook}
	}
}

// gatesBefore are those of a canary's nth step, counted from zero. Copies reach no user, so they are no increase of
// anything.
func (p *Plan) gatesBefore(n int) []v1beta1.HookType {
	if n < len(p.Steps) && p.Steps[n].Mirror > 0 {
		return nil
	}
	return []v1beta1.HookType{v1beta1.ConfirmTrafficIncreaseHook}
}

// step is the one in effect; of a plan that has become shorter it is none.
func (f *facts) step() Step {
	if f.Status.Step > f.Plan.Length() {
		return Step{}
	}
	return f.Plan.Step(f.Status.Step)
}

// reason is that of the event with which the step is taken.
func (s Step) reason() Reason {
	if s.All {
		return ReasonRoutedToCanary
	}
	return ReasonAdvanced
}

// share is the percentage of the primary's pods that the canary needs for a step. Copies of requests are requests.
func (s Step) share() int {
	share := max(s.Weight, s.Mirror)
	if s.Scale != nil {
		share = max(share, *s.Scale)
	}
	return share
}

// pods is how many pods a step needs of a canary whose primary has so many.
func (s Step) pods(primary int32) int32 { return max(Share(s.share(), primary), s.Replicas) }

// judgedBy says that a metric takes part in judging the step.
func (s Step) judgedBy(m v1beta1.CanaryMetric) bool {
	if len(s.Metrics) > 0 {
		return slices.Contains(s.Metrics, m.Name)
	}
	return !m.Inline
}

// hashOf stands for the fields of a spec that the steps follow from, by their names, and for what the provider can do.
func hashOf(spec v1beta1.CanarySpec, can Capabilities) string {
	a := spec.Analysis
	if a == nil {
		a = &v1beta1.CanaryAnalysis{}
	}
	fields := []any{
		"iterations", a.Iterations, "stepWeight", a.StepWeight, "stepWeights", a.StepWeights, "maxWeight", a.MaxWeight,
		"mirror", a.Mirror, "mirrorWeight", a.MirrorWeight, "match", len(a.Match) > 0, "replicaRatio", a.ReplicaRatio,
		"skipAnalysis", spec.SkipAnalysis || spec.Analysis == nil,
		"splits", can.Has(Weighted), "mirrors", can.Has(Mirrored), "matches", can.Has(Matched), "splits matched", can.Has(MatchedWeighted),
	}
	if len(a.Steps) > 0 {
		fields = append(fields, "steps", placesOf(a.Steps))
	}
	text, err := json.Marshal(fields)
	if err != nil { // numbers always marshal
		return ""
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}

// placesOf are what tells the place of a rollout among listed steps.
func placesOf(steps []v1beta1.AnalysisStep) (places []any) {
	for _, s := range steps {
		places = append(places, []any{s.Name, s.Weight, s.Mirror})
	}
	return places
}

// routing describes how traffic moves, for people.
func (p *Plan) routing(a *v1beta1.CanaryAnalysis) string {
	switch {
	case a == nil || p.Skip:
		return "Analysis skipped"
	case p.Strategy == ABTesting:
		return "A/B Testing"
	case p.Strategy == BlueGreen:
		return "Blue/Green"
	case p.Listed:
		return fmt.Sprintf("Steps: %d max: %d", len(p.Steps), p.highestWeight())
	case a.StepWeight > 0:
		return fmt.Sprintf("Weight step: %d max: %d", a.StepWeight, p.highestWeight())
	default:
		return fmt.Sprintf("Weight steps: %s max: %d", joinInts(a.StepWeights), p.highestWeight())
	}
}

// joinInts lists the numbers, the first of them where there are more than a message has room for.
func joinInts(ns []int) string {
	const most = 100
	var texts []string
	for _, n := range ns[:min(len(ns), most)] {
		texts = append(texts, strconv.Itoa(n))
	}
	if len(ns) > most {
		texts = append(texts, "...")
	}
	return strings.Join(texts, ",")
}

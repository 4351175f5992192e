package rollout

import (
	"fmt"
	"slices"
	"time"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// Pause waits at the end of a step.
type Pause struct {
	Wait  Wait          // what it is waited for, by name
	After time.Duration // it ends by itself then; zero: a person ends it
	Abort bool          // that end is a rollback
}

// layOutListed lays out the steps of analysis.steps. Weight left out is that of the step before.
func (p *Plan) layOutListed(listed []v1beta1.AnalysisStep) {
	p.Listed = true
	weight, preview, previewOf := 0, p.Preview, 0
	for i, l := range listed {
		if l.Weight != nil {
			weight = *l.Weight
		}
		if l.PreviewMatch != nil {
			preview, previewOf = len(*l.PreviewMatch) > 0, i+1
		}
		s := Step{Name: l.Name, Weight: weight, Mirror: l.Mirror, Scale: l.Scale, Metrics: l.Metrics}
		s.Preview, s.PreviewOf = preview, previewOf
		if l.Replicas != nil {
			s.Replicas = *l.Replicas
		}
		if l.Webhook != nil {
			called := l.Webhook.Called(orElse(l.Name, fmt.Sprintf("%d", i+1)))
			s.Webhook = &called
		}
		s.Until.Duration, _ = time.ParseDuration(l.Duration) // checked before
		if pause := l.Pause; pause != nil {
			after, _ := time.ParseDuration(pause.After)
			s.Until.Pauses = []Pause{{Wait: WaitStepPaused, After: after, Abort: pause.Then == v1beta1.PauseAborts}}
		}
		if s.Until.Duration > 0 && s.Until.Duration < p.Interval {
			p.remark(fmt.Sprintf("%s lasts %s: a step is judged after an interval", stepField(len(p.Steps)), p.Interval))
		}
		p.Steps = append(p.Steps, s)
	}
	p.remark(idlePreviews(listed, p.Steps)...)
}

// idlePreviews are about lists of requests that hold in no step in which both sides have requests.
func idlePreviews(listed []v1beta1.AnalysisStep, steps []Step) (texts []string) {
	for i, l := range listed {
		divides := func(s Step) bool { return s.PreviewOf == i+1 && s.Weight > 0 && s.Weight < everything }
		if l.PreviewMatch != nil && !slices.ContainsFunc(steps, divides) {
			texts = append(texts, fmt.Sprintf("%s.previewMatch has no effect: it holds in no step with a weight between 0 and 100", stepField(i)))
		}
	}
	return texts
}

// pauseBeforePromotion has a person asked before a canary is promoted. Where all users move at once, that is before they do.
func (p *Plan) pauseBeforePromotion(how *v1beta1.AnalysisPromotion) {
	if how == nil || how.Auto == nil || *how.Auto || len(p.Steps) == 0 {
		return
	}
	last := len(p.Steps) - 1
	all := slices.IndexFunc(p.Steps, func(s Step) bool { return s.Weight == everything && (!p.Matched || s.All) })
	if all > 0 && (p.atOnce() || how.Bake != "" && all == last) {
		last = all - 1
	}
	after, _ := time.ParseDuration(how.AutoAfter)
	until := &p.Steps[last].Until
	until.Pauses = append(slices.Clip(until.Pauses), Pause{Wait: WaitPromotionPaused, After: after})
}

// atOnce says that no step has a part of the users.
func (p *Plan) atOnce() bool {
	return p.Strategy != ABTesting && !slices.ContainsFunc(p.Steps, func(s Step) bool { return s.Weight > 0 && s.Weight < everything })
}

func stepField(i int) string { return fmt.Sprintf("spec.analysis.steps[%d]", i) }

// validateSteps refuses steps that cannot be taken as they are listed.
func validateSteps(spec v1beta1.CanarySpec, can Capabilities) error {
	a := spec.Analysis
	if a == nil {
		return nil
	}
	if !slices.Contains([]v1beta1.FailurePolicy{"", v1beta1.FailureRollsBack, v1beta1.FailureKeeps}, a.OnFailure) {
		return invalid("spec.analysis.onFailure", "%q is neither rollback nor keep", a.OnFailure)
	}
	if err := validatePromotion(a.Promotion, a.Metrics); err != nil || len(a.Steps) == 0 {
		return err
	}
	for _, f := range []struct {
		name string
		set  bool
	}{
		{"iterations", a.Iterations > 0}, {"stepWeight", a.StepWeight > 0}, {"stepWeights", len(a.StepWeights) > 0},
		{"maxWeight", a.MaxWeight > 0}, {"mirror", a.Mirror}, {"mirrorWeight", a.MirrorWeight > 0},
	} {
		if f.set {
			return invalid("spec.analysis."+f.name, "cannot be combined with steps, which say it one by one")
		}
	}
	weight, names := 0, map[string]int{}
	for i, s := range a.Steps {
		if s.Weight != nil {
			switch {
			case !percent(*s.Weight):
				return invalid(stepField(i)+".weight", "%d is not a percentage from 0 to 100", *s.Weight)
			case *s.Weight < weight:
				return invalid(stepField(i)+".weight", "%d is below the %d of the step before; weights never fall", *s.Weight, weight)
			}
			weight = *s.Weight
		}
		if before, taken := names[s.Name]; taken && s.Name != "" {
			return invalid(stepField(i)+".name", "%q is the name of spec.analysis.steps[%d] already", s.Name, before)
		}
		names[s.Name] = i
		if err := validateStep(stepField(i), s, weight, spec, can); err != nil {
			return err
		}
	}
	return nil
}

// validateStep looks at one step, which has a weight of its own or that of the one before.
func validateStep(field string, s v1beta1.AnalysisStep, weight int, spec v1beta1.CanarySpec, can Capabilities) error {
	a := spec.Analysis
	if err := validateDuration(field+".duration", s.Duration); err != nil {
		return err
	}
	if p := s.Pause; p != nil {
		if err := validateDuration(field+".pause.after", p.After); err != nil {
			return err
		}
		switch {
		case !slices.Contains([]v1beta1.PauseEnd{"", v1beta1.PauseContinues, v1beta1.PauseAborts}, p.Then):
			return invalid(field+".pause.then", "%q is neither continue nor abort", p.Then)
		case p.Then != "" && p.After == "":
			return invalid(field+".pause.then", "needs after: without it a person ends the pause")
		}
	}
	if h := s.Webhook; h != nil {
		if err := validateCalled(field+".webhook", h.URL, h.Timeout); err != nil {
			return err
		}
	}
	if err := validateStepPreview(field+".previewMatch", s.PreviewMatch, spec, can); err != nil {
		return err
	}
	for i, name := range s.Metrics {
		if !slices.ContainsFunc(a.Metrics, func(m v1beta1.CanaryMetric) bool { return m.Name == name }) {
			return invalid(fmt.Sprintf("%s.metrics[%d]", field, i), "%q is the name of no metric of spec.analysis.metrics", name)
		}
	}
	switch {
	case !can.Has(Weighted) && !a.ReplicaRatio && weight > 0 && weight < everything:
		return &InvalidError{Field: field + ".weight", Needs: Weighted,
			Problem: fmt.Sprintf("the provider cannot divide requests, and %d is neither 0 nor 100; set replicaRatio to divide them by numbers of pods", weight)}
	case !percent(s.Mirror):
		return invalid(field+".mirror", "%d is not a percentage from 0 to 100", s.Mirror)
	case s.Mirror > 0 && !can.Has(Mirrored):
		return &InvalidError{Field: field + ".mirror", Problem: "the provider cannot copy requests", Needs: Mirrored}
	case s.Mirror > 0 && weight == everything:
		return invalid(field+".mirror", "at a weight of 100 the canary has every request already")
	case s.Replicas != nil && s.Scale != nil:
		return invalid(field+".scale", "cannot be combined with replicas, which says the same in another way")
	case s.Replicas != nil && *s.Replicas < 1:
		return invalid(field+".replicas", "%d is not a number of pods above zero", *s.Replicas)
	case s.Scale != nil && (*s.Scale < 1 || *s.Scale > everything):
		return invalid(field+".scale", "%d is not a percentage from 1 to 100", *s.Scale)
	case (s.Replicas != nil || s.Scale != nil) && a.ReplicaRatio:
		return invalid(field, "has a size of its own, but with replicaRatio the size is the weight")
	}
	return nil
}

// validateStepPreview looks at the requests that all go to the canary from a step on.
func validateStepPreview(field string, list *[]v1beta1.HTTPMatchRequest, spec v1beta1.CanarySpec, can Capabilities) error {
	switch {
	case list == nil:
		return nil
	case len(spec.Analysis.Match) > 0:
		return invalid(field, "cannot be combined with match, which says already who meets the canary")
	case len(*list) > 0 && !can.Has(Matched):
		return &InvalidError{Field: field, Problem: "the provider cannot tell requests apart", Needs: Matched}
	case len(*list) > mostEntries:
		return invalid(field, "%d are too many, at most %d are possible", len(*list), mostEntries)
	}
	return validateCombinations(field, len(*list), len(spec.Service.Match))
}

func validatePromotion(p *v1beta1.AnalysisPromotion, metrics []v1beta1.CanaryMetric) error {
	if p == nil {
		return nil
	}
	if p.AutoAfter != "" && (p.Auto == nil || *p.Auto) {
		return invalid("spec.analysis.promotion.autoAfter", "needs auto: false: otherwise nobody is waited for")
	}
	if err := validateDuration("spec.analysis.promotion.autoAfter", p.AutoAfter); err != nil {
		return err
	}
	if len(p.BakeMetrics) > 0 && p.Bake == "" {
		return invalid("spec.analysis.promotion.bakeMetrics", "needs bake: how long the canary has all requests before it is promoted")
	}
	for i, name := range p.BakeMetrics {
		field := fmt.Sprintf("spec.analysis.promotion.bakeMetrics[%d]", i)
		n := slices.IndexFunc(metrics, func(m v1beta1.CanaryMetric) bool { return m.Name == name })
		switch {
		case n < 0:
			return invalid(field, "%q is the name of no metric of spec.analysis.metrics", name)
		case compared(metrics[n]):
			return invalid(field, "%q compares with the primary, which has no requests then", name)
		}
	}
	return validateDuration("spec.analysis.promotion.bake", p.Bake)
}

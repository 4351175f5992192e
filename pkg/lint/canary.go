package lint

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/sluice-cd/sluice/pkg/analysis"
	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
	"github.com/sluice-cd/sluice/pkg/router"
	"github.com/sluice-cd/sluice/pkg/workload"
)

// canary holds a Canary to all rules. What is about its plan is left out where there is none.
func (l *look) canary(c *canary) {
	l.questions(c)
	l.references(c)
	l.overlaps(c)
	l.workload(c)
	provider := cmp.Or(c.Spec.Provider, l.Provider)
	r, can, err := router.New(provider, l.apis)
	if err != nil {
		l.invalid(err, func(*rollout.InvalidError) string { return "provider" })
		return
	}
	plan, err := rollout.Compile(c.Spec, can)
	if err != nil {
		l.invalid(err, func(e *rollout.InvalidError) string {
			if e.Needs != 0 {
				e.Problem += "; these can: " + strings.Join(router.Able(e.Needs), ", ")
				return "provider-cannot"
			}
			return "compile"
		})
		return
	}
	l.plan(c, &plan)
	if idle := router.Ignored(provider, r, c.Canary); len(idle) > 0 {
		l.find("field-ignored", idle[0], "provider %s has no use for %s", provider, strings.Join(idle, ", "))
	}
	l.routes(c, r, &plan)
	if c.Spec.Analysis == nil {
		return
	}
	l.waits(c)
	l.lookBack(c)
}

// plan looks at what the plan says of itself.
func (l *look) plan(c *canary, p *rollout.Plan) {
	for _, r := range p.Remarks {
		if r.Reason != rollout.ReasonLikelyMistake {
			l.remark(r)
		}
	}
	for _, m := range p.Mistakes() {
		l.find(m.Rule, m.Field, "metric %s %s", m.Name, m.Text)
	}
	target, _ := l.set.target(c)
	if target == nil {
		return
	}
	for _, r := range p.Unreachable(workload.SizeOf(target)) {
		l.find("weight-unreachable", weights(c.Spec.Analysis), "%s", r.Text)
	}
}

// weights is the field that has the weights.
func weights(a *v1beta1.CanaryAnalysis) string {
	switch {
	case len(a.Steps) > 0:
		return "spec.analysis.steps"
	case a.StepWeight > 0:
		return "spec.analysis.stepWeight"
	}
	return "spec.analysis.stepWeights"
}

// routes renders those of the first step, if the files have all that they are made from.
func (l *look) routes(c *canary, r router.Router, p *rollout.Plan) {
	read, missing := l.set.read(r, c)
	if missing {
		return
	}
	in := router.Input{Canary: c.Canary, Read: read, Revision: c.Spec.TargetRef.Name + "-00002"}
	if p.Length() > 0 {
		in.Traffic.Weight, in.Traffic.Mirror = p.Step(1).Weight, p.Step(1).Mirror
	}
	in.Traffic.Matched, in.Traffic.Preview = p.Matched, p.Preview
	_, err := r.Render(in)
	l.invalid(err, func(*rollout.InvalidError) string { return "route" })
}

// questions looks at metrics and webhooks, as the operator does when a Canary is applied.
func (l *look) questions(c *canary) {
	if c.Spec.Analysis == nil {
		return
	}
	meter := cmp.Or(c.Spec.Provider, l.Provider)
	for _, err := range []error{analysis.Validate(c.Canary, meter), analysis.ValidateWords(c.Canary)} {
		l.invalid(err, func(e *rollout.InvalidError) string {
			switch name := e.Field[strings.LastIndex(e.Field, ".")+1:]; name {
			case "successCondition", "failureCondition":
				return "condition"
			case "query":
				return "query-template"
			}
			return "compile"
		})
	}
	for i, m := range c.Spec.Analysis.Metrics {
		l.metric(c, fmt.Sprintf("spec.analysis.metrics[%d]", i), m)
	}
	for i, h := range c.Spec.Analysis.Webhooks {
		u, err := url.Parse(h.URL)
		if h.URL != "" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https") {
			l.find("webhook-url", fmt.Sprintf("spec.analysis.webhooks[%d].url", i), "%q is no address", h.URL)
		}
	}
}

// waits looks at what only a person ends.
func (l *look) waits(c *canary) {
	a := c.Spec.Analysis
	for i, s := range a.Steps {
		if s.Pause != nil && s.Pause.After == "" {
			l.find("gate-deadline", fmt.Sprintf("spec.analysis.steps[%d].pause", i), "waits for a person, for ever")
		}
	}
	if p := a.Promotion; p != nil && p.Auto != nil && !*p.Auto && p.AutoAfter == "" {
		l.find("gate-deadline", "spec.analysis.promotion.auto", "waits for a person, for ever")
	}
	for i, h := range a.Webhooks {
		if slices.Contains([]v1beta1.HookType{v1beta1.ConfirmRolloutHook, v1beta1.ConfirmTrafficIncreaseHook, v1beta1.ConfirmPromotionHook}, h.Moment()) {
			l.find("gate-deadline", fmt.Sprintf("spec.analysis.webhooks[%d].type", i), "gate %s holds the rollout as long as it is closed", h.Name)
		}
	}
}

// lookBack looks at the times of questions.
func (l *look) lookBack(c *canary) {
	a := c.Spec.Analysis
	if d, err := time.ParseDuration(a.Interval); err == nil && d > 0 && d < 10*time.Second {
		l.find("interval-minimum", "spec.analysis.interval", "%s is taken as 10s", a.Interval)
	}
	scrape := l.set.scrape(c)
	for i, m := range a.Metrics {
		d, err := time.ParseDuration(m.Interval)
		if err != nil || m.Interval == "" || m.Baseline != "" || !l.promql(c, m) || d >= 2*scrape {
			continue
		}
		l.find("interval-scrape", fmt.Sprintf("spec.analysis.metrics[%d].interval", i), "metric %s looks back %s, and Prometheus scrapes every %s", m.Name, m.Interval, scrape)
	}
}

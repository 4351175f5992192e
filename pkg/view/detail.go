package view

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
)

// Detail is a Canary as its own page has it: what a View has but the tree, and what is to come.
type Detail struct {
	View
	Tree   *Node         `json:"tree,omitempty"` // in the place of the View's: pods are read apart
	Plan   []PlannedStep `json:"plan"`
	Series []Series      `json:"series"`
	// StepUntil is when the step in effect, or its pause, ends by itself; nil: a check or a person ends it.
	StepUntil *time.Time `json:"stepUntil,omitempty"`
	Interval  string     `json:"interval"` // between checks
	Provider  string     `json:"provider"` // that divides the requests; empty: the operator's
	Target    Object     `json:"target"`
	Service   string     `json:"service,omitempty"` // that users ask; empty: none is made
	Suspended bool       `json:"suspended"`
	Held      *Held      `json:"held,omitempty"`
	About     About      `json:"about"`
	Now       time.Time  `json:"now"`
	Routes    []Object   `json:"routes"`
	// Allowed says of each verb why it is not possible now; empty: it may be asked for.
	Allowed map[v1beta1.ActionVerb]string `json:"allowed"`
}

// About is what an action is about that is asked for now: one that names another revision or step comes too late.
type About struct {
	Revision string `json:"revision"`
	Step     int    `json:"step"`
}

// RunDetail is a run that has ended, as its record has it.
type RunDetail struct {
	Namespace string        `json:"namespace"`
	Name      string        `json:"name"` // of the Canary
	Run       Run           `json:"run"`
	Plan      []PlannedStep `json:"plan"`
	Series    []Series      `json:"series"`
	Interval  string        `json:"interval,omitempty"`
	Provider  string        `json:"provider,omitempty"`
}

// PlannedStep is a step that a rollout goes through.
type PlannedStep struct {
	Number   int      `json:"number"`
	Name     string   `json:"name,omitempty"`
	Weight   int      `json:"weight"`
	Mirror   bool     `json:"mirror,omitempty"`   // the canary gets copies of requests
	Duration string   `json:"duration,omitempty"` // at least; empty: one interval
	Pause    string   `json:"pause,omitempty"`    // who or what ends it: `person`, `10m then promote`
	Scale    string   `json:"scale,omitempty"`    // pods that the canary has at least
	Metrics  []string `json:"metrics,omitempty"`  // that judge it; none: all
	Bake     bool     `json:"bake,omitempty"`
	Event    string   `json:"event,omitempty"` // what people are told when it is taken
}

// Series are the measurements of one metric, the oldest first.
type Series struct {
	Name     string          `json:"name"`
	Provider string          `json:"provider,omitempty"` // what answers it
	Query    string          `json:"query,omitempty"`
	Limit    string          `json:"limit,omitempty"`
	Verdict  v1beta1.Verdict `json:"verdict"`
	Message  string          `json:"message,omitempty"`
	Checks   int             `json:"checks"`
	Failures int             `json:"failures"`
	Evidence *Evidence       `json:"evidence,omitempty"`
	Points   []Measured      `json:"points"`
}

// Evidence is what a comparison with the primary has found so far, in words.
type Evidence struct {
	Against string `json:"against,omitempty"`
	For     string `json:"for,omitempty"`
	Needed  string `json:"needed,omitempty"`
}

// Measured is one measurement.
type Measured struct {
	At      time.Time       `json:"at"`
	Value   *float64        `json:"value"` // nil: it was no number
	Text    string          `json:"text,omitempty"`
	Verdict v1beta1.Verdict `json:"verdict"`
}

// Held is who holds a rollout at its step.
type Held struct {
	By     string    `json:"by,omitempty"`
	Since  time.Time `json:"since"`
	Reason string    `json:"reason,omitempty"`
}

// Object names an object of a cluster.
type Object struct {
	Kind string `json:"kind"`
	Name string `json:"name"`
}

// The bounds of what a Detail has more than one of.
const (
	mostSteps  = 200
	mostSeries = 64
	mostPoints = 200
	mostQuery  = 4000
)

// DetailOf is the Detail of a Canary at a moment.
func DetailOf(c *v1beta1.Canary, now time.Time) Detail {
	s := &c.Status
	d := Detail{
		View: Of(Objects{Canary: c}), Plan: []PlannedStep{}, Series: seriesOf(c, metricsOf(s)), Provider: clean(c.Spec.Provider, mostName), Suspended: c.Spec.Suspend,
		Target: Object{clean(c.Spec.TargetRef.Kind, mostName), clean(c.Spec.TargetRef.Name, mostName)}, Now: now.UTC(), Routes: routesOf(c),
		Allowed: map[v1beta1.ActionVerb]string{}, About: About{Revision: clean(rollout.InQuestion(*s), mostName), Step: s.Step},
	}
	plan, err := planOf(c)
	if err == nil {
		d.Interval = plan.Interval.String()
		for n := 1; n <= min(plan.Length(), mostSteps); n++ {
			d.Plan = append(d.Plan, plannedStep(c, n, plan.Step(n)))
		}
	}
	if s.StepUntil != nil {
		d.StepUntil = &s.StepUntil.Time
	}
	if held := s.Held; held != nil {
		d.Held = &Held{By: clean(held.By, mostName), Since: held.Since.Time, Reason: clean(held.Reason, mostText)}
	}
	if !c.WithoutServices() {
		d.Service = clean(c.ApexName(), mostName)
	}
	if err == nil && meta.IsStatusConditionFalse(s.Conditions, v1beta1.ConditionValid) {
		err = errors.New("see the condition Valid")
	}
	impossible := rollout.Impossible(c, plan, err, now)
	for _, verb := range v1beta1.ActionVerbs {
		d.Allowed[verb] = clean(impossible[verb], mostText)
	}
	return d
}

func plannedStep(c *v1beta1.Canary, n int, step rollout.Step) PlannedStep {
	p := PlannedStep{
		Number: n, Name: clean(step.Name, mostName), Weight: step.Weight, Mirror: step.Mirror > 0, Duration: brief(step.Until.Duration), Bake: step.Bake,
		Event: clean(strings.ReplaceAll(step.Event, "%s", c.Name+"."+c.Namespace), mostText),
	}
	var pauses []string
	for _, pause := range step.Until.Pauses {
		switch {
		case pause.After == 0:
			pauses = append(pauses, "person")
		case pause.Abort:
			pauses = append(pauses, brief(pause.After)+" then abort")
		default:
			pauses = append(pauses, brief(pause.After)+" then promote")
		}
	}
	p.Pause = strings.Join(pauses, ", ")
	switch {
	case step.Replicas > 0:
		p.Scale = fmt.Sprintf("%d pods", step.Replicas)
	case step.Scale != nil:
		p.Scale = fmt.Sprintf("%d%% of the primary's pods", *step.Scale)
	}
	for _, name := range step.Metrics {
		p.Metrics = append(p.Metrics, clean(name, mostName))
	}
	return p
}

// brief is a duration without what is zero at its end; empty: zero.
func brief(d time.Duration) string {
	if d == 0 {
		return ""
	}
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

func metricsOf(s *v1beta1.CanaryStatus) []v1beta1.MetricStatus {
	if s.Analysis == nil {
		return nil
	}
	return s.Analysis.Metrics
}

// seriesOf are the measurements of metrics. A Canary's spec says what answers them; nil: that is not known.
func seriesOf(c *v1beta1.Canary, metrics []v1beta1.MetricStatus) []Series {
	all := []Series{}
	for _, m := range metrics[:min(len(metrics), mostSeries)] {
		one := Series{Name: clean(m.Name, mostName), Provider: answeredBy(c, m.Name), Checks: m.Checks, Failures: m.Failures, Points: []Measured{}}
		if e := m.Evidence; e != nil {
			one.Evidence = &Evidence{Against: clean(e.Against, mostText), For: clean(e.For, mostText), Needed: clean(e.Needed, mostText)}
		}
		for i, found := range m.Measurements[:min(len(m.Measurements), mostPoints)] {
			verdict := v1beta1.Verdict(clean(string(found.Verdict), mostName))
			if i == 0 {
				one.Query, one.Limit, one.Verdict, one.Message = clean(found.Query, mostQuery), clean(found.Limit, mostValue), verdict, clean(found.Message, mostText)
			}
			point := Measured{At: found.Time.Time, Text: clean(found.Value, mostValue), Verdict: verdict}
			// What is infinite or no number has no place on a chart, nor in JSON.
			if value, err := strconv.ParseFloat(found.Value, 64); err == nil && value-value == 0 {
				point.Value = &value
			}
			one.Points = append(one.Points, point)
		}
		slices.Reverse(one.Points)
		all = append(all, one)
	}
	return all
}

// answeredBy is what answers a metric, as the spec says it.
func answeredBy(c *v1beta1.Canary, name string) string {
	if c == nil || c.Spec.Analysis == nil {
		return ""
	}
	for _, m := range c.Spec.Analysis.Metrics {
		switch {
		case m.Name != name:
		case m.TemplateRef != nil:
			return "MetricTemplate " + clean(m.TemplateRef.Name, mostName)
		case m.Query != "":
			return "query"
		default:
			return "built in"
		}
	}
	return ""
}

// routesOf are the objects that divide the requests, as far as the Canary knows them.
func routesOf(c *v1beta1.Canary) []Object {
	routes := []Object{}
	add := func(kind, name string) {
		if o := (Object{clean(kind, mostName), clean(name, mostName)}); name != "" && !slices.Contains(routes, o) {
			routes = append(routes, o)
		}
	}
	for _, own := range c.Spec.Service.RouteRefs {
		add(own.Kind, own.Name)
	}
	if ref := c.Spec.IngressRef; ref != nil {
		add(ref.Kind, ref.Name)
	}
	if ref := c.Spec.RouteRef; ref != nil {
		add(ref.Kind, ref.Name)
	}
	for _, made := range c.Status.Objects {
		if made.Group != "" && made.Group != "autoscaling" && made.Group != "keda.sh" {
			add(made.Kind, made.Name)
		}
	}
	return routes
}

// DetailOfRun is the Detail of a run that a CanaryRun records.
func DetailOfRun(record *v1beta1.CanaryRun) RunDetail {
	d := RunDetail{
		Namespace: clean(record.Namespace, mostName), Run: *runOf(&v1beta1.CanaryStatus{Run: &record.Record.Run}),
		Plan: []PlannedStep{}, Series: seriesOf(nil, record.Record.Metrics),
	}
	for _, owner := range record.OwnerReferences {
		if owner.Kind == "Canary" {
			d.Name = clean(owner.Name, mostName)
		}
	}
	plan := record.Record.Plan
	if plan == nil {
		return d
	}
	d.Interval, d.Provider = clean(plan.Interval, mostName), clean(plan.Provider, mostName)
	for i, step := range plan.Steps[:min(len(plan.Steps), mostSteps)] {
		one := PlannedStep{
			Number: i + 1, Name: clean(step.Name, mostName), Weight: int(step.Weight), Mirror: step.Mirror > 0,
			Duration: clean(step.Duration, mostName), Bake: step.Bake,
		}
		if step.Pause {
			one.Pause = "yes"
		}
		d.Plan = append(d.Plan, one)
	}
	return d
}

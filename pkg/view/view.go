// Package view is what people are shown of Canaries.
//
// Of makes a View of a Canary and of the objects that belong to it: what state it is in, what it waits for, its run, its checks, and
// a tree of its runs with their ReplicaSets, Pods and Jobs. A View is a plain value that the plugin prints and that can be sent as
// JSON. Style makes lines of it: with colours or without, in ASCII, and within the height of a terminal.
//
// All text of a cluster is somebody else's: in a View it has no control characters and is bounded.
package view

import (
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
)

// State is how something is, for who has one look.
type State string

// The states that something can be in.
const (
	Healthy     State = "Healthy"
	Progressing State = "Progressing"
	Paused      State = "Paused" // a person is waited for
	Degraded    State = "Degraded"
	Stopped     State = "Stopped"
	Unknown     State = "Unknown"
)

// View is what is shown of one Canary.
type View struct {
	Namespace string              `json:"namespace"`
	Name      string              `json:"name"`
	Created   time.Time           `json:"created"`
	State     State               `json:"state"`
	Phase     v1beta1.CanaryPhase `json:"phase"`
	// Problem is what is wrong with the spec or with the cluster; empty: nothing.
	Problem string   `json:"problem,omitempty"`
	Waiting *Waiting `json:"waiting,omitempty"`
	Run     *Run     `json:"run,omitempty"`
	Step    Step     `json:"step"`
	Weight  int      `json:"weight"`
	// Actual is the weight by the number of pods; nil: it is not counted.
	Actual  *int         `json:"actual,omitempty"`
	Matched bool         `json:"matched,omitempty"`
	Checks  Checks       `json:"checks"`
	Action  *Action      `json:"action,omitempty"`
	Runs    []RunSummary `json:"runs,omitempty"`
	Tree    Node         `json:"tree"`
}

// Waiting is what a rollout waits for.
type Waiting struct {
	Reason string    `json:"reason"`
	For    string    `json:"for"`
	Since  time.Time `json:"since"`
	Person bool      `json:"person"` // who ends it
}

// Step is where a rollout is in its plan.
type Step struct {
	Number int    `json:"number"`
	Of     int    `json:"of"` // zero: it is not known
	Name   string `json:"name,omitempty"`
}

// Run is the rollout under way, or the last one.
type Run struct {
	Number   int64              `json:"number"`
	Revision string             `json:"revision"`
	Images   string             `json:"images,omitempty"`
	Template string             `json:"template,omitempty"`
	Target   string             `json:"targetRevision,omitempty"` // number of the template in the target's own history
	From     string             `json:"from,omitempty"`           // images before
	Attempt  int                `json:"attempt,omitempty"`
	Started  time.Time          `json:"started"`
	Finished *time.Time         `json:"finished,omitempty"`
	Outcome  v1beta1.RunOutcome `json:"outcome,omitempty"`
	Cause    string             `json:"cause,omitempty"`
	Track    []Point            `json:"track,omitempty"`
	Actions  []Action           `json:"actions,omitempty"`
}

// Point is a step or a weight that a run came to.
type Point struct {
	At     time.Time `json:"at"`
	Weight int       `json:"weight"`
	Step   int       `json:"step"`
}

// Action is what a person has asked for.
type Action struct {
	ID      string               `json:"id,omitempty"`
	Verb    string               `json:"verb"`
	By      string               `json:"by,omitempty"`
	Reason  string               `json:"reason,omitempty"`
	At      time.Time            `json:"at"`
	Step    int                  `json:"step,omitempty"`
	Result  v1beta1.ActionResult `json:"result,omitempty"`
	Message string               `json:"message,omitempty"`
}

// RunSummary is a run that has ended.
type RunSummary struct {
	Number   int64              `json:"number"`
	Revision string             `json:"revision"`
	Images   string             `json:"images,omitempty"`
	Outcome  v1beta1.RunOutcome `json:"outcome"`
	By       string             `json:"by,omitempty"`
	Reason   string             `json:"reason,omitempty"`
	Started  time.Time          `json:"started"`
	Finished time.Time          `json:"finished"`
	Template string             `json:"template,omitempty"`
	Target   string             `json:"targetRevision,omitempty"`
}

// Checks is what a rollout was found to be.
type Checks struct {
	Failed    int      `json:"failed"`
	Threshold int      `json:"threshold"`
	Last      string   `json:"last,omitempty"` // what the last failure was
	Metrics   []Metric `json:"metrics,omitempty"`
}

// Metric is the last measurement of one metric.
type Metric struct {
	Name    string          `json:"name"`
	Value   string          `json:"value,omitempty"`
	Limit   string          `json:"limit,omitempty"`
	Verdict v1beta1.Verdict `json:"verdict"`
	Message string          `json:"message,omitempty"`
}

// Of is the View of a Canary and of what belongs to it.
func Of(o Objects) View {
	v := headOf(o.Canary)
	v.Tree = treeOf(o, v)
	return v
}

// headOf is a View without its tree.
func headOf(c *v1beta1.Canary) View {
	s := &c.Status
	v := View{
		Namespace: clean(c.Namespace, mostName), Name: clean(c.Name, mostName), Created: c.CreationTimestamp.Time,
		Phase: v1beta1.CanaryPhase(clean(string(s.Phase), mostName)), Problem: problemOf(c), Waiting: waitingOf(c), Run: runOf(s),
		Step: stepOf(c), Weight: s.CanaryWeight, Actual: s.ActualWeight, Matched: s.Matched, Checks: checksOf(c), Action: actionOf(s.LastAction),
		Runs: runsOf(s),
	}
	v.State = stateOf(c, v)
	return v
}

// stateOf is the state of a whole Canary.
func stateOf(c *v1beta1.Canary, v View) State {
	switch phase := c.Status.Phase; {
	case v.Waiting != nil && v.Waiting.Person:
		return Paused
	case phase == v1beta1.PhaseFailed, meta.IsStatusConditionFalse(c.Status.Conditions, v1beta1.ConditionValid):
		return Degraded
	case phase.Unfinished(), phase.Leaving():
		return Progressing
	case phase.Settled():
		return Healthy
	}
	return Unknown
}

// problemOf is what is wrong beside the rollout itself.
func problemOf(c *v1beta1.Canary) string {
	for _, kind := range []string{v1beta1.ConditionValid, v1beta1.ConditionReconciled} {
		if found := meta.FindStatusCondition(c.Status.Conditions, kind); found != nil && found.Status == metav1.ConditionFalse {
			return clean(found.Message, mostText)
		}
	}
	if c.Status.Phase == v1beta1.PhaseFailed {
		return clean(c.Status.Cause, mostText)
	}
	return ""
}

// waitingOf is what a Canary waits for; nil: nothing.
func waitingOf(c *v1beta1.Canary) *Waiting {
	s := &c.Status
	if s.WaitingFor == "" {
		return nil
	}
	w := &Waiting{Reason: clean(s.WaitingFor, mostName), For: clean(hint(c), mostText), Person: rollout.Wait(s.WaitingFor).ForPeople()}
	found := meta.FindStatusCondition(s.Conditions, v1beta1.ConditionWaiting)
	if found != nil {
		w.Since = found.LastTransitionTime.Time
		if w.For == "" {
			w.For = clean(found.Message, mostText)
		}
	}
	switch started := s.StepStarted; {
	case s.Held != nil && s.WaitingFor == string(rollout.WaitHeld):
		w.Since = s.Held.Since.Time
	case started != nil && started.Paused != nil:
		w.Since = started.Paused.Time
	}
	if until := s.StepUntil; until != nil && w.Person {
		w.For += ", or until " + until.UTC().Format("2006-01-02 15:04:05 UTC")
	}
	return w
}

// hint is what a person can do about a wait; empty: the message of the condition says it.
func hint(c *v1beta1.Canary) string {
	switch rollout.Wait(c.Status.WaitingFor) {
	case rollout.WaitStepPaused, rollout.WaitPromotionPaused, rollout.WaitClarity:
		return "waits for promote"
	case rollout.WaitRolloutApproval, rollout.WaitTrafficIncreaseApproval, rollout.WaitPromotionApproval:
		return "waits for its gate, or for promote --override-gates"
	case rollout.WaitResume:
		return "waits for spec.suspend to be taken back"
	case rollout.WaitHeld:
		by, reason := "somebody", ""
		if held := c.Status.Held; held != nil {
			if held.By != "" {
				by = held.By
			}
			if held.Reason != "" {
				reason = " (" + held.Reason + ")"
			}
		}
		return "waits for resume, held by " + by + reason
	default:
		return ""
	}
}

// stepOf is where a rollout is in its plan.
func stepOf(c *v1beta1.Canary) Step {
	s := &c.Status
	if !s.Phase.Unfinished() || s.Phase == v1beta1.PhaseInitializing {
		return Step{}
	}
	step := Step{Number: s.Step, Of: length(c)}
	if s.StepStarted != nil {
		step.Name = clean(s.StepStarted.Name, mostName)
	}
	if step.Of < step.Number {
		step.Of = 0
	}
	return step
}

// length is the number of steps of the plan that a rollout follows; zero: it is not known.
func length(c *v1beta1.Canary) int {
	plan, err := planOf(c)
	if err != nil || c.Status.PlanHash != "" && plan.Hash != c.Status.PlanHash {
		return 0
	}
	return plan.Length()
}

// planOf is the plan that a rollout follows. What the provider can do, which a plan depends on, is known by the plan's hash; where no
// plan has that, it is one of a provider that can do all. The error says what is wrong with the spec.
func planOf(c *v1beta1.Canary) (found rollout.Plan, err error) {
	const all = rollout.Weighted | rollout.Mirrored | rollout.Matched | rollout.MatchedWeighted | rollout.Sticky
	spec := c.Spec
	if run := c.Status.Run; run != nil && run.Fast && run.Finished == nil {
		spec.SkipAnalysis = true
	}
	known := false
	for can := int(all); can >= 0; can-- {
		plan, problem := rollout.Compile(spec, rollout.Capabilities(can))
		switch {
		case problem != nil:
			if !known && err == nil {
				err = problem
			}
			continue
		case c.Status.PlanHash == "" || plan.Hash == c.Status.PlanHash:
			return plan, nil
		case !known:
			found, known, err = plan, true, nil
		}
	}
	return found, err
}

func runOf(s *v1beta1.CanaryStatus) *Run {
	run := s.Run
	if run == nil {
		return nil
	}
	r := &Run{
		Number: run.Number, Revision: clean(run.Revision, mostName), Images: clean(run.Images, mostImages), Attempt: int(run.Attempt),
		Started: run.Started.Time, Outcome: v1beta1.RunOutcome(clean(string(run.Outcome), mostName)), Cause: clean(run.Cause, mostText),
		Template: clean(run.Template, mostName), Target: clean(run.TargetRevision, mostName),
	}
	if run.Finished != nil {
		r.Finished = &run.Finished.Time
	}
	if run.From != nil {
		r.From = clean(run.From.Images, mostImages)
	}
	for _, p := range run.Track {
		r.Track = append(r.Track, Point{At: run.Started.Add(time.Duration(p.T) * time.Second), Weight: int(p.Weight), Step: int(p.Step)})
	}
	for _, a := range run.Actions {
		r.Actions = append(r.Actions, Action{Verb: clean(a.Verb, mostName), By: clean(a.By, mostName), Reason: clean(a.Reason, mostText), At: a.At.Time, Step: int(a.Step)})
	}
	return r
}

func runsOf(s *v1beta1.CanaryStatus) (runs []RunSummary) {
	for _, past := range s.History {
		runs = append(runs, RunSummary{
			Number: past.Number, Revision: clean(past.Revision, mostName), Images: clean(past.Images, mostImages),
			Outcome: v1beta1.RunOutcome(clean(string(past.Outcome), mostName)), By: clean(past.By, mostName), Reason: clean(past.Reason, mostText),
			Started: past.Started.Time, Finished: past.Finished.Time, Template: clean(past.Template, mostName), Target: clean(past.TargetRevision, mostName),
		})
	}
	return runs
}

func actionOf(last *v1beta1.ActionRecord) *Action {
	if last == nil {
		return nil
	}
	return &Action{
		ID: clean(last.ID, mostName), Verb: clean(last.Verb, mostName), By: clean(last.By, mostName), Reason: clean(last.Reason, mostText), At: last.At.Time,
		Result: v1beta1.ActionResult(clean(string(last.Result), mostName)), Message: clean(last.Message, mostText),
	}
}

// checksOf is what the checks of a rollout found.
func checksOf(c *v1beta1.Canary) Checks {
	checks := Checks{Failed: c.Status.FailedChecks, Last: clean(c.Status.LastFailure, mostText)}
	if a := c.Spec.Analysis; a != nil {
		checks.Threshold = max(a.Threshold, 1)
	}
	if c.Status.Analysis == nil {
		return checks
	}
	for _, m := range c.Status.Analysis.Metrics {
		if len(m.Measurements) == 0 {
			continue
		}
		last := m.Measurements[0]
		checks.Metrics = append(checks.Metrics, Metric{
			Name: clean(m.Name, mostName), Value: clean(last.Value, mostValue), Limit: clean(last.Limit, mostValue),
			Verdict: v1beta1.Verdict(clean(string(last.Verdict), mostName)), Message: clean(last.Message, mostText),
		})
	}
	return checks
}

// Upgrade words what takes the place of what: `podinfo 6.0.0 → 6.0.1`.
func (r *Run) Upgrade() string {
	switch {
	case r.From == "" || r.From == r.Images:
		return r.Images
	case r.Images == "":
		return r.From + " → ?"
	}
	before, after := strings.Split(r.From, ", "), strings.Split(r.Images, ", ")
	if len(before) != len(after) {
		return r.From + " → " + r.Images
	}
	var words []string
	for i := range after {
		name, version, tagged := strings.Cut(after[i], ":")
		was, former, wasTagged := strings.Cut(before[i], ":")
		switch {
		case before[i] == after[i]:
		case tagged && wasTagged && name == was:
			words = append(words, name+" "+former+" → "+version)
		default:
			words = append(words, before[i]+" → "+after[i])
		}
	}
	return strings.Join(words, ", ")
}

// Ended is the summary of a run that has ended; nil: it is not among those that are kept.
func (v *View) Ended(number int64) *RunSummary {
	i := slices.IndexFunc(v.Runs, func(r RunSummary) bool { return r.Number == number })
	if i < 0 {
		return nil
	}
	return &v.Runs[i]
}

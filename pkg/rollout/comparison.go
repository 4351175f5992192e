package rollout

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/sequential"
)

// File comparison.go compares the canary with its primary over a rollout. Each round names the window whose events are to
// be counted, its decision adds them to the evidence in the status, and the verdict follows from all of that. So evidence
// is stored with the decision that used it: what was counted and not stored is counted again, by a window that begins
// where the stored evidence ends.

// Window is the time whose events a comparison counts, in whole seconds: after Begin and up to End.
type Window struct {
	Begin, End time.Time
	// First says that nothing was counted before. The primary is counted in an equal time before Begin as well.
	First bool
	// Last says that this is the last step in which both sides have requests: single values have their one look then.
	Last bool
}

// Stratum is what was counted in a window, and how people speak of it.
type Stratum struct {
	sequential.Stratum
	Title string // of the metric: `success rate`
	Bad   string // of bad events, with %s for a bound: `requests slower than %s`
	Unit  string // of the bounds; empty: it is not known
}

// scrape is how long before a check its window ends: samples of the last moments may not be stored yet.
const scrape = 15 * time.Second

// lookedOnce is the state of a comparison of single values that had its one look, and passed.
const lookedOnce = "looked"

// What a comparison promises where its metric leaves that out.
const (
	defaultConfidence = 0.99
	defaultMargin     = 0.01
	defaultMissed     = 0.05
	defaultTolerance  = 0.001
)

// compared says that a metric compares the canary with its primary.
func compared(m v1beta1.CanaryMetric) bool { return m.Baseline != "" }

// Promise is what a comparison promises, of a metric among those of its rollout.
func Promise(m v1beta1.CanaryMetric, all []v1beta1.CanaryMetric) sequential.Parameters {
	p := sequential.Parameters{Confidence: defaultConfidence, Margin: defaultMargin, Missed: defaultMissed,
		Tolerance: defaultTolerance, Dispersion: sequential.Auto}
	for _, f := range []struct{ given, to *float64 }{
		{m.Confidence, &p.Confidence}, {m.Margin, &p.Margin}, {m.Missed, &p.Missed}, {m.Tolerance, &p.Tolerance}, {m.Dispersion, &p.Dispersion},
	} {
		if f.given != nil {
			*f.to = *f.given
		}
	}
	for _, other := range all {
		if compared(other) && !other.DryRun { // others fail nothing
			p.Metrics++
		}
	}
	p.Metrics = min(max(p.Metrics, 1), sequential.MaxMetrics)
	return p
}

// parametersOf is a digest of all that the evidence of a metric follows from.
func parametersOf(m v1beta1.CanaryMetric, p sequential.Parameters) string {
	text, err := json.Marshal([]any{p, m.Name, m.Query, m.TemplateRef, m.TemplateVariables, m.Test, m.Worse})
	if err != nil { // texts and numbers always marshal
		return ""
	}
	return digest(string(text))
}

// evidenceOf is what the metric of a question has found so far in this rollout; nil: nothing, or it is about another one.
// One that was counted up to a time that is still to come is of another clock.
func evidenceOf(f *facts, q Question, before time.Time) *v1beta1.Evidence {
	found := f.Status.Analysis.Metric(q.metricKey())
	if found == nil || found.Evidence == nil {
		return nil
	}
	e, m := found.Evidence, *q.Metric
	if e.Revision != f.Status.LastAppliedSpec || e.Parameters != parametersOf(m, Promise(m, f.Plan.Metrics)) || !e.Until.Time.Before(before) {
		return nil
	}
	return e
}

// windowOf is what the metric of a question counts in the round that is due. It follows from when that was due, not from
// the present, and begins where the window before ended; the first one when the step's weight took effect.
func windowOf(f *facts, q Question) *Window {
	due := f.Status.NextCheck.Time
	began := due.Add(-f.Plan.Interval)
	if started := f.Status.StepStarted; started != nil {
		began = started.Time.Time
	}
	if f.Status.Step > 0 && !f.Effective.IsZero() {
		due, began = later(due, f.Effective.Add(f.Plan.Interval)), later(began, f.Effective)
	}
	end := due.Add(-min(scrape, f.Plan.Interval/2)).Truncate(time.Second)
	last := f.Plan.lastCompared(*q.Metric)
	if last == 0 {
		last = f.Plan.Length()
	}
	w := &Window{End: end, Last: f.Status.Step >= last && !f.lasts()}
	if e := evidenceOf(f, q, end); e != nil {
		w.Begin = e.Until.Time
		w.Last = w.Last && e.State != lookedOnce
		return w
	}
	w.First = true
	if w.Begin = began.Add(time.Second - 1).Truncate(time.Second); !w.Begin.Before(end) {
		w.Begin = end.Add(-max(f.Plan.Interval.Truncate(time.Second), time.Second))
	}
	return w
}

// lastCompared is the last step in which both sides have requests and a metric is asked for; zero: there is none.
func (p *Plan) lastCompared(m v1beta1.CanaryMetric) int {
	for n := p.Length(); n > 0; n-- {
		s := p.Step(n)
		if (s.Weight < everything || p.Matched && !s.All) && s.judgedBy(m) {
			return n
		}
	}
	return 0
}

// maxHold is how long the last step that compares is held at most for want of requests.
func (p *Plan) maxHold(m v1beta1.CanaryMetric) time.Duration {
	if d, err := time.ParseDuration(m.MaxHold); err == nil { // checked before
		return d
	}
	return time.Duration(p.Length()) * p.Interval
}

// judgeComparison adds what was counted to the evidence of a metric, and has the verdict follow from all of it.
func judgeComparison(t *transition, f *answered) {
	m, p := *f.Metric, Promise(*f.Metric, t.Plan.Metrics)
	stored := evidenceOf(&t.facts, f.Question, f.Window.End)
	next := &v1beta1.Evidence{Revision: t.Status.LastAppliedSpec}
	if stored == nil {
		next.Parameters = parametersOf(m, p)
	} else {
		next.Parameters = stored.Parameters
	}
	if f.Stratum == nil {
		if f.Final && f.Verdict == v1beta1.Passed {
			next.Until, next.State = metav1.NewTime(f.Window.End), lookedOnce
			f.evidence = next
		}
		return
	}
	e, err := added(stored, f.Stratum.Stratum, p)
	if err != nil {
		f.tell(m.OnError.Verdict(), halting(t, f, "cannot be compared: "+err.Error()), "")
		return
	}
	last := t.Status.Step >= t.Plan.lastCompared(m)
	if last && !t.lasts() {
		e.MakeFinal(p)
	}
	r := e.Judge(p, last)
	words := wordsOf(f.Stratum, e, r, p)
	next.Until, next.Against, next.For, next.Needed = metav1.Unix(e.Until, 0), words.against, words.inFavour, words.needed
	f.evidence = next
	switch {
	case r.Verdict == sequential.Failed:
		f.Final = true
		f.tell(v1beta1.Failed, halting(t, f, words.failed), words.value)
	case f.Verdict != v1beta1.Passed: // nobody asked the canary
	case r.Verdict == sequential.Inconclusive:
		f.tell(v1beta1.Inconclusive, halting(t, f, words.unclear), words.value)
		hold(t, f, m, stored)
	default:
		f.tell(v1beta1.Passed, "", words.value)
	}
	next.State = e.Text()
}

// JudgeWindow has the finding of a comparison follow from one window alone, as at the first check of a rollout. Others stay as
// they are.
func JudgeWindow(f Finding, m v1beta1.CanaryMetric, all []v1beta1.CanaryMetric) Finding {
	if f.Stratum == nil {
		return f
	}
	p, a := Promise(m, all), answered{Question: Question{Metric: &m}, Finding: f}
	e, err := added(nil, f.Stratum.Stratum, p)
	if err != nil {
		a.tell(m.OnError.Verdict(), f.Stratum.Title+" cannot be compared: "+err.Error(), "")
		return a.Finding
	}
	r := e.Judge(p, false)
	words := wordsOf(f.Stratum, e, r, p)
	switch {
	case r.Verdict == sequential.Failed:
		a.tell(v1beta1.Failed, f.Stratum.Title+" "+words.failed, words.value)
	case f.Verdict == v1beta1.Passed:
		a.tell(v1beta1.Passed, "", words.value)
	}
	return a.Finding
}

// hold has the last step that compares wait for requests, for a time; then the policy about what is inconclusive decides.
func hold(t *transition, f *answered, m v1beta1.CanaryMetric, stored *v1beta1.Evidence) {
	since := micro(t.Now)
	if stored != nil && stored.HeldSince != nil {
		since = notAfter(stored.HeldSince, t.Now)
	}
	f.evidence.HeldSince = since
	f.held = t.Now.Sub(since.Time) < t.Plan.maxHold(m)
	if !f.held && !m.DryRun && t.Plan.OnInconclusive == v1beta1.InconclusiveContinue {
		t.warn(ReasonInconclusive, "%s", f.Message)
	}
}

// added is the evidence with one more stratum. One that is stored and cannot be read begins anew.
func added(stored *v1beta1.Evidence, s sequential.Stratum, p sequential.Parameters) (sequential.Evidence, error) {
	var e sequential.Evidence
	if stored != nil {
		if read, err := sequential.Parse(stored.State); err == nil {
			e = read
		}
	}
	err := e.Add(s, p)
	if errors.Is(err, sequential.ErrOverlap) || errors.Is(err, sequential.ErrFull) {
		return e, nil // what was found so far stands
	}
	return e, err
}

// tell replaces what was found. The answer itself is others' as well.
func (f *answered) tell(v v1beta1.Verdict, message, value string) {
	f.Verdict, f.Message = v, message
	if f.Measurement == nil {
		return
	}
	m := *f.Measurement
	m.Verdict, m.Message = v, message
	if value != "" {
		m.Value = value
	}
	f.Measurement = &m
}

func halting(t *transition, f *answered, told string) string {
	return fmt.Sprintf("Halt %s advancement %s %s", t.Names.canary(), f.Stratum.Title, told)
}

// keepEvidence drops evidence that is not about what comes next: of another revision, of steps that are taken again, and
// of a rollout that is not judged any more.
func keepEvidence(t *transition) {
	if t.next.Analysis == nil || t.refused {
		return
	}
	kept := t.next.Phase.Analysing() && t.next.Step >= t.Status.Step
	for i := range t.next.Analysis.Metrics {
		m := &t.next.Analysis.Metrics[i]
		if m.Evidence != nil && (!kept || m.Evidence.Revision != t.next.LastAppliedSpec) {
			m.Evidence = nil
		}
	}
}

// gathering keeps the last step that compares until there were requests enough, or the time for that is over.
func gathering(t *transition) outcome {
	for _, f := range t.metric(v1beta1.Inconclusive) {
		if f.held {
			text := "Metric " + f.name() + " of " + t.Names.target() + " needs more requests: " + f.Message
			return func(t *transition) { repeat(t, WaitEvidence, text) }
		}
	}
	return nil
}

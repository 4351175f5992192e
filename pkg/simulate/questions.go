package simulate

import (
	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
	"github.com/sluice-cd/sluice/pkg/sequential"
)

// answer is a question with its answer.
type answer struct {
	rollout.Question
	rollout.Finding
}

// moment is when a hook is asked; empty: this is about a metric, or about all of them.
func (a answer) moment() v1beta1.HookType {
	if a.Hook == nil {
		return ""
	}
	return a.Hook.Moment()
}

// ask hands questions over. The world goes on meanwhile, and so do passes.
func (o *Operator) ask(q rollout.Questions, v view) {
	if o.underWay(q) {
		return
	}
	if q.Round != o.known.Round {
		o.forgetAnswers()
	}
	o.asking, o.askedOf, o.answersAt = q, v, o.w.now
	if o.slow > 0 {
		o.answersAt += o.w.rng.IntN(o.slow + 1)
	}
}

// underWay says that these very questions were handed over already.
func (o *Operator) underWay(q rollout.Questions) bool {
	return o.asking.Round == q.Round && len(o.asking.Asked) == len(q.Asked)
}

// answersCome says that all answers are there, which wakes the operator.
func (o *Operator) answersCome() bool {
	if o.asking.Empty() || o.w.now < o.answersAt {
		return false
	}
	if o.known.Answers == nil {
		o.known = rollout.Findings{Round: o.asking.Round, Answers: map[string]rollout.Finding{}}
	}
	for _, q := range o.asking.Asked {
		f := o.w.answer(q, o.askedOf)
		o.known.Answers[q.Key] = f
		o.answers = append(o.answers, answer{q, f})
	}
	o.asking = rollout.Questions{}
	return true
}

// answersTo are the answers that a decision about a view is taken on; none where it needs none.
func (o *Operator) answersTo(v view) []answer {
	if rollout.Decide(v.Snapshot, rollout.Findings{}).Questions.Empty() {
		return nil
	}
	return o.answers
}

// forgetAnswers drops what is known, and what is under way.
func (o *Operator) forgetAnswers() {
	o.asking, o.known, o.answers = rollout.Questions{}, rollout.Findings{}, nil
}

// opens says that the first round is still to come: load tests are only told of it.
func opens(v view) bool { return v.status.Step == 0 || v.status.Analysis == nil }

// answer is what is found out about a view.
func (w *World) answer(q rollout.Question, v view) rollout.Finding {
	if w.answers != nil {
		return w.answers(q, v)
	}
	switch {
	case q.Hook != nil && q.Hook.Moment() == v1beta1.RolloutHook && opens(v):
	case q.Hook != nil:
		return w.agree(*q.Hook, v.Revision)
	case q.Window != nil:
		return w.count(q, v.Revision)
	case q.Metric != nil:
		return w.judge(v.Revision)
	}
	return rollout.Finding{Verdict: v1beta1.Passed}
}

// Requests that each side answers in a second: enough to exclude that the canary is worse, after some checks.
const (
	canaryRate  = 200
	primaryRate = 800
)

// count is what a comparison finds: of a bad revision every second request fails.
func (w *World) count(q rollout.Question, revision string) rollout.Finding {
	f := w.judge(revision)
	if f.Verdict != v1beta1.Passed && !w.bad[revision] {
		return f // there is no answer
	}
	s := &rollout.Stratum{Title: "success rate", Bad: "requests failed"}
	s.Begin, s.End = q.Window.Begin.Unix(), q.Window.End.Unix()
	s.Canary = sequential.Counts{Events: canaryRate * (s.End - s.Begin), Bad: []int64{0}}
	s.Primary = sequential.Counts{Events: primaryRate * (s.End - s.Begin), Bad: []int64{0}}
	if w.bad[revision] {
		s.Canary.Bad[0] = s.Canary.Events / 2
	}
	return rollout.Finding{Verdict: v1beta1.Passed, Stratum: s, Measurement: &v1beta1.Measurement{Verdict: v1beta1.Passed}}
}

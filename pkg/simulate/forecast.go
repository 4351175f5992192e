package simulate

import (
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
)

// Outcome is how a rollout ends.
type Outcome string

// The outcomes.
const (
	Promoted   Outcome = "promoted"
	RolledBack Outcome = "rolled-back"
	Waits      Outcome = "waits" // for somebody who does not act
)

// Target is what is rolled out.
type Target struct {
	Names     rollout.Names
	Size      int32 // pods that serve users
	Most      int32 // pods that its autoscaler allows; zero: there is none
	Recreates bool  // an update takes all of its pods down first
}

// bring has a world begin with the target.
func (t Target) bring(w *World) {
	w.names = t.Names
	w.target.pods = nil
	w.target.set(w, w.target.revision, max(t.Size, 1))
	for i := range w.target.pods {
		w.target.pods[i].ready = true
	}
	w.target.recreates, w.primary.recreates = t.Recreates, t.Recreates
	if t.Most > 0 {
		w.scaler = scaler{least: t.Size, most: t.Most, wants: t.Size}
	}
}

// Circumstances are what a rollout meets. The zero value is a revision that is good, and people who act at once.
type Circumstances struct {
	BadAt         int           // percent of requests from which on its checks fail; zero: they never do
	Flaky         int           // rounds of checks that fail, the first ones
	PodStart      time.Duration // that a pod takes to become ready; zero: two seconds
	NoData        bool          // the monitoring systems have no values
	ClosedGates   bool          // no gate opens
	NewRevisionAt int           // percent of requests at which a newer revision comes; zero: none does
}

// Row is one moment of a forecast: something has changed, or was told.
type Row struct {
	At             time.Duration // since the new revision was seen
	Phase          v1beta1.CanaryPhase
	Step, Steps    int
	Weight, Mirror int // percent of requests
	CanaryReady    int32
	Canary         int32
	PrimaryReady   int32
	Primary        int32
	Told           []string
}

// Act is what somebody has to do.
type Act struct {
	At   time.Duration
	Who  string // a person, or a gate by its name
	What string
}

// Forecast is a rollout that has not begun.
type Forecast struct {
	Name    string
	Outcome Outcome
	Took    time.Duration
	Peak    int32 // pods of both sides together, at most
	Rows    []Row
	Acts    []Act
}

// forecaster plays a rollout of one plan.
type forecaster struct {
	*Operator
	meets   Circumstances
	out     Forecast
	begin   int // second at which the new revision came
	since   int // second at which the step began
	told    []string
	shown   Row
	flakyAt int // second of the round that fails
	asked   map[string]bool
	left    string // the pause that a person has ended last
}

const (
	tried  = rollout.RevisionPrefix + "v2"
	newest = rollout.RevisionPrefix + "v3"
	// longest is what a rollout may take that is looked at.
	longest = 14 * 24 * 3600
)

// Run plays the rollout of a new revision under a plan. What breaks a rule of the machine is an error.
func Run(p rollout.Plan, t Target, c Circumstances) (*Forecast, error) {
	if t.Recreates {
		p.RouteAllBeforePromotion("strategy Recreate")
	}
	w := New(p, 1)
	t.bring(w)
	f := &forecaster{Operator: NewOperator(w), meets: c, asked: map[string]bool{}, flakyAt: -1}
	f.out.Name = t.Names.Canary + "." + t.Names.Namespace
	for !w.status.Phase.Settled() {
		if f.Second(); w.now > 3600 {
			return nil, fmt.Errorf("the primary was not made: %s", brief(w.status))
		}
	}
	if c.PodStart > 0 {
		w.podStart = int(c.PodStart.Seconds())
	}
	f.notify, w.answers = f.note, f.answer
	f.begin, f.since = w.now, w.now
	w.Release(tried)
	f.run()
	if wrong := w.Violations(); len(wrong) > 0 {
		return nil, fmt.Errorf("a rule of the machine is broken at %s", wrong[0])
	}
	return &f.out, nil
}

// run lets time pass until the rollout has ended, or nobody ends a wait.
func (f *forecaster) run() {
	w := f.w
	for !f.ended() {
		f.Second()
		f.out.Peak = max(f.out.Peak, atMost(&w.target)+atMost(&w.primary))
		f.show()
		f.meet()
		if w.now-f.since > f.patience() || w.now-f.begin > longest {
			f.out.Outcome = Waits
			f.out.Took = f.sinceBegin()
			return
		}
	}
	f.out.Took = f.sinceBegin()
	f.out.Outcome = RolledBack
	if w.status.Phase == v1beta1.PhaseSucceeded {
		f.out.Outcome = Promoted
	}
}

// atMost is how many pods a workload has: while it is updated a quarter more than its size, as Deployments do.
func atMost(s *workload) int32 {
	return min(int32(len(s.pods)), s.size+(s.size+3)/4)
}

// ended says that what was released last is promoted, or rolled back.
func (f *forecaster) ended() bool {
	s := f.w.status
	return s.Phase.Settled() && s.LastAppliedSpec == f.w.hashed(f.w.target.revision)
}

// patience is how many seconds a step may take before nobody is thought to end it.
func (f *forecaster) patience() int {
	p, longest := f.w.plan, time.Duration(0)
	if n := f.w.status.Step; n > 0 && n <= p.Length() {
		until := p.Step(n).Until
		longest = until.Duration
		for _, pause := range until.Pauses {
			longest += pause.After
		}
	}
	return int((longest + 2*p.Deadline + 20*p.Interval + time.Hour).Seconds())
}

func (f *forecaster) sinceBegin() time.Duration { return seconds(f.w.now - f.begin) }

// meet has happen what is due: checks begin to fail, a newer revision comes, a person ends a pause.
func (f *forecaster) meet() {
	w := f.w
	weight := w.status.CanaryWeight
	if at := f.meets.BadAt; at > 0 && weight >= at && weight > 0 {
		w.bad[template(w.target.revision)] = true
	}
	if at := f.meets.NewRevisionAt; at > 0 && weight >= at && w.target.revision == w.hashed(tried) {
		w.Release(newest)
	}
	reason := f.waiting()
	if reason != string(rollout.WaitStepPaused) && reason != string(rollout.WaitPromotionPaused) || f.endsByItself() {
		return
	}
	pause := fmt.Sprintf("%s of step %d of %s, behind %d", reason, w.status.Step, w.status.LastAppliedSpec, w.status.StepStarted.PausesOver)
	if f.left == pause {
		return // it is not answered yet
	}
	f.left = pause
	f.out.Acts = append(f.out.Acts, Act{f.sinceBegin(), "a person", fmt.Sprintf("promote, at step %d of %d", w.status.Step, w.plan.Length())})
	w.Act("promote", "a person")
}

// endsByItself says that the pause that is waited in has an end.
func (f *forecaster) endsByItself() bool {
	n := f.w.status.Step
	if n < 1 || n > f.w.plan.Length() || f.w.status.StepStarted == nil {
		return true // nobody could say which one it is
	}
	pauses := f.w.plan.Step(n).Until.Pauses
	over := f.w.status.StepStarted.PausesOver
	return over < len(pauses) && pauses[over].After > 0
}

func (f *forecaster) waiting() string {
	c := meta.FindStatusCondition(f.w.status.Conditions, v1beta1.ConditionWaiting)
	if c == nil {
		return ""
	}
	return c.Reason
}

// note keeps what people are told.
func (f *forecaster) note(said []rollout.Notice) {
	for _, n := range said {
		f.told = append(f.told, n.Message)
	}
	f.show()
}

// show adds a row when anything has changed.
func (f *forecaster) show() {
	w, plan := f.w, f.w.plan.For(f.w.status)
	row := Row{Phase: w.status.Phase, Step: w.status.Step, Steps: plan.Length(), Weight: w.status.CanaryWeight,
		CanaryReady: w.target.serving(), Canary: w.target.size, PrimaryReady: w.primary.serving(), Primary: w.primary.size}
	if t := rollout.IntentOf(plan, w.status).Traffic; t != nil {
		row.Mirror = t.Mirror
	}
	if row.Phase != f.shown.Phase || row.Step != f.shown.Step || row.Weight != f.shown.Weight {
		f.since = w.now
	}
	if row.Phase == f.shown.Phase && row.Step == f.shown.Step && row.Weight == f.shown.Weight && row.Mirror == f.shown.Mirror && len(f.told) == 0 {
		return
	}
	f.shown = row
	row.At, row.Told = f.sinceBegin(), f.told
	f.told = nil
	f.out.Rows = append(f.out.Rows, row)
}

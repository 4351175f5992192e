package rollout

import (
	"fmt"
	"slices"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// A revision that was promoted not long ago (spec.history.rollbackWindow) is promoted again without analysis and bake, as under
// skipAnalysis: a revision has its configs in its hash, so that it is what users had. One that was found to be bad since is judged.

func rollbackWindowOf(spec v1beta1.CanarySpec) int {
	if spec.History == nil || spec.History.RollbackWindow == nil {
		return 0
	}
	return int(min(max(*spec.History.RollbackWindow, 0), mostHistory))
}

// For is the plan that a status is to be followed by: another one while the run that is under way is not judged.
func (p Plan) For(s v1beta1.CanaryStatus) Plan {
	run := openRun(&s)
	if run == nil || !run.Fast || run.Revision != s.LastAppliedSpec {
		return p
	}
	return unjudged(p)
}

// Unjudged says that this is the plan of a revision that is not judged again.
func (p Plan) Unjudged() bool { return p.judged != nil }

// Change makes a change to a plan, whether or not its revision is judged.
func (p *Plan) Change(change func(*Plan)) {
	change(p)
	if p.fast != nil {
		change(p.fast)
	}
}

// unjudged is the plan of a revision that is not judged; itself where there is none.
func unjudged(p Plan) Plan {
	if p.fast == nil {
		return p
	}
	fast := *p.fast
	fast.Provider, fast.Remarks, fast.judged = p.Provider, p.Remarks, &p
	return fast
}

// followPlanOf has the rollout that begins follow the plan of its revision, and tells of one that is not judged.
func followPlanOf(t *transition, revision string) {
	if t.Plan.judged != nil {
		t.Plan = *t.Plan.judged
	}
	window := promotedBefore(t.Status.History, t.Status.LastPromotedSpec, t.Plan.RollbackWindow)
	for _, promoted := range window {
		if t.Plan.fast == nil || promoted.revision != revision || failedBefore(t.Status, revision) != nil {
			continue
		}
		t.Plan, t.fast = unjudged(t.Plan), true
		by := "before the first run"
		if promoted.run > 0 {
			by = fmt.Sprintf("by run %d", promoted.run)
		}
		t.say(ReasonRollbackWindow, "%s is back at %s, which was promoted %s: it is promoted without analysis, by spec.history.rollbackWindow",
			t.Names.target(), revision, by)
		return
	}
}

// judgedAfterAll says that the spec has become one whose rollout is judged that began without.
func judgedAfterAll(t *transition) bool {
	compiled := t.Plan.Strategy != ""
	return compiled && t.next.Phase.Analysing() && !t.Plan.Unjudged()
}

// promotedRevision is one that served before.
type promotedRevision struct {
	revision string
	run      int64 // that promoted it; zero: it served before the first run
	entry    int   // of the history that says so
}

// promotedBefore are the last revisions that were promoted before what serves, the newest first, without those whose newest run
// has failed.
func promotedBefore(history []v1beta1.PastRun, serves string, most int) (promoted []promotedRevision) {
	known := map[string]bool{serves: true}
	for i, past := range history {
		switch {
		case known[past.Revision]:
		case past.Outcome.Promoted():
			promoted = append(promoted, promotedRevision{revision: past.Revision, run: past.Number, entry: i})
			known[past.Revision] = true
		case past.Outcome.Failed():
			known[past.Revision] = true
		}
		if past.Outcome.Promoted() && past.From != "" && !known[past.From] {
			promoted = append(promoted, promotedRevision{revision: past.From, entry: i})
			known[past.From] = true
		}
		if len(promoted) >= most {
			return promoted[:most]
		}
	}
	return promoted
}

// kept are the runs that are kept of a history: the newest, and those that the rollback window needs, now or once what serves
// has become one of them.
func kept(history []v1beta1.PastRun, serves string, p Plan) []v1beta1.PastRun {
	needed := map[int]bool{}
	for _, promoted := range promotedBefore(history, serves, p.RollbackWindow) {
		needed[promoted.entry] = true
	}
	promotedServing := func(past v1beta1.PastRun) bool { return past.Revision == serves && past.Outcome.Promoted() }
	if i := slices.IndexFunc(history, promotedServing); p.RollbackWindow > 0 && i >= 0 {
		needed[i] = true
	}
	var all []v1beta1.PastRun
	for i, past := range history {
		if i < p.History || needed[i] {
			all = append(all, past)
		}
	}
	return all
}

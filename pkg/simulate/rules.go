package simulate

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
	"github.com/sluice-cd/sluice/pkg/sequential"
)

// rules is what the rules are checked against.
type rules struct {
	passed        map[string]bool // revisions the primary may run
	violations    []string        // of the rules
	targetChanged int             // second at which users changed the target last
	told          []rollout.Notice
	toldSinceMove map[string]bool // what was said since the rollout last moved
	statuses      []v1beta1.CanaryStatus
	replyLost     bool // what became of a write was never heard
	failingFor    int  // seconds for which users have been with a canary that fails
}

func same(a, b v1beta1.CanaryStatus) bool { return equality.Semantic.DeepEqual(a, b) }

// violated notes that a rule was broken.
func (w *World) violated(format string, args ...any) {
	w.violations = append(w.violations, fmt.Sprintf("%ds: ", w.now)+fmt.Sprintf(format, args...))
}

// Violations is every rule that was broken so far, in order.
func (w *World) Violations() []string { return w.violations }

// check holds what must be so at any moment: nobody is sent to pods that are not there (rule 1), and
// traffic is where the stored status wants it or where it was before.
func (w *World) check(why string) {
	target, primary := w.reachable()
	checkServed(w, "target", &w.target, &w.primary, target, why)
	checkServed(w, "primary", &w.primary, &w.target, primary, why)
	checkFormer(w, why)
}

// leftWithin is how many seconds a canary may fail before it is rolled back: an interval for each check, the deadline of
// routes, and what slow answers, caches that lag and crashes add to that.
const leftWithin = 45

// checkLeft holds that a canary whose checks fail is rolled back, whatever else is wrong.
func (w *World) checkLeft() {
	asked, _ := w.reachable()
	judged := w.status.Phase.Analysing() && sameTemplate(w.status.LastAppliedSpec, w.target.revision) && !w.paused && !w.deleting && !w.plan.For(w.status).Skip
	if !asked || !judged || !w.bad[template(w.target.revision)] || w.target.serving() == 0 || w.primary.serving() == 0 {
		w.failingFor = 0
		return
	}
	if w.failingFor++; w.failingFor > leftWithin {
		w.violated("%s fails, and has been judged in vain for %d s", w.target.revision, w.failingFor)
	}
}

// checkHeld holds that nothing goes on while something is refused.
func checkHeld(w *World, v view, next v1beta1.CanaryStatus) {
	was := v.status
	if len(v.Refused) == 0 || v.Primary.Health == rollout.Absent || !inOurWords(was) {
		return
	}
	begins := was.Phase.AtRest() && next.Phase == v1beta1.PhaseProgressing
	promotes := was.Phase.Analysing() && next.Phase == v1beta1.PhasePromoting
	steps := was.Phase.Analysing() && next.Phase.Analysing() && next.CanaryWeight > was.CanaryWeight
	if begins || promotes || steps {
		w.violated("%s is refused, and %s goes on: %s %d -> %s %d", v.Refused[0].Object, next.LastAppliedSpec, was.Phase, was.CanaryWeight, next.Phase, next.CanaryWeight)
	}
}

// checkServed complains of a side that is asked and cannot answer, unless somebody took its pods or there
// is nobody else who could.
func checkServed(w *World, name string, s, other *workload, asked bool, why string) {
	switch {
	case s.serving() > 0:
		s.blamed = false
	case !asked:
	case s.blamed || !s.exists || other.serving() == 0:
	default:
		w.violated("rule 1: requests reach a %s without pods, after %s", name, why)
	}
}

// checkRendered holds rule 2: the primary runs only what passed.
func (w *World) checkRendered(revision string) {
	if !w.passed[revision] {
		w.violated("rule 2: the primary was given %s, which did not pass", revision)
	}
}

// record stores a decision, and holds the rules about decisions.
func (w *World) record(v view, d rollout.Decision, found []answer) {
	next, err := stored(d.Status)
	if err != nil {
		w.violated("the status cannot be stored: %v", err)
		return
	}
	recordPassed(w, v, next, found)
	checkGates(w, v, next, found)
	checkNews(w, v.status, next)
	checkSeenOnPrimary(w, v.status, next)
	checkHeld(w, v, next)
	checkPrimaryReturned(w, v.status, next)
	checkWantedSize(w, v, next)
	checkRun(w, v.status, next)
	checkSizeForUsersBack(w, v, next)
	checkLasted(w, v, next)
	stayed := next.Phase == v1beta1.PhaseTerminating && v.status.LastPromotedSpec == "" // users never left the target
	// Else the weight becomes what the routes had been saying all along.
	if inOurWords(v.status) && !stayed {
		checkWeight(w, v, next)
	}
	if inOurWords(next) {
		checkWaitNamed(w, next)
	}
	checkEndTold(w, v.status, next, d.Notices)
	checkToldOnce(w, w.status, next, d.Notices)
	checkCountedOnce(w, w.status, next)
	w.status = next
	w.version++
	swap(w, v.status, next)
	// A primary that users are left with belongs to nobody by then.
	if next.Phase == v1beta1.PhaseTerminated && (!rollout.PrimaryLeft(next) || !w.target.exists) {
		w.collectGarbage()
	}
	w.statuses = append(w.statuses, next)
}

// checkCountedOnce holds that a comparison counts each second once: what was counted is as much as there was up to the end
// of the last window, and goes on from there.
func checkCountedOnce(w *World, was, next v1beta1.CanaryStatus) {
	before, after := was.Analysis.Metric("compared"), next.Analysis.Metric("compared")
	if after == nil || after.Evidence == nil {
		return
	}
	has, err := sequential.Parse(after.Evidence.State)
	if err != nil {
		w.violated("evidence that nobody can read: %v", err)
	}
	if before == nil || before.Evidence == nil {
		return
	}
	had, err := sequential.Parse(before.Evidence.State)
	if err != nil {
		w.violated("evidence that nobody can read: %v", err)
	}
	if before.Evidence.Revision != after.Evidence.Revision || before.Evidence.Parameters != after.Evidence.Parameters {
		return
	}
	if seconds := has.Until - had.Until; seconds < 0 || has.Canary-had.Canary != canaryRate*seconds {
		w.violated("rule 2: %d requests were counted in %d seconds that have %d", has.Canary-had.Canary, seconds, canaryRate*seconds)
	}
}

// collectGarbage is what happens to all that a Canary owns once it is gone.
func (w *World) collectGarbage() {
	w.primary.remove()
	w.former = nil
	w.net = network{seen: []split{{}}}
	if w.target.exists && w.target.serving() == 0 && !w.target.blamed {
		w.violated("rule 1: the Canary is gone, and its target has no pods")
	}
}

// recordPassed notes revisions the primary may run: the first, and those that went through every step.
func recordPassed(w *World, v view, next v1beta1.CanaryStatus, found []answer) {
	if next.Phase == v1beta1.PhaseInitializing {
		w.passed[next.LastAppliedSpec] = true
	}
	if next.Promoting == "" || next.Promoting == v.status.Promoting || next.Promoting == rollout.RevisionPrefix+"unknown" {
		return // nobody can render the last of these
	}
	// What is not judged again has passed before.
	passed := !v.plan.Unjudged() && (v.plan.Skip || v.status.Step >= v.plan.Length())
	if acted(v.status, next) == v1beta1.ActionPromoteFull {
		w.passed[next.Promoting] = true // somebody wants it without
		return
	}
	for _, f := range found {
		agrees := (f.Verdict == v1beta1.Passed) == (f.moment() != v1beta1.RollbackHook)
		passed = passed && (agrees || toleratedBySpec(v.plan, f))
	}
	judged := inOurWords(v.status) && v.status.Phase.Analysing() && next.Promoting != v.status.LastPromotedSpec // else it returns
	for _, m := range v.plan.Metrics {
		if judged && next.Analysis.Metric(m.Name) == nil && !m.DryRun && !v.plan.Skip {
			w.violated("rule 2: %s is promoted, and %s was not asked", next.Promoting, m.Name)
		}
	}
	if passed && judged {
		w.passed[next.Promoting] = true
	}
	if !w.passed[next.Promoting] {
		w.violated("rule 2: %s is promoted and did not pass", next.Promoting)
	}
}

// acted is what a person asked for in a decision, and got.
func acted(was, next v1beta1.CanaryStatus) v1beta1.ActionVerb {
	if a := next.LastAction; a != nil && a.Result == v1beta1.ActionAccepted && (was.LastAction == nil || was.LastAction.Digest != a.Digest) {
		return v1beta1.ActionVerb(a.Verb)
	}
	return ""
}

// toleratedBySpec says that the spec does without an answer.
func toleratedBySpec(p rollout.Plan, f answer) bool {
	if f.Verdict == v1beta1.Inconclusive && p.OnInconclusive == v1beta1.InconclusiveContinue {
		return true
	}
	// What a load test says when it is told of the first step does not count.
	return f.Metric != nil && f.Metric.DryRun
}

// checkSeenOnPrimary holds rule 3: what ends as promoted was seen on the primary. Only an operator that never heard
// what became of a write of its own may be wrong about that, for as long as its cache is.
func checkSeenOnPrimary(w *World, was, next v1beta1.CanaryStatus) {
	runs := w.primary.revision
	if next.Phase != v1beta1.PhaseSucceeded || was.Phase == next.Phase || !w.primary.exists || runs == "" || w.replyLost {
		return
	}
	if runs != next.LastPromotedSpec {
		w.violated("rule 3: %s is said to be promoted, and the primary runs %s", next.LastPromotedSpec, runs)
	}
}

// checkGates holds that nothing goes on while a gate is closed, and that nothing starts unasked.
func checkGates(w *World, v view, next v1beta1.CanaryStatus, found []answer) {
	asked := map[v1beta1.HookType]bool{}
	for _, f := range found {
		asked[f.moment()] = true
		skipped := f.moment() == v1beta1.StepHook && f.Verdict == v1beta1.Waiting && v.status.StepStarted != nil && v.status.StepStarted.Skipped
		closed := f.moment() != "" && !skipped && f.moment() != v1beta1.RollbackHook && f.Verdict != v1beta1.Passed
		if closed && next.Phase != v1beta1.PhaseFailed && (next.Step > v.status.Step || next.Promoting != v.status.Promoting) {
			w.violated("a closed gate %s did not hold step %d of %s", f.Key, next.Step, next.Phase)
		}
		if f.moment() == v1beta1.RollbackHook && f.Verdict == v1beta1.Passed {
			checkRollbackBegins(w, v, next, f)
		}
	}
	begins := next.Phase == v1beta1.PhaseProgressing && v.status.Phase.AtRest() && acted(v.status, next) == ""
	for _, h := range v.plan.Hooks {
		if begins && h.Type == v1beta1.ConfirmRolloutHook && !asked[h.Type] {
			w.violated("a rollout began and %s was not asked", h.Name)
		}
	}
}

// checkLasted holds that no step ends before its time, and no pause that nobody has left.
func checkLasted(w *World, v view, next v1beta1.CanaryStatus) {
	was, started := v.status, v.status.StepStarted
	goesOn := was.Phase.Analysing() && (next.Step == was.Step+1 || next.Phase == v1beta1.PhasePromoting) && acted(was, next) == ""
	if !goesOn || started == nil || started.Skipped || started.Step != was.Step || started.Revision != was.LastAppliedSpec || v.plan.Skip ||
		was.PlanHash != v.plan.Hash || was.Step > v.plan.Length() || v.Primary.Health == rollout.Absent {
		return
	}
	until, over := v.plan.Step(was.Step).Until, started.PausesOver
	if ends := started.Time.Add(until.Duration); v.Now.Before(ends) {
		w.violated("step %d ends %s before its time", was.Step, ends.Sub(v.Now))
	}
	if over >= len(until.Pauses) {
		return
	}
	if p := until.Pauses[over]; started.Paused == nil || p.After == 0 || over < len(until.Pauses)-1 || v.Now.Before(started.Paused.Add(p.After)) {
		w.violated("step %d ends in its pause", was.Step)
	}
}

// checkWeight holds rules 5 and 13: more requests only for a revision that is still there, with the pods for it.
func checkWeight(w *World, v view, next v1beta1.CanaryStatus) {
	if next.CanaryWeight > v.status.CanaryWeight {
		if next.Phase != v1beta1.PhaseTerminating && !sameTemplate(w.target.revision, next.LastAppliedSpec) && w.targetChanged < w.now {
			w.violated("rule 6: weight %d for %s, but the target has %s", next.CanaryWeight, next.LastAppliedSpec, w.target.revision)
		}
		if need := v.Target.AtMost(rollout.Share(next.CanaryWeight, v.Primary.Replicas)); v.Target.Available < need && v.Primary.Health == rollout.Available && !v.plan.Ratio {
			w.violated("rule 13: weight %d needs %d pods, the canary has %d", next.CanaryWeight, need, v.Target.Available)
		}
	}
	if next.CanaryWeight < v.status.CanaryWeight && v.Primary.Health == rollout.Absent && v.Target.Available > 0 && next.Phase != v1beta1.PhaseTerminating {
		w.violated("rule 1: users leave a canary that answers for a primary that is not there")
	}
	// An autoscaler that does not give the primary its size back is waited for until the deadline, no longer.
	waited := v.status.Since != nil && v.Now.Sub(v.status.Since.Time) > v.Plan.Deadline
	if next.Phase == v1beta1.PhaseFinalising && v.status.CanaryWeight > 0 && w.primary.serving() < v.status.PrimaryReplicas && !w.primary.blamed && !waited {
		w.violated("rule 13: traffic comes back to %d pods of %d", w.primary.serving(), v.status.PrimaryReplicas)
	}
	if next.Phase == v1beta1.PhaseFailed && v.status.Phase != next.Phase && next.CanaryWeight == 100 && v.Target.Available == 0 && v.Primary.Available > 0 {
		w.violated("rule 4: a canary without pods is left with all traffic")
	}
}

// checkWantedSize holds that a promotion ends with the size that the user wants.
func checkWantedSize(w *World, v view, next v1beta1.CanaryStatus) {
	if next.Phase != v1beta1.PhaseSucceeded || v.status.Phase != v1beta1.PhaseFinalising || v.plan.Autoscaled || len(v.Refused) > 0 {
		return
	}
	if wanted := rollout.WantedSize(v.status); wanted > 0 && v.Target.Health != rollout.Absent && w.primary.exists && w.primary.size != wanted && !w.replyLost {
		w.violated("%s is promoted with %d pods, and its user wants %d", next.LastPromotedSpec, w.primary.size, wanted)
	}
}

// checkSizeForUsersBack holds that a rollout gets on only with a primary that may have back as many users as the canary has
// pods for.
func checkSizeForUsersBack(w *World, v view, next v1beta1.CanaryStatus) {
	most := v.status.CanaryWeight > 50 && !v.status.Matched && v.status.Phase.Analysing() && inOurWords(v.status)
	if !most || !v.plan.Autoscaled || !w.scaling || next.Step <= v.status.Step || acted(v.status, next) != "" {
		return
	}
	if size := min(v.Target.Replicas, mostScaled); next.PrimaryReplicas < size {
		w.violated("rule 13: step %d, and the primary keeps %d pods for users that the canary has %d for", next.Step, next.PrimaryReplicas, size)
	}
}

// inOurWords says that a status speaks of revisions in our words, or of none.
func inOurWords(s v1beta1.CanaryStatus) bool {
	return s.LastAppliedSpec == "" || strings.HasPrefix(s.LastAppliedSpec, rollout.RevisionPrefix)
}

// checkWaitNamed holds rule 7: a status says what it waits for and why it failed.
func checkWaitNamed(w *World, s v1beta1.CanaryStatus) {
	c := meta.FindStatusCondition(s.Conditions, v1beta1.ConditionWaiting)
	if !s.Phase.Settled() && s.Phase != v1beta1.PhaseTerminated && (c == nil || c.Status != metav1.ConditionTrue || !strings.Contains(c.Message, "podinfo")) {
		w.violated("rule 7: %s does not say what it waits for: %v", s.Phase, c)
	}
	c = meta.FindStatusCondition(s.Conditions, v1beta1.ConditionPromoted)
	if s.Phase == "" {
		return // suspended before the first pass
	}
	if c == nil || c.Reason != string(s.Phase) {
		w.violated("the condition Promoted does not follow %s: %v", s.Phase, c)
		return
	}
	if s.Phase == v1beta1.PhaseFailed && !strings.Contains(c.Message, "Cause: ") {
		w.violated("rule 7: a failure without its cause: %s", c.Message)
	}
}

// checkEndTold holds that every end is told to people.
func checkEndTold(w *World, was, next v1beta1.CanaryStatus, said []rollout.Notice) {
	if was.Phase == next.Phase || !next.Phase.Settled() {
		return
	}
	failed := next.Phase == v1beta1.PhaseFailed
	for _, n := range said {
		if n.Alert != nil && failed == (n.Alert.Severity != v1beta1.SeverityInfo) {
			return
		}
	}
	w.violated("nobody hears that the rollout ended %s", next.Phase)
}

// checkToldOnce holds rule 12: what did not change is not said again.
func checkToldOnce(w *World, was, next v1beta1.CanaryStatus, said []rollout.Notice) {
	moved := was.Phase != next.Phase || was.Step != next.Step || was.CanaryWeight != next.CanaryWeight ||
		was.FailedChecks != next.FailedChecks || was.LastAppliedSpec != next.LastAppliedSpec || waiting(was) != waiting(next) ||
		was.Unreconciled != next.Unreconciled // what is over can begin again
	if moved || w.toldSinceMove == nil {
		w.toldSinceMove = map[string]bool{}
	}
	for _, n := range said {
		if w.toldSinceMove[n.Message] && !moved {
			w.violated("rule 12: said twice: %s", n.Message)
		}
		w.toldSinceMove[n.Message] = true
	}
}

// waiting is what a status waits for.
func waiting(s v1beta1.CanaryStatus) string {
	if c := meta.FindStatusCondition(s.Conditions, v1beta1.ConditionWaiting); c != nil {
		return c.Reason
	}
	return ""
}

// checkNothingTold holds that a decision that stores nothing says nothing.
func checkNothingTold(w *World, d rollout.Decision) {
	if len(d.Notices) > 0 {
		w.violated("rule 12: said without a status: %s", d.Notices[0].Message)
	}
}

func (w *World) announce(n []rollout.Notice) { w.told = append(w.told, n...) }

// agree is what a hook says.
func (w *World) agree(h v1beta1.CanaryWebhook, revision string) rollout.Finding {
	f := rollout.Finding{Verdict: v1beta1.Passed}
	switch h.Moment() {
	case v1beta1.RolloutHook, v1beta1.PreRolloutHook:
		f = w.judge(revision)
		if f.Verdict != v1beta1.Failed {
			f.Verdict, f.Message = v1beta1.Passed, ""
		}
		f.Measurement = nil
	case v1beta1.RollbackHook:
		if !w.rollbackAsked {
			f.Verdict, f.Message = v1beta1.Failed, "Rollback not asked for"
		}
	case v1beta1.StepHook:
		switch {
		case w.judge(revision).Verdict == v1beta1.Failed:
			f.Verdict, f.Message = v1beta1.Failed, "Halt podinfo.test advancement webhook of step "+h.Name+" failed 500 Internal Server Error"
		case w.gates[h.Type]:
			f.Verdict, f.Message = v1beta1.Waiting, "202 Accepted"
		}
	default:
		if w.gates[h.Type] {
			f.Verdict, f.Message = v1beta1.Failed, "Halt podinfo.test advancement waiting for approval "+h.Name+": 403 Forbidden"
		}
	}
	return f
}

// judge answers one check.
func (w *World) judge(revision string) rollout.Finding {
	passed := !w.bad[template(revision)] && w.rng.Float64() >= w.flaky
	if w.failures > 0 {
		w.failures--
		passed = false
	}
	f := rollout.Finding{Verdict: v1beta1.Passed, Measurement: &v1beta1.Measurement{Value: "99.5", Verdict: v1beta1.Passed}}
	switch {
	case !passed:
		f.Verdict, f.Message = v1beta1.Failed, "Halt podinfo.test advancement success rate 41.00% < 99%"
	case w.metricVerdict != "":
		f.Verdict, f.Message = w.metricVerdict, "Halt podinfo.test advancement no values found"
	}
	f.Measurement.Verdict, f.Measurement.Message = f.Verdict, f.Message
	return f
}

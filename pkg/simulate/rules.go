package simulate

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
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
	w.checkServed("target", &w.target, &w.primary, target, why)
	w.checkServed("primary", &w.primary, &w.target, primary, why)
}

// checkServed complains of a side that is asked and cannot answer, unless somebody took its pods or there
// is nobody else who could.
func (w *World) checkServed(name string, s, other *workload, asked bool, why string) {
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
func (w *World) record(v view, d rollout.Decision, found rollout.Findings, began int) {
	next, err := stored(d.Status)
	if err != nil {
		w.violated("the status cannot be stored: %v", err)
		return
	}
	w.recordPassed(v, next, found)
	w.checkGates(v, next, found)
	w.checkSeenOnPrimary(v.status, next)
	w.checkPrimaryReturned(v.status, next)
	stayed := next.Phase == v1beta1.PhaseTerminating && v.status.LastPromotedSpec == "" // users never left the target
	// Else the weight becomes what the routes had been saying all along.
	if inOurWords(v.status) && !stayed {
		w.checkWeight(v, next, began)
	}
	if inOurWords(next) {
		w.checkWaitNamed(next)
	}
	w.checkEndTold(v.status, next, d.Notices)
	w.checkToldOnce(w.status, next, d.Notices)
	w.status = next
	w.version++
	if next.Phase == v1beta1.PhaseTerminated {
		w.collectGarbage()
	}
	w.statuses = append(w.statuses, next)
}

// collectGarbage is what happens to all that a Canary owns once it is gone.
func (w *World) collectGarbage() {
	w.primary.remove()
	w.net = network{seen: []split{{}}}
	if w.target.exists && w.target.serving() == 0 && !w.target.blamed {
		w.violated("rule 1: the Canary is gone, and its target has no pods")
	}
}

// recordPassed notes revisions the primary may run: the first, and those that went through every step.
func (w *World) recordPassed(v view, next v1beta1.CanaryStatus, found rollout.Findings) {
	if next.Phase == v1beta1.PhaseInitializing {
		w.passed[next.LastAppliedSpec] = true
	}
	if next.Promoting == "" || next.Promoting == v.status.Promoting || next.Promoting == rollout.RevisionPrefix+"unknown" {
		return // nobody can render the last of these
	}
	passed := v.plan.Skip || v.status.Step >= v.plan.Length()
	for _, f := range found {
		agrees := (f.Verdict == v1beta1.Passed) == (f.Moment != v1beta1.RollbackHook)
		passed = passed && (agrees || toleratedBySpec(v.plan, f))
	}
	judged := inOurWords(v.status) && v.status.Phase.Analysing()
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

// toleratedBySpec says that the spec does without an answer.
func toleratedBySpec(p rollout.Plan, f rollout.Finding) bool {
	if f.Verdict == v1beta1.Inconclusive && p.OnInconclusive == v1beta1.InconclusiveContinue {
		return true
	}
	return slices.ContainsFunc(p.Metrics, func(m v1beta1.CanaryMetric) bool { return m.Name == f.Name && m.DryRun })
}

// checkSeenOnPrimary holds rule 3: what ends as promoted was seen on the primary. Only an operator that never heard
// what became of a write of its own may be wrong about that, for as long as its cache is.
func (w *World) checkSeenOnPrimary(was, next v1beta1.CanaryStatus) {
	runs := w.primary.revision
	if next.Phase != v1beta1.PhaseSucceeded || was.Phase == next.Phase || !w.primary.exists || runs == "" || w.replyLost {
		return
	}
	if runs != next.LastPromotedSpec {
		w.violated("rule 3: %s is said to be promoted, and the primary runs %s", next.LastPromotedSpec, runs)
	}
}

// checkGates holds that nothing goes on while a gate is closed, and that nothing starts unasked.
func (w *World) checkGates(v view, next v1beta1.CanaryStatus, found rollout.Findings) {
	asked := map[v1beta1.HookType]bool{}
	for _, f := range found {
		asked[f.Moment] = true
		closed := f.Moment != "" && f.Moment != v1beta1.RollbackHook && f.Verdict != v1beta1.Passed
		if closed && next.Phase != v1beta1.PhaseFailed && (next.Step > v.status.Step || next.Promoting != v.status.Promoting) {
			w.violated("a closed gate %s did not hold step %d of %s", f.Name, next.Step, next.Phase)
		}
		if f.Moment == v1beta1.RollbackHook && f.Verdict == v1beta1.Passed {
			w.checkRollbackBegins(v, next, f)
		}
	}
	begins := next.Phase == v1beta1.PhaseProgressing && v.status.Phase.AtRest()
	for _, h := range v.plan.Hooks {
		if begins && h.Type == v1beta1.ConfirmRolloutHook && !asked[h.Type] {
			w.violated("a rollout began and %s was not asked", h.Name)
		}
	}
}

// checkWeight holds rules 5 and 13: more requests only for a revision that is still there, with the pods for it.
func (w *World) checkWeight(v view, next v1beta1.CanaryStatus, began int) {
	if next.CanaryWeight > v.status.CanaryWeight {
		if next.Phase != v1beta1.PhaseTerminating && w.target.revision != next.LastAppliedSpec && w.targetChanged < began {
			w.violated("rule 6: weight %d for %s, but the target has %s", next.CanaryWeight, next.LastAppliedSpec, w.target.revision)
		}
		if need := rollout.Share(next.CanaryWeight, v.Primary.Replicas); v.Target.Available < need && v.Primary.Health == rollout.Available && !v.plan.Ratio {
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

// inOurWords says that a status speaks of revisions in our words, or of none.
func inOurWords(s v1beta1.CanaryStatus) bool {
	return s.LastAppliedSpec == "" || strings.HasPrefix(s.LastAppliedSpec, rollout.RevisionPrefix)
}

// checkWaitNamed holds rule 7: a status says what it waits for and why it failed.
func (w *World) checkWaitNamed(s v1beta1.CanaryStatus) {
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
func (w *World) checkEndTold(was, next v1beta1.CanaryStatus, said []rollout.Notice) {
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
func (w *World) checkToldOnce(was, next v1beta1.CanaryStatus, said []rollout.Notice) {
	moved := was.Phase != next.Phase || was.Step != next.Step || was.CanaryWeight != next.CanaryWeight ||
		was.FailedChecks != next.FailedChecks || was.LastAppliedSpec != next.LastAppliedSpec || waiting(was) != waiting(next)
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
func (w *World) checkNothingTold(d rollout.Decision) {
	if len(d.Notices) > 0 {
		w.violated("rule 12: said without a status: %s", d.Notices[0].Message)
	}
}

func (w *World) announce(n []rollout.Notice) { w.told = append(w.told, n...) }

// answer is what a hook says.
func (w *World) answer(h v1beta1.CanaryWebhook, revision string) rollout.Finding {
	f := rollout.Finding{Name: h.Name, Verdict: v1beta1.Passed}
	switch h.Type {
	case "", v1beta1.RolloutHook, v1beta1.PreRolloutHook:
		f = w.judge(h.Name, revision)
		if f.Verdict != v1beta1.Failed {
			f.Verdict, f.Message = v1beta1.Passed, ""
		}
		f.Measurement = nil
	case v1beta1.RollbackHook:
		if !w.rollbackAsked {
			f.Verdict, f.Message = v1beta1.Failed, "Rollback not asked for"
		}
	default:
		if w.gates[h.Type] {
			f.Verdict, f.Message = v1beta1.Failed, "Halt podinfo.test advancement waiting for approval "+h.Name+": 403 Forbidden"
		}
	}
	f.Moment = h.Type
	if f.Moment == "" {
		f.Moment = v1beta1.RolloutHook
	}
	return f
}

// judge answers one check.
func (w *World) judge(name, revision string) rollout.Finding {
	passed := !w.bad[revision] && w.rng.Float64() >= w.flaky
	if w.failures > 0 {
		w.failures--
		passed = false
	}
	f := rollout.Finding{Name: name, Verdict: v1beta1.Passed, Measurement: &v1beta1.Measurement{Value: "99.5", Verdict: v1beta1.Passed}}
	switch {
	case !passed:
		f.Verdict, f.Message = v1beta1.Failed, "Halt podinfo.test advancement success rate 41.00% < 99%"
	case w.metricVerdict != "":
		f.Verdict, f.Message = w.metricVerdict, "Halt podinfo.test advancement no values found"
	}
	f.Measurement.Verdict, f.Measurement.Message = f.Verdict, f.Message
	return f
}

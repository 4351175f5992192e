package rollouttest

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

// proof is what the rules are checked against.
type proof struct {
	approved map[string]bool // revisions the primary may run
	wrong    []string        // rules that were broken
	moved    int             // second at which users changed the target last
	said     []rollout.Notice
	recent   map[string]bool // what was said since the rollout last moved
	history  []v1beta1.CanaryStatus
	unheard  bool // what became of a write was never heard
}

func same(a, b v1beta1.CanaryStatus) bool { return equality.Semantic.DeepEqual(a, b) }

// broken notes that a rule was broken.
func (w *World) broken(format string, args ...any) {
	w.wrong = append(w.wrong, fmt.Sprintf("%ds: ", w.now)+fmt.Sprintf(format, args...))
}

// Broken is every rule that was broken so far, in order.
func (w *World) Broken() []string { return w.wrong }

// check holds what must be so at any moment: nobody is sent to pods that are not there (rule 1), and
// traffic is where the stored status wants it or where it was before.
func (w *World) check(why string) {
	target, primary := w.reach()
	w.served("target", &w.target, &w.primary, target, why)
	w.served("primary", &w.primary, &w.target, primary, why)
}

// served complains of a side that is asked and cannot answer, unless somebody took its pods or there
// is nobody else who could.
func (w *World) served(name string, s, other *side, asked bool, why string) {
	switch {
	case s.serving() > 0:
		s.blamed = false
	case !asked:
	case s.blamed || !s.exists || other.serving() == 0:
	default:
		w.broken("rule 1: requests reach a %s without pods, after %s", name, why)
	}
}

// rendered holds rule 2: the primary runs only what passed.
func (w *World) rendered(revision string) {
	if !w.approved[revision] {
		w.broken("rule 2: the primary was given %s, which did not pass", revision)
	}
}

// record stores a decision, and holds the rules about decisions.
func (w *World) record(v view, d rollout.Decision, found rollout.Findings, began int) {
	next, err := stored(d.Status)
	if err != nil {
		w.broken("the status cannot be stored: %v", err)
		return
	}
	w.approve(v, next, found)
	w.gated(v, next, found)
	w.seen(v.status, next)
	w.withdrawn(v.status, next)
	stayed := next.Phase == v1beta1.PhaseTerminating && v.status.LastPromotedSpec == "" // users never left the target
	// Else the weight becomes what the routes had been saying all along.
	if ours(v.status) && !stayed {
		w.weighed(v, next, began)
	}
	if ours(next) {
		w.explained(next)
	}
	w.ended(v.status, next, d.Notices)
	w.repeated(w.status, next, d.Notices)
	w.status = next
	w.version++
	if next.Phase == v1beta1.PhaseTerminated {
		w.collect()
	}
	w.history = append(w.history, next)
}

// collect is what happens to all that a Canary owns once it is gone.
func (w *World) collect() {
	w.primary.remove()
	w.net = network{seen: []split{{}}}
	if w.target.exists && w.target.serving() == 0 && !w.target.blamed {
		w.broken("rule 1: the Canary is gone, and its target has no pods")
	}
}

// approve notes revisions the primary may run: the first, and those that went through every step.
func (w *World) approve(v view, next v1beta1.CanaryStatus, found rollout.Findings) {
	if next.Phase == v1beta1.PhaseInitializing {
		w.approved[next.LastAppliedSpec] = true
	}
	if next.Promoting == "" || next.Promoting == v.status.Promoting || next.Promoting == rollout.RevisionPrefix+"unknown" {
		return // nobody can render the last of these
	}
	passed := v.plan.Skip || v.status.Step >= v.plan.Length()
	for _, f := range found {
		agrees := (f.Verdict == v1beta1.Passed) == (f.Moment != v1beta1.RollbackHook)
		passed = passed && (agrees || excused(v.plan, f))
	}
	judged := ours(v.status) && (v.status.Phase == v1beta1.PhaseProgressing || v.status.Phase == v1beta1.PhaseWaitingPromotion)
	for _, m := range v.plan.Metrics {
		if judged && next.Analysis.Metric(m.Name) == nil && !m.DryRun && !v.plan.Skip {
			w.broken("rule 2: %s is promoted, and %s was not asked", next.Promoting, m.Name)
		}
	}
	if passed && judged {
		w.approved[next.Promoting] = true
	}
	if !w.approved[next.Promoting] {
		w.broken("rule 2: %s is promoted and did not pass", next.Promoting)
	}
}

// excused says that the spec does without an answer.
func excused(p rollout.Plan, f rollout.Finding) bool {
	if f.Verdict == v1beta1.Inconclusive && p.OnInconclusive == v1beta1.InconclusiveContinue {
		return true
	}
	return slices.ContainsFunc(p.Metrics, func(m v1beta1.CanaryMetric) bool { return m.Name == f.Name && m.DryRun })
}

// seen holds rule 3: what ends as promoted was seen on the primary. Only an operator that never heard what became of a
// write of its own may be wrong about that, for as long as its cache is.
func (w *World) seen(was, next v1beta1.CanaryStatus) {
	runs := w.primary.revision
	if next.Phase != v1beta1.PhaseSucceeded || was.Phase == next.Phase || !w.primary.exists || runs == "" || w.unheard {
		return
	}
	if runs != next.LastPromotedSpec {
		w.broken("rule 3: %s is said to be promoted, and the primary runs %s", next.LastPromotedSpec, runs)
	}
}

// gated holds that nothing goes on while a gate is closed, and that nothing starts unasked.
func (w *World) gated(v view, next v1beta1.CanaryStatus, found rollout.Findings) {
	asked := map[v1beta1.HookType]bool{}
	for _, f := range found {
		asked[f.Moment] = true
		closed := f.Moment != "" && f.Moment != v1beta1.RollbackHook && f.Verdict != v1beta1.Passed
		if closed && next.Phase != v1beta1.PhaseFailed && (next.Step > v.status.Step || next.Promoting != v.status.Promoting) {
			w.broken("a closed gate %s did not hold step %d of %s", f.Name, next.Step, next.Phase)
		}
		if f.Moment == v1beta1.RollbackHook && f.Verdict == v1beta1.Passed {
			w.obeyed(v, next, f)
		}
	}
	begins := next.Phase == v1beta1.PhaseProgressing && (settled(v.status.Phase) || v.status.Phase == v1beta1.PhaseWaiting)
	for _, h := range v.plan.Hooks {
		if begins && h.Type == v1beta1.ConfirmRolloutHook && !asked[h.Type] {
			w.broken("a rollout began and %s was not asked", h.Name)
		}
	}
}

// weighed holds rules 5 and 13: more requests only for a revision that is still there, with the pods for it.
func (w *World) weighed(v view, next v1beta1.CanaryStatus, began int) {
	if next.CanaryWeight > v.status.CanaryWeight {
		if next.Phase != v1beta1.PhaseTerminating && w.target.revision != next.LastAppliedSpec && w.moved < began {
			w.broken("rule 6: weight %d for %s, but the target has %s", next.CanaryWeight, next.LastAppliedSpec, w.target.revision)
		}
		if need := rollout.Share(next.CanaryWeight, v.Primary.Replicas); v.Target.Available < need && v.Primary.Health == rollout.Available && !v.plan.Ratio {
			w.broken("rule 13: weight %d needs %d pods, the canary has %d", next.CanaryWeight, need, v.Target.Available)
		}
	}
	if next.CanaryWeight < v.status.CanaryWeight && v.Primary.Health == rollout.Absent && v.Target.Available > 0 && next.Phase != v1beta1.PhaseTerminating {
		w.broken("rule 1: users leave a canary that answers for a primary that is not there")
	}
	// An autoscaler that does not give the primary its size back is waited for until the deadline, no longer.
	waited := v.status.Since != nil && v.Now.Sub(v.status.Since.Time) > v.Plan.Deadline
	if next.Phase == v1beta1.PhaseFinalising && v.status.CanaryWeight > 0 && w.primary.serving() < v.status.PrimaryReplicas && !w.primary.blamed && !waited {
		w.broken("rule 13: traffic comes back to %d pods of %d", w.primary.serving(), v.status.PrimaryReplicas)
	}
	if next.Phase == v1beta1.PhaseFailed && v.status.Phase != next.Phase && next.CanaryWeight == 100 && v.Target.Available == 0 && v.Primary.Available > 0 {
		w.broken("rule 4: a canary without pods is left with all traffic")
	}
}

// ours says that a status speaks of revisions in our words, or of none.
func ours(s v1beta1.CanaryStatus) bool {
	return s.LastAppliedSpec == "" || strings.HasPrefix(s.LastAppliedSpec, rollout.RevisionPrefix)
}

// settled says that a rollout waits for nothing but a new revision.
func settled(p v1beta1.CanaryPhase) bool {
	return slices.Contains([]v1beta1.CanaryPhase{v1beta1.PhaseInitialized, v1beta1.PhaseSucceeded, v1beta1.PhaseFailed}, p)
}

// explained holds rule 7: a status says what it waits for and why it failed.
func (w *World) explained(s v1beta1.CanaryStatus) {
	c := meta.FindStatusCondition(s.Conditions, v1beta1.ConditionWaiting)
	if !settled(s.Phase) && s.Phase != v1beta1.PhaseTerminated && (c == nil || c.Status != metav1.ConditionTrue || !strings.Contains(c.Message, "podinfo")) {
		w.broken("rule 7: %s does not say what it waits for: %v", s.Phase, c)
	}
	c = meta.FindStatusCondition(s.Conditions, v1beta1.ConditionPromoted)
	if s.Phase == "" {
		return // suspended before the first pass
	}
	if c == nil || c.Reason != string(s.Phase) {
		w.broken("the condition Promoted does not follow %s: %v", s.Phase, c)
		return
	}
	if s.Phase == v1beta1.PhaseFailed && !strings.Contains(c.Message, "Cause: ") {
		w.broken("rule 7: a failure without its cause: %s", c.Message)
	}
}

// ended holds that every end is told to people.
func (w *World) ended(was, next v1beta1.CanaryStatus, said []rollout.Notice) {
	if was.Phase == next.Phase || !settled(next.Phase) {
		return
	}
	failed := next.Phase == v1beta1.PhaseFailed
	for _, n := range said {
		if n.Alert != nil && failed == (n.Alert.Severity != v1beta1.SeverityInfo) {
			return
		}
	}
	w.broken("nobody hears that the rollout ended %s", next.Phase)
}

// repeated holds rule 12: what did not change is not said again.
func (w *World) repeated(was, next v1beta1.CanaryStatus, said []rollout.Notice) {
	moved := was.Phase != next.Phase || was.Step != next.Step || was.CanaryWeight != next.CanaryWeight ||
		was.FailedChecks != next.FailedChecks || was.LastAppliedSpec != next.LastAppliedSpec || waiting(was) != waiting(next)
	if moved || w.recent == nil {
		w.recent = map[string]bool{}
	}
	for _, n := range said {
		if w.recent[n.Message] && !moved {
			w.broken("rule 12: said twice: %s", n.Message)
		}
		w.recent[n.Message] = true
	}
}

// waiting is what a status waits for.
func waiting(s v1beta1.CanaryStatus) string {
	if c := meta.FindStatusCondition(s.Conditions, v1beta1.ConditionWaiting); c != nil {
		return c.Reason
	}
	return ""
}

// unsaid holds that a decision that stores nothing says nothing.
func (w *World) unsaid(d rollout.Decision) {
	if len(d.Notices) > 0 {
		w.broken("rule 12: said without a status: %s", d.Notices[0].Message)
	}
}

func (w *World) announce(n []rollout.Notice) { w.said = append(w.said, n...) }

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
		if !w.recall {
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
	case w.verdict != "":
		f.Verdict, f.Message = w.verdict, "Halt podinfo.test advancement no values found"
	}
	f.Measurement.Verdict, f.Measurement.Message = f.Verdict, f.Message
	return f
}

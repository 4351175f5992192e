package rollout

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// transition is one decision in the making.
// facts and found stay as they are; next and what follows is what is being concluded.
type transition struct {
	facts
	stored           v1beta1.CanaryStatus // as it was found
	withinBounds     bool                 // its numbers are
	base             v1beta1.CanaryStatus // the same within bounds, and filled; Snapshot's has its times clamped as well
	known            Findings             // answers that are there, of whatever round
	found            []answered           // those that this decision is taken on
	questions        Questions            // that have to be answered first; empty: none
	next             v1beta1.CanaryStatus
	notices          []Notice
	after            time.Duration
	refused          bool   // the spec cannot be followed, so that there is no plan
	cause            string // of a failure
	endedBy          string // what ended a rollout well that promoted nothing
	rolledBackByHook bool   // it is one because a hook asked for it in the course of a promotion
	aborted          bool   // it is one because a person wants it, or has left a pause alone
	fast             bool   // the rollout that it begins is not judged
}

// outcome is one way a decision can go.
type outcome func(*transition)

// Decide concludes what a Snapshot and the answers to its questions lead to, or says which questions it needs answers
// to. It is total: every phase and every finding has a decision, and the same facts always have the same one.
func Decide(s Snapshot, f Findings) Decision {
	t := newTransition(s)
	t.known = f
	t.recordValid()
	recordReconciled(t)
	t.firstMatch()(t)
	return t.conclude()
}

// newTransition copies the status in depth where it is concluded: conditions and measurements are changed in place. What was
// stored shares all with what is decided on, in which nothing is.
func newTransition(s Snapshot) *transition {
	t := &transition{facts: facts{Snapshot: s}, stored: s.Status}
	t.Status, t.withinBounds = bounded(s.Status)
	t.Status = filled(t.Status)
	t.situation = situationOf(t.Snapshot)
	fillTarget(&t.facts)
	fillFromPlan(&t.facts)
	t.base = t.Status
	recountInterval(&t.facts)
	clampTimes(&t.facts)
	t.next = *t.Status.DeepCopy()
	return t
}

// firstMatch is the outcome of the first guard that fires, else of the phase.
func (t *transition) firstMatch() outcome {
	for _, g := range guards {
		if do := g(t); do != nil {
			return do
		}
	}
	if do, ok := phases[t.Status.Phase]; ok {
		return do
	}
	// A phase that only another version knows is left as it is.
	return (*transition).setSettled
}

// Refuse is the decision about a spec that does not compile: it says why, and leaves everything where it was.
func Refuse(s Snapshot, why error) Decision {
	t := newTransition(s)
	t.refused = true
	t.halt()
	t.condition(v1beta1.ConditionValid, metav1.ConditionFalse, string(ReasonInvalid), why.Error())
	if !t.Deleting {
		t.setWaiting(WaitSpec, 0, "Nothing is rolled out until the spec can be followed: %s.%s", strings.TrimSuffix(why.Error(), "."), sentence(pushed(t)))
	}
	// What is pushed meanwhile is told as well: whoever waits for it looks for a rollout.
	if t.specNews(why.Error() + pushed(t)) {
		t.warn(ReasonInvalid, "%s%s", why.Error(), because(pushed(t)))
		t.alert(v1beta1.SeverityWarn, "Nothing is rolled out, the spec is invalid: "+why.Error())
	}
	refuseAction(t)
	return t.conclude()
}

// pushed says what waits for a spec that can be followed; empty: nothing, or it is not known.
func pushed(t *transition) string {
	if t.Revision == "" || t.Status.LastAppliedSpec == "" || Foreign(t.Status) || named(t.Status, t.Revision) {
		return ""
	}
	target, primary := versions(&t.facts)
	if target == "" || primary == "" {
		return t.Names.target() + " has a new revision, which is not rolled out"
	}
	return fmt.Sprintf("%s of %s is not rolled out, %s serves", target, t.Names.target(), primary)
}

// recordValid takes back an earlier complaint about the spec, and says the plan's remarks once.
func (t *transition) recordValid() {
	if len(t.SchemaMissing) > 0 {
		t.recordSchemaOutdated()
		return
	}
	text := "The spec is valid."
	if t.Plan.Provider != "" {
		text = "The spec is valid for provider " + t.Plan.Provider + "."
	}
	remarks := append(slices.Clip(t.Plan.Remarks), remarksOnTarget(&t.facts)...)
	for _, r := range remarks {
		text += " " + r.Text + "."
	}
	t.condition(v1beta1.ConditionValid, metav1.ConditionTrue, string(ReasonAccepted), text)
	about := ""
	for _, r := range remarks {
		about += r.Text
	}
	if !t.specNews(about) {
		return
	}
	for _, r := range remarks {
		t.warn(r.Reason, "%s", r.Text)
	}
}

// conclude closes the transition. What does not change the status is not said either: a notice belongs to
// the one write that made it true, so it is never repeated.
func (t *transition) conclude() Decision {
	if !t.questions.Empty() {
		return t.ask()
	}
	t.next.ObservedGeneration = t.Generation
	// All are part of what is compared below.
	t.recordPlan()
	keepEvidence(t)
	proveAnew(t)
	t.recordActualWeight()
	recordTargetSize(t)
	t.recordConfigs()
	recordReplaced(t)
	recordRecorded(t)
	recordOnly := recordObjects(t)
	forgetPromoted(t)
	if !t.Routed && t.after == 0 {
		t.after = t.untilSettled() // what waits for the routes, such as stopping the target, needs a pass then
	}
	if saysReady(t.base) {
		recordReady(t)
	}
	// Last, since it may only bring the next look forward.
	t.requeueForRollbackHooks()
	before := storable(t.base, t.SchemaMissing)
	t.next = fitted(storable(t.next, t.SchemaMissing))
	// What is filled in an older status is stored with the next decision, and is no reason for one.
	if equality.Semantic.DeepEqual(t.next, before) && t.withinBounds {
		return Decision{Status: t.stored, After: t.after}
	}
	// With what is stored anyway: it is no reason for a write of its own.
	recordTargetTemplate(t)
	recordImage(t)
	recordReady(t)
	recordRun(t)
	t.next = fitted(storable(t.next, t.SchemaMissing))
	if !recordOnly && moved(t.base, t.next) {
		t.next.LastTransitionTime = metav1.NewTime(t.Now)
	}
	return Decision{Status: t.next, Notices: t.notices, After: t.after}
}

// moved says that a rollout got on, or began to wait for something else. That it is looked at again after an interval is no change.
func moved(before, after v1beta1.CanaryStatus) bool {
	return before.LastTransitionTime.IsZero() || before.Phase != after.Phase || before.CanaryWeight != after.CanaryWeight ||
		before.Matched != after.Matched || before.Step != after.Step || before.Iterations != after.Iterations ||
		before.FailedChecks != after.FailedChecks || before.WaitingFor != after.WaitingFor ||
		before.LastAppliedSpec != after.LastAppliedSpec || before.LastPromotedSpec != after.LastPromotedSpec
}

// ask is the decision to ask. What is to be noted whatever the answers are is stored before: they may take long.
func (t *transition) ask() Decision {
	s := t.Snapshot
	s.Status = t.stored
	noted := newTransition(s)
	noted.recordValid()
	recordReconciled(noted)
	if d := noted.conclude(); !equality.Semantic.DeepEqual(d.Status, t.stored) {
		return d
	}
	// Answers wake the Canary. Those that do not come let deadlines pass all the same.
	return Decision{Questions: t.questions, After: max(t.Plan.Interval, lookAgain)}
}

// recordConfigs records the configs that a revision is made of, when the rollout becomes about that revision.
func (t *transition) recordConfigs() {
	if t.Configs == nil || t.next.LastAppliedSpec != t.Revision || t.next.LastAppliedSpec == t.Status.LastAppliedSpec {
		return
	}
	// Should tracking be turned off, the revision goes on being made of these, so that this starts no rollout.
	configs := maps.Clone(t.Configs)
	t.next.TrackedConfigs = &configs
}

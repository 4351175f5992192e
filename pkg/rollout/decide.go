package rollout

import (
	"maps"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// transition is one decision in the making.
// Snapshot and found are facts and stay as they are; next and what follows is what is being concluded.
type transition struct {
	Snapshot
	stored             v1beta1.CanaryStatus // as it was found; Snapshot has it within bounds
	found              Findings
	next               v1beta1.CanaryStatus
	notices            []Notice
	after              time.Duration
	cause              string // of a failure
	rolledBackByHook   bool   // it is one because a hook asked for it in the course of a promotion
	rollbackHooksAsked bool   // in the course of a promotion
}

// outcome is one way a decision can go.
type outcome func(*transition)

// Decide concludes what a Snapshot and the answers to its Questions lead to. It is total: every phase
// and every finding has a decision, and the same facts always have the same one.
func Decide(s Snapshot, f Findings) Decision {
	t := newTransition(s)
	t.found = f
	t.recordValid()
	t.noteRollbackHooks()
	t.firstMatch()(t)
	return t.conclude()
}

// newTransition copies the status in depth: conditions and measurements are changed in place, and conclude compares the two.
func newTransition(s Snapshot) *transition {
	t := &transition{Snapshot: s, stored: s.Status}
	t.Status = bounded(s.Status)
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
	was := message(t.Status, v1beta1.ConditionValid)
	// This condition is also what tells the next good spec that there was a halt: see resumed.
	t.condition(v1beta1.ConditionValid, metav1.ConditionFalse, string(ReasonInvalid), why.Error())
	if was != why.Error() {
		t.warn(ReasonInvalid, "%s", why.Error())
	}
	return t.conclude()
}

// recordValid takes back an earlier complaint about the spec, and says the plan's remarks once.
func (t *transition) recordValid() {
	text := "The spec is valid."
	if t.Plan.Provider != "" {
		text = "The spec is valid for provider " + t.Plan.Provider + "."
	}
	for _, r := range t.Plan.Remarks {
		text += " " + r.Text + "."
	}
	t.condition(v1beta1.ConditionValid, metav1.ConditionTrue, string(ReasonAccepted), text)
	// The condition has them already, so they were told when it was stored.
	if message(t.Status, v1beta1.ConditionValid) == text {
		return
	}
	for _, r := range t.Plan.Remarks {
		t.warn(r.Reason, "%s", r.Text)
	}
}

func message(s v1beta1.CanaryStatus, kind string) string {
	if c := meta.FindStatusCondition(s.Conditions, kind); c != nil {
		return c.Message
	}
	return ""
}

// conclude closes the transition. What does not change the status is not said either: a notice belongs to
// the one write that made it true, so it is never repeated.
func (t *transition) conclude() Decision {
	t.next.ObservedGeneration = t.Generation
	// Both are part of what is compared below.
	t.recordActualWeight()
	t.recordConfigs()
	if !t.Routed && t.after == 0 {
		t.after = t.untilSettled() // what waits for the routes, such as stopping the target, needs a pass then
	}
	// Last, since it may only bring the next look forward.
	t.requeueForRollbackHooks()
	// That hooks were asked is worth a write by itself: by lastTransitionTime it is known when.
	if !t.rollbackHooksAsked && equality.Semantic.DeepEqual(t.next, t.stored) {
		return Decision{Status: t.stored, After: t.after}
	}
	t.next.LastTransitionTime = metav1.NewTime(t.Now)
	return Decision{Status: t.next, Notices: t.notices, After: t.after}
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

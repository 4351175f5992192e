package rollout

import (
	"fmt"
	"strconv"
	"time"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// lookAgain is how soon pods that do not come up are looked at once more: a Deployment's status does not
// change when an image cannot be pulled.
const lookAgain = 5 * time.Second

// Every wait names what it waits for, without counts and times: a condition that changes with every pod
// would cost a write for each, and tell nobody more.

func awaitTarget(t *transition) {
	if t.waiting() != WaitTarget {
		t.warn(ReasonTargetMissing, "%s %s not found, waiting for it", t.Names.Kind, t.Names.target())
	}
	t.setWaiting(WaitTarget, 0, "Waiting for %s %s/%s, which does not exist.", t.Names.Kind, t.Names.Namespace, t.Names.Target)
}

func awaitPrimary(t *transition) {
	primary := t.Primary
	if primary.Revision != t.wanted() {
		primary = Workload{Health: Starting} // what is wrong with the revision before is nobody's concern now
	}
	what := describe(t.Names.primary(), primary)
	t.setWaiting(WaitPrimary, t.remaining(), "%s.", what)
	if primary.Health == Stuck && t.waitingNews(primary.Reason) {
		t.warn(ReasonWorkloadNotReady, "%s", what)
	}
	if t.next.Phase == v1beta1.PhaseInitializing {
		t.after = lookAgain // no deadline: users are served by the target all the same
	}
	blameRefusal(t, t.Primary.Revision != t.wanted())
}

// wanted is the revision that the primary is to come up with.
func (t *transition) wanted() string {
	if t.next.Promoting != "" {
		return t.next.Promoting
	}
	return t.next.LastAppliedSpec
}

func awaitCanary(t *transition) {
	if t.Target.Health == Absent {
		awaitTarget(t)
		// A target that is gone in mid-rollout has the deadline; its own event may come before.
		t.after = t.remaining()
		return
	}
	t.setWaiting(WaitCanary, t.remaining(), "%s.", describe(t.Names.target(), t.Target))
	blameRefusal(t, t.Target.Health == Stopped)
}

func awaitCapacity(t *transition) {
	t.setWaiting(WaitCapacity, t.remaining(), "%s needs more available pods for the share of the next step.", t.Names.target())
}

func awaitRoutes(t *transition) {
	after := Sooner(t.untilSettled(), t.untilRoutesLate())
	if t.trafficRefused() {
		awaitRefused(t, after)
		return
	}
	if t.Trouble != "" {
		t.setWaiting(WaitRoutes, after, "Routes of %s are not taken: %s.", t.Names.canary(), t.Trouble)
		return
	}
	if t.next.Phase == v1beta1.PhaseFinalising || t.next.Phase == v1beta1.PhaseInitializing && t.next.LastPromotedSpec != "" {
		t.setWaiting(WaitRoutes, after, "Traffic is moving to %s.", t.Names.primary())
		return
	}
	t.setWaiting(WaitRoutes, after, "Routes of %s are being taken by the proxies.", t.Names.canary())
}

// awaitCheck leaves the condition as it is: it says since the step began, or since the last failed check, what
// is being waited for.
func awaitCheck(t *transition) {
	why := t.waiting()
	switch why {
	case WaitRetry:
		if t.recounted() {
			awaitRetry(t)
		}
		t.after = t.untilCheck()
	case WaitTrafficIncreaseApproval, WaitPromotionApproval, WaitValue, WaitClarity, WaitProof, WaitEvidence,
		WaitStepPaused, WaitPromotionPaused, WaitHeld, WaitWebhook:
		t.after = t.untilCheck()
	default:
		// What was refused when the step was to end is waited for until it is looked at again.
		if why != WaitRefused || len(t.Refused) == 0 {
			awaitStep(t)
		}
		t.after = t.untilCheck()
	}
}

func awaitStep(t *transition) {
	when := fmt.Sprintf("judged after %s", t.Plan.Interval)
	if t.next.NextCheck != nil {
		when += ", at " + clockTime(t.next.NextCheck.Time)
	}
	if mirror := mirrored(t.Plan, t.next); mirror > 0 && t.next.CanaryWeight == 0 {
		t.setWaiting(WaitInterval, untilNextRound(t), "Step %d of %d: copies of %d%% of %s go to %s, %s.",
			t.next.Step, t.Plan.Length(), mirror, t.requests(), t.Names.target(), when)
		return
	}
	if step := nextStep(t); step.Bake && t.next.StepStarted != nil {
		t.setWaiting(WaitBaking, untilNextRound(t), "Step %d of %d: all requests go to %s, which bakes until %s at least; %s keeps the revision before.",
			t.next.Step, t.Plan.Length(), t.Names.target(), dateTime(t.next.StepStarted.Time.Add(step.Until.Duration)), t.Names.primary())
		return
	}
	if step := nextStep(t); step.Until.Duration > t.Plan.Interval && t.next.StepStarted != nil {
		t.setWaiting(WaitInterval, untilNextRound(t), "Step %d of %d: %d%% of %s go to %s, judged every %s until %s at least.",
			t.next.Step, t.Plan.Length(), t.next.CanaryWeight, t.requests(), t.Names.target(), t.Plan.Interval, dateTime(t.next.StepStarted.Time.Add(step.Until.Duration)))
		return
	}
	t.setWaiting(WaitInterval, untilNextRound(t), "Step %d of %d: %d%% of %s go to %s, %s.",
		t.next.Step, max(t.Plan.Length(), t.next.Step), t.next.CanaryWeight, t.requests(), t.Names.target(), when)
}

// nextStep is the one in effect after this decision.
func nextStep(t *transition) Step {
	if t.next.Step < 1 || t.next.Step > t.Plan.Length() {
		return Step{}
	}
	return t.Plan.Step(t.next.Step)
}

// clockTime is a time of day, for people.
func clockTime(at time.Time) string { return at.UTC().Format("15:04:05 UTC") }

// dateTime is a time that may be days away.
func dateTime(at time.Time) string { return at.UTC().Format("2006-01-02 15:04:05 UTC") }

// requests are those that the weight is a share of, for people.
func (t *transition) requests() string {
	if t.next.Matched {
		return "the requests that fit spec.analysis.match"
	}
	return "requests"
}

// waiting is what the stored status says is waited for.
func (f *facts) waiting() Wait { return Wait(f.Status.WaitingFor) }

func describe(name string, w Workload) string {
	if w.Reason == "" {
		return name + " not ready: waiting for its new pods to become available"
	}
	return name + " not ready: " + w.Reason
}

func itoa(n int) string { return strconv.Itoa(n) }

// notReadyReason says why a side, or its routes, did not become ready in time.
func (f *facts) notReadyReason(name string, w Workload) string {
	if w.Health == Available && !f.Routed {
		return "routes of " + name + " were not taken: " + orElse(f.Trouble, "the proxies did not report them in time")
	}
	if w.Health == Absent {
		return name + " does not exist"
	}
	if w.Health == Available {
		return fmt.Sprintf("%s has %d pods available, its next step needs %d", name, w.Available, f.canaryPodsNeeded())
	}
	if w.Reason == "" {
		return fmt.Sprintf("%s: its new pods are not available after %s", name, f.Plan.Deadline)
	}
	return name + ": " + w.Reason
}

func orElse(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

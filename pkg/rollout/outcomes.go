package rollout

import (
	"fmt"
	"time"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// The ways a rollout ends early, or is taken over.

// rollBack ends a rollout whose canary failed too many checks.
func (t *transition) rollBack() {
	t.warn(ReasonRolledBack, "Rolling back %s failed checks threshold reached %d", t.Names.canary(), t.next.FailedChecks)
	t.alert(v1beta1.SeverityError, "Failed checks threshold reached "+itoa(t.next.FailedChecks))
	t.cause = fmt.Sprintf("%d failed checks of %s, the last: %s", t.next.FailedChecks, t.Names.target(), t.last())
	t.endFailed()
}

// failNotReady ends a rollout whose canary does not become ready, or whose routes are not taken.
func (t *transition) failNotReady() {
	why := t.notReadyReason(t.Names.target(), t.Target)
	event, alert := "progress deadline exceeded ", "Progress deadline exceeded "
	if t.Target.Health == Stuck {
		event, alert = "canary cannot become ready ", "Canary cannot become ready "
	}
	t.warn(ReasonRolledBack, "Rolling back %s %s", t.Names.canary(), event+why)
	t.alert(v1beta1.SeverityError, alert+why)
	t.cause = event + why
	t.endFailed()
}

// endFailed leaves the canary: to the primary where that is whole, else the canary keeps what it has.
func (t *transition) endFailed() {
	t.next.Iterations = 0
	t.next.Step = 0
	// What the primary came up with while a newer revision was judged is what users are left with.
	if t.primaryRecovered() {
		t.next.LastPromotedSpec = t.Status.Promoting
	}
	// Else the canary is the only one that answers: bad pods are better than none.
	if !t.canaryOnly() || t.primaryRecovered() {
		t.routeNothingToCanary()
		t.next.Promoting = ""
	}
	t.enter(v1beta1.PhaseFailed)
	t.setSettled()
	// A canary that goes on serving is not scaled down, whatever its rollout came to.
	if t.next.CanaryWeight == 0 {
		t.warn(ReasonFailed, "Canary failed! Scaling down %s", t.Names.canary())
	}
}

// routeNothingToCanary ends all that leads requests to the canary.
func (t *transition) routeNothingToCanary() {
	t.next.CanaryWeight = 0
	t.next.Matched = false
	t.expireCookies()
}

// failPromotion ends a promotion whose primary does not come up. The canary passed all checks and is the healthy
// copy, so it takes all traffic and stays, unless the target has already moved on to something unproven.
func (t *transition) failPromotion() {
	if t.returningToPrevious() {
		t.failReturn()
		return
	}
	// Users get what passed and nothing newer, and not before there are pods for all of them: rules 4 and 7 of
	// docs/concepts/machine.md.
	healthy := t.Revision == t.Status.Promoting && t.Target.Health == Available
	if healthy && t.Target.Available < t.Status.PrimaryReplicas {
		if t.waiting() != WaitCapacity {
			why := t.notReadyReason(t.Names.primary(), t.Primary)
			t.warn(ReasonWorkloadNotReady, "%s; %s is growing to take all traffic", why, t.Names.target())
			t.alert(v1beta1.SeverityError, "Promotion stuck, primary not ready: "+why)
		}
		t.setWaiting(WaitCapacity, 0, "%s cannot become ready; %s is growing to take all traffic.", t.Names.primary(), t.Names.target())
		return
	}
	why := t.notReadyReason(t.Names.primary(), t.Primary)
	t.cause = why
	t.next.Iterations = 0
	t.next.Step = 0
	t.routeNothingToCanary()
	if healthy {
		t.next.CanaryWeight = everything
	} else {
		// Nobody can stand in. What pods of the primary are left serve; nothing is given up that could be kept.
		t.next.Promoting = ""
	}
	t.enter(v1beta1.PhaseFailed)
	t.setSettled()
	t.warn(ReasonPromotionFailed, "Promotion of %s failed, primary not ready: %s", t.Names.target(), why)
	t.alert(v1beta1.SeverityError, "Promotion failed, primary not ready: "+why)
}

// resumePromotion takes up a promotion again whose primary came up after it had been given up.
// The weight stays: promoting brings the traffic back as it does after any promotion.
func (t *transition) resumePromotion() {
	t.enter(v1beta1.PhasePromoting)
	t.setWaiting(WaitRoutes, 0, "%s is ready after all, traffic goes back to it.", t.Names.primary())
	t.say(ReasonPromotionStarted, "%s is ready after all, going on with its promotion", t.Names.primary())
}

// routeToPrimary takes traffic off a canary that has no pods left to answer it. While it is being judged that
// counts as a failed check, so that a canary that dies again and again is rolled back.
func (t *transition) routeToPrimary() {
	t.next.CanaryWeight = 0
	t.next.Matched = false
	t.warn(ReasonDrained, "%s has no available pods, routing all traffic to primary", t.Names.target())
	if t.primaryBroken() {
		// What the primary serves from here on is what it was seen to run, if it came up after all.
		if t.primaryRendered() {
			t.next.LastPromotedSpec = t.Status.Promoting
		}
		t.next.Promoting = ""
	}
	// Entered once more, for the condition still says that the canary serves.
	if t.Status.Phase == v1beta1.PhaseFailed {
		t.cause = t.Names.target() + " has no available pods, so that all traffic goes to " + t.Names.primary()
		t.enter(v1beta1.PhaseFailed)
	}
	if !t.Status.Phase.Analysing() {
		return
	}
	t.next.Step = 0
	t.next.Iterations = 0
	t.next.NextCheck = nil
	// The pods have a whole deadline to come back.
	t.next.Since = micro(t.Now)
	t.next.FailedChecks++
	if t.next.FailedChecks >= t.Plan.Threshold {
		t.rollBack()
		return
	}
	t.setWaiting(WaitCanary, t.Plan.Deadline, "%s.", t.describe(t.Names.target(), t.Target))
}

// callOff ends a rollout whose target was put back to what the primary runs. Nothing failed, and there
// is nothing to promote, so it is over at once.
func (t *transition) callOff() {
	// A promotion failed half-way before: at rest, the primary would keep a revision that nobody wants.
	if t.primaryRevisionWrong() {
		t.callOffPromotion()
		return
	}
	t.settleOnPromoted()
	t.say(ReasonCalledOff, "%s is back at the promoted revision, nothing is left to roll out", t.Names.target())
	t.alert(v1beta1.SeverityInfo, "Rollout called off, the promoted revision is back.")
}

// settleOnPromoted settles on the promoted revision.
func (t *transition) settleOnPromoted() {
	t.resetRollout()
	t.enter(v1beta1.PhaseSucceeded)
	t.setSettled()
}

// resetRollout forgets a rollout: what was promoted is what is wanted.
func (t *transition) resetRollout() {
	t.next.LastAppliedSpec = t.Status.LastPromotedSpec
	t.next.Promoting = ""
	t.next.FailedChecks = 0
	t.routeNothingToCanary()
	t.next.Iterations = 0
	t.next.Step = 0
}

// callOffPromotion has a primary that was already given the new revision return to the promoted one.
func (t *transition) callOffPromotion() {
	t.next.LastAppliedSpec = t.Revision
	t.next.FailedChecks = 0
	t.returnPrimary()
	t.say(ReasonCalledOff, "%s is back at the promoted revision, returning %s to it", t.Names.target(), t.Names.primary())
}

// returnPrimary sends the primary back to the promoted revision, and users to the primary: at once, unless none of its
// pods would answer them.
func (t *transition) returnPrimary() {
	t.next.Promoting = t.Status.LastPromotedSpec
	t.next.Iterations = 0
	t.next.Step = 0
	// From rest there is no size yet that it must come back with.
	t.next.PrimaryReplicas = max(t.next.PrimaryReplicas, t.Primary.Replicas, 1)
	if t.Primary.Available > 0 || t.Target.Available == 0 {
		t.routeNothingToCanary()
	}
	t.enter(v1beta1.PhasePromoting)
	t.awaitPrimary()
}

// recreatePrimary starts over with a primary that somebody deleted, from a target that has the same revision.
func (t *transition) recreatePrimary() {
	t.resetRollout()
	// In mid-rollout the target still has pods. They have the promoted revision, or are about to.
	if t.Status.CanaryWeight > 0 && t.Target.Available > 0 {
		t.next.CanaryWeight = everything
	}
	t.enter(v1beta1.PhaseInitializing)
	t.awaitPrimary()
	t.warn(ReasonWorkloadNotReady, "%s is gone, making it again from %s", t.Names.primary(), t.Names.target())
}

// routeAllToCanary gives a canary all users, since somebody deleted the primary in mid-rollout. There is nothing left
// to compare it with and nothing to go back to: it is judged once more with all of them there.
func (t *transition) routeAllToCanary() {
	if t.Status.Phase == v1beta1.PhaseWaitingPromotion {
		t.enter(v1beta1.PhaseProgressing)
	}
	t.next.Step = t.Plan.Length()
	t.next.CanaryWeight = everything
	t.next.Matched = false
	t.startInterval()
	text := fmt.Sprintf("%s is gone, routing all traffic to %s", t.Names.primary(), t.Names.target())
	t.warn(ReasonWorkloadNotReady, "%s", text)
	t.alert(v1beta1.SeverityError, text)
}

// tellPrimaryUnrecoverable is about a primary that somebody deleted and that cannot be made again: the target, which it
// was copied from, has another revision by now, and one that did not pass must not be given to users.
func (t *transition) tellPrimaryUnrecoverable() {
	text := fmt.Sprintf("%s is gone and cannot be made again: %s does not have the promoted revision, put it back to that",
		t.Names.primary(), t.Names.target())
	if message(t.Status, v1beta1.ConditionWaiting) != text+"." {
		t.warn(ReasonWorkloadNotReady, "%s", text)
		t.alert(v1beta1.SeverityError, text)
	}
	t.setWaiting(WaitPrimary, 0, "%s.", text)
}

// suspend says once that nothing will happen until the spec is changed.
func (t *transition) suspend() {
	if t.waiting() != WaitResume {
		t.say(ReasonSuspended, "skipping canary run as object is suspended")
	}
	t.setWaiting(WaitResume, 0, "spec.suspend of %s is set; routes and workloads stay as they are.", t.Names.canary())
}

// notReadyReason says why a side, or its routes, did not become ready in time.
func (t *transition) notReadyReason(name string, w Workload) string {
	if w.Health == Available && !t.Routed {
		return "routes of " + name + " were not taken: " + orElse(t.Trouble, "the proxies did not report them in time")
	}
	if w.Health == Absent {
		return name + " does not exist"
	}
	if w.Health == Available {
		return fmt.Sprintf("%s has %d pods available, its next step needs %d", name, w.Available, t.canaryPodsNeeded())
	}
	if w.Reason == "" {
		return fmt.Sprintf("%s: its new pods are not available after %s", name, t.Plan.Deadline)
	}
	return name + ": " + w.Reason
}

// remaining is when to look again at something that does not become ready: at the deadline or earlier.
// Past the deadline, too: what does not end the rollout, as a primary that nobody can stand in for, is still looked at.
func (t *transition) remaining() time.Duration {
	left := t.Plan.Deadline - t.Now.Sub(t.waitBegan())
	if left <= 0 {
		return lookAgain
	}
	return min(max(left, time.Second), lookAgain)
}

func orElse(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

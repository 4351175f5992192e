package rollout

import (
	"fmt"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// primaryMissing knows these situations of a primary that is not there:
//
//	first time, Initializing     it was never made: initialise waits for it
//	made again, Initializing     goes on, or despairs once the target has moved on
//	in a rollout                 the canary takes all users; the promotion makes it anew
//	in a rollout, put back       made again from the target, which has the users meanwhile
//	Failed, target put back      called off first; at rest again, it is made again. At once where the canary has the users
//	at rest otherwise            made again from the promoted revision, or nothing can be done
//	its promotion broke it       the canary serves, and the primary was of no use anyway
func primaryMissing(t *transition) outcome {
	if t.Primary.Health != Absent || t.targetIs == targetMissing || t.primaryIs.broken() {
		return nil
	}
	again := t.Status.Phase == v1beta1.PhaseInitializing && t.Status.LastPromotedSpec != ""
	switch {
	case again && t.targetIs != targetUnchanged:
		return tellPrimaryUnrecoverable
	case t.Status.Phase.UnderWay() && t.targetIs == targetReverted:
		return recreatePrimary
	case t.Status.Phase.Analysing() && t.targetIs == targetUnchanged && !allTrafficAtCanary(t.Status) && t.Target.Available > 0:
		return routeAllToCanary
	case !t.Status.Phase.AtRest() || t.targetIs == targetReverted && t.Status.Phase == v1beta1.PhaseFailed && t.Status.CanaryWeight == 0:
		return nil
	case t.Revision == t.Status.LastPromotedSpec:
		return recreatePrimary
	}
	return tellPrimaryUnrecoverable
}

// recreatePrimary starts over with a primary that somebody deleted, from a target that has the same revision.
func recreatePrimary(t *transition) {
	resetRollout(t)
	// In mid-rollout the target still has pods. They have the promoted revision, or are about to.
	if t.Status.CanaryWeight > 0 && t.Target.Available > 0 {
		t.next.CanaryWeight = everything
	}
	t.enter(v1beta1.PhaseInitializing)
	awaitPrimary(t)
	t.warn(ReasonWorkloadNotReady, "%s is gone, making it again from %s", t.Names.primary(), t.Names.target())
}

// routeAllToCanary gives a canary all users, since somebody deleted the primary in mid-rollout. There is nothing left
// to compare it with and nothing to go back to: it is judged once more with all of them there.
func routeAllToCanary(t *transition) {
	if t.Status.Phase == v1beta1.PhaseWaitingPromotion {
		t.enter(v1beta1.PhaseProgressing)
	}
	t.next.Step = t.Plan.Length()
	t.next.CanaryWeight = everything
	t.next.Matched = false
	startInterval(t)
	text := fmt.Sprintf("%s is gone, routing all traffic to %s", t.Names.primary(), t.Names.target())
	t.warn(ReasonWorkloadNotReady, "%s", text)
	t.alert(v1beta1.SeverityError, text)
}

// tellPrimaryUnrecoverable is about a primary that somebody deleted and that cannot be made again: the target, which it
// was copied from, has another revision by now, and one that did not pass must not be given to users.
func tellPrimaryUnrecoverable(t *transition) {
	text := fmt.Sprintf("%s is gone and cannot be made again: %s does not have the promoted revision, put it back to that",
		t.Names.primary(), t.Names.target())
	t.setWaiting(WaitPrimary, 0, "%s.", text)
	if t.waitingNews("primary gone") {
		t.warn(ReasonWorkloadNotReady, "%s", text)
		t.alert(v1beta1.SeverityError, text)
	}
}

package rollout

import "github.com/sluice-cd/sluice/pkg/apis/v1beta1"

// A Canary that is deleted, and asked to revert, gives the target back before it goes: first the target
// runs at the primary's size, then traffic moves to it, and only then may the primary be deleted. A target that cannot serve
// has as long as any canary: then the Canary goes, and what it made stays.

// deleted starts that way back, from whatever phase the Canary was in.
func deleted(t *transition) outcome {
	if !t.Deleting || t.Status.Phase.Leaving() {
		return nil
	}
	// Users are with what the one before has left: that is given back.
	if RoutingKept(t.Status) && t.Replaced != nil && t.Replaced.answers() {
		return returnToReplaced
	}
	return terminate
}

func terminate(t *transition) {
	// A promotion that is not over is not gone on with: nobody would be left to watch it.
	t.next.Promoting = ""
	if t.Status.Matched { // the few who met the canary go to the primary first, with everybody else
		t.routeNothingToCanary()
	}
	if t.Status.LastPromotedSpec == "" { // users never left the target
		t.next.CanaryWeight = everything
	}
	// The target needs room for everybody, whichever side had most of them.
	t.next.PrimaryReplicas = max(t.Status.PrimaryReplicas, t.Primary.Replicas, t.Target.Replicas, 1)
	t.enter(v1beta1.PhaseTerminating)
	t.setWaiting(WaitCanary, t.remaining(), "%s.", describe(t.Names.target(), t.Target))
	t.say(ReasonTerminating, "Terminating canary %s", t.Names.canary())
}

// terminating ends when the target has the traffic, or when there is no target to give anything back to.
func terminating(t *transition) {
	switch {
	case t.targetIs == targetMissing:
		terminated(t)
	case t.Status.CanaryWeight < everything && targetUnable(t):
		leavePrimary(t)
	case t.Status.CanaryWeight < everything && (t.Target.Health != Available || !enoughForAll(t)):
		awaitCanary(t)
	// Make before break, as ever: the target is up, then it gets the traffic, and the primary goes last.
	case t.Status.CanaryWeight < everything:
		t.next.CanaryWeight = everything
		t.setWaiting(WaitRoutes, t.untilSettled(), "Routes of %s are being taken by the proxies.", t.Names.canary())
	case !t.Routed:
		awaitRoutes(t)
	default:
		terminated(t)
	}
}

// targetUnable says that the target had its time and cannot serve, while the primary does.
func targetUnable(t *transition) bool {
	if t.Status.LastPromotedSpec == "" || t.Primary.Available == 0 {
		return false
	}
	return t.Target.Health == Stuck || t.Target.Health != Available && t.overdue(later(t.waitBegan(), t.Target.Since))
}

// leavePrimary ends a deletion whose target cannot be given the users: they stay with the primary, which stays.
func leavePrimary(t *transition) {
	switch {
	case t.Status.CanaryWeight > 0:
		t.next.CanaryWeight = 0
		t.setWaiting(WaitRoutes, t.untilSettled(), "Traffic is moving to %s.", t.Names.primary())
	case !t.Routed:
		awaitRoutes(t)
	default:
		t.warn(ReasonTerminating, "Target cannot serve, %s. %s keeps serving: it stays, with its Services and routes",
			t.notReadyReason(t.Names.target(), t.Target), t.Names.primary())
		terminated(t)
	}
}

// PrimaryLeft says that a Canary which was deleted leaves users with its primary.
func PrimaryLeft(s v1beta1.CanaryStatus) bool {
	return s.Phase == v1beta1.PhaseTerminated && s.CanaryWeight < everything
}

func terminated(t *transition) {
	t.enter(v1beta1.PhaseTerminated)
	t.setSettled()
	t.say(ReasonTerminating, "Terminated canary %s", t.Names.canary())
}

// givingBack is the intent of a Canary on its way out: the target runs at full size, and has the apex
// Service once it has the traffic.
func givingBack(p Plan, s v1beta1.CanaryStatus) Intent {
	i := routes(p, s)
	i.Canary = true
	i.TargetMinimum = s.PrimaryReplicas
	if s.CanaryWeight == everything {
		i.Apex = TargetSide
	}
	return i
}

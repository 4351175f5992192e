package rollout

import (
	"fmt"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// Where the spec names another target, the facts are still about the one of the status, status.target, until that can be left:
//
//	a rollout is under way     it is called off; where the primary was given its revision already, it is ended
//	users are with the target  it is gone on with: nobody else could answer them
//	at rest                    Initializing. status.target is the new one by now, status.replaces the one before
//
// From then on the facts are about the new target:
//
//	its primary comes up       Services and routes stay as they are. Another target in the spec: what was begun is taken away
//	it serves, and is as large all of them lead to it; its target is stopped once they are in effect
//	Initialized                the primary before is deleted, and its target given back. Then status.replaces is empty again

// RoutingKept says that a primary is made whose users are still to come, and are with what another target has left.
func RoutingKept(s v1beta1.CanaryStatus) bool {
	return s.Phase == v1beta1.PhaseInitializing && s.LastPromotedSpec == "" && s.Replaces != nil
}

func retargeted(t *transition) outcome {
	s := t.Status
	switch {
	case t.Retargeted == nil, t.Deleting, keepsTarget(&t.facts):
		return nil
	case len(t.SchemaMissing) > 0 && !s.Phase.UnderWay():
		return awaitSchema
	case RoutingKept(s):
		return abandonTarget
	case s.Phase == v1beta1.PhaseInitializing:
		return leaveTarget
	case s.Phase.AtRest():
		return leaveTarget
	case s.Phase.Analysing(), s.Phase == v1beta1.PhasePromoting && t.primaryIs != primaryGiven && !t.returning:
		return callOffForTarget
	}
	return nil // the promotion ends by itself
}

// keepsTarget says that the target of the status is not left yet: its users are with it and have nobody else, or it is just being
// found out, or made, what they are with.
func keepsTarget(f *facts) bool {
	s := f.Status
	switch {
	case Foreign(s) && f.targetIs != targetMissing:
		return true
	case s.Phase == v1beta1.PhaseInitializing && s.LastPromotedSpec != "":
		return f.Primary.Health != Absent || s.CanaryWeight > 0
	case s.Phase.UnderWay():
		return f.canaryOnly || f.Primary.Available == 0
	}
	return s.Phase.AtRest() && (s.CanaryWeight > 0 || f.primaryIs.broken())
}

// remarksOnTarget tell why the target of the spec is not taken up.
func remarksOnTarget(f *facts) []Remark {
	if f.Retargeted == nil || f.Deleting || !keepsTarget(f) {
		return nil
	}
	return []Remark{{ReasonFieldIgnored, fmt.Sprintf("spec.targetRef names %s %s, which takes the place of %s once %s serves all users",
		f.Retargeted.Kind, f.Retargeted.Name, f.Names.Target, f.Names.Primary)}}
}

// callOffForTarget ends a rollout of a target that is left.
func callOffForTarget(t *transition) {
	settleOnPromoted(t, fmt.Sprintf("Rollout called off, spec.targetRef names %s.", t.Retargeted.Name))
	t.say(ReasonCalledOff, "spec.targetRef names %s, the rollout of %s is called off", t.Retargeted.Name, t.Names.target())
	t.alert(v1beta1.SeverityInfo, "Rollout called off, the Canary has another target.")
}

// leaveTarget goes over to the target of the spec, once nothing of the one before is left to be done.
func leaveTarget(t *transition) {
	stopped := t.Target.Health == Stopped || t.Target.Health == Absent
	switch {
	case t.Status.Replaces != nil && (t.Replaced == nil || t.Replaced.Primary.Health != Absent):
		t.setWaiting(WaitPrimary, 0, "%s takes the place of %s once the primary of %s is deleted.", t.Retargeted.Name, t.Names.target(), t.Status.Replaces.Name)
	// Users have never left it: nothing has to be stopped.
	case t.Status.LastPromotedSpec == "":
		replaceTarget(t)
	case len(t.Refused) > 0:
		awaitRefused(t, 0)
	case !t.Routed:
		awaitRoutes(t)
	case !stopped:
		t.next.CanaryKept = false
		t.setWaiting(WaitRoutes, lookAgain, "%s takes the place of %s once that is stopped.", t.Retargeted.Name, t.Names.target())
	default:
		replaceTarget(t)
	}
}

func replaceTarget(t *transition) {
	t.next.Replaces = t.Status.Target
	t.next.PrimaryReplicas = max(t.Status.PrimaryReplicas, t.Primary.Replicas, t.Target.Replicas, 1)
	beginTarget(t, *t.Retargeted)
	t.say(ReasonRetargeted, "%s takes the place of %s", t.Retargeted.Name, t.Names.target())
	t.alert(v1beta1.SeverityInfo, fmt.Sprintf("%s %s takes the place of %s.", t.Retargeted.Kind, t.Retargeted.Name, t.Names.Target))
}

// beginTarget initialises a target of which nothing is known yet.
func beginTarget(t *transition, to v1beta1.TargetName) {
	resetRollout(t)
	t.next.Target = &to
	t.next.LastAppliedSpec, t.next.LastPromotedSpec, t.next.LastFailure = "", "", ""
	t.next.TargetTemplate, t.next.TargetSize, t.next.TrackedConfigs, t.next.Analysis = nil, nil, nil, nil
	t.enter(v1beta1.PhaseInitializing)
	t.setWaiting(WaitPrimary, 0, "The primary of %s is being made.", to.Name)
}

// abandonTarget leaves a target that no user has met yet for another one, or for the one before.
func abandonTarget(t *transition) {
	switch {
	case t.Primary.Health != Absent || t.Replaced == nil:
		t.setWaiting(WaitPrimary, 0, "%s takes the place of %s once %s is deleted.", t.Retargeted.Name, t.Names.target(), t.Names.primary())
	case *t.Retargeted == *t.Status.Replaces && t.Replaced.answers():
		returnToReplaced(t)
	default:
		if *t.Retargeted == *t.Status.Replaces {
			t.next.Replaces = nil
		}
		beginTarget(t, *t.Retargeted)
		t.say(ReasonRetargeted, "%s takes the place of %s", t.Retargeted.Name, t.Names.target())
	}
}

// returnToReplaced goes back to the target before, where users are still.
func returnToReplaced(t *transition) {
	to := *t.Status.Replaces
	beginTarget(t, to)
	t.next.Replaces = nil
	t.say(ReasonRetargeted, "%s has its place again, %s was not ready yet", to.Name, t.Names.target())
	t.alert(v1beta1.SeverityInfo, fmt.Sprintf("%s %s has its place again.", to.Kind, to.Name))
	if t.Replaced.Serving {
		return // it had no primary yet that users were with
	}
	promoted := orElse(t.Replaced.Primary.Revision, unknownRevision)
	t.next.LastAppliedSpec, t.next.LastPromotedSpec, t.next.PrimaryReplicas = promoted, promoted, 0
	t.enter(v1beta1.PhaseInitialized)
	t.setSettled()
}

// answers says that there is somebody whom users could have stayed with.
func (r *Replaced) answers() bool { return r.Serving || r.Primary.Health != Absent }

// smallerThanReplaced says that the primary cannot take all users yet that another one has. How many pods a DaemonSet has is up to
// the nodes.
func smallerThanReplaced(t *transition) bool {
	return RoutingKept(t.Status) && t.Names.Kind == "Deployment" && (t.Replaced == nil || t.Primary.Available < t.Replaced.Pods)
}

func growForReplaced(t *transition) {
	if t.Replaced != nil {
		t.next.PrimaryReplicas = max(t.Status.PrimaryReplicas, t.Replaced.Pods)
	}
	t.setWaiting(WaitPrimary, lookAgain, "%s needs as many pods as the primary of %s has.", t.Names.primary(), t.Status.Replaces.Name)
	blameRefusal(t, true)
}

// recordReplaced forgets a target that was given back.
func recordReplaced(t *transition) {
	was := t.Status.Replaces
	if t.refused || was == nil || t.next.Replaces == nil || *was != *t.next.Replaces || t.Replaced == nil || !t.next.Phase.Settled() {
		return
	}
	if t.Replaced.Primary.Health == Absent && !t.Replaced.Stopped {
		t.next.Replaces = nil
	}
}

// fillTarget has a status say which target it is about. Of an older version the facts tell.
func fillTarget(f *facts) {
	if f.Names.Kind == "Service" || f.Names.Target == "" || f.Status.Target != nil && f.Status.Phase != "" {
		return
	}
	f.Status.Target = &v1beta1.TargetName{Kind: f.Names.Kind, Name: f.Names.Target}
}

package rollout

import "github.com/sluice-cd/sluice/pkg/apis/v1beta1"

func superseded(t *transition) outcome {
	if t.targetIs != targetChanged {
		return nil
	}
	// A primary that was given a revision comes up with it first; promoting takes users off the unproven target
	// meanwhile. One that returns, too, gets there before anything new begins.
	if t.Status.Phase.Analysing() || t.Status.Phase == v1beta1.PhasePromoting && t.primaryIs != primaryGiven && !t.returning {
		return restartRollout
	}
	return nil
}

// startRollout starts a rollout from the state the routes are in: all traffic at the primary, or, where the last
// promotion broke the primary, all of it at the canary, which is then judged right there.
func startRollout(t *transition) {
	resetToStart(t)
	// The size that every share is a share of, and that the primary is kept at until its users are back.
	t.next.PrimaryReplicas = max(t.Primary.Replicas, 1)
	if t.Plan.Ratio { // that may still be on its way back from the rollout before
		t.next.PrimaryReplicas = max(t.next.PrimaryReplicas, t.Status.PrimaryReplicas)
	}
	tellGatesOpen(t, v1beta1.ConfirmRolloutHook, "Confirm-rollout check %s passed")
	t.enter(v1beta1.PhaseProgressing)
	t.setWaiting(WaitCanary, t.Plan.Deadline, "%s.", describe(t.Names.target(), t.Target))
	t.say(ReasonNewRevision, "New revision detected! Scaling up %s%s", t.Names.target(), because(replaces(t)))
	t.report("New revision detected, progressing canary analysis.")
}

// restartRollout drops what is known of the old revision and begins with the new one.
// The size stays what it was when the rollout began: that is what the primary has to have again at its end.
func restartRollout(t *transition) {
	// The primary was not given it yet. One that a promotion broke keeps the name of what broke it, until something else
	// is promoted.
	if t.Status.Phase == v1beta1.PhasePromoting {
		t.next.Promoting = ""
	}
	resetToStart(t)
	t.enter(v1beta1.PhaseProgressing)
	t.setWaiting(WaitCanary, t.Plan.Deadline, "%s.", describe(t.Names.target(), t.Target))
	t.say(ReasonRestarted, "New revision detected! Restarting analysis for %s%s", t.Names.target(), because(replaces(t)))
	t.report("New revision detected, progressing canary analysis.")
}

// resetToStart goes back to before the first step, with the target's present revision.
func resetToStart(t *transition) {
	followPlanOf(t, t.Revision)
	t.next.LastAppliedSpec = t.Revision
	t.next.FailedChecks = 0
	t.next.Iterations = 0
	t.next.Step = 0
	t.next.PlanHash = t.Plan.Hash
	t.next.NextCheck = nil
	t.next.CanaryWeight = 0
	t.next.Matched = false
	t.next.Analysis = nil
	t.next.Held, t.next.GatesOverridden = nil, nil
	// After the revision is set, which the cookies follow from.
	t.setCookies()
	// Nobody else can answer: all users are with the canary, as after the last step, and the fix is judged there.
	if t.next.Promoting != "" || t.Primary.Health == Absent && t.Target.Available > 0 {
		t.next.Step = t.Plan.Length()
		t.next.CanaryWeight = everything
	}
}

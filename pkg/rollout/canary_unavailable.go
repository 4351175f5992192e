package rollout

import "github.com/sluice-cd/sluice/pkg/apis/v1beta1"

func canaryUnavailable(t *transition) outcome {
	// A Canary that goes gives its traffic to the target whatever its pods do: see terminating.
	if t.Status.CanaryWeight == 0 || t.Target.Available > 0 || t.Deleting {
		return nil
	}
	// A canary that serves because nobody else can is left only for a primary that answers.
	if t.Primary.Available == 0 && (t.primaryIs.broken() || t.Primary.Health == Absent) {
		return nil
	}
	return routeToPrimary
}

// routeToPrimary takes traffic off a canary that has no pods left to answer it. While it is being judged that
// counts as a failed check, so that a canary that dies again and again is rolled back.
func routeToPrimary(t *transition) {
	t.next.CanaryWeight = 0
	t.next.Matched = false
	t.warn(ReasonDrained, "%s has no available pods, routing all traffic to primary", t.Names.target())
	if t.primaryIs.broken() {
		// What the primary serves from here on is what it was seen to run, if it came up after all.
		if t.Primary.Revision == t.Status.Promoting {
			t.next.LastPromotedSpec = t.Status.Promoting
		}
		t.next.Promoting = ""
	}
	// Entered once more, for the condition still says that the canary serves.
	if t.Status.Phase == v1beta1.PhaseFailed {
		t.cause = t.Names.target() + " has no available pods, so that all traffic goes to " + t.Names.primary()
		t.enter(v1beta1.PhaseFailed)
	}
	// With its users back, a primary that has no pods while it is updated must not be given the revision any more.
	undone := t.Status.Phase == v1beta1.PhasePromoting && t.Plan.PrimaryStops && t.primaryIs != primaryGiven && !t.returning
	if undone {
		t.next.Promoting = ""
		t.enter(v1beta1.PhaseProgressing)
	}
	if !t.Status.Phase.Analysing() && !undone {
		return
	}
	t.next.Step = 0
	t.next.Iterations = 0
	t.next.NextCheck = nil
	// The pods have a whole deadline to come back.
	t.next.Since = micro(t.Now)
	t.next.FailedChecks++
	if t.next.FailedChecks >= t.Plan.Threshold {
		rollBack(t)
		return
	}
	t.setWaiting(WaitCanary, t.Plan.Deadline, "%s.", describe(t.Names.target(), t.Target))
}

package rollout

import "github.com/sluice-cd/sluice/pkg/apis/v1beta1"

// A Canary may come with the status of another controller of this API. Its revisions are hashes that only that one
// can compute, and in some phases its weight is not what the routes say. So nothing is touched until the facts have
// been read; then the status is put into our words, and the rollout goes on from where it was.

// unknownRevision is the revision of a primary that nobody here has rendered. No target ever has it.
const unknownRevision = RevisionPrefix + "unknown"

// Foreign says that a revision was computed by another controller of this API.
func Foreign(s v1beta1.CanaryStatus) bool {
	switch s.Phase {
	case "", v1beta1.PhaseInitializing, v1beta1.PhaseTerminating, v1beta1.PhaseTerminated:
		return false // nothing in them depends on a revision
	default:
		return len(s.LastAppliedSpec) < len(RevisionPrefix) || s.LastAppliedSpec[:len(RevisionPrefix)] != RevisionPrefix
	}
}

// leaveAsFound leaves routes and sizes as they are found.
func leaveAsFound() Intent { return Intent{Apex: PrimarySide, Canary: true} }

// foreignStatus notices a status of another controller.
func foreignStatus(t *transition) outcome {
	switch {
	case !Foreign(t.Status):
		return nil
	case t.Revision == "":
		return awaitTarget
	// What is found out about it could not be stored: it is left as it was found.
	case len(t.SchemaMissing) > 0:
		return awaitSchema
	}
	return adopt
}

// adopt takes over a Canary of another controller where it stands.
func adopt(t *transition) {
	// Whatever was promoted has another hash there; each phase below says what may be believed of it.
	t.next.LastAppliedSpec, t.next.LastPromotedSpec = t.Revision, unknownRevision
	// Equal templates are not enough where a config has changed behind its name.
	t.PrimaryMatchesTarget = t.PrimaryMatchesTarget && !reconfigured(&t.facts)
	t.next.Since = micro(t.Now)
	switch t.Status.Phase {
	case v1beta1.PhaseProgressing, v1beta1.PhaseWaitingPromotion:
		adoptRollout(t)
	case v1beta1.PhasePromoting:
		adoptPromotion(t)
	case v1beta1.PhaseFailed:
		adoptFailure(t)
	default:
		adoptSettled(t)
	}
	t.say(ReasonAdopted, "Adopted %s in phase %s", t.Names.canary(), t.Status.Phase)
}

// adoptSettled believes the status that the target was promoted if the primary has what the target has. Otherwise the
// target was changed in between, and that is a revision like any other.
func adoptSettled(t *transition) {
	switch t.Status.Phase {
	case v1beta1.PhaseWaiting:
		t.setWaiting(WaitRolloutApproval, 0, "The rollout of %s waits for approval.", t.Names.target())
	case v1beta1.PhaseFinalising:
		awaitRoutes(t)
	default:
		t.setSettled()
	}
	if t.PrimaryMatchesTarget {
		t.next.LastPromotedSpec = t.Revision
		return
	}
	t.next.LastAppliedSpec = unknownRevision
}

// adoptFailure keeps a canary that serves because its promotion broke the primary. The status says nothing of it.
func adoptFailure(t *transition) {
	t.cause = "the controller before Sluice ended it, and its events say why"
	defer t.enter(v1beta1.PhaseFailed)
	t.setSettled()
	switch {
	case t.Target.Available > 0 && t.Primary.Health != Available:
		t.next.CanaryWeight = everything
		t.next.Promoting = unknownRevision
		if t.PrimaryMatchesTarget {
			t.next.Promoting = t.Revision
		}
		t.next.PrimaryReplicas = max(t.Primary.Replicas, 1)
	case t.PrimaryMatchesTarget:
		t.next.LastPromotedSpec = t.Revision
	}
}

// adoptPromotion goes on with a promotion that has reached the primary; of another one it only knows that the
// target has moved on.
func adoptPromotion(t *transition) {
	t.next.PrimaryReplicas = max(t.Primary.Replicas, 1)
	if !t.PrimaryMatchesTarget {
		restartRollout(t)
		return
	}
	t.next.Promoting = t.Revision
	// Whatever weight the status has, routes of iterations have the one that they are made at: all who fit an A/B test.
	if weight := t.Plan.iteratedWeight(); weight > 0 {
		t.next.CanaryWeight = weight
	}
	t.next.Matched = t.Plan.Matched && t.next.CanaryWeight > 0
	// The primary has that template already; whether it is up is seen as in any promotion.
	awaitPrimary(t)
}

// adoptRollout finds the place among the steps that the routes are at.
func adoptRollout(t *transition) {
	t.next.PrimaryReplicas = max(t.Primary.Replicas, 1)
	approved := t.Status.Phase == v1beta1.PhaseWaitingPromotion // in which the weight is written as zero
	switch weight := t.Plan.iteratedWeight(); {
	case weight > 0 && (approved || t.Status.Iterations > 0):
		t.next.CanaryWeight = weight
		t.next.Step = min(max(t.Status.Iterations, 1), t.Plan.Length())
	case t.Plan.Iterations == 0 && approved:
		t.next.CanaryWeight = t.Plan.highestWeight()
		t.next.Step = t.Plan.Length()
	default:
		t.next.Step = max(t.stepsTaken(), 0)
	}
	t.next.Matched = t.Plan.Matched && t.next.CanaryWeight > 0
	t.next.Iterations = max(t.next.Iterations, 0)
	t.setCookies()
	if t.next.Step == 0 {
		awaitCanary(t)
		return
	}
	t.next.NextCheck = micro(t.Now.Add(t.Plan.Interval))
	t.startStep()
	t.next.Analysis = &v1beta1.AnalysisStatus{Started: micro(t.Now)}
	awaitStep(t)
}

// reconfigured says that a config has another content than the status knows. The checksums are those that every
// controller of this API writes.
func reconfigured(f *facts) bool {
	if f.Status.TrackedConfigs == nil {
		return false
	}
	for name, sum := range *f.Status.TrackedConfigs {
		if now, found := f.Configs[name]; found && now != sum {
			return true
		}
	}
	return false
}

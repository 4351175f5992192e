package rollout

import "github.com/sluice-cd/sluice/pkg/apis/v1beta1"

// canaryPodsNeeded is how many pods the canary must have before the step that comes next is routed. Copies of requests are
// requests.
func (f *facts) canaryPodsNeeded() int32 {
	if f.Plan.Ratio {
		return podsOfStep(f)
	}
	// Nothing more is sent to the canary. What it has to be for a primary that does not come up is failPromotion's to look
	// at.
	if f.Status.Step >= f.Plan.Length() {
		return 0
	}
	next := f.Plan.Step(f.Status.Step + 1)
	share := f.Target.AtMost(next.pods(f.Status.PrimaryReplicas))
	return Share(orDefault(f.Plan.CanaryReady, everything), share)
}

// growsForNextStep says that a canary lacks pods for its next step alone.
func (f *facts) growsForNextStep() bool {
	if f.Plan.Ratio || f.Status.Step < 1 || f.Status.Step >= f.Plan.Length() || f.Target.Health != Starting || f.Target.Revision != f.Status.LastAppliedSpec {
		return false
	}
	now := max(Share(f.Status.CanaryWeight, f.Status.PrimaryReplicas), f.Plan.Step(f.Status.Step).pods(f.Status.PrimaryReplicas))
	return f.Target.Available >= max(f.Target.AtMost(now), 1)
}

// canaryTooSmall says that the canary had the whole deadline to grow to what its next step needs.
func (f *facts) canaryTooSmall() bool {
	return f.Target.Health == Available && f.Target.Available < f.canaryPodsNeeded() && f.overdue(later(f.checkDue(), f.Target.Since))
}

// primaryTooSmall says that the primary has fewer pods than it had. An autoscaler that may no longer give it as many is
// waited for until the deadline: from then on, as many as it asks for have to do.
func (f *facts) primaryTooSmall() bool {
	had := Share(orDefault(f.Plan.PrimaryReady, everything), f.Status.PrimaryReplicas)
	if f.Primary.Available < min(had, f.Primary.Replicas) {
		return true
	}
	return f.Primary.Available < had && !f.overdue(f.since())
}

// primaryGrown notices a primary that became larger since the rollout began, so that the canary needs pods for its share of
// that, or that would have to be larger for its users to come back. One that became smaller is not followed: what it had is what
// it needs then.
func primaryGrown(t *transition) outcome {
	needed := max(t.Primary.Replicas, sizeForUsersBack(&t.facts))
	switch {
	case needed <= t.Status.PrimaryReplicas, t.Status.Phase == v1beta1.PhaseFinalising: // users have left the canary
		return nil
	case t.Status.Phase.UnderWay(), t.Status.Phase == v1beta1.PhaseTerminating:
		return func(t *transition) { t.next.PrimaryReplicas = needed }
	}
	return nil
}

// sizeForUsersBack is how many pods the primary needs for users who have grown in number while most of them were with the
// canary: its own autoscaler sees nothing of them. Zero: its size tells by itself.
func sizeForUsersBack(f *facts) int32 {
	s := f.Status
	moved := s.CanaryWeight > everything/2 && !s.Matched && (s.Phase.Analysing() || s.Phase == v1beta1.PhasePromoting)
	if !moved || !f.Plan.Autoscaled || f.Primary.Most == 0 {
		return 0
	}
	return f.Primary.AtMost(f.Target.Replicas)
}

// releasePrimarySize lets the primary's autoscaler go below the size it had, once all traffic has come back to it.
func releasePrimarySize(t *transition) {
	// With weights by pods the primary gave some of its own away: it has to have them back first.
	grown := !t.Plan.Ratio || t.Primary.Replicas >= t.Status.PrimaryReplicas && !canaryStillServes(t.Status)
	if t.Routed && t.Status.CanaryWeight == 0 && grown {
		t.next.PrimaryReplicas = 0
	}
}

// enoughForAll says that the canary has as many available pods as the primary had for all requests.
func enoughForAll(t *transition) bool {
	return t.Target.Available >= t.Target.AtMost(t.Status.PrimaryReplicas)
}

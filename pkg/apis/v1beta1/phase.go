package v1beta1

// UnderWay says that a revision is being judged or promoted: both sides may serve, and sizes are not what they were at
// the start.
func (p CanaryPhase) UnderWay() bool {
	switch p {
	case PhaseProgressing, PhaseWaitingPromotion, PhasePromoting, PhaseFinalising:
		return true
	default:
		return false
	}
}

// Unfinished says that a rollout was begun and has not ended: one that is under way, one that waits to begin, and the
// first, which only makes the primary.
func (p CanaryPhase) Unfinished() bool {
	return p.UnderWay() || p == PhaseInitializing || p == PhaseWaiting
}

// Ended says that the last thing that happened was the end of a rollout, good or bad.
func (p CanaryPhase) Ended() bool {
	return p == PhaseSucceeded || p == PhaseFailed
}

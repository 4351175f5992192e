package v1beta1

// What a phase means, once. The empty phase, of a Canary that nobody has looked at yet, is none of these.
//
//	Initializing                         Unfinished
//	Initialized                          AtRest, Settled
//	Waiting                              AtRest, Unfinished
//	Progressing, WaitingPromotion        Analysing, UnderWay, Unfinished
//	Promoting, Finalising                UnderWay, Unfinished
//	Succeeded, Failed                    AtRest, Settled, Ended
//	Terminating, Terminated              Leaving

// AtRest says that no revision has been let begin: users are where the last rollout left them, and the next one may start.
func (p CanaryPhase) AtRest() bool { return p.Settled() || p == PhaseWaiting }

// Settled says that nothing is waited for but a new revision.
func (p CanaryPhase) Settled() bool { return p.Ended() || p == PhaseInitialized }

// Ended says that the last thing that happened was the end of a rollout, good or bad.
func (p CanaryPhase) Ended() bool { return p == PhaseSucceeded || p == PhaseFailed }

// Analysing says that a canary is being judged, also while its promotion waits for approval.
func (p CanaryPhase) Analysing() bool { return p == PhaseProgressing || p == PhaseWaitingPromotion }

// UnderWay says that a revision is being judged or promoted: both sides may serve, and sizes are not what they were at
// the start.
func (p CanaryPhase) UnderWay() bool {
	return p.Analysing() || p == PhasePromoting || p == PhaseFinalising
}

// Unfinished says that a rollout was begun and has not ended: one that is under way, one that waits to begin, and the
// first, which only makes the primary.
func (p CanaryPhase) Unfinished() bool {
	return p.UnderWay() || p == PhaseInitializing || p == PhaseWaiting
}

// Leaving says that the Canary is being deleted and gives its target back, or has done so.
func (p CanaryPhase) Leaving() bool { return p == PhaseTerminating || p == PhaseTerminated }

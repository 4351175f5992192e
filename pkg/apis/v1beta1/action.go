package v1beta1

// The annotations by which people put a hand on a rollout.
const (
	// ActionAnnotation is what somebody asks for: `promote id=2026-11-29T13:34:00Z revision=r1-5f3c step=3 reason=looks good`.
	ActionAnnotation = "sluice.dev/action"
	// ActionByAnnotation is who asks for it.
	ActionByAnnotation = "sluice.dev/action-by"
)

// The annotation by which tools that wait for a Canary wait for its rollouts as well, and its only value.
const (
	KstatusAnnotation = "sluice.dev/kstatus"
	KstatusRollouts   = "rollouts"
)

// ActionVerb is what a person can ask for.
type ActionVerb string

// The verbs there are.
const (
	// ActionPromote leaves a pause, or with skip-step a step that is running.
	ActionPromote ActionVerb = "promote"
	// ActionPromoteFull promotes without taking the steps that are left.
	ActionPromoteFull ActionVerb = "promote-full"
	// ActionOverride passes a closed gate.
	ActionOverride ActionVerb = "override"
	// ActionAbort rolls back.
	ActionAbort ActionVerb = "abort"
	// ActionRetry tries a revision that has failed once more.
	ActionRetry ActionVerb = "retry"
	// ActionPause holds a rollout at its step; it goes on being judged.
	ActionPause ActionVerb = "pause"
	// ActionResume ends that.
	ActionResume ActionVerb = "resume"
	// ActionRollback has the primary return to what it ran before, after a promotion.
	ActionRollback ActionVerb = "rollback"
)

// ActionVerbs are all of them.
var ActionVerbs = []ActionVerb{ActionPromote, ActionPromoteFull, ActionOverride, ActionAbort, ActionRetry, ActionPause, ActionResume, ActionRollback}

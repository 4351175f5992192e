package v1beta1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// CanaryHistory says how much is kept of rollouts that have ended.
type CanaryHistory struct {
	// How many of them status.history has. Left out, 10.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=30
	// +optional
	Limit *int32 `json:"limit,omitempty"`

	// How many of the last rollouts have a CanaryRun. Left out, 3; with 0 none is made.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=30
	// +optional
	Records *int32 `json:"records,omitempty"`

	// How many of the revisions that were promoted before the one that serves are promoted again without analysis and bake, as
	// soon as their pods are ready. Approvals of the type confirm-rollout are still asked for. Left out, none. Example: `2`.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=30
	// +optional
	RollbackWindow *int32 `json:"rollbackWindow,omitempty"`
}

// RunOutcome is how a rollout ended.
//
// +kubebuilder:validation:Enum=Promoted;FastPromoted;RolledBack;Aborted;Superseded;CalledOff;PromotionFailed;Reverted;Terminated
type RunOutcome string

const (
	// RunPromoted means that the revision serves everybody.
	RunPromoted RunOutcome = "Promoted"
	// RunFastPromoted means the same of one that was not judged again, by spec.history.rollbackWindow.
	RunFastPromoted RunOutcome = "FastPromoted"
	// RunRolledBack means that it did not pass, or that a rollback hook asked for that.
	RunRolledBack RunOutcome = "RolledBack"
	// RunAborted means that a person ended it, or a pause that nobody left in time.
	RunAborted RunOutcome = "Aborted"
	// RunSuperseded means that a newer revision took its place.
	RunSuperseded RunOutcome = "Superseded"
	// RunCalledOff means that the target was put back to what serves, or to what failed before.
	RunCalledOff RunOutcome = "CalledOff"
	// RunPromotionFailed means that it passed, and the primary did not become ready with it.
	RunPromotionFailed RunOutcome = "PromotionFailed"
	// RunReverted means that the primary had it, and has returned to the revision before.
	RunReverted RunOutcome = "Reverted"
	// RunTerminated means that the Canary was deleted.
	RunTerminated RunOutcome = "Terminated"
)

// Promoted says that the revision serves everybody since.
func (o RunOutcome) Promoted() bool { return o == RunPromoted || o == RunFastPromoted }

// Failed says that the revision was found to be bad, or that a person wanted it no more.
func (o RunOutcome) Failed() bool {
	switch o {
	case RunRolledBack, RunAborted, RunPromotionFailed, RunReverted:
		return true
	default:
		return false
	}
}

// Run is a rollout, with how far it came and who did what.
type Run struct {
	// Number of the rollout, counted from one.
	// +required
	Number int64 `json:"number"`

	// Revision that it is about.
	// +required
	Revision string `json:"revision"`

	// Its images. Example: `podinfo:3.1.1`.
	// +optional
	Images string `json:"images,omitempty"`

	// Hash of its pod template alone: the revision without ConfigMaps and Secrets.
	// +optional
	Template string `json:"template,omitempty"`

	// What the cluster counts that template as: the target's `deployment.kubernetes.io/revision`, or, of a DaemonSet, the number
	// that the API server gives its templates.
	// +optional
	TargetRevision string `json:"targetRevision,omitempty"`

	// What served before it.
	// +optional
	From *RunOrigin `json:"from,omitempty"`

	// How often this revision has been tried without another one in between.
	// +optional
	Attempt int32 `json:"attempt,omitempty"`

	// When it began.
	// +required
	Started metav1.Time `json:"started"`

	// When it ended. Empty while it is under way.
	// +optional
	Finished *metav1.Time `json:"finished,omitempty"`

	// How it ended.
	// +optional
	Outcome RunOutcome `json:"outcome,omitempty"`

	// Why, in one line, where it did not end well.
	// +optional
	Cause string `json:"cause,omitempty"`

	// Whether it is not judged, by spec.history.rollbackWindow.
	// +optional
	Fast bool `json:"fast,omitempty"`

	// Whether the CanaryRun of it was made. Empty where none is called for.
	// +optional
	Recorded *bool `json:"recorded,omitempty"`

	// The steps and weights that it went through. Where there are more than 120 of them, some are left out.
	// +listType=atomic
	// +optional
	Track []TrackPoint `json:"track,omitempty"`

	// What people have done to it: the last ten actions.
	// +listType=atomic
	// +optional
	Actions []RunAction `json:"actions,omitempty"`
}

// RunOrigin is what served before a rollout.
type RunOrigin struct {
	// Number of the rollout that promoted it, if that is known.
	// +optional
	Run int64 `json:"run,omitempty"`

	// Revision that it is.
	// +required
	Revision string `json:"revision"`

	// Its images.
	// +optional
	Images string `json:"images,omitempty"`
}

// TrackPoint is a step, or a weight, that a rollout came to.
type TrackPoint struct {
	// Seconds since the rollout began.
	// +required
	T int32 `json:"t"`

	// Percent of requests that the canary got from then on.
	// +required
	Weight int32 `json:"weight"`

	// The step.
	// +required
	Step int32 `json:"step"`
}

// RunAction is what a person did to a rollout.
type RunAction struct {
	// What was done. Example: `promote`.
	// +required
	Verb string `json:"verb"`

	// Who did it, as far as that is known.
	// +optional
	By string `json:"by,omitempty"`

	// When.
	// +required
	At metav1.Time `json:"at"`

	// The step by then.
	// +optional
	Step int32 `json:"step,omitempty"`

	// Why, in their words.
	// +optional
	Reason string `json:"reason,omitempty"`
}

// PastRun is a rollout that has ended.
type PastRun struct {
	// Number of the rollout.
	// +required
	Number int64 `json:"number"`

	// Revision that it was about.
	// +required
	Revision string `json:"revision"`

	// Its images.
	// +optional
	Images string `json:"images,omitempty"`

	// Hash of its pod template alone, as in run.
	// +optional
	Template string `json:"template,omitempty"`

	// What the cluster counted that template as, as in run.
	// +optional
	TargetRevision string `json:"targetRevision,omitempty"`

	// The revision that served before it, where no other rollout is known to have promoted that.
	// +optional
	From string `json:"from,omitempty"`

	// How it ended.
	// +required
	Outcome RunOutcome `json:"outcome"`

	// The person who decided that, where one did.
	// +optional
	By string `json:"by,omitempty"`

	// Why, in at most 160 bytes, where it did not end well.
	// +optional
	Reason string `json:"reason,omitempty"`

	// When it began.
	// +required
	Started metav1.Time `json:"started"`

	// When it ended.
	// +required
	Finished metav1.Time `json:"finished"`
}

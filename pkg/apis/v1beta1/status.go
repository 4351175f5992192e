package v1beta1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// CanaryStatus is all that the operator remembers of a rollout.
type CanaryStatus struct {
	// Where the rollout is.
	// +optional
	Phase CanaryPhase `json:"phase"`

	// Checks of this rollout that failed.
	// +optional
	FailedChecks int `json:"failedChecks"`

	// Percent of requests that the canary gets.
	// +optional
	CanaryWeight int `json:"canaryWeight"`

	// Checks that an A/B test or a blue/green rollout has passed.
	// +optional
	Iterations int `json:"iterations"`

	// The cookie, name and value, that keeps users on the canary in this rollout.
	// +optional
	SessionAffinityCookie string `json:"sessionAffinityCookie,omitempty"`

	// The cookie, name and value, that keeps users on the primary in this rollout.
	// +optional
	PrimarySessionAffinityCookie string `json:"primarySessionAffinityCookie,omitempty"`

	// The canary's cookie of the rollout before, which browsers are told to forget.
	// +optional
	PreviousSessionAffinityCookie string `json:"previousSessionAffinityCookie,omitempty"`

	// Checksums of the ConfigMaps and Secrets that the target uses, by `configmap/NAME` and
	// `secret/NAME`. A changed checksum is a new revision.
	// +optional
	TrackedConfigs *map[string]string `json:"trackedConfigs,omitempty"`

	// The revision of the target that this rollout is about.
	// +optional
	LastAppliedSpec string `json:"lastAppliedSpec,omitempty"`

	// The revision that was promoted last.
	// +optional
	LastPromotedSpec string `json:"lastPromotedSpec,omitempty"`

	// When this status was last changed.
	// +optional
	LastTransitionTime metav1.Time `json:"lastTransitionTime,omitzero"`

	// Summaries for people and scripts: `Promoted`, `Valid`, `Waiting`.
	// +listType=map
	// +listMapKey=type
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// The generation of the spec that this status is about.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// The revision that the primary is being moved to. Empty when it is left alone.
	// +optional
	Promoting string `json:"promoting,omitempty"`

	// How many steps of the plan have been taken. Zero before the first.
	// +optional
	Step int `json:"step,omitempty"`

	// When the step in effect is judged.
	// +optional
	NextCheck *metav1.MicroTime `json:"nextCheck,omitempty"`

	// When the state that the rollout is waiting in began.
	// +optional
	Since *metav1.MicroTime `json:"since,omitempty"`

	// Whether canaryWeight counts only requests that fit analysis.match, as in an A/B test.
	// +optional
	Matched bool `json:"matched,omitempty"`

	// Percent of requests that the canary gets by the number of its pods, with analysis.replicaRatio.
	// +optional
	ActualWeight *int `json:"actualWeight,omitempty"`

	// What the metrics of this rollout, or of the last one, were found to be.
	// +optional
	Analysis *AnalysisStatus `json:"analysis,omitempty"`

	// The primary's number of replicas when the rollout began.
	// +optional
	PrimaryReplicas int32 `json:"primaryReplicas,omitempty"`
}

// CanaryPhase is where a rollout is.
//
// +kubebuilder:validation:Enum="";Initializing;Initialized;Waiting;Progressing;WaitingPromotion;Promoting;Finalising;Succeeded;Failed;Terminating;Terminated
type CanaryPhase string

const (
	// PhaseInitializing means that the primary is being made; users still meet the target.
	PhaseInitializing CanaryPhase = "Initializing"
	// PhaseInitialized means that users meet the primary and nothing has been rolled out yet.
	PhaseInitialized CanaryPhase = "Initialized"
	// PhaseWaiting means that a new revision waits for leave to start.
	PhaseWaiting CanaryPhase = "Waiting"
	// PhaseProgressing means that a new revision is running and being judged.
	PhaseProgressing CanaryPhase = "Progressing"
	// PhaseWaitingPromotion means that a new revision has passed and waits for leave to be promoted.
	PhaseWaitingPromotion CanaryPhase = "WaitingPromotion"
	// PhasePromoting means that the primary is being moved to the new revision.
	PhasePromoting CanaryPhase = "Promoting"
	// PhaseFinalising means that the primary runs the new revision and all traffic goes back to it.
	PhaseFinalising CanaryPhase = "Finalising"
	// PhaseSucceeded means that the new revision serves everybody.
	PhaseSucceeded CanaryPhase = "Succeeded"
	// PhaseFailed means that the new revision did not pass and the one before serves everybody.
	PhaseFailed CanaryPhase = "Failed"
	// PhaseTerminating means that the Canary is being deleted and the target put back.
	PhaseTerminating CanaryPhase = "Terminating"
	// PhaseTerminated means that the target has been put back. It exists for readers of old objects.
	PhaseTerminated CanaryPhase = "Terminated"
)

// The types of a Canary's conditions.
const (
	// ConditionPromoted is true when the primary runs the target's revision, false when that failed,
	// and unknown on the way. Its reason is the phase.
	ConditionPromoted = "Promoted"
	// ConditionValid is false when the spec can't be followed; the message names the field.
	ConditionValid = "Valid"
	// ConditionWaiting is true while the rollout waits; the message names what for.
	ConditionWaiting = "Waiting"
)

// AnalysisStatus is what the metrics of one rollout were found to be.
type AnalysisStatus struct {
	// When the first step of the rollout began.
	// +optional
	Started *metav1.MicroTime `json:"started,omitempty"`

	// Since when a round has waited for values, where it does.
	// +optional
	WaitingSince *metav1.MicroTime `json:"waitingSince,omitempty"`

	// One entry for each metric that was asked for.
	// +listType=map
	// +listMapKey=name
	// +optional
	Metrics []MetricStatus `json:"metrics,omitempty"`
}

// Metric returns what is known of a metric; nil: nothing.
func (a *AnalysisStatus) Metric(name string) *MetricStatus {
	if a == nil {
		return nil
	}
	for i := range a.Metrics {
		if a.Metrics[i].Name == name {
			return &a.Metrics[i]
		}
	}
	return nil
}

// MetricStatus is what one metric was found to be.
type MetricStatus struct {
	// Name of the metric.
	// +required
	Name string `json:"name"`

	// Number of rounds in which it passed or failed.
	// +optional
	Checks int `json:"checks,omitempty"`

	// Number of those that failed.
	// +optional
	Failures int `json:"failures,omitempty"`

	// Number of those that passed since the last one that did not.
	// +optional
	PassesInRow int `json:"passesInRow,omitempty"`

	// The last measurements, the newest first.
	// +optional
	Measurements []Measurement `json:"measurements,omitempty"`
}

// Measurement is one value of a metric and what was made of it.
type Measurement struct {
	// When it was taken.
	// +required
	Time metav1.Time `json:"time"`

	// What was found: a number, several, or empty when there was none.
	// +optional
	Value string `json:"value,omitempty"`

	// What was accepted. Example: `>= 99`.
	// +optional
	Limit string `json:"limit,omitempty"`

	// The query as it was sent.
	// +optional
	Query string `json:"query,omitempty"`

	// What the value meant.
	// +required
	Verdict Verdict `json:"verdict"`

	// Why it did not pass, in one line.
	// +optional
	Message string `json:"message,omitempty"`
}

// Verdict is what a check found.
//
// +kubebuilder:validation:Enum=Passed;Failed;Waiting;Inconclusive
type Verdict string

const (
	// Passed means that the value is accepted.
	Passed Verdict = "Passed"
	// Failed means that it is not, or that there was none and that counts as a failure.
	Failed Verdict = "Failed"
	// Waiting means that there was no value yet.
	Waiting Verdict = "Waiting"
	// Inconclusive means that the value says neither.
	Inconclusive Verdict = "Inconclusive"
)

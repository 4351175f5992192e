package v1beta1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
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

	// What the cluster counts the pod template of lastAppliedSpec as.
	// +optional
	TargetTemplate *TargetTemplate `json:"targetTemplate,omitempty"`

	// The revision that was promoted last.
	// +optional
	LastPromotedSpec string `json:"lastPromotedSpec,omitempty"`

	// The target that this status is about: that of the spec, but for as long as the rollout of the one before is ended.
	// +optional
	Target *TargetName `json:"target,omitempty"`

	// The target before, whose primary serves until that of the present one does, and which is then given back.
	// +optional
	Replaces *TargetName `json:"replaces,omitempty"`

	// What the cluster counts the pod template of lastPromotedSpec as.
	// +optional
	PromotedTemplate *TargetTemplate `json:"promotedTemplate,omitempty"`

	// The images of lastAppliedSpec. Example: `podinfo:3.1.1`.
	// +optional
	Image string `json:"image,omitempty"`

	// The last ten revisions that failed, the newest first. None of them is tried again by itself.
	// +listType=atomic
	// +optional
	FailedRevisions []FailedRevision `json:"failedRevisions,omitempty"`

	// When phase, weight, step, failed checks, or what is waited for changed last.
	// +optional
	LastTransitionTime metav1.Time `json:"lastTransitionTime,omitzero"`

	// Summaries for people and scripts: `Promoted`, `Valid`, `Waiting`, `Reconciled`; for tools that wait: `Ready`, `Stalled`,
	// `Reconciling`.
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

	// What the rollout waits for: the reason of the condition `Waiting`.
	// +optional
	WaitingFor string `json:"waitingFor,omitempty"`

	// Stands for what people were told of that, so that it is not told again.
	// +optional
	WaitingTold string `json:"waitingTold,omitempty"`

	// Stands for what people were told of the spec, so that it is not told again.
	// +optional
	SpecTold string `json:"specTold,omitempty"`

	// Since when nothing is judged, because the spec is suspended or cannot be followed.
	// +optional
	HaltedSince *metav1.MicroTime `json:"haltedSince,omitempty"`

	// What the last failed check of this rollout found, in one line.
	// +optional
	LastFailure string `json:"lastFailure,omitempty"`

	// Why the last rollout failed, in one line. Empty when it did not.
	// +optional
	Cause string `json:"cause,omitempty"`

	// The hook that has asked for the rollback of the promotion that is under way.
	// +optional
	RollbackHook string `json:"rollbackHook,omitempty"`

	// The person who has asked for it.
	// +optional
	RollbackBy string `json:"rollbackBy,omitempty"`

	// The revision that a person has the primary return to, after it was promoted.
	// +optional
	RollbackTo string `json:"rollbackTo,omitempty"`

	// Whether a hook has asked for a rollback of the promotion that is under way, and there is nothing left to return to.
	// +optional
	RollbackImpossible bool `json:"rollbackImpossible,omitempty"`

	// When the step in effect was taken.
	// +optional
	StepStarted *StepStart `json:"stepStarted,omitempty"`

	// When the step in effect, or the pause at its end, is over at the earliest. Empty where a person ends it.
	// +optional
	StepUntil *metav1.Time `json:"stepUntil,omitempty"`

	// What somebody has asked for last by the annotation `sluice.dev/action`, and what came of it.
	// +optional
	LastAction *ActionRecord `json:"lastAction,omitempty"`

	// The gates at the end of the step in effect that a person has passed.
	// +listType=atomic
	// +optional
	GatesOverridden []HookType `json:"gatesOverridden,omitempty"`

	// Who holds the rollout at its step, and since when.
	// +optional
	Held *Hold `json:"held,omitempty"`

	// Since when the canary has not had the pods that it needs, at each check of the step in effect.
	// +optional
	NotReadySince *metav1.MicroTime `json:"notReadySince,omitempty"`

	// Stands for the fields of the spec that step counts the steps of.
	// +optional
	PlanHash string `json:"planHash,omitempty"`

	// When the step in effect is judged.
	// +optional
	NextCheck *metav1.MicroTime `json:"nextCheck,omitempty"`

	// The interval that nextCheck is the end of, unless that was brought forward to the end of a step. Another one in the spec counts
	// from its beginning.
	// +optional
	CheckInterval *CheckInterval `json:"checkInterval,omitempty"`

	// When the state that the rollout is waiting in began.
	// +optional
	Since *metav1.MicroTime `json:"since,omitempty"`

	// Why the cluster is not as the Canary calls for: the reason of the condition `Reconciled`. Empty: it is.
	// +optional
	Unreconciled string `json:"unreconciled,omitempty"`

	// Since when the API server has refused to move traffic to where this status wants it.
	// +optional
	RoutesRefused *metav1.MicroTime `json:"routesRefused,omitempty"`

	// When rollback hooks were asked last in the course of the promotion that is under way.
	// +optional
	RollbackHooksAsked *metav1.MicroTime `json:"rollbackHooksAsked,omitempty"`

	// Whether canaryWeight counts only requests that fit analysis.match, as in an A/B test.
	// +optional
	Matched bool `json:"matched,omitempty"`

	// Percent of requests that the canary gets by the number of its pods, with analysis.replicaRatio.
	// +optional
	ActualWeight *int `json:"actualWeight,omitempty"`

	// Whether the canary of the rollout that failed keeps its pods.
	// +optional
	CanaryKept bool `json:"canaryKept,omitempty"`

	// What the metrics of this rollout, or of the last one, were found to be.
	// +optional
	Analysis *AnalysisStatus `json:"analysis,omitempty"`

	// The primary's number of replicas when the rollout began.
	// +optional
	PrimaryReplicas int32 `json:"primaryReplicas,omitempty"`

	// The number of replicas that the target was given last by somebody else than Sluice. The primary gets it with the next
	// promotion.
	// +optional
	TargetSize *TargetSize `json:"targetSize,omitempty"`

	// The rollout that is under way, or the last one.
	// +optional
	Run *Run `json:"run,omitempty"`

	// The rollout before, whose place a newer revision has taken, until its CanaryRun is made.
	// +optional
	Superseded *Run `json:"superseded,omitempty"`

	// The rollouts that have ended, the newest first: as many as spec.history.limit says, and those beyond them that
	// promoted what spec.history.rollbackWindow is about.
	// +listType=atomic
	// +optional
	History []PastRun `json:"history,omitempty"`

	// What was made or taken over for this Canary, and is deleted or given back at rest once the spec no longer calls for it:
	// autoscalers, the Services of the two sides, and routes.
	// +listType=atomic
	// +optional
	Objects []MadeObject `json:"objects,omitempty"`
}

// TargetName names a workload that is, or was, the target.
type TargetName struct {
	// Kind of the workload. Example: `Deployment`.
	// +required
	Kind string `json:"kind"`

	// Name of the workload. Example: `podinfo`.
	// +required
	Name string `json:"name"`
}

// MadeObject is an object that was made, or taken over, for a Canary.
type MadeObject struct {
	// API group, empty for the core group. Example: `autoscaling`.
	// +optional
	Group string `json:"group,omitempty"`

	// Kind of the object.
	// +required
	Kind string `json:"kind"`

	// Name of the object.
	// +required
	Name string `json:"name"`

	// UID of the object.
	// +required
	UID types.UID `json:"uid"`

	// Whether it was there before the Canary, and is given back.
	// +optional
	Adopted bool `json:"adopted,omitempty"`
}

// Same says that two are about objects of one name, made anew or not.
func (o MadeObject) Same(other MadeObject) bool {
	return o.Group == other.Group && o.Kind == other.Kind && o.Name == other.Name
}

// TargetSize is a number of replicas that somebody wants.
type TargetSize struct {
	// How many.
	// +required
	Replicas int32 `json:"replicas"`

	// The revision that the primary had by then: lastPromotedSpec.
	// +required
	Promoted string `json:"promoted"`
}

// TargetTemplate is a pod template of the target as the cluster counts it. The number stays when a newer API server reads more
// defaults into the template.
type TargetTemplate struct {
	// Revision that it is.
	// +required
	Revision string `json:"revision"`

	// UID of the target.
	// +required
	UID types.UID `json:"uid"`

	// The target's `deployment.kubernetes.io/revision`. Of a DaemonSet the number that the API server gives its templates,
	// without the change that stops it.
	// +required
	Number string `json:"number"`
}

// FailedRevision is a revision whose rollout failed.
type FailedRevision struct {
	// Revision that it is.
	// +required
	Revision string `json:"revision"`

	// Its images. Example: `podinfo:9.9.9`.
	// +optional
	Image string `json:"image,omitempty"`

	// When it failed.
	// +required
	Time metav1.Time `json:"time"`

	// Why, in one line.
	// +optional
	Cause string `json:"cause,omitempty"`
}

// StepStart is when a step was taken.
type StepStart struct {
	// Revision that took it.
	// +required
	Revision string `json:"revision"`

	// Number of the step, as in step.
	// +required
	Step int `json:"step"`

	// Name of the step, if it has one.
	// +optional
	Name string `json:"name,omitempty"`

	// When that was decided.
	// +required
	Time metav1.MicroTime `json:"time"`

	// Number of pauses at its end that are over.
	// +optional
	PausesOver int `json:"pausesOver,omitempty"`

	// Since when the next of them has been waiting.
	// +optional
	Paused *metav1.MicroTime `json:"paused,omitempty"`

	// Whether the canary bakes in this step.
	// +optional
	Bake bool `json:"bake,omitempty"`

	// Whether a person ends the step before its time, and without its pauses.
	// +optional
	Skipped bool `json:"skipped,omitempty"`

	// Whether the step's webhook has agreed.
	// +optional
	WebhookDone bool `json:"webhookDone,omitempty"`

	// Since when it has not been done yet.
	// +optional
	WebhookSince *metav1.MicroTime `json:"webhookSince,omitempty"`

	// Whether a person takes metrics that are inconclusive in this step for passed.
	// +optional
	AcceptInconclusive bool `json:"acceptInconclusive,omitempty"`
}

// ActionRecord is an action that was asked for, and what came of it.
type ActionRecord struct {
	// The id that it was sent with.
	// +optional
	ID string `json:"id,omitempty"`

	// What was asked for. Example: `promote`.
	// +optional
	Verb string `json:"verb,omitempty"`

	// Who asked for it, as far as that is known.
	// +optional
	By string `json:"by,omitempty"`

	// Why, in their words.
	// +optional
	Reason string `json:"reason,omitempty"`

	// When it was answered.
	// +required
	At metav1.Time `json:"at"`

	// The answer.
	// +required
	Result ActionResult `json:"result"`

	// What came of it, in one line.
	// +optional
	Message string `json:"message,omitempty"`

	// Stands for the annotation, so that it is answered once.
	// +required
	Digest string `json:"digest"`
}

// ActionResult is the answer to an action.
//
// +kubebuilder:validation:Enum=Accepted;Refused;Expired
type ActionResult string

const (
	// ActionAccepted means that it was done.
	ActionAccepted ActionResult = "Accepted"
	// ActionRefused means that it is not possible, or not any more.
	ActionRefused ActionResult = "Refused"
	// ActionExpired means that it came too late to be meant, or from a clock that is ahead.
	ActionExpired ActionResult = "Expired"
)

// Hold keeps a rollout from taking its next step.
type Hold struct {
	// Since when.
	// +required
	Since metav1.MicroTime `json:"since"`

	// Who holds it, as far as that is known.
	// +optional
	By string `json:"by,omitempty"`

	// Why, in their words.
	// +optional
	Reason string `json:"reason,omitempty"`
}

// CheckInterval is an interval at whose end is a check.
type CheckInterval struct {
	// When it ends.
	// +required
	End metav1.MicroTime `json:"end"`

	// How long it lasts. Example: `1m0s`.
	// +required
	Length metav1.Duration `json:"length"`
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
	// ConditionValid is false when the spec can't be followed; the message names the field. It is false as well while the
	// cluster's definition of Canaries does not store all fields of the status.
	ConditionValid = "Valid"
	// ConditionReconciled is false while the API server refuses what the Canary calls for, or something that a decision is
	// about cannot be read; the message names the verb and the object. A Canary that never met such a thing has none.
	ConditionReconciled = "Reconciled"
	// ConditionWaiting is true while the rollout waits; the message names what for.
	ConditionWaiting = "Waiting"
	// ConditionReady is true while a whole workload serves users, also in a rollout. It is false until there is a primary, while the
	// spec cannot be followed, in Failed, and at rest without a primary that is available.
	ConditionReady = "Ready"
	// ConditionStalled is true where nothing gets on before somebody changes something, and not there otherwise.
	ConditionStalled = "Stalled"
	// ConditionReconciling is true during a rollout of a Canary with the annotation sluice.dev/kstatus: rollouts, and not there
	// otherwise.
	ConditionReconciling = "Reconciling"
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

	// Number of rounds of this step that passed since the last one that did not.
	// +optional
	PassesInRow int `json:"passesInRow,omitempty"`

	// Since when it has had no value yet, where it has none. Rounds that say neither are no part of that time.
	// +optional
	WaitingSince *metav1.MicroTime `json:"waitingSince,omitempty"`

	// The last measurements, the newest first.
	// +optional
	Measurements []Measurement `json:"measurements,omitempty"`

	// What a comparison with the primary has found so far. It is dropped by a new revision, a step back, another promise
	// or query, and at the end of the analysis.
	// +optional
	Evidence *Evidence `json:"evidence,omitempty"`
}

// Evidence is what a comparison with the primary has found in one rollout so far.
type Evidence struct {
	// Revision of the canary that it is about.
	// +required
	Revision string `json:"revision"`

	// Digest of what was promised and asked for.
	// +required
	Parameters string `json:"parameters"`

	// Up to when events were counted.
	// +required
	Until metav1.Time `json:"until"`

	// Since when the last step that compares is held, where it is.
	// +optional
	HeldSince *metav1.MicroTime `json:"heldSince,omitempty"`

	// The evidence against the canary. Example: `happens by chance once in 3 rollouts`.
	// +optional
	Against string `json:"against,omitempty"`

	// The evidence for it. Example: `41 % of what excludes that it is worse by 1 %`.
	// +optional
	For string `json:"for,omitempty"`

	// How much more traffic excludes that. Example: `3200 more of the canary, 16m0s at the present rate`.
	// +optional
	Needed string `json:"needed,omitempty"`

	// The counts of all checks so far, for the operator.
	// +required
	State string `json:"state"`
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

package v1beta1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// CanaryRun is the record of one rollout that has ended. The operator makes it, and deletes it when spec.history.records newer
// ones are there; it goes with its Canary. Nobody changes it.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=canaryruns,singular=canaryrun,shortName=cnr
// +kubebuilder:printcolumn:name="Canary",type=string,JSONPath=`.metadata.ownerReferences[0].name`
// +kubebuilder:printcolumn:name="Run",type=integer,JSONPath=`.record.run.number`
// +kubebuilder:printcolumn:name="Outcome",type=string,JSONPath=`.record.run.outcome`
// +kubebuilder:printcolumn:name="Images",type=string,JSONPath=`.record.run.images`
// +kubebuilder:printcolumn:name="Started",type=date,JSONPath=`.record.run.started`
// +kubebuilder:printcolumn:name="Finished",type=date,JSONPath=`.record.run.finished`
// +kubebuilder:printcolumn:name="Cause",type=string,JSONPath=`.record.run.cause`,priority=1
// +kubebuilder:validation:XValidation:rule="self.record == oldSelf.record",message="a record cannot be changed"
type CanaryRun struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// What was known of the rollout at its end: at most 16 kB.
	// +required
	Record RunRecord `json:"record"`
}

// CanaryRunList is what listing CanaryRuns returns.
//
// +kubebuilder:object:root=true
type CanaryRunList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []CanaryRun `json:"items"`
}

// The labels of CanaryRuns.
const (
	// RunCanaryLabel is the name of the Canary, cut to 63 characters with a hash where it is longer.
	RunCanaryLabel = "sluice.dev/canary"
	// RunOutcomeLabel is how the rollout ended.
	RunOutcomeLabel = "sluice.dev/outcome"
)

// RunRecord is what was known of a rollout at its end.
type RunRecord struct {
	// The rollout, with how far it came and who did what.
	// +required
	Run Run `json:"run"`

	// What it was to go through, by the spec as it was when the record was made.
	// +optional
	Plan *RunPlan `json:"plan,omitempty"`

	// What its metrics were found to be. Empty where a newer revision took its place.
	// +kubebuilder:validation:MaxItems=64
	// +listType=atomic
	// +optional
	Metrics []MetricStatus `json:"metrics,omitempty"`
}

// RunPlan is what a rollout was to go through.
type RunPlan struct {
	// What divided the requests. Example: `istio`.
	// +optional
	Provider string `json:"provider,omitempty"`

	// How users were to meet it: canary, blue-green or ab-testing.
	// +optional
	Strategy string `json:"strategy,omitempty"`

	// The time between checks.
	// +optional
	Interval string `json:"interval,omitempty"`

	// How many failed checks were to end it.
	// +optional
	Threshold int32 `json:"threshold,omitempty"`

	// How often the first of the steps was to be judged. Left out, once.
	// +optional
	Iterations int32 `json:"iterations,omitempty"`

	// The steps, in their order.
	// +kubebuilder:validation:MaxItems=120
	// +listType=atomic
	// +optional
	Steps []RunStep `json:"steps,omitempty"`
}

// RunStep is one step that a rollout was to go through.
type RunStep struct {
	// Name of the step.
	// +optional
	Name string `json:"name,omitempty"`

	// Percent of requests for the canary.
	// +optional
	Weight int32 `json:"weight,omitempty"`

	// Percent of requests that the canary gets a copy of.
	// +optional
	Mirror int32 `json:"mirror,omitempty"`

	// How long it was to last at least. Left out, one interval.
	// +optional
	Duration string `json:"duration,omitempty"`

	// Whether it was to end with a pause.
	// +optional
	Pause bool `json:"pause,omitempty"`

	// Whether it was to be the bake.
	// +optional
	Bake bool `json:"bake,omitempty"`
}

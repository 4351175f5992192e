package v1beta1

// AnalysisStep is one step of a rollout, with as much of its own as it needs.
//
// +kubebuilder:validation:XValidation:rule="!has(self.replicas) || !has(self.scale)",message="replicas and scale are two ways to say one thing",fieldPath=".scale"
type AnalysisStep struct {
	// Name of the step, for people, and for finding it again in a spec that was changed meanwhile. Unique. Example: `smoke`.
	// +kubebuilder:validation:MaxLength=63
	// +optional
	Name string `json:"name,omitempty"`

	// Percent of requests that the canary gets. Left out, as many as before. Example: `20`.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100
	// +optional
	Weight *int `json:"weight,omitempty"`

	// How long the step lasts at least; it is judged every interval. Left out, one interval. Example: `10m`.
	// +kubebuilder:validation:Pattern=`^([0-9]+(h|m|s))+$`
	// +kubebuilder:validation:MaxLength=20
	// +optional
	Duration string `json:"duration,omitempty"`

	// Wait at the end of the step, for a person or for a time; the canary goes on being judged. `{}` waits for a person.
	// Left out, the next step follows.
	// +optional
	Pause *StepPause `json:"pause,omitempty"`

	// Names of the metrics that judge this step, and only these. Left out, all that are not inline.
	// +optional
	Metrics []string `json:"metrics,omitempty"`

	// Percent of requests that are copied to the canary, throwing its answers away. Left out, none.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100
	// +optional
	Mirror int `json:"mirror,omitempty"`

	// Number of pods that the canary has at least; never fewer than its share of requests needs. Left out, its share.
	// +kubebuilder:validation:Minimum=1
	// +optional
	Replicas *int32 `json:"replicas,omitempty"`

	// The same, as a percentage of the primary's pods. Example: `60`.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100
	// +optional
	Scale *int `json:"scale,omitempty"`
}

// StepPause waits at the end of a step.
//
// +kubebuilder:validation:XValidation:rule="!has(self.then) || self.then == \"\" || has(self.after)",message="then needs after: without it a person ends the pause",fieldPath=".then"
type StepPause struct {
	// Time after which the pause ends by itself. Left out, a person ends it, by the action `promote`. Example: `2h`.
	// +kubebuilder:validation:Pattern=`^([0-9]+(h|m|s))+$`
	// +kubebuilder:validation:MaxLength=20
	// +optional
	After string `json:"after,omitempty"`

	// What a pause that ends by itself leads to: `continue` takes the next step, `abort` rolls back. Left out, `continue`.
	// +kubebuilder:validation:Enum="";continue;abort
	// +optional
	Then PauseEnd `json:"then,omitempty"`
}

// PauseEnd is what the end of a pause leads to.
type PauseEnd string

const (
	// PauseContinues goes on with the next step.
	PauseContinues PauseEnd = "continue"
	// PauseAborts rolls back.
	PauseAborts PauseEnd = "abort"
)

// FailurePolicy is what becomes of a canary that has failed.
//
// +kubebuilder:validation:Enum="";rollback;keep
type FailurePolicy string

const (
	// FailureRollsBack scales it to zero.
	FailureRollsBack FailurePolicy = "rollback"
	// FailureKeeps leaves its pods, without requests, to be looked at.
	FailureKeeps FailurePolicy = "keep"
)

// AnalysisPromotion says how a canary that has passed all steps is promoted.
type AnalysisPromotion struct {
	// Promote without asking a person. Left out, true.
	// +optional
	Auto *bool `json:"auto,omitempty"`

	// Time after which the wait for a person ends with the promotion; with `auto: false`. Left out, a person ends it. Example:
	// `2h`.
	// +kubebuilder:validation:Pattern=`^([0-9]+(h|m|s))+$`
	// +kubebuilder:validation:MaxLength=20
	// +optional
	AutoAfter string `json:"autoAfter,omitempty"`

	// How long the canary has all requests before it is promoted, while the primary keeps the revision before at full size. It
	// is rolled back at once, by a change of routes, when a check or one of its pods fails. Left out, it does not bake. Example:
	// `15m`.
	// +kubebuilder:validation:Pattern=`^([0-9]+(h|m|s))+$`
	// +kubebuilder:validation:MaxLength=20
	// +optional
	Bake string `json:"bake,omitempty"`

	// Names of the metrics that judge the canary while it bakes. Left out, all that are not inline.
	// +optional
	BakeMetrics []string `json:"bakeMetrics,omitempty"`
}

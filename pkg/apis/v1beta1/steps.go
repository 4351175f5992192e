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

	// Requests that all go to the canary from this step on, as those of analysis.previewMatch, whose place they take; `[]`: none.
	// Left out, those of the step before, at first those of analysis.previewMatch. Example: `[{headers: {x-insider: {exact: "true"}}}]`.
	// +optional
	PreviewMatch *[]HTTPMatchRequest `json:"previewMatch,omitempty"`

	// A service that has to agree before the step is over. Left out, none.
	// +optional
	Webhook *StepWebhook `json:"webhook,omitempty"`
}

// StepWebhook is a URL that gets a POST at each check of its step until it has agreed. 202 says that it is not done yet: it is asked
// again after an interval, for as long as progressDeadlineSeconds. Any other 2xx agrees, all else is a failed check.
type StepWebhook struct {
	// Where the request is sent. Example: `http://acceptance.test/run`.
	// +kubebuilder:validation:MinLength=1
	// +required
	URL string `json:"url"`

	// Time that asking may take, all attempts together. More than 1h is taken as 1h. Left out, `10s`.
	// +kubebuilder:validation:Pattern=`^([0-9]+(h|m|s))+$`
	// +kubebuilder:validation:MaxLength=20
	// +optional
	Timeout string `json:"timeout,omitempty"`

	// Number of further attempts after a failed connection, a 429 or a 5xx. Left out, 0.
	// +optional
	Retries int `json:"retries,omitempty"`

	// Accept any certificate that the server shows. Left out, false.
	// +optional
	DisableTLS bool `json:"disableTLS,omitempty"`

	// Headers to send along. Left out, none but the content type. Example: `{X-Team: payments}`.
	// +optional
	Headers map[string]string `json:"headers,omitempty"`

	// Secret with credentials, in the Canary's namespace, as of analysis.webhooks. Left out, none are sent.
	// +optional
	SecretRef *SecretRef `json:"secretRef,omitempty"`

	// Certificates, in PEM, that the server's has to be signed by. Left out, those of the system.
	// +optional
	CABundle []byte `json:"caBundle,omitempty"`

	// Values that are passed along. Example: `{suite: checkout}`.
	// +optional
	Metadata map[string]string `json:"metadata,omitempty"`
}

// Called is the webhook under the name that people know its step by.
func (h StepWebhook) Called(step string) CanaryWebhook {
	return CanaryWebhook{
		Type: StepHook, Name: step, URL: h.URL, Timeout: h.Timeout, Retries: h.Retries, DisableTLS: h.DisableTLS, Headers: h.Headers,
		SecretRef: h.SecretRef, CABundle: h.CABundle, Metadata: h.Metadata,
	}
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

package v1beta1

// CanaryWebhook is a URL that gets a POST at certain moments of a rollout and answers, by its status,
// how to go on.
type CanaryWebhook struct {
	// The moment. Left out or empty, `rollout`.
	// +optional
	Type HookType `json:"type,omitempty"`

	// Name of the webhook, which events and messages use. Example: `load-test`.
	// +required
	Name string `json:"name"`

	// Where the request is sent. Example: `http://flagger-loadtester.test/`.
	// +required
	URL string `json:"url"`

	// Time that asking may take, all attempts together. More than 1h is taken as 1h. Left out, `10s`.
	// +kubebuilder:validation:Pattern=`^[0-9]+(h|m|s)`
	// +optional
	Timeout string `json:"timeout,omitempty"`

	// Number of further attempts after a failed connection, a 429 or a 5xx. Left out, 0.
	// +optional
	Retries int `json:"retries,omitempty"`

	// Accept any certificate that the server shows. Left out, false.
	// +optional
	DisableTLS bool `json:"disableTLS,omitempty"`

	// Send no alert while this webhook withholds its approval. Left out, false.
	// +optional
	MuteAlert bool `json:"muteAlert,omitempty"`

	// Headers to send along. Left out, none but the content type. Example: `{X-Team: payments}`.
	// +optional
	Headers map[string]string `json:"headers,omitempty"`

	// Secret with credentials, in the Canary's namespace: `token` is sent as a bearer token, `username` and
	// `password` by basic authentication. Left out, none are sent.
	// +optional
	SecretRef *SecretRef `json:"secretRef,omitempty"`

	// Certificates, in PEM, that the server's has to be signed by. Left out, those of the system.
	// +optional
	CABundle []byte `json:"caBundle,omitempty"`

	// Values that are passed along. Example: `{cmd: "hey -z 1m http://podinfo-canary.test/"}`.
	// +optional
	Metadata map[string]string `json:"metadata,omitempty"`
}

// Moment is the webhook's type; one without a type judges the canary.
func (h CanaryWebhook) Moment() HookType {
	if h.Type == "" {
		return RolloutHook
	}
	return h.Type
}

// HookType is the moment at which a webhook is called, and what its answer means.
//
// +kubebuilder:validation:Enum="";confirm-rollout;pre-rollout;rollout;confirm-traffic-increase;confirm-promotion;post-rollout;event;rollback
type HookType string

const (
	// ConfirmRolloutHook is asked before the canary is started. The rollout waits while it refuses.
	ConfirmRolloutHook HookType = "confirm-rollout"
	// PreRolloutHook is asked before any traffic reaches the canary. Its failure is a failed check.
	PreRolloutHook HookType = "pre-rollout"
	// RolloutHook is asked at every check. Its failure is a failed check.
	RolloutHook HookType = "rollout"
	// ConfirmTrafficIncreaseHook is asked before each step. The rollout waits while it refuses.
	ConfirmTrafficIncreaseHook HookType = "confirm-traffic-increase"
	// ConfirmPromotionHook is asked before the primary is changed. The rollout waits while it refuses.
	ConfirmPromotionHook HookType = "confirm-promotion"
	// PostRolloutHook is told that a rollout has succeeded or failed. Its answer changes nothing.
	PostRolloutHook HookType = "post-rollout"
	// RollbackHook is asked during a rollout. When it agrees the rollout is rolled back.
	RollbackHook HookType = "rollback"
	// EventHook is told of every event. Its answer changes nothing.
	EventHook HookType = "event"
	// StepHook is the webhook of a step, and no type that a spec can give: it is asked at the checks of its step until it agrees.
	StepHook HookType = "step"
)

package v1beta1

// CanaryAnalysis is the plan of a rollout. Which of iterations, stepWeight, stepWeights and steps is given
// decides its kind: iterations of checks before all traffic moves at once (or, with match, while
// some users already see the new revision), equal steps of traffic, steps of these weights, or steps as listed.
//
// +kubebuilder:validation:ExactlyOneOf=iterations;stepWeight;stepWeights;steps
type CanaryAnalysis struct {
	// Time between checks, as a number and a unit. Less than 10s is taken as 10s.
	// Example: `1m`.
	// +kubebuilder:validation:Pattern=`^[0-9]+(h|m|s)`
	// +required
	Interval string `json:"interval"`

	// Number of failed checks that ends the rollout; they are counted from its beginning, not in a
	// row. Zero and less is taken as 1. Example: `5`.
	// +required
	Threshold int `json:"threshold"`

	// Number of checks before all traffic moves at once, 100000 at most. Example: `10`.
	// +optional
	Iterations int `json:"iterations,omitempty"`

	// Percent of requests that the canary gets at most before it is promoted. Left out, 100.
	// With stepWeights the last of those counts instead. Example: `50`.
	// +optional
	MaxWeight int `json:"maxWeight,omitempty"`

	// Percent of requests by which the canary's share grows at each step. Example: `10`.
	// +optional
	StepWeight int `json:"stepWeight,omitempty"`

	// Percent of requests of each step, 100000 of them at most. Example: `[1, 5, 25, 50]`.
	// +optional
	StepWeights []int `json:"stepWeights,omitempty"`

	// Steps of the rollout, in their order, each with a weight and as much else of its own as it needs. Weights never fall.
	// Example: `[{weight: 5, duration: 10m}, {weight: 50, pause: {}}]`.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=50
	// +kubebuilder:validation:XValidation:rule="self.filter(s, has(s.weight)).map(s, s.weight).isSorted()",message="weights never fall"
	// +kubebuilder:validation:XValidation:rule="self.all(s, !has(s.name) || self.exists_one(t, has(t.name) && t.name == s.name))",message="names of steps are unique"
	// +optional
	Steps []AnalysisStep `json:"steps,omitempty"`

	// What becomes of the pods of a canary that has failed in one of its steps: `rollback` scales them to zero, `keep` leaves them,
	// without requests, to be looked at, until the action `abort` or `retry`, or a new revision. Left out, `rollback`.
	// +optional
	OnFailure FailurePolicy `json:"onFailure,omitempty"`

	// How a canary that has passed is promoted. Left out, at once.
	// +optional
	Promotion *AnalysisPromotion `json:"promotion,omitempty"`

	// Percent of requests by which traffic comes back, once an interval, to the primary that has
	// been promoted. Left out, all of it at once. Example: `20`.
	// +optional
	StepWeightPromotion int `json:"stepWeightPromotion,omitempty"`

	// Copy requests to the canary, throwing its answers away, before users get any from it. For
	// requests that may be done twice only. Left out, false.
	// +optional
	Mirror bool `json:"mirror,omitempty"`

	// Percent of requests that are copied. Left out, all of them.
	// +optional
	MirrorWeight int `json:"mirrorWeight,omitempty"`

	// Percent of the primary's pods that have to be available. Left out, 100.
	// +optional
	PrimaryReadyThreshold *int `json:"primaryReadyThreshold,omitempty"`

	// Percent of the canary's pods that have to be available. Left out, 100.
	// +optional
	CanaryReadyThreshold *int `json:"canaryReadyThreshold,omitempty"`

	// Requests that may meet the canary; one that fits any of the entries does. All others stay with the
	// primary until the rollout is over. With iterations all that fit go to the canary, which is an A/B
	// test; with stepWeight or stepWeights they are split by weight. Left out, all requests.
	// Example: `[{headers: {cookie: {regex: "^(.*?;)?(canary=always)(;.*)?$"}}}]`.
	// +optional
	Match []HTTPMatchRequest `json:"match,omitempty"`

	// Requests that all go to the canary while a rollout is under way, at every weight, so that insiders
	// meet it first; one that fits any of the entries does. It goes with steps of weight, where match would
	// restrict the rollout to what fits. Left out, none.
	// Example: `[{headers: {x-insider: {exact: "true"}}}]`.
	// +optional
	PreviewMatch []HTTPMatchRequest `json:"previewMatch,omitempty"`

	// Reach the weights by numbers of pods: both sides stand behind the apex Service, which has no other way
	// to divide requests. For the provider kubernetes only, which otherwise moves all traffic at once; the
	// share reached is in status.actualWeight. Left out, false.
	// +optional
	ReplicaRatio bool `json:"replicaRatio,omitempty"`

	// What an inconclusive metric does once the round of checks has no failure: `pause` keeps the step until
	// a round is conclusive, `abort` rolls back, `continue` takes it for passed. Left out, `pause`.
	// +kubebuilder:validation:Enum="";pause;abort;continue
	// +optional
	OnInconclusive InconclusivePolicy `json:"onInconclusive,omitempty"`

	// Metrics that have to be in range at every check, 64 at most. Left out, none.
	// +optional
	Metrics []CanaryMetric `json:"metrics,omitempty"`

	// Services that are asked, or told, at certain moments, 64 at most. Left out, none.
	// +optional
	Webhooks []CanaryWebhook `json:"webhooks,omitempty"`

	// Channels that hear of this Canary. Left out, the operator's own channel hears of it.
	// +optional
	Alerts []CanaryAlert `json:"alerts,omitempty"`

	// Keep users that have met the canary on it. Left out, every request is decided anew.
	// +optional
	SessionAffinity *SessionAffinity `json:"sessionAffinity,omitempty"`
}

// CanaryAlert sends messages about a Canary to a channel.
type CanaryAlert struct {
	// Name of the alert, for people. Example: `on-call Slack`.
	// +required
	Name string `json:"name"`

	// The least severity of a message that is sent. Left out or empty, `info`.
	// +optional
	Severity AlertSeverity `json:"severity,omitempty"`

	// The AlertProvider that stands for the channel.
	// +required
	ProviderRef CrossNamespaceRef `json:"providerRef"`
}

// AlertSeverity is how bad the news is.
//
// +kubebuilder:validation:Enum="";info;warn;error
type AlertSeverity string

const (
	// SeverityInfo is progress: a rollout starts or succeeds.
	SeverityInfo AlertSeverity = "info"
	// SeverityWarn asks for somebody's attention: a rollout waits for approval.
	SeverityWarn AlertSeverity = "warn"
	// SeverityError is failure: a rollout was rolled back.
	SeverityError AlertSeverity = "error"
)

// SessionAffinity keeps users on one revision by means of cookies.
//
// +kubebuilder:validation:XValidation:rule="!has(self.primaryCookieName) || self.primaryCookieName != self.cookieName",message="primaryCookieName must differ from cookieName",fieldPath=".primaryCookieName"
type SessionAffinity struct {
	// Name of the cookie that keeps a user on the canary. Example: `canary`.
	// +required
	CookieName string `json:"cookieName"`

	// Name of the cookie that keeps a user on the primary for one interval at a time. Left out,
	// users of the primary may be moved by any request.
	// +optional
	PrimaryCookieName string `json:"primaryCookieName,omitempty"`

	// Host that the browser sends the cookie to. Left out, the host that set it.
	// +optional
	Domain string `json:"domain,omitempty"`

	// Keep the cookie from scripts. Left out, false.
	// +optional
	HTTPOnly bool `json:"httpOnly,omitempty"`

	// Seconds that the browser keeps the cookie for. Left out, 86400, a day.
	// +kubebuilder:default=86400
	// +optional
	MaxAge int `json:"maxAge,omitempty"`

	// Keep the cookie apart for each site that embeds the host. Left out, false.
	// +optional
	Partitioned bool `json:"partitioned,omitempty"`

	// Path that the browser sends the cookie for. Left out, that of the request that set it.
	// +optional
	Path string `json:"path,omitempty"`

	// Whether the browser sends the cookie when another site makes the request. Left out, as the
	// browser does.
	// +kubebuilder:validation:Enum=Strict;Lax;None
	// +optional
	SameSite string `json:"sameSite,omitempty"`

	// Send the cookie over HTTPS only. Left out, false.
	// +optional
	Secure bool `json:"secure,omitempty"`
}

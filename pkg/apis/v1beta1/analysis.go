package v1beta1

// CanaryAnalysis is the plan of a rollout. Which of iterations, stepWeight and stepWeights is given
// decides its kind: iterations of checks before all traffic moves at once (or, with match, while
// some users already see the new revision), equal steps of traffic, or steps as listed.
//
// +kubebuilder:validation:ExactlyOneOf=iterations;stepWeight;stepWeights
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

	// Number of checks before all traffic moves at once. Example: `10`.
	// +optional
	Iterations int `json:"iterations,omitempty"`

	// Percent of requests that the canary gets at most before it is promoted. Left out, 100.
	// With stepWeights the last of those counts instead. Example: `50`.
	// +optional
	MaxWeight int `json:"maxWeight,omitempty"`

	// Percent of requests by which the canary's share grows at each step. Example: `10`.
	// +optional
	StepWeight int `json:"stepWeight,omitempty"`

	// Percent of requests of each step. Example: `[1, 5, 25, 50]`.
	// +optional
	StepWeights []int `json:"stepWeights,omitempty"`

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

	// Requests that go to the canary during an A/B test, which needs iterations; one that fits any of
	// the entries does. Left out, none in particular.
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

	// Metrics that have to be in range at every check. Left out, none.
	// +optional
	Metrics []CanaryMetric `json:"metrics,omitempty"`

	// Services that are asked, or told, at certain moments. Left out, none.
	// +optional
	Webhooks []CanaryWebhook `json:"webhooks,omitempty"`

	// Channels that hear of this Canary. Left out, the operator's own channel hears of it.
	// +optional
	Alerts []CanaryAlert `json:"alerts,omitempty"`

	// Keep users that have met the canary on it. Left out, every request is decided anew.
	// +optional
	SessionAffinity *SessionAffinity `json:"sessionAffinity,omitempty"`
}

// CanaryMetric is a number that has to be in range.
type CanaryMetric struct {
	// Name of the metric: `request-success-rate` (percent of requests) and `request-duration`
	// (99th percentile, in milliseconds) are built in; any other needs templateRef or query.
	// +required
	Name string `json:"name"`

	// Time that the query looks back. Left out, `1m`. Example: `30s`.
	// +kubebuilder:validation:Pattern=`^[0-9]+(h|m|s)`
	// +optional
	Interval string `json:"interval,omitempty"`

	// What is accepted, both ends included. Left out, threshold.
	// +optional
	ThresholdRange *ThresholdRange `json:"thresholdRange,omitempty"`

	// The least percentage accepted of request-success-rate, or the greatest value accepted of any
	// other metric. Older than thresholdRange, which takes precedence.
	// +optional
	Threshold float64 `json:"threshold,omitempty"`

	// A query in PromQL. Older than templateRef, which takes precedence.
	// +optional
	Query string `json:"query,omitempty"`

	// The MetricTemplate to query. Left out, the metric is built in or given by query.
	// +optional
	TemplateRef *CrossNamespaceRef `json:"templateRef,omitempty"`

	// Values for the template, which it calls `{{ variables.NAME }}`. Example: `{reporter: source}`.
	// +optional
	TemplateVariables map[string]string `json:"templateVariables,omitempty"`

	// A CEL expression over `result`, a number or a list of numbers, that is true of an accepted value.
	// Counts beside thresholdRange: both have to hold. Left out, none. Example: `result < 0.05`.
	// +kubebuilder:validation:MaxLength=4096
	// +optional
	SuccessCondition string `json:"successCondition,omitempty"`

	// A CEL expression over `result` that is true of a value that fails. With both conditions given, a
	// value that neither is true of is inconclusive. Left out, none. Example: `result.exists(r, r > 0.5)`.
	// +kubebuilder:validation:MaxLength=4096
	// +optional
	FailureCondition string `json:"failureCondition,omitempty"`

	// What a query without any data means. Left out, `fail`.
	// +optional
	OnNoData ResultPolicy `json:"onNoData,omitempty"`

	// What a value that is not a number means. Left out, what onNoData says.
	// +optional
	OnNaN ResultPolicy `json:"onNaN,omitempty"`

	// What a monitoring system that could not be asked means. Left out, `fail`.
	// +optional
	OnError ResultPolicy `json:"onError,omitempty"`

	// Number of failed checks of this metric that are tolerated in one rollout before it is rolled back,
	// instead of counting towards the common threshold. Left out, the common threshold counts them.
	// +kubebuilder:validation:Minimum=0
	// +optional
	FailureLimit *int `json:"failureLimit,omitempty"`

	// Number of checks in a row that must pass before a step is over. Left out, 1.
	// +kubebuilder:validation:Minimum=0
	// +optional
	ConsecutiveSuccessLimit int `json:"consecutiveSuccessLimit,omitempty"`

	// Time after the first step of a rollout before which this metric is not asked for. Left out, none.
	// Example: `2m`.
	// +kubebuilder:validation:Pattern=`^[0-9]+(h|m|s)`
	// +optional
	InitialDelay string `json:"initialDelay,omitempty"`

	// Number of checks of one rollout that this metric takes part in. Left out, all.
	// +kubebuilder:validation:Minimum=0
	// +optional
	Count int `json:"count,omitempty"`

	// Measure and record this metric, and let it decide nothing. Left out, false.
	// +optional
	DryRun bool `json:"dryRun,omitempty"`

	// Compare the canary with the primary over the same time instead of with a fixed range: the metric
	// fails where the canary is worse, and that by more than chance explains. Left out, no comparison.
	// +kubebuilder:validation:Enum="";primary
	// +optional
	Baseline string `json:"baseline,omitempty"`

	// The statistical test of a comparison: `proportions` of good events among all, or `distribution` of
	// values. Left out, proportions for request-success-rate, and distribution for every other metric.
	// +kubebuilder:validation:Enum="";proportions;distribution
	// +optional
	Test string `json:"test,omitempty"`

	// Which values of a distribution are worse, `higher` or `lower`. Left out, `higher`.
	// +kubebuilder:validation:Enum="";higher;lower
	// +optional
	Worse string `json:"worse,omitempty"`

	// Confidence that a comparison needs before it fails, above 0.5 and below 1. Left out, `0.95`, that is one
	// false alarm in twenty checks of a canary that is as good as the primary.
	// +optional
	Confidence *float64 `json:"confidence,omitempty"`

	// Number of events or values of each side below which a comparison is inconclusive. Left out, 100 for
	// proportions and 20 for a distribution.
	// +kubebuilder:validation:Minimum=0
	// +optional
	MinSamples int `json:"minSamples,omitempty"`
}

// ResultPolicy is what a measurement without a usable value means: a failed check, a passed one, waiting
// for a value no longer than the progress deadline, or an inconclusive check.
//
// +kubebuilder:validation:Enum="";fail;pass;wait;inconclusive
type ResultPolicy string

const (
	// ResultFail makes it a failed check.
	ResultFail ResultPolicy = "fail"
	// ResultPass makes it a passed check.
	ResultPass ResultPolicy = "pass"
	// ResultWait keeps the step, and asks again, until the progress deadline.
	ResultWait ResultPolicy = "wait"
	// ResultInconclusive leaves it to analysis.onInconclusive.
	ResultInconclusive ResultPolicy = "inconclusive"
)

// InconclusivePolicy is what follows a round of checks that has not failed and is inconclusive.
type InconclusivePolicy string

const (
	// InconclusivePause keeps the step until a round is conclusive.
	InconclusivePause InconclusivePolicy = "pause"
	// InconclusiveAbort rolls back.
	InconclusiveAbort InconclusivePolicy = "abort"
	// InconclusiveContinue takes the round for passed.
	InconclusiveContinue InconclusivePolicy = "continue"
)

// ThresholdRange is a range of values.
type ThresholdRange struct {
	// The least value accepted. Left out, any. Example: `99`.
	// +optional
	Min *float64 `json:"min,omitempty"`

	// The greatest value accepted. Left out, any. Example: `500`.
	// +optional
	Max *float64 `json:"max,omitempty"`
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

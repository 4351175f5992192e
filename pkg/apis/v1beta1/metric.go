package v1beta1

// CanaryMetric is a number that has to be in range.
type CanaryMetric struct {
	// Name of the metric: `request-success-rate` (percent of requests) and `request-duration`
	// (99th percentile, in milliseconds) are built in; any other needs templateRef or query.
	// +required
	Name string `json:"name"`

	// Time that the query looks back. Left out, `1m`. With baseline it is not used: what is new since the check before is
	// looked at. Example: `30s`.
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

	// Time after the first step of a rollout before which this metric is not asked for; the rollout is not promoted
	// before it was. Left out, none.
	// Example: `2m`.
	// +kubebuilder:validation:Pattern=`^[0-9]+(h|m|s)`
	// +optional
	InitialDelay string `json:"initialDelay,omitempty"`

	// Judge only the steps that name this metric; its count, limits and delay are then those of one step. Left out, false: it
	// judges all steps that name no metrics.
	// +optional
	Inline bool `json:"inline,omitempty"`

	// Number of checks of one rollout, each with a value that passed or failed, that this metric takes part in; one that
	// failed is repeated, the last one too. Left out, all. After its last check it holds no step up any more, whatever
	// its consecutiveSuccessLimit. With baseline it is not used.
	// +kubebuilder:validation:Minimum=0
	// +optional
	Count int `json:"count,omitempty"`

	// Measure and record this metric, and let it decide nothing. Left out, false.
	// +optional
	DryRun bool `json:"dryRun,omitempty"`

	// Compare the canary with the primary over the whole rollout instead of with a fixed range: the metric fails, for
	// good, where the canary is worse by more than chance explains, and passes the last step in which both have requests
	// once a canary that is worse by margin is excluded. Left out, no comparison.
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

	// How probable it is that a canary as good as its primary is not failed in the whole rollout, by all compared metrics
	// together; above 0.5 and below 1. Left out, `0.99`: at most one of a hundred is.
	// +optional
	Confidence *float64 `json:"confidence,omitempty"`

	// The smallest regression that must not be promoted, as a share of the events: `0.01` is one request of a hundred. From
	// 0.000001 to 0.5. Left out, `0.01`.
	// +optional
	Margin *float64 `json:"margin,omitempty"`

	// How probable it is at most that a canary that is worse by margin passes, from 0.000000001 to 0.5. Left out, `0.05`.
	// +optional
	Missed *float64 `json:"missed,omitempty"`

	// The difference, as a share of the events, below which a comparison does not fail, however certain it is; from 0 to 1.
	// Left out, `0.001`.
	// +optional
	Tolerance *float64 `json:"tolerance,omitempty"`

	// By how much bad events scatter more than independent ones do, as their variance: 1 or more, and 1 000 000 at most. With
	// a number, confidence is kept for all events that scatter no more. Left out, it is measured.
	// +optional
	Dispersion *float64 `json:"dispersion,omitempty"`

	// How long the last step in which both sides have requests is held at most while a canary that is worse by margin is
	// not excluded; then analysis.onInconclusive says what is done. Left out, as long as all steps take. Example: `2h`.
	// +kubebuilder:validation:Pattern=`^[0-9]+(h|m|s)`
	// +optional
	MaxHold string `json:"maxHold,omitempty"`

	// Number of values of each side below which a comparison of single values, such as one a pod, is inconclusive. Left
	// out, 20. Counts and histograms need no least number, and do not use it.
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

// Verdict is what a policy makes of a value that is not there; left out, a failure.
func (p ResultPolicy) Verdict() Verdict {
	switch p {
	case ResultPass:
		return Passed
	case ResultWait:
		return Waiting
	case ResultInconclusive:
		return Inconclusive
	default:
		return Failed
	}
}

package v1beta1

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

	// Time after the first step of a rollout before which this metric is not asked for; the rollout is not promoted
	// before it was. Left out, none.
	// Example: `2m`.
	// +kubebuilder:validation:Pattern=`^[0-9]+(h|m|s)`
	// +optional
	InitialDelay string `json:"initialDelay,omitempty"`

	// Number of checks of one rollout, each with a value that passed or failed, that this metric takes part in; one that
	// failed is repeated, the last one too. Left out, all. After its last check it holds no step up any more, whatever
	// its consecutiveSuccessLimit.
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

package convert

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// What is read of Argo Rollouts' kinds. Fields that are only named in a note have no type.

type argoRollout struct {
	metav1.ObjectMeta `json:"metadata"`
	Spec              rolloutSpec `json:"spec"`
}

type rolloutSpec struct {
	Replicas    *int32                `json:"replicas"`
	Selector    *metav1.LabelSelector `json:"selector"`
	Template    map[string]any        `json:"template"`
	WorkloadRef *struct {
		APIVersion string `json:"apiVersion"`
		Kind       string `json:"kind"`
		Name       string `json:"name"`
	} `json:"workloadRef"`
	MinReadySeconds         int32  `json:"minReadySeconds"`
	RevisionHistoryLimit    *int32 `json:"revisionHistoryLimit"`
	ProgressDeadlineSeconds *int32 `json:"progressDeadlineSeconds"`
	Paused                  bool   `json:"paused"`
	RestartAt               any    `json:"restartAt"`
	RollbackWindow          struct {
		Revisions int32 `json:"revisions"`
	} `json:"rollbackWindow"`
	Strategy struct {
		Canary    *canaryStrategy `json:"canary"`
		BlueGreen *blueGreen      `json:"blueGreen"`
	} `json:"strategy"`
}

type canaryStrategy struct {
	CanaryService              string         `json:"canaryService"`
	StableService              string         `json:"stableService"`
	Steps                      []argoStep     `json:"steps"`
	TrafficRouting             map[string]any `json:"trafficRouting"`
	Analysis                   *analysisRefs  `json:"analysis"`
	MaxSurge                   any            `json:"maxSurge"`
	MaxUnavailable             any            `json:"maxUnavailable"`
	AntiAffinity               any            `json:"antiAffinity"`
	CanaryMetadata             any            `json:"canaryMetadata"`
	StableMetadata             any            `json:"stableMetadata"`
	DynamicStableScale         bool           `json:"dynamicStableScale"`
	MinPodsPerReplicaSet       *int32         `json:"minPodsPerReplicaSet"`
	PingPong                   any            `json:"pingPong"`
	ScaleDownDelaySeconds      *int32         `json:"scaleDownDelaySeconds"`
	AbortScaleDownDelaySeconds *int32         `json:"abortScaleDownDelaySeconds"`
}

type blueGreen struct {
	ActiveService              string        `json:"activeService"`
	PreviewService             string        `json:"previewService"`
	AutoPromotionEnabled       *bool         `json:"autoPromotionEnabled"`
	AutoPromotionSeconds       int32         `json:"autoPromotionSeconds"`
	PrePromotionAnalysis       *analysisRefs `json:"prePromotionAnalysis"`
	PostPromotionAnalysis      *analysisRefs `json:"postPromotionAnalysis"`
	PreviewReplicaCount        *int32        `json:"previewReplicaCount"`
	ScaleDownDelaySeconds      *int32        `json:"scaleDownDelaySeconds"`
	AbortScaleDownDelaySeconds *int32        `json:"abortScaleDownDelaySeconds"`
	AntiAffinity               any           `json:"antiAffinity"`
	ActiveMetadata             any           `json:"activeMetadata"`
	PreviewMetadata            any           `json:"previewMetadata"`
}

type argoStep struct {
	SetWeight *int32 `json:"setWeight"`
	Pause     *struct {
		Duration *intstr.IntOrString `json:"duration"`
	} `json:"pause"`
	Analysis       *analysisRefs `json:"analysis"`
	SetCanaryScale *struct {
		Weight             *int32 `json:"weight"`
		Replicas           *int32 `json:"replicas"`
		MatchTrafficWeight bool   `json:"matchTrafficWeight"`
	} `json:"setCanaryScale"`
	SetHeaderRoute *struct {
		Match []struct {
			HeaderName  string `json:"headerName"`
			HeaderValue struct {
				Exact  string `json:"exact"`
				Regex  string `json:"regex"`
				Prefix string `json:"prefix"`
			} `json:"headerValue"`
		} `json:"match"`
	} `json:"setHeaderRoute"`
	SetMirrorRoute *struct {
		Percentage *int32 `json:"percentage"`
		Match      []any  `json:"match"`
	} `json:"setMirrorRoute"`
	Experiment any `json:"experiment"`
	Plugin     any `json:"plugin"`
}

type analysisRefs struct {
	Templates []struct {
		TemplateName string `json:"templateName"`
		ClusterScope bool   `json:"clusterScope"`
	} `json:"templates"`
	Args         []argument `json:"args"`
	StartingStep *int32     `json:"startingStep"`
}

type argument struct {
	Name      string              `json:"name"`
	Value     *intstr.IntOrString `json:"value"`
	ValueFrom map[string]any      `json:"valueFrom"`
}

type analysisTemplate struct {
	metav1.ObjectMeta `json:"metadata"`
	Spec              struct {
		Args    []argument   `json:"args"`
		Metrics []argoMetric `json:"metrics"`
		DryRun  []struct {
			MetricName string `json:"metricName"`
		} `json:"dryRun"`
	} `json:"spec"`
}

type argoMetric struct {
	Name                    string                    `json:"name"`
	Interval                string                    `json:"interval"`
	InitialDelay            string                    `json:"initialDelay"`
	Count                   *intstr.IntOrString       `json:"count"`
	SuccessCondition        string                    `json:"successCondition"`
	FailureCondition        string                    `json:"failureCondition"`
	FailureLimit            *intstr.IntOrString       `json:"failureLimit"`
	InconclusiveLimit       *intstr.IntOrString       `json:"inconclusiveLimit"`
	ConsecutiveErrorLimit   *intstr.IntOrString       `json:"consecutiveErrorLimit"`
	ConsecutiveSuccessLimit *intstr.IntOrString       `json:"consecutiveSuccessLimit"`
	Provider                map[string]map[string]any `json:"provider"`
}

package v1beta1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Canary says how changes of one workload reach its users.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=canaries,singular=canary,shortName=cn,categories=all
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Status",type=string,JSONPath=`.status.phase`
// +kubebuilder:printcolumn:name="Weight",type=string,JSONPath=`.status.canaryWeight`
// +kubebuilder:printcolumn:name="LastTransitionTime",type=string,JSONPath=`.status.lastTransitionTime`
// +kubebuilder:printcolumn:name="Waiting",type=string,JSONPath=`.status.waitingFor`
// +kubebuilder:printcolumn:name="Since",type=date,JSONPath=`.status.since`
// +kubebuilder:printcolumn:name="Image",type=string,JSONPath=`.status.image`
// +kubebuilder:printcolumn:name="Suspended",type=boolean,JSONPath=`.spec.suspend`,priority=1
// +kubebuilder:printcolumn:name="FailedChecks",type=string,JSONPath=`.status.failedChecks`,priority=1
// +kubebuilder:printcolumn:name="Interval",type=string,JSONPath=`.spec.analysis.interval`,priority=1
// +kubebuilder:printcolumn:name="StepWeights",type=string,JSONPath=`.spec.analysis.stepWeights`,priority=1
// +kubebuilder:printcolumn:name="MaxWeight",type=string,JSONPath=`.spec.analysis.maxWeight`,priority=1
// +kubebuilder:printcolumn:name="StepWeight",type=string,JSONPath=`.spec.analysis.stepWeight`,priority=1
// +kubebuilder:printcolumn:name="Mirror",type=boolean,JSONPath=`.spec.analysis.mirror`,priority=1
type Canary struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// What to roll out, how traffic reaches it and what it is judged by.
	// +required
	Spec CanarySpec `json:"spec"`

	// How far the rollout is. Written by the operator alone.
	// +optional
	Status CanaryStatus `json:"status,omitzero"`
}

// CanaryList is what listing Canaries returns.
//
// +kubebuilder:object:root=true
type CanaryList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Canary `json:"items"`
}

// CanarySpec is what the user wants.
//
// The rules below refuse combinations that can't be meant: Knative shifts traffic between
// the revisions of its own Service, so its provider, its target, a port and an autoscaler of
// somebody else go together in one way only.
//
// +kubebuilder:validation:XValidation:rule="!has(self.provider) || self.provider != 'knative' || (self.targetRef.kind == 'Service' && self.targetRef.apiVersion == 'serving.knative.dev/v1')",message="provider knative needs a Service of serving.knative.dev/v1 as target",fieldPath=".provider"
// +kubebuilder:validation:XValidation:rule="!has(self.provider) || self.provider == 'knative' || !(self.targetRef.kind == 'Service' && self.targetRef.apiVersion == 'serving.knative.dev/v1')",message="a Knative Service can only be rolled out by provider knative",fieldPath=".provider"
// +kubebuilder:validation:XValidation:rule="!has(self.autoscalerRef) || !(self.targetRef.kind == 'Service' && self.targetRef.apiVersion == 'serving.knative.dev/v1')",message="a Knative Service scales by itself and takes no autoscaler",fieldPath=".autoscalerRef"
// +kubebuilder:validation:XValidation:rule="!has(self.service) || self.service.port > 0 || (self.targetRef.kind == 'Service' && self.targetRef.apiVersion == 'serving.knative.dev/v1')",message="must be from 1 to 65535",fieldPath=".service.port"
type CanarySpec struct {
	// The service mesh, ingress controller or gateway that splits the traffic of this Canary, and
	// whose built-in metrics judge it. Left out, the operator's -mesh-provider.
	// Example: `istio`.
	// +kubebuilder:validation:Enum=apisix;appmesh;"appmesh:v1beta2";contour;gatewayapi;"gatewayapi:v1";"gatewayapi:v1beta1";gloo;istio;knative;kubernetes;kuma;linkerd;nginx;osm;skipper;"smi:v1alpha1";"smi:v1alpha2";"smi:v1alpha3";traefik
	// +optional
	Provider string `json:"provider,omitempty"`

	// URL of the Prometheus that answers the built-in metrics and inline queries of this Canary.
	// Left out, the operator's -metrics-server. Example: `http://prometheus.monitoring:9090`.
	// +optional
	MetricsServer string `json:"metricsServer,omitempty"`

	// The workload whose changes are rolled out. It keeps running the new revision while that is
	// judged and is stopped afterwards; users are served by a copy of it, named after it with
	// `-primary` appended.
	// +required
	TargetRef TargetRef `json:"targetRef"`

	// The autoscaler of the target, which the primary gets a copy of. Left out, the primary keeps
	// the number of replicas that the target has.
	// +optional
	AutoscalerRef *AutoscalerRef `json:"autoscalerRef,omitempty"`

	// The Ingress that leads to the target. Needed by the providers nginx and skipper, ignored by
	// the others.
	// +optional
	IngressRef *IngressRef `json:"ingressRef,omitempty"`

	// The ApisixRoute that leads to the target. Needed by the provider apisix, ignored by the others.
	// +optional
	RouteRef *RouteRef `json:"routeRef,omitempty"`

	// The Upstream whose settings the generated ones take over. Used by the provider gloo only.
	// +optional
	UpstreamRef *UpstreamRef `json:"upstreamRef,omitempty"`

	// The Services that are generated for the target and how requests to them are routed. May be
	// left out where there is nothing to generate: for a Knative Service, and, with the provider kubernetes and
	// analysis.replicaRatio, for an application that nobody asks by a Service.
	// +optional
	Service CanaryService `json:"service,omitzero"`

	// The steps that a new revision goes through and what it is judged by.
	// +required
	Analysis *CanaryAnalysis `json:"analysis,omitempty"`

	// Seconds that the canary or the primary may take to become ready before the rollout is given
	// up. Left out, 600.
	// +optional
	ProgressDeadlineSeconds *int32 `json:"progressDeadlineSeconds,omitempty"`

	// Promote a new revision as soon as its pods are ready, without judging it. Left out, false.
	// +optional
	SkipAnalysis bool `json:"skipAnalysis,omitempty"`

	// Put the target back to the size and the routes it had when this Canary is deleted. Left out,
	// false: the primary is deleted together with the Canary at once, and a target that was scaled to
	// zero gets the primary's size back, so that users wait for as long as its pods take to start.
	// +optional
	RevertOnDeletion bool `json:"revertOnDeletion,omitempty"`

	// What is kept of rollouts that have ended.
	// +optional
	History *CanaryHistory `json:"history,omitempty"`

	// Stop all work on this Canary until it is set back. Traffic stays where it is. Left out, false.
	// +optional
	Suspend bool `json:"suspend,omitempty"`
}

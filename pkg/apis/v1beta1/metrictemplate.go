package v1beta1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// MetricTemplate is a query to a monitoring system that Canaries of any number can be judged by.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=metrictemplates,singular=metrictemplate,categories=all
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Provider",type=string,JSONPath=`.spec.provider.type`
type MetricTemplate struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Whom to ask, and what.
	// +required
	Spec MetricTemplateSpec `json:"spec"`

	// What the operator found out about the template.
	// +optional
	Status MetricTemplateStatus `json:"status,omitzero"`
}

// MetricTemplateList is what listing MetricTemplates returns.
//
// +kubebuilder:object:root=true
type MetricTemplateList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []MetricTemplate `json:"items"`
}

// MetricTemplateSpec says whom to ask, and what.
//
// +kubebuilder:validation:XValidation:rule="self.provider.type in ['job', 'web'] || (has(self.query) && size(self.query) > 0)",message="is needed by every provider but job and web",fieldPath=".query"
// +kubebuilder:validation:XValidation:rule="self.provider.type != 'job' || has(self.job)",message="is needed by provider job",fieldPath=".job"
type MetricTemplateSpec struct {
	// The monitoring system.
	// +required
	Provider MetricProvider `json:"provider"`

	// The query, in the system's own language, as a Go template that may call the functions name,
	// namespace, target, service, ingress, route, interval and variables. Needed by all providers but job
	// and web. In PromQL, rate and increase do not see errors with which a series begins.
	// Example: `sum(rate(orders_total{app="{{ target }}"}[{{ interval }}]))`.
	// +optional
	Query string `json:"query,omitempty"`

	// The Job that is made and waited for, as in batch/v1, of the provider job. Strings may use the functions
	// of a query. It runs in the Canary's namespace; its success is the value 1, its failure 0.
	// +kubebuilder:pruning:PreserveUnknownFields
	// +kubebuilder:validation:Schemaless
	// +kubebuilder:validation:Type=object
	// +optional
	Job *runtime.RawExtension `json:"job,omitempty"`

	// The request that is made, of the provider web.
	// +optional
	Web *WebRequest `json:"web,omitempty"`

	// Show in statuses and events what the system says where it does not answer with a number. Left out, false.
	// +optional
	QuoteAnswers bool `json:"quoteAnswers,omitempty"`
}

// WebRequest is an HTTP request whose answer is the value of a metric.
type WebRequest struct {
	// Method of the request. Left out, `GET`.
	// +kubebuilder:validation:Enum="";GET;POST;PUT
	// +optional
	Method string `json:"method,omitempty"`

	// Body of the request, which may use the functions of a query. Left out, none.
	// +optional
	Body string `json:"body,omitempty"`

	// Where in the JSON answer the value is, as kubectl writes it. Left out, the value is the answer's status
	// code. Example: `{.data.errorRate}`.
	// +optional
	JSONPath string `json:"jsonPath,omitempty"`

	// Time that the answer may take. More than 1m is taken as 1m. Left out, `10s`.
	// +kubebuilder:validation:Pattern=`^[0-9]+(h|m|s)`
	// +optional
	Timeout string `json:"timeout,omitempty"`
}

// MetricProvider is a monitoring system and how to reach it.
type MetricProvider struct {
	// Kind of the system.
	// +required
	Type MetricProviderType `json:"type"`

	// URL of the system. Left out, that of the vendor's public service, where there is one.
	// Example: `http://prometheus.monitoring:9090`.
	// +optional
	Address string `json:"address,omitempty"`

	// Headers to send along, by name. Used by prometheus and web. Example: `{X-Scope-OrgID: [team]}`.
	// +optional
	Headers map[string][]string `json:"headers,omitempty"`

	// Secret with the credentials, in the template's namespace; its keys depend on the type. Left
	// out, none are sent.
	// +optional
	SecretRef *SecretRef `json:"secretRef,omitempty"`

	// Region of the system. Needed by cloudwatch. Example: `eu-central-1`.
	// +optional
	Region string `json:"region,omitempty"`

	// Accept any certificate that the server shows. Left out, false.
	// +optional
	InsecureSkipVerify bool `json:"insecureSkipVerify,omitempty"`
}

// MetricProviderType names a monitoring system.
//
// +kubebuilder:validation:Enum=prometheus;influxdb;datadog;externalmetrics;stackdriver;cloudwatch;newrelic;graphite;dynatrace;keptn;splunk;job;web
type MetricProviderType string

// MetricTemplateStatus is what the operator found out about a template.
type MetricTemplateStatus struct {
	// Summaries for people and scripts.
	// +listType=map
	// +listMapKey=type
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

package v1beta1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
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
type MetricTemplateSpec struct {
	// The monitoring system.
	// +required
	Provider MetricProvider `json:"provider"`

	// The query, in the system's own language, as a Go template that may call the functions name,
	// namespace, target, service, ingress, route, interval and variables.
	// Example: `sum(rate(errors_total{app="{{ target }}"}[{{ interval }}]))`.
	// +required
	Query string `json:"query"`
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

	// Headers to send along, by name. Used by prometheus only. Example: `{X-Scope-OrgID: [team]}`.
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
// +kubebuilder:validation:Enum=prometheus;influxdb;datadog;externalmetrics;stackdriver;cloudwatch;newrelic;graphite;dynatrace;keptn;splunk
type MetricProviderType string

// MetricTemplateStatus is what the operator found out about a template.
type MetricTemplateStatus struct {
	// Summaries for people and scripts.
	// +listType=map
	// +listMapKey=type
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

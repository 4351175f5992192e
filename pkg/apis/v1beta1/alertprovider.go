package v1beta1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// AlertProvider is a channel of a chat service that Canaries send messages to.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=alertproviders,singular=alertprovider,categories=all
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Type",type=string,JSONPath=`.spec.type`
type AlertProvider struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// The chat service and how to reach it.
	// +required
	Spec AlertProviderSpec `json:"spec"`

	// What the operator found out about the channel.
	// +optional
	Status AlertProviderStatus `json:"status,omitzero"`
}

// AlertProviderList is what listing AlertProviders returns.
//
// +kubebuilder:object:root=true
type AlertProviderList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []AlertProvider `json:"items"`
}

// AlertProviderSpec is a chat service and how to reach it. Its address is either written here or, as
// it often is as good as a password, kept in a Secret.
//
// +kubebuilder:validation:ExactlyOneOf=address;secretRef
type AlertProviderSpec struct {
	// Kind of the chat service.
	// +required
	Type AlertProviderType `json:"type"`

	// Channel to write to. Left out, `general`. Example: `on-call-alerts`.
	// +optional
	Channel string `json:"channel,omitempty"`

	// Name to write under. Left out, `flagger`.
	// +optional
	Username string `json:"username,omitempty"`

	// URL to send messages to. Example: `https://hooks.slack.com/services/T0/B0/XYZ`.
	// +optional
	Address string `json:"address,omitempty"`

	// URL of an HTTP proxy on the way there. Left out, none.
	// +optional
	Proxy string `json:"proxy,omitempty"`

	// Secret, in the provider's namespace, with the URL under `address` and, for a Slack bot, its
	// token under `token`.
	// +optional
	SecretRef *SecretRef `json:"secretRef,omitempty"`

	// The text of messages, as a Go template over the fields of an alert. Left out, the text of the alert.
	// Example: `{{ .Canary }}.{{ .Namespace }}: {{ .Text }}`.
	// +kubebuilder:validation:MaxLength=4096
	// +optional
	Template string `json:"template,omitempty"`

	// Certificates, in PEM, that the service's has to be signed by. Left out, those of the system.
	// +optional
	CABundle []byte `json:"caBundle,omitempty"`
}

// AlertProviderType names a chat service.
//
// +kubebuilder:validation:Enum=slack;msteams;discord;rocket;gchat;webhook
type AlertProviderType string

// AlertProviderStatus is what the operator found out about a channel.
type AlertProviderStatus struct {
	// Summaries for people and scripts.
	// +listType=map
	// +listMapKey=type
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

package v1beta1

// The types of this file have the JSON of the Gateway API.

// GatewayRef names what a route is attached to.
type GatewayRef struct {
	// API group of the parent; empty for a Service. Left out, `gateway.networking.k8s.io`.
	// +kubebuilder:default="gateway.networking.k8s.io"
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^$|^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`
	// +optional
	Group *string `json:"group,omitempty"`

	// Kind of the parent. Left out, `Gateway`.
	// +kubebuilder:default=Gateway
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?$`
	// +optional
	Kind string `json:"kind,omitempty"`

	// Name of the parent. Example: `public`.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +required
	Name string `json:"name"`

	// Namespace of the parent. Left out, the Canary's.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	// +optional
	Namespace string `json:"namespace,omitempty"`

	// The listener of the gateway to attach to. Left out, all of them.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`
	// +optional
	SectionName string `json:"sectionName,omitempty"`

	// The port of the parent to attach to. Left out, all of them.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	// +optional
	Port *int32 `json:"port,omitempty"`
}

// HTTPRequestMirror copies requests to a further backend, whose answers are thrown away.
type HTTPRequestMirror struct {
	// The backend that gets the copies.
	// +required
	BackendRef MirrorBackend `json:"backendRef"`

	// Percent of the requests that are copied. Left out, all of them.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100
	// +optional
	Percent *int32 `json:"percent,omitempty"`

	// Part of the requests that are copied, for shares finer than a percent. Left out, all of them.
	// +optional
	Fraction *Fraction `json:"fraction,omitempty"`
}

// Fraction is a part of a whole.
type Fraction struct {
	// How many of the denominator. Example: `5`.
	// +kubebuilder:validation:Minimum=0
	// +required
	Numerator int32 `json:"numerator"`

	// Of how many. Left out, 100. Example: `1000`.
	// +kubebuilder:validation:Minimum=1
	// +optional
	Denominator *int32 `json:"denominator,omitempty"`
}

// MirrorBackend names a backend.
//
// +kubebuilder:validation:XValidation:rule="size(self.group) > 0 || self.kind != 'Service' || has(self.port)",message="a Service needs a port",fieldPath=".port"
type MirrorBackend struct {
	// API group of the backend; empty for a Service. Left out, empty.
	// +kubebuilder:default=""
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^$|^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`
	// +optional
	Group string `json:"group"`

	// Kind of the backend. Left out, `Service`.
	// +kubebuilder:default=Service
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?$`
	// +optional
	Kind string `json:"kind,omitempty"`

	// Name of the backend.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +required
	Name string `json:"name"`

	// Namespace of the backend. Left out, the Canary's.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	// +optional
	Namespace string `json:"namespace,omitempty"`

	// Port of the backend. Must be given for a Service.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	// +optional
	Port *int32 `json:"port,omitempty"`
}

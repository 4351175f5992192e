package v1beta1

import (
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// CanaryService describes the three Services of a Canary, all in its namespace: the apex that users
// ask, and one each for the primary and the canary, with `-primary` and `-canary` appended to the
// apex's name. It also describes the routes that divide the apex's requests between the two.
type CanaryService struct {
	// Name of the apex Service. Left out, the target's name. Changing it later leaves the old
	// Services to their users.
	// +optional
	Name string `json:"name,omitempty"`

	// Port of all three Services. Zero only where none is generated, for a Service of Knative's.
	// Example: `80`.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=65535
	// +required
	Port int32 `json:"port"`

	// Name of the port. Left out, `http`.
	// +optional
	PortName string `json:"portName,omitempty"`

	// Port of the containers, as a number or by name. Left out, the same as port.
	// +optional
	TargetPort intstr.IntOrString `json:"targetPort,omitzero"`

	// Application protocol of the port, copied to the Services. With `tcp` Istio gets TCP routes
	// instead of HTTP ones. Left out, none. Example: `http2`.
	// +optional
	AppProtocol string `json:"appProtocol,omitempty"`

	// Which endpoints the Services prefer, copied to them. Left out, none in particular.
	// +kubebuilder:validation:Enum=PreferClose;PreferSameZone;PreferSameNode
	// +optional
	TrafficDistribution string `json:"trafficDistribution,omitempty"`

	// Generate headless Services, that is without a cluster IP. Left out, false.
	// +optional
	Headless bool `json:"headless,omitempty"`

	// Add the other ports of the target's containers to the Services, except those of a mesh's
	// sidecar. Left out, false.
	// +optional
	PortDiscovery bool `json:"portDiscovery,omitempty"`

	// Time that a request may take in all. Left out, the provider's own. Example: `15s`.
	// +optional
	Timeout string `json:"timeout,omitempty"`

	// Time that a single attempt at a backend may take. Used by gatewayapi:* and linkerd. Left out, the
	// gateway's own. Example: `5s`.
	// +optional
	BackendTimeout string `json:"backendTimeout,omitempty"`

	// Gateways of Istio that the route is attached to. Left out, `mesh`: requests from inside.
	// Example: `[public-gateway.istio-system.svc.cluster.local]`.
	// +optional
	Gateways []string `json:"gateways,omitempty"`

	// Host names that the route answers to, besides the apex Service's own name.
	// Example: `[app.example.com]`.
	// +optional
	Hosts []string `json:"hosts,omitempty"`

	// Generate a route of Istio without hosts and gateways, for another one to delegate to.
	// Left out, false.
	// +optional
	Delegation bool `json:"delegation,omitempty"`

	// Istio's traffic policy for the primary and the canary, word for word. Left out, none.
	// Example: `{tls: {mode: ISTIO_MUTUAL}}`.
	// +kubebuilder:pruning:PreserveUnknownFields
	// +kubebuilder:validation:Schemaless
	// +kubebuilder:validation:Type=object
	// +optional
	TrafficPolicy *runtime.RawExtension `json:"trafficPolicy,omitempty"`

	// Requests that the route applies to; one that fits any of the entries is routed. Left out, all.
	// +optional
	Match []HTTPMatchRequest `json:"match,omitempty"`

	// How a request is rewritten before it is passed on. Left out, not at all.
	// +optional
	Rewrite *HTTPRewrite `json:"rewrite,omitempty"`

	// How often and when a failed request is tried again. Left out, as the provider does.
	// +optional
	Retries *HTTPRetry `json:"retries,omitempty"`

	// Headers that are set, added and removed on the way. Left out, none.
	// +optional
	Headers *Headers `json:"headers,omitempty"`

	// Answers to cross-origin requests. Left out, none.
	// +optional
	CorsPolicy *CorsPolicy `json:"corsPolicy,omitempty"`

	// What the route of the Gateway API is attached to: gateways, or a Service in a mesh. Needed by
	// the providers gatewayapi:*, used by linkerd, ignored by the others.
	// +kubebuilder:validation:MaxItems=32
	// +optional
	GatewayRefs []GatewayRef `json:"gatewayRefs,omitempty"`

	// Routes of the user's own, in the Canary's namespace, whose backend weights are moved and nothing else in
	// them. Where they are given no route is generated. Used by istio, gatewayapi:* and linkerd. Left
	// out, none.
	// +kubebuilder:validation:MaxItems=32
	// +optional
	RouteRefs []OwnRoute `json:"routeRefs,omitempty"`

	// Backends that get a copy of every request at all times, whatever the rollout does. Used by the
	// Gateway API only.
	// +optional
	Mirror []HTTPRequestMirror `json:"mirror,omitempty"`

	// Name of the App Mesh mesh. Used by the providers appmesh* only.
	// +optional
	MeshName string `json:"meshName,omitempty"`

	// Services that the target asks. Used by the providers appmesh* only.
	// Example: `[backend.test]`.
	// +optional
	Backends []string `json:"backends,omitempty"`

	// Labels and annotations of the apex Service and of the route.
	// +optional
	Apex *CustomMetadata `json:"apex,omitempty"`

	// Labels and annotations of the primary's Service.
	// +optional
	Primary *CustomMetadata `json:"primary,omitempty"`

	// Labels and annotations of the canary's Service.
	// +optional
	Canary *CustomMetadata `json:"canary,omitempty"`

	// Labels and annotations of the generated Services that belong to somebody else.
	// +optional
	UnmanagedMetadata *UnmanagedMetadata `json:"unmanagedMetadata,omitempty"`
}

// OwnRoute names a route of the user's own. A rule of it takes part in a rollout when it has both the
// primary's and the canary's Service among its backends.
type OwnRoute struct {
	// Kind of the route.
	// +kubebuilder:validation:Enum=HTTPRoute;GRPCRoute;VirtualService
	// +required
	Kind string `json:"kind"`

	// Name of the route. Example: `storefront`.
	// +kubebuilder:validation:MinLength=1
	// +required
	Name string `json:"name"`
}

// CustomMetadata is put on a generated object.
type CustomMetadata struct {
	// Labels to set. Example: `{team: payments}`.
	// +optional
	Labels map[string]string `json:"labels,omitempty"`

	// Annotations to set.
	// +optional
	Annotations map[string]string `json:"annotations,omitempty"`
}

// UnmanagedMetadata lists keys that are left as they are found.
type UnmanagedMetadata struct {
	// Keys of labels. Example: `[topology.example.com/zone]`.
	// +optional
	Labels []string `json:"labels,omitempty"`

	// Keys of annotations. Example: `[cloud.google.com/neg-status]`.
	// +optional
	Annotations []string `json:"annotations,omitempty"`
}

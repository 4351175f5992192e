package v1beta1

// TargetRef names a workload in the Canary's namespace.
type TargetRef struct {
	// Group and version of the workload. Example: `apps/v1`.
	// +required
	APIVersion string `json:"apiVersion"`

	// Kind of the workload.
	// +kubebuilder:validation:Enum=DaemonSet;Deployment;Service
	// +required
	Kind string `json:"kind"`

	// Name of the workload. Example: `podinfo`.
	// +required
	Name string `json:"name"`
}

// TargetName is the workload without its version.
func (r TargetRef) TargetName() TargetName { return TargetName{Kind: r.Kind, Name: r.Name} }

// AutoscalerRef names the autoscaler of the target, in the Canary's namespace.
type AutoscalerRef struct {
	// Group and version of the autoscaler. Any version of a known kind is understood, also one that
	// the cluster no longer serves. Example: `autoscaling/v2`.
	// +required
	APIVersion string `json:"apiVersion"`

	// Kind of the autoscaler.
	// +kubebuilder:validation:Enum=HorizontalPodAutoscaler;ScaledObject
	// +required
	Kind string `json:"kind"`

	// Name of the autoscaler. The primary's copy is called the same with `-primary` appended.
	// +required
	Name string `json:"name"`

	// Queries of the primary's ScaledObject, by the name of the trigger. Left out, the target's
	// query with the target's name replaced by the primary's.
	// Example: `{requests: 'sum(rate(requests{app="podinfo-primary"}[1m]))'}`.
	// +optional
	PrimaryScalerQueries map[string]string `json:"primaryScalerQueries,omitempty"`

	// Limits of the primary's autoscaler. Left out, those of the target's.
	// +optional
	PrimaryScalerReplicas *ScalerReplicas `json:"primaryScalerReplicas,omitempty"`
}

// ScalerReplicas limits an autoscaler.
type ScalerReplicas struct {
	// Least number of replicas. Left out, as in the target's autoscaler.
	// +kubebuilder:validation:Minimum=1
	// +optional
	MinReplicas *int32 `json:"minReplicas,omitempty"`

	// Greatest number of replicas. Left out, as in the target's autoscaler.
	// +kubebuilder:validation:Minimum=1
	// +optional
	MaxReplicas *int32 `json:"maxReplicas,omitempty"`
}

// IngressRef names an Ingress in the Canary's namespace.
type IngressRef struct {
	// Group and version of the Ingress. Example: `networking.k8s.io/v1`.
	// +required
	APIVersion string `json:"apiVersion"`

	// Always `Ingress`.
	// +kubebuilder:validation:Enum=Ingress
	// +required
	Kind string `json:"kind"`

	// Name of the Ingress.
	// +required
	Name string `json:"name"`
}

// RouteRef names an ApisixRoute in the Canary's namespace.
type RouteRef struct {
	// Group and version of the route. Example: `apisix.apache.org/v2`.
	// +required
	APIVersion string `json:"apiVersion"`

	// Always `ApisixRoute`.
	// +kubebuilder:validation:Enum=ApisixRoute
	// +required
	Kind string `json:"kind"`

	// Name of the route.
	// +required
	Name string `json:"name"`
}

// UpstreamRef names an Upstream of Gloo.
type UpstreamRef struct {
	// Group and version of the Upstream. Example: `gloo.solo.io/v1`.
	// +required
	APIVersion string `json:"apiVersion"`

	// Always `Upstream`.
	// +kubebuilder:validation:Enum=Upstream
	// +required
	Kind string `json:"kind"`

	// Name of the Upstream.
	// +required
	Name string `json:"name"`

	// Namespace of the Upstream. Left out, the Canary's.
	// +optional
	Namespace string `json:"namespace,omitempty"`
}

// CrossNamespaceRef names an object of a kind that the field implies.
type CrossNamespaceRef struct {
	// Name of the object.
	// +required
	Name string `json:"name"`

	// Namespace of the object. Left out, the Canary's.
	// +optional
	Namespace string `json:"namespace,omitempty"`
}

// SecretRef names a Secret in the namespace of the object that holds the reference.
type SecretRef struct {
	// Name of the Secret.
	// +required
	Name string `json:"name"`
}

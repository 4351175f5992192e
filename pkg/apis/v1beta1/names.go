package v1beta1

import (
	"cmp"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// Finalizer is on a Canary that puts its target back before it goes.
const Finalizer = "finalizer.flagger.app"

// DefinitionName is the name of the custom resource definition of Canaries.
const DefinitionName = "canaries.flagger.app"

// PrimaryRevisionAnnotation is on a Service of Knative's and names the revision that was promoted last: its router
// sends users there. Every controller of this API has it under this name.
const PrimaryRevisionAnnotation = "flagger.app/primary-revision"

// The ends of generated names, and of the label by which the primary's pods are told from the target's. They are part
// of the interface: hooks, dashboards and gateways refer to objects by them.
const (
	PrimarySuffix = "-primary"
	CanarySuffix  = "-canary"
)

// ApexName is the name of the Service that users ask, and of the route that divides its requests.
func (c *Canary) ApexName() string {
	if c.Spec.Service.Name != "" {
		return c.Spec.Service.Name
	}
	return c.Spec.TargetRef.Name
}

// PrimaryName is the name of the Service that leads to the primary alone.
func (c *Canary) PrimaryName() string { return c.ApexName() + PrimarySuffix }

// CanaryName is the name of the Service that leads to the canary alone.
func (c *Canary) CanaryName() string { return c.ApexName() + CanarySuffix }

// WithoutServices says that no Services are generated: the sides divide the work by their numbers of pods alone.
func (c *Canary) WithoutServices() bool {
	a := c.Spec.Analysis
	return c.Spec.Service.Port == 0 && a != nil && a.ReplicaRatio && a.Iterations == 0
}

// PrimaryWorkload is the name of the workload that is made for the primary.
func (c *Canary) PrimaryWorkload() string { return c.Spec.TargetRef.Name + PrimarySuffix }

// WithTarget is the Canary with another target, and the names that follow from it.
func (c *Canary) WithTarget(t TargetName) *Canary {
	other := c.DeepCopy()
	other.Spec.TargetRef.Kind, other.Spec.TargetRef.Name = t.Kind, t.Name
	return other
}

// OwnerReference makes the Canary the controller of an object: whoever looks at the object sees whose it is, and it goes
// when the Canary goes.
func (c *Canary) OwnerReference() metav1.OwnerReference {
	return *metav1.NewControllerRef(c, GroupVersion.WithKind("Canary"))
}

// OlderThan says which of two Canaries came first; names decide between those of one second.
func (c *Canary) OlderThan(other *Canary) bool {
	if c.CreationTimestamp.Equal(&other.CreationTimestamp) {
		return c.Name < other.Name
	}
	return c.CreationTimestamp.Before(&other.CreationTimestamp)
}

// KeyFor names what a Canary refers to; without a namespace it is in the Canary's.
func (r CrossNamespaceRef) KeyFor(c *Canary) types.NamespacedName {
	return types.NamespacedName{Namespace: cmp.Or(r.Namespace, c.Namespace), Name: r.Name}
}

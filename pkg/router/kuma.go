package router

import (
	"cmp"
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
)

// kuma renders a TrafficRoute. That is outside of namespaces, which makes two things different from all others:
// its name has the namespace in it, since two namespaces may well have an apex of the same name, and no Canary can
// own it. Whose it is says an annotation, and it has to be deleted together with the Canary.
//
// https://kuma.io/docs/2.6.x/policies/traffic-route/
type kuma struct{ version schema.GroupVersion }

// CanaryAnnotation names the Canary of an object that cannot be owned, as `namespace/name`.
const CanaryAnnotation = "sluice.dev/canary"

// ClusterScoped is a Router with routes that no Canary can own. They have CanaryAnnotation, and are to be deleted before
// their Canary goes.
type ClusterScoped interface {
	// ClusterScopedRoutes names them, whether they are there or not.
	ClusterScopedRoutes(c *v1beta1.Canary) []Ref
}

// CanaryOf is the Canary that CanaryAnnotation names; empty where there is none, or none that could be.
func CanaryOf(o metav1.Object) types.NamespacedName {
	namespace, name, _ := strings.Cut(o.GetAnnotations()[CanaryAnnotation], "/")
	if namespace == "" || name == "" {
		return types.NamespacedName{}
	}
	return types.NamespacedName{Namespace: namespace, Name: name}
}

func newKuma(o Options) (Router, rollout.Capabilities, error) {
	gv, err := pick(o, "kuma", "kuma.io", "v1alpha1")
	if err != nil {
		return nil, 0, err
	}
	return kuma{version: gv}, rollout.Weighted, nil
}

func (r kuma) kind() schema.GroupVersionKind { return r.version.WithKind("TrafficRoute") }

func (r kuma) Writes() []schema.GroupVersionKind { return []schema.GroupVersionKind{r.kind()} }

// ClusterScopedRoutes implements ClusterScoped.
func (r kuma) ClusterScopedRoutes(c *v1beta1.Canary) []Ref {
	return []Ref{{GroupVersionKind: r.kind(), Name: kumaRoute(c)}}
}

// kumaRoute is a name that no other apex and namespace make: that of a Service has no dot.
func kumaRoute(c *v1beta1.Canary) string { return c.ApexName() + "." + c.Namespace }

// Reads nothing: all that a route says is in the Canary.
func (kuma) Reads(*v1beta1.Canary) []Ref { return nil }

// Render divides what any workload of the mesh asks of the apex.
func (r kuma) Render(in Input) ([]runtime.ApplyConfiguration, error) {
	c := in.Canary
	spec := map[string]any{
		"sources":      []any{map[string]any{"match": inMesh("*")}},
		"destinations": []any{map[string]any{"match": inMesh(kumaService(c, c.ApexName()))}},
		"conf": map[string]any{"split": each(c, in.Traffic.Weight, func(s side) any {
			return map[string]any{"weight": s.weight, "destination": inMesh(kumaService(c, s.name))}
		})},
	}
	o := object(r.kind(), kumaRoute(c), c, c.Spec.Service.Apex, spec)
	// Beside the spec and not in it: that is where Kuma's resources for Kubernetes have it.
	o.Object["mesh"] = cmp.Or(c.Annotations["kuma.io/mesh"], "default")
	// The garbage collector looks for the owner of such an object outside of namespaces, and finds none.
	o.SetNamespace("")
	o.SetOwnerReferences(nil)
	annotations := o.GetAnnotations()
	annotations[CanaryAnnotation] = c.Namespace + "/" + c.Name
	o.SetAnnotations(annotations)
	return []runtime.ApplyConfiguration{o}, nil
}

// kumaService is what Kuma calls a port of a Service.
// It is the tag kuma.io/service of the pods behind it, which Kuma makes of name, namespace and port.
func kumaService(c *v1beta1.Canary, service string) string {
	return fmt.Sprintf("%s_%s_svc_%d", service, c.Namespace, c.Spec.Service.Port)
}

func inMesh(service string) map[string]any { return map[string]any{"kuma.io/service": service} }

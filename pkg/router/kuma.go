package router

import (
	"cmp"
	"fmt"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

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

func newKuma(o Options) (Router, rollout.Capabilities, error) {
	gv, err := pick(o, "kuma", "kuma.io", "v1alpha1")
	if err != nil {
		return nil, 0, err
	}
	return kuma{version: gv}, rollout.Weighted, nil
}

func (r kuma) Writes() []schema.GroupVersionKind {
	return []schema.GroupVersionKind{r.version.WithKind("TrafficRoute")}
}

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
	// A Service's name has no dot, so that no other apex and namespace make the same name.
	o := object(r.version.WithKind("TrafficRoute"), c.ApexName()+"."+c.Namespace, c, c.Spec.Service.Apex, spec)
	o.Object["mesh"] = cmp.Or(c.Annotations["kuma.io/mesh"], "default")
	o.SetNamespace("")
	o.SetOwnerReferences(nil)
	annotations := o.GetAnnotations()
	annotations[CanaryAnnotation] = c.Namespace + "/" + c.Name
	o.SetAnnotations(annotations)
	return []runtime.ApplyConfiguration{o}, nil
}

// kumaService is what Kuma calls a port of a Service.
func kumaService(c *v1beta1.Canary, service string) string {
	return fmt.Sprintf("%s_%s_svc_%d", service, c.Namespace, c.Spec.Service.Port)
}

func inMesh(service string) map[string]any { return map[string]any{"kuma.io/service": service} }

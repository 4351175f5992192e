package router

import (
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
)

// traefik renders a weighted TraefikService under the apex's name, which the user's IngressRoute leads to.
//
// https://doc.traefik.io/traefik/routing/providers/kubernetes-crd/#kind-traefikservice
type traefik struct{ version schema.GroupVersion }

func newTraefik(o Options) (Router, rollout.Capabilities, error) {
	gv, err := pick(o, "traefik", "traefik.io", "v1alpha1")
	if err != nil {
		return nil, 0, err
	}
	return traefik{version: gv}, rollout.Weighted, nil
}

// Traefik reports nothing of a TraefikService, so there is no Accepted, and -settle is all there is.

func (r traefik) Writes() []schema.GroupVersionKind {
	return []schema.GroupVersionKind{r.version.WithKind("TraefikService")}
}

// Reads nothing: all that a route says is in the Canary.
func (traefik) Reads(*v1beta1.Canary) []Ref { return nil }

// Render leaves the canary out while it gets nothing. Traefik refuses a whole TraefikService one of whose Services has
// no pods, which the canary's has none of between rollouts.
func (r traefik) Render(in Input) ([]runtime.ApplyConfiguration, error) {
	c := in.Canary
	services := each(c, in.Traffic.Weight, func(s side) any {
		return map[string]any{
			"name":   s.name,
			"kind":   "Service",
			"port":   int64(c.Spec.Service.Port),
			"weight": s.weight,
		}
	})
	if in.Traffic.Weight == 0 {
		services = services[:1]
	}
	spec := map[string]any{"weighted": map[string]any{"services": services}}
	o := object(r.version.WithKind("TraefikService"), c.ApexName(), c, c.Spec.Service.Apex, spec)
	return []runtime.ApplyConfiguration{o}, nil
}

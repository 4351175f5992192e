package router

import (
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
)

// smi renders a TrafficSplit of the Service Mesh Interface under the apex's name.
//
// https://github.com/servicemeshinterface/smi-spec/blob/main/apis/traffic-split/v1alpha2/traffic-split.md
type smi struct{ version schema.GroupVersion }

// smiGroup has the one kind that is written here, TrafficSplit.
const smiGroup = "split.smi-spec.io"

// newSMI makes the router of one version, which is part of the provider's name: meshes serve one of them only.
func newSMI(version string) func(Options) (Router, rollout.Capabilities, error) {
	return func(o Options) (Router, rollout.Capabilities, error) {
		gv, err := pick(o, "smi:"+version, smiGroup, version)
		if err != nil {
			return nil, 0, err
		}
		return smi{version: gv}, rollout.Weighted, nil
	}
}

// A split has no status, so there is no Accepted.

func (r smi) Writes() []schema.GroupVersionKind {
	return []schema.GroupVersionKind{r.version.WithKind("TrafficSplit")}
}

// Reads nothing: all that a split says is in the Canary.
func (smi) Reads(*v1beta1.Canary) []Ref { return nil }

// Render writes weights as whole numbers. v1alpha1 has quantities, later versions numbers: these are both.
func (r smi) Render(in Input) ([]runtime.ApplyConfiguration, error) {
	c := in.Canary
	root := c.ApexName()
	if hosts := c.Spec.Service.Hosts; len(hosts) > 0 {
		root = hosts[0] // the name that clients ask, where that is not the Service's own
	}
	spec := map[string]any{
		"service": root,
		"backends": each(c, in.Traffic.Weight, func(s side) any {
			return map[string]any{"service": s.name, "weight": s.weight}
		}),
	}
	o := object(r.version.WithKind("TrafficSplit"), c.ApexName(), c, c.Spec.Service.Apex, spec)
	return []runtime.ApplyConfiguration{o}, nil
}

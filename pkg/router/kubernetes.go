package router

import (
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
)

// kubernetes is the provider that needs nothing installed. Services are its only routes: the apex
// selects one side or the other, which rollout.Intent says and package workload renders.
type kubernetes struct{}

// No capability: plans are blue/green then (docs/decisions/0008), or reach weights by numbers of pods (0011).

func newKubernetes(Options) (Router, rollout.Capabilities, error) { return kubernetes{}, 0, nil }

func (kubernetes) Writes() []schema.GroupVersionKind { return nil }

func (kubernetes) Reads(*v1beta1.Canary) []Ref { return nil }

// Render returns nothing, at any weight.
func (kubernetes) Render(Input) ([]runtime.ApplyConfiguration, error) { return nil, nil }

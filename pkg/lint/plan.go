package lint

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
	"github.com/sluice-cd/sluice/pkg/router"
	"github.com/sluice-cd/sluice/pkg/workload"
)

// Planned is a Canary of the files that can be followed, with what they say of its target.
type Planned struct {
	Canary    *v1beta1.Canary
	File      string
	Can       rollout.Capabilities
	Plan      rollout.Plan
	Size      int32 // pods of the target, or the least of its autoscaler; zero: the files do not say
	Most      int32 // pods that the autoscaler allows; zero: there is none among the files
	Recreates bool  // an update takes all pods of the target down first

	templates map[v1beta1.CrossNamespaceRef]*v1beta1.MetricTemplate
}

// Template is the MetricTemplate that the files have for a metric of the Canary.
func (p Planned) Template(_ context.Context, _ *v1beta1.Canary, ref v1beta1.CrossNamespaceRef) (*v1beta1.MetricTemplate, error) {
	if t := p.templates[ref]; t != nil {
		return t, nil
	}
	return nil, errors.New("the files do not have it")
}

// Secret is none: those of files are not read.
func (p Planned) Secret(_ context.Context, namespace, name string) (map[string][]byte, error) {
	return nil, fmt.Errorf("the Secret %s/%s is not read", namespace, name)
}

// Plans are those of all Canaries of the files. One that cannot be followed is an error.
func (l *Linter) Plans(files *Files) ([]Planned, error) {
	if len(files.findings) > 0 {
		f := files.findings[0]
		return nil, fmt.Errorf("%s:%d: %s. %s", f.File, f.Line, f.message(), f.Advice)
	}
	s := newSet(l, files)
	var all []Planned
	for _, d := range files.documents {
		c := s.canaries[d]
		if c == nil {
			continue
		}
		_, can, err := router.New(cmp.Or(c.Spec.Provider, l.Provider), l.apis)
		if err != nil {
			return nil, fmt.Errorf("%s: %s: %w", c.doc.file, c.doc, err)
		}
		plan, err := rollout.Compile(c.Spec, can)
		if err != nil {
			return nil, fmt.Errorf("%s: %s: %w", c.doc.file, c.doc, err)
		}
		p := Planned{Canary: c.Canary, File: c.doc.file, Can: can, Plan: plan}
		s.size(c, &p)
		p.templates = s.templates(c)
		all = append(all, p)
	}
	return all, nil
}

// templates are those that the metrics of a Canary refer to, as far as the files have them.
func (s *set) templates(c *canary) map[v1beta1.CrossNamespaceRef]*v1beta1.MetricTemplate {
	all := map[v1beta1.CrossNamespaceRef]*v1beta1.MetricTemplate{}
	if c.Spec.Analysis == nil {
		return all
	}
	for _, m := range c.Spec.Analysis.Metrics {
		if t := s.templateOf(c, m); t != nil {
			at := m.TemplateRef.KeyFor(c.Canary)
			all[v1beta1.CrossNamespaceRef{Name: at.Name, Namespace: at.Namespace}] = t
		}
	}
	return all
}

// size fills in what the target and its autoscaler say.
func (s *set) size(c *canary, p *Planned) {
	target, _ := s.target(c)
	if d, ok := target.(*appsv1.Deployment); ok {
		p.Size, p.Recreates = workload.SizeOf(d), workload.StopsOnUpdate(d, workload.SizeOf(d)) != ""
	}
	ref := c.Spec.AutoscalerRef
	if ref == nil {
		return
	}
	if d := s.find(key{ref.Kind, c.Namespace, ref.Name}, c.doc); d != nil && ref.Kind == "HorizontalPodAutoscaler" {
		if h, err := decode[autoscalingv2.HorizontalPodAutoscaler](d.object); err == nil {
			p.Size, p.Most = 1, h.Spec.MaxReplicas
			if h.Spec.MinReplicas != nil {
				p.Size = *h.Spec.MinReplicas
			}
		}
	}
}

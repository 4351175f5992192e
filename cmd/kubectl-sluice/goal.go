package main

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/workload"
)

// goal is what a target goes back to.
type goal struct {
	name                               string // for people
	revision, template, number, images string // as far as they are known
}

// goalOf is a run, or, without a number, what served before the last one.
func goalOf(s *v1beta1.CanaryStatus, toRun int64) (goal, error) {
	g, number := goal{name: fmt.Sprintf("run %d", toRun)}, toRun
	if toRun == 0 {
		if s.Run == nil || s.Run.From == nil || s.Run.From.Images == "" && s.Run.From.Revision == "" {
			return g, fmt.Errorf("no run is known that something served before; choose one by --to-run, see history")
		}
		from := s.Run.From
		g, number = goal{name: fmt.Sprintf("what served before run %d", s.Run.Number), revision: from.Revision, images: from.Images}, from.Run
	}
	i := slices.IndexFunc(s.History, func(past v1beta1.PastRun) bool { return number > 0 && past.Number == number })
	switch {
	case i >= 0:
		past := s.History[i]
		g.revision, g.template, g.number, g.images = past.Revision, past.Template, past.TargetRevision, past.Images
	case toRun > 0:
		return g, fmt.Errorf("%s is none of those that are kept, see history", g.name)
	}
	return g, nil
}

// find looks in a history for the very template, then for the number that it was counted as, then for the images alone; less than zero:
// there is none. A newer API server may have read defaults into a template, and a workload that was made anew counts from one.
func (g goal) find(former []kept) int {
	best, found := 0, -1
	for i := range former {
		k, fits := &former[i], 0
		switch {
		case k.is(g.revision), g.has(k.template):
			fits = 3
		case g.images == "" || imagesOf(k.template) != g.images:
		case g.number != "" && slices.Contains(k.numbers, g.number):
			fits = 2
		default:
			fits = 1
		}
		if fits > best {
			best, found = fits, i
		}
	}
	return found
}

// has says that a template is the very one.
func (g goal) has(t *corev1.PodTemplateSpec) bool {
	return g.template != "" && workload.Revision(*t, nil) == g.template
}

// otherConfigs says that a template is that of the run, and not its revision, by the checksums of ConfigMaps and Secrets that the
// operator has noted last.
func (g goal) otherConfigs(s *v1beta1.CanaryStatus, t *corev1.PodTemplateSpec) bool {
	if !g.has(t) || s.TrackedConfigs == nil {
		return false
	}
	sums := map[string]string{}
	for _, config := range workload.ConfigsOf(t) {
		if sum, tracked := (*s.TrackedConfigs)[config.Key()]; tracked {
			sums[config.Key()] = sum
		}
	}
	return workload.Revision(*t, sums) != g.revision
}

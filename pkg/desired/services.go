package desired

import (
	"strings"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/workload"
)

// addServices renders the three Services.
func (r *Renderer) addServices(f *Facts, o *Objects) error {
	like := targetOrLike(f)
	// Neither side is there: nothing tells which label or ports the Services should have.
	if like == nil {
		return nil
	}
	adopted := f.Apex
	if !workload.NotControlled(adopted, f.Canary) {
		adopted = nil
	}
	services, err := r.Kinds.Services(f.Canary, like, f.Intent.Apex, adopted)
	if err != nil {
		return err
	}
	o.Apply = append(o.Apply, services...)
	// Of the three only the apex moves users. It comes after the two that routes lead to.
	o.Routes = append(o.Routes, services[len(services)-1])
	return nil
}

// targetOrLike is a workload with the target's labels and ports: the target itself, or, when somebody deleted
// that in the middle of a rollout, what its primary still tells of it. Traffic must be moved all the same.
func targetOrLike(f *Facts) workload.Object {
	if f.Target != nil || f.Primary == nil {
		return f.Target
	}
	like, ok := f.Primary.DeepCopyObject().(workload.Object)
	if !ok {
		return nil
	}
	like.SetName(f.Canary.Spec.TargetRef.Name)
	// The map is that of the copy. With the target's value the rules tell the two sides apart as ever.
	labels := workload.SummaryOf(like).Selector.MatchLabels
	for k, val := range labels {
		labels[k] = strings.TrimSuffix(val, v1beta1.PrimarySuffix)
	}
	return like
}

package rollout

import (
	"fmt"
	"slices"
	"time"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// A canary bakes by having all users before it is promoted, while the primary keeps the revision before, at full size. Going
// back is a change of routes then.

// bakeBeforePromotion lays out the bake: where the steps end with all users at the canary it lengthens the last one. What people are asked
// before a promotion they are asked before it.
func (p *Plan) bakeBeforePromotion(how *v1beta1.AnalysisPromotion) {
	if how == nil || how.Bake == "" || len(p.Steps) == 0 {
		return
	}
	lasts, _ := time.ParseDuration(how.Bake) // checked before
	last := len(p.Steps) - 1
	if s := p.Steps[last]; s.Weight < everything || p.Matched && !s.All {
		p.Steps = append(p.Steps, Step{Weight: everything, All: true, Event: "Routing all traffic to canary"})
		last++
	} else {
		p.askBefore(last)
	}
	s := &p.Steps[last]
	s.Bake, s.Until.Duration = true, max(s.Until.Duration, lasts)
	if s.Until.Duration < p.Interval {
		p.remark(fmt.Sprintf("spec.analysis.promotion.bake lasts %s: it is judged after an interval", p.Interval))
	}
	if len(how.BakeMetrics) > 0 {
		s.Metrics = how.BakeMetrics
	}
	p.Hash += "-bake"
}

// askBefore has what people are asked before the promotion be asked before a step that ends with it.
func (p *Plan) askBefore(last int) {
	gates := &p.Opening
	if last > 0 {
		gates = &p.Steps[last-1].Gates
	}
	s := &p.Steps[last]
	if i := slices.Index(s.Gates, v1beta1.ConfirmPromotionHook); i >= 0 {
		s.Gates = slices.Delete(slices.Clone(s.Gates), i, i+1)
		*gates = append(slices.Clip(*gates), v1beta1.ConfirmPromotionHook)
	}
}

// bakes says that the canary bakes in the step in effect.
func bakes(f *facts) bool {
	return f.Status.Phase.Analysing() && f.Status.Step > 0 && f.step().Bake && f.Status.CanaryWeight == everything
}

// missingInBake is how long a canary that bakes may have fewer pods than it needs.
const missingInBake = 10 * time.Second

// bakeFailed notices pods that fail while the canary bakes: no round of checks is waited for.
func bakeFailed(t *transition) outcome {
	if !bakes(&t.facts) || t.canaryOnly || t.Primary.Available == 0 {
		return nil
	}
	if t.Target.Crashed != "" {
		return func(t *transition) {
			rollBackKept(t, "a pod of "+t.Names.target()+" failed while it baked: "+t.Target.Crashed)
		}
	}
	needed := Share(orDefault(t.Plan.CanaryReady, everything), t.Status.PrimaryReplicas)
	if t.Target.Available >= needed || t.Target.Since.IsZero() || t.Now.Sub(t.Target.Since) < missingInBake {
		return nil
	}
	return func(t *transition) {
		rollBackKept(t, fmt.Sprintf("%s has %d pods available while it bakes, and needs %d", t.Names.target(), t.Target.Available, needed))
	}
}

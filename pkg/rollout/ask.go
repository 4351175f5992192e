package rollout

import (
	"time"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// Ask says what has to be known for the next decision. Nothing due, nothing asked.
func Ask(s Snapshot) Questions {
	t := newTurn(s)
	for _, g := range guards {
		if g(t) != nil {
			return Questions{}
		}
	}
	if !t.analysing() || t.blocked() != nil || t.Plan.Skip || t.wait() > 0 || t.Status.Step > 0 && t.Status.NextCheck == nil {
		return Questions{}
	}
	if t.Status.Step == 0 {
		return Questions{
			Hooks:   t.Plan.hooks(v1beta1.PreRolloutHook),
			Opening: t.Plan.hooks(v1beta1.RolloutHook),
		}
	}
	return Questions{Hooks: t.Plan.hooks(v1beta1.RolloutHook), Metrics: t.Plan.Metrics}
}

// blocked is the move of a canary that cannot be judged yet, or nil.
func (t *turn) blocked() move {
	switch {
	case !t.Routed && (t.wait() <= 0 || t.Trouble != ""):
		return (*turn).awaitRoutes // not before the step is due: saying so would cost two writes a step
	case !t.ready(t.Target, t.Status.LastAppliedSpec):
		return (*turn).awaitCanary
	case t.Target.Available < t.needed():
		return (*turn).awaitCapacity
	}
	return nil
}

// ready says that a side serves the revision it should.
func (t *turn) ready(w Workload, revision string) bool {
	return w.Health == Available && w.Revision == revision
}

// needed is how many pods the canary must have before the step that comes next is routed.
func (t *turn) needed() int32 {
	if t.Status.Step >= len(t.Plan.Steps) {
		return 0
	}
	return Share(t.Plan.Steps[t.Status.Step].Weight, t.Status.PrimaryReplicas)
}

// wait is how long the step in effect has still to run; zero or less when it is due.
func (t *turn) wait() time.Duration {
	if t.Status.NextCheck == nil {
		return 0
	}
	return t.Status.NextCheck.Sub(t.Now)
}

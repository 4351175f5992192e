package rollout

import (
	"slices"
	"time"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// Ask says what has to be known for the next decision. Nothing due, nothing asked.
func Ask(s Snapshot) Questions {
	t := newTransition(s)
	// A guard needs no answers, and ends what they would be about. Hooks are other people's programs: they may start
	// a load test, or call somebody.
	for _, g := range guards {
		if g(t) != nil {
			return Questions{}
		}
	}
	switch {
	// Promoting asks rollback hooks and nothing else: see rollBackByHook.go.
	case t.rollbackHooksDue():
		return Questions{Hooks: t.Plan.hooks(v1beta1.RollbackHook)}
	// A step is judged at its end; what was found before would have to be asked for again.
	case t.untilCheck() > 0:
		return Questions{}
	// Long before it matters, while there is time to mend an address or a secret.
	case t.initialisable():
		return Questions{Systems: len(t.Plan.Metrics) > 0 && !t.Plan.Skip}
	case t.newRevision():
		return t.approvalQuestions()
	// A canary without pods or routes would fail its checks for want of those.
	case !t.Status.Phase.Analysing() || t.blocked() != nil || t.Plan.Skip:
		return Questions{}
	case t.beforeFirstRound():
		return t.openingQuestions()
	// A step that has no NextCheck yet gets its interval first: see startCheckInterval.
	case t.Status.NextCheck == nil:
		return Questions{}
	}
	return t.roundQuestions()
}

// approvalQuestions asks whether a new revision may be started at all.
func (t *transition) approvalQuestions() Questions {
	moments := []v1beta1.HookType{v1beta1.ConfirmRolloutHook}
	if t.Status.Phase == v1beta1.PhaseWaiting {
		moments = append(moments, v1beta1.RollbackHook)
	}
	return Questions{Hooks: t.Plan.hooks(moments...)}
}

// beforeFirstRound says that a rollout is still before its first step, or, where it began with all users at the canary
// because nobody else can answer them, before its first round.
func (t *transition) beforeFirstRound() bool {
	return t.Status.Step == 0 || t.Status.Analysis == nil && t.canaryOnly()
}

// openingQuestions asks what must be so before the canary receives its first request. Hooks that agreed are not asked
// again while a gate is closed: an acceptance test is no cheap thing.
func (t *transition) openingQuestions() Questions {
	moments := []v1beta1.HookType{v1beta1.RollbackHook}
	// It is there as soon as they have agreed: see tellAnalysisStarted.
	if t.Status.Analysis == nil {
		moments = append(moments, v1beta1.PreRolloutHook)
	}
	// At 100 no step comes next that anybody could agree to.
	if t.Status.Step == 0 {
		moments = append(moments, t.gatesDue()...)
	}
	// A load test has to run before there is anything to judge: docs/decisions/0004.
	return Questions{Hooks: t.Plan.hooks(moments...), Opening: t.Plan.hooks(v1beta1.RolloutHook)}
}

// roundQuestions asks what judges the step in effect, and whether the next one may be taken.
func (t *transition) roundQuestions() Questions {
	moments := append([]v1beta1.HookType{v1beta1.RolloutHook, v1beta1.RollbackHook}, t.gatesDue()...)
	q := Questions{Hooks: t.Plan.hooks(moments...)}
	// Their order is part of the answer: remember finds each metric by its place.
	for i, m := range t.Plan.Metrics {
		if t.asked(i, m) {
			q.Metrics = append(q.Metrics, m)
		}
	}
	return q
}

// gatesDue are the moments whose hooks have to agree to what comes next.
func (t *transition) gatesDue() []v1beta1.HookType {
	var due []v1beta1.HookType
	next := t.Status.Step
	// Copies reach no user, so they are no increase of anything. In WaitingPromotion the last one was agreed to before.
	mirrored := next < t.Plan.Length() && t.Plan.Step(next+1).Mirror > 0
	if t.Plan.Strategy == Canary && !mirrored && t.Status.Phase == v1beta1.PhaseProgressing {
		due = append(due, v1beta1.ConfirmTrafficIncreaseHook)
	}
	if next == t.stepsBeforePromotion() {
		due = append(due, v1beta1.ConfirmPromotionHook)
	}
	return due
}

// stepsBeforePromotion is the number of steps after which a promotion has to be agreed to. A blue/green rollout asks
// before all users move: that is what people mean by it.
func (t *transition) stepsBeforePromotion() int {
	// A canary that alone can answer has all users already, so that only its promotion is left to agree to.
	if t.Plan.Strategy == BlueGreen && !t.canaryOnly() {
		return t.Plan.Length() - 1
	}
	return t.Plan.Length()
}

// asked says that a metric takes part in the round that is due. When that was to begin counts, not the present: the
// answer must be the same when the round is judged.
func (t *transition) asked(i int, m v1beta1.CanaryMetric) bool {
	// Since what a metric has answered is in the status, its count outlives a restart of the operator.
	a := t.Status.Analysis
	if countReached(m, a.Metric(t.Plan.metricKey(i))) {
		return false
	}
	delay, _ := time.ParseDuration(m.InitialDelay) // compiled before
	return a == nil || a.Started == nil || !t.Status.NextCheck.Time.Before(a.Started.Add(delay))
}

// countReached says that a metric took part as often as its count says. A check that failed is repeated, the last one too.
func countReached(m v1beta1.CanaryMetric, found *v1beta1.MetricStatus) bool {
	return m.Count > 0 && found != nil && found.Checks >= m.Count && (found.PassesInRow > 0 || m.DryRun)
}

// blocked is the outcome of a canary that cannot be judged yet, or nil.
func (t *transition) blocked() outcome {
	switch {
	case !t.Routed && (t.untilCheck() <= 0 || t.Trouble != ""):
		return (*transition).awaitRoutes // not before the step is due: saying so would cost two writes a step
	// At any step, not only the first: pods may be lost in mid-rollout, and few that are left answer badly.
	case !t.ready(t.Target, t.Status.LastAppliedSpec):
		return (*transition).awaitCanary
	// Capacity before traffic. With weights by pods the sizes are the weight, so both sides have to have theirs.
	case t.Target.Available < t.canaryPodsNeeded(), t.Plan.Ratio && !t.sizedByWeight():
		return (*transition).awaitCapacity
	}
	return nil
}

// ready says that a side serves the revision it should.
// Health alone would not do: until the primary is given a revision, it is Available with the one before.
func (t *transition) ready(w Workload, revision string) bool {
	return w.Health == Available && w.Revision == revision
}

// canaryPodsNeeded is how many pods the canary must have before the step that comes next is routed. Copies of requests are
// requests.
func (t *transition) canaryPodsNeeded() int32 {
	if t.Plan.Ratio {
		return t.podsOfStep()
	}
	// Nothing more is sent to the canary. What it has to be for a primary that does not come up is failPromotion's to look
	// at.
	if t.Status.Step >= t.Plan.Length() {
		return 0
	}
	next := t.Plan.Step(t.Status.Step + 1)
	return Share(orDefault(t.Plan.CanaryReady, everything), Share(max(next.Weight, next.Mirror), t.Status.PrimaryReplicas))
}

// untilCheck is how long the step in effect has still to run; zero or less when it is due.
// Steps back, a closed gate and a round that is repeated are timed by the same field of the status.
func (t *transition) untilCheck() time.Duration {
	if t.Status.NextCheck == nil {
		return 0
	}
	return t.Status.NextCheck.Sub(t.Now)
}

// hooks are those of some moments, in the spec's order.
func (p *Plan) hooks(moments ...v1beta1.HookType) []v1beta1.CanaryWebhook {
	var due []v1beta1.CanaryWebhook
	for _, h := range p.Hooks {
		if slices.Contains(moments, h.Moment()) {
			due = append(due, h)
		}
	}
	return due
}

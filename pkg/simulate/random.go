package simulate

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
)

// plans are the shapes of rollout that random runs are made of, of a target whose update recreates its pods or does not.
func plans(recreates bool) []rollout.Plan {
	ramp := []int{10, 30, 50}
	some := []v1beta1.HTTPMatchRequest{{Headers: map[string]v1beta1.StringMatch{"x-insider": {Exact: new("true")}}}}
	everything := rollout.Weighted | rollout.Mirrored | rollout.Matched | rollout.MatchedWeighted | rollout.Sticky
	all := []rollout.Plan{
		planOf(everything, v1beta1.CanaryAnalysis{StepWeights: ramp}),
		planOf(everything, v1beta1.CanaryAnalysis{StepWeights: ramp, StepWeightPromotion: 20}),
		planOf(everything, v1beta1.CanaryAnalysis{Iterations: 2}),
		planOf(0, v1beta1.CanaryAnalysis{Iterations: 2}),
		planOf(everything, v1beta1.CanaryAnalysis{}),
		planOf(everything, v1beta1.CanaryAnalysis{Iterations: 2, Match: some}),
		planOf(everything, v1beta1.CanaryAnalysis{StepWeights: ramp, Mirror: true, MirrorWeight: 50, PreviewMatch: some}),
		planOf(everything, v1beta1.CanaryAnalysis{Iterations: 1, Mirror: true}),
		planOf(0, v1beta1.CanaryAnalysis{StepWeights: []int{20, 60, 100}, ReplicaRatio: true}),
		planOf(everything, v1beta1.CanaryAnalysis{StepWeights: ramp, SessionAffinity: &v1beta1.SessionAffinity{CookieName: "c", PrimaryCookieName: "p"}}),
		planOf(everything, v1beta1.CanaryAnalysis{StepWeights: ramp, Match: some, Mirror: true, MirrorWeight: 50, StepWeightPromotion: 30}),
		planOf(everything, v1beta1.CanaryAnalysis{
			Steps: []v1beta1.AnalysisStep{
				{Name: "smoke", Weight: new(0), Duration: "3s", Webhook: &v1beta1.StepWebhook{URL: "http://acceptance/"}}, {Name: "some", Weight: new(20), Pause: &v1beta1.StepPause{}},
				{Name: "half", Weight: new(50), Replicas: new(int32(3)), Pause: &v1beta1.StepPause{After: "5s"}}, {Weight: new(50), Mirror: 30, PreviewMatch: &some},
			},
			Promotion: &v1beta1.AnalysisPromotion{Bake: "6s"}, OnFailure: v1beta1.FailureKeeps,
		}),
		planOf(everything, v1beta1.CanaryAnalysis{StepWeights: ramp, Promotion: &v1beta1.AnalysisPromotion{Auto: new(false), AutoAfter: "20s"}}),
		planOf(0, v1beta1.CanaryAnalysis{Iterations: 2, Promotion: &v1beta1.AnalysisPromotion{Auto: new(false), Bake: "5s"}}),
	}
	for i := range all {
		if recreates {
			all[i].RouteAllBeforePromotion("strategy Recreate")
		}
		all[i].Change(func(p *rollout.Plan) { equip(p, i) })
	}
	return all
}

// equip has a plan be followed fast, and be judged.
func equip(p *rollout.Plan, i int) {
	p.Interval, p.Deadline, p.Threshold = seconds(2), seconds(15), 2
	p.Metrics = []v1beta1.CanaryMetric{{Name: "request-success-rate"}}
	p.Hooks = []v1beta1.CanaryWebhook{{Name: "smoke", Type: v1beta1.PreRolloutHook}}
	if i%3 == 1 {
		p.Metrics = append(p.Metrics, v1beta1.CanaryMetric{Name: "compared", Baseline: "primary", Query: "q", Test: "proportions", Dispersion: new(1.0)})
	}
	switch {
	case i%2 == 1:
		p.Hooks = append(p.Hooks, gates()...)
	case p.Ratio, p.Preview:
		p.Hooks = append(p.Hooks, v1beta1.CanaryWebhook{Name: "stop", Type: v1beta1.RollbackHook})
	}
}

// planOf compiles a spec, which has no analysis where that has no steps.
func planOf(can rollout.Capabilities, a v1beta1.CanaryAnalysis) rollout.Plan {
	spec := v1beta1.CanarySpec{TargetRef: v1beta1.TargetRef{Kind: "Deployment", Name: "podinfo"}, Analysis: &a}
	if len(a.Match) == 0 && !a.Mirror {
		spec.History = &v1beta1.CanaryHistory{RollbackWindow: new(int32(2))}
	}
	spec.SkipAnalysis = a.Iterations == 0 && len(a.StepWeights) == 0 && len(a.Steps) == 0
	p, err := rollout.Compile(spec, can)
	if err != nil {
		panic(err) // a mistake in the list above
	}
	return p
}

// gates are one hook of each moment that can hold a rollout up or end it.
func gates() []v1beta1.CanaryWebhook {
	return []v1beta1.CanaryWebhook{
		{Name: "leave", Type: v1beta1.ConfirmRolloutHook},
		{Name: "more", Type: v1beta1.ConfirmTrafficIncreaseHook},
		{Name: "ship", Type: v1beta1.ConfirmPromotionHook},
		{Name: "stop", Type: v1beta1.RollbackHook},
	}
}

// randomRun is a run with faults drawn from a seed.
type randomRun struct {
	*Operator
	rng *rand.Rand
	top int // newest revision so far
	// targets draws when the spec names another target; nil: it never does.
	targets *rand.Rand
}

// Random runs one seed, with one protection left out or none, and returns what it did to the rules.
func Random(seed uint64, without Protection) []string {
	s := newRandomRun(seed, without)
	for range 40 + s.rng.IntN(160) {
		s.faults()
		s.Second()
		s.w.checkLeft()
		if len(s.w.violations) > 0 {
			return s.w.violations
		}
	}
	s.endFaults()
	return s.w.violations
}

func newRandomRun(seed uint64, without Protection) *randomRun {
	rng := rand.New(rand.NewPCG(seed, 2))
	recreates := rng.IntN(5) == 0
	all := plans(recreates)
	w := New(all[rng.IntN(len(all))], seed)
	w.target.recreates, w.primary.recreates = recreates, recreates
	w.proxyDelay = []int{0, 3, 3, 12}[rng.IntN(4)]
	w.podStart, w.podJitter = 1, rng.IntN(4)
	w.reported = rng.IntN(2) == 0
	w.scaling = rng.IntN(3) == 0 && !w.plan.Ratio
	w.plan.Change(func(p *rollout.Plan) { p.Autoscaled = w.scaling })
	w.flaky = []float64{0, .1, .25}[rng.IntN(3)]
	o := NewOperator(w)
	o.without = without
	o.lag = []float64{0, .2, .6, .85}[rng.IntN(4)]
	o.crash = []float64{0, .1, .3}[rng.IntN(3)]
	o.replyLoss = []float64{0, 0, .1}[rng.IntN(3)]
	o.slow = rng.IntN(3)
	s := &randomRun{Operator: o, rng: rng, top: 1, targets: newTargets(seed)}
	w.dropsAtOnce = rng.IntN(4) == 0
	if rng.IntN(8) == 0 && !w.plan.Ratio { // no other controller knows of that
		s.setForeign()
		s.targets = nil // its primary is not ours to compare
	}
	return s
}

// setForeign has the operator find what another one left behind.
func (s *randomRun) setForeign() {
	phases := []v1beta1.CanaryPhase{
		v1beta1.PhaseInitialized, v1beta1.PhaseSucceeded, v1beta1.PhaseFailed, v1beta1.PhaseWaiting,
		v1beta1.PhaseProgressing, v1beta1.PhaseWaitingPromotion, v1beta1.PhasePromoting, v1beta1.PhaseFinalising,
	}
	phase, weight, iterations := phases[s.rng.IntN(len(phases))], 0, 0
	last := s.w.plan.Length()
	switch phase {
	case v1beta1.PhaseProgressing, v1beta1.PhaseWaitingPromotion, v1beta1.PhasePromoting:
		if last > 0 && !s.w.plan.Swap {
			weight = s.w.plan.Step(last).Weight
			if last <= s.w.plan.Iterations {
				iterations = last
			}
		}
	default: // all requests are with the primary
	}
	s.top = 2
	s.w.SetForeign(phase, weight, iterations)
	s.publish()
	s.resumeAfter(interrupted{restarted: true}) // an operator starts with caches that are filled
}

// faults is what may come between two seconds. Promotions are short: somebody has to be quick to want them back.
func (s *randomRun) faults() {
	if s.rng.Float64() < .08 {
		s.oneFault()
	}
	s.retarget()
	switch phase := s.w.status.Phase; {
	case phase == v1beta1.PhasePromoting && s.rng.Float64() < .05:
		s.w.rollbackAsked = true
	case phase.Analysing() && s.rng.Float64() < .02:
		s.deny()
		s.spoil()
	case phase.Settled() && s.rng.Float64() < .2:
		s.w.rollbackAsked = false
	}
}

// oneFault is one thing that users or the cluster do.
func (s *randomRun) oneFault() {
	deeds := []func(){s.release, s.release, s.release, s.putBack, s.putBack, s.breakTarget, s.heal, s.suspend, s.replan, s.reject, s.scaleToZero, s.resizeTarget, s.loseTarget, s.losePrimary,
		s.toggleGate, s.toggleGate, s.toggleRollback, s.undecideMetrics, s.deleteCanary, s.w.drop, s.deny, s.deny, s.spoil, s.w.UpgradeServer,
		s.act, s.act, s.act, s.act, s.crashPod}
	s.w.toldSinceMove = nil // what happens to new facts may be said again
	deeds[s.rng.IntN(len(deeds))]()
}

func name(n int) string { return fmt.Sprintf("%sv%d", rollout.RevisionPrefix, n) }

// release gives the target a new revision.
func (s *randomRun) release() {
	s.top++
	switch s.rng.IntN(6) {
	case 0:
		s.w.trouble[name(s.top)] = "ImagePullBackOff: no such image"
	case 1:
		s.w.trouble[name(s.top)] = noReason
	case 2:
		s.w.bad[name(s.top)] = true
	}
	s.w.Release(name(s.top))
}

// putBack puts the target to some earlier revision, most often the promoted one.
func (s *randomRun) putBack() {
	to := name(1 + s.rng.IntN(s.top))
	if p := s.w.status.LastPromotedSpec; p != "" && s.w.passed[p] && s.rng.IntN(3) > 0 {
		to = p
	}
	s.w.Release(to)
}

// breakTarget makes the revision that is rolled out break when it is started anew.
func (s *randomRun) breakTarget() { s.w.trouble[template(s.w.target.revision)] = noReason }

func (s *randomRun) heal() { clear(s.w.trouble) }

func (s *randomRun) suspend() { s.w.Suspend(!s.w.paused) }

// replan changes the spec in mid-flight.
func (s *randomRun) replan() {
	if s.w.plan.Ratio {
		return // it belongs to weights alone, and the provider cannot be changed
	}
	all := plans(s.w.primary.recreates)
	p := all[s.rng.IntN(len(all))]
	p.Change(func(p *rollout.Plan) {
		p.Swap, p.Ratio = s.w.plan.Swap, false // what the provider can do stays
		p.Autoscaled = s.w.plan.Autoscaled
	})
	s.w.ChangePlan(p)
}

func (s *randomRun) reject() {
	s.w.rejected = ""
	if s.w.reported && s.rng.IntN(2) == 0 { // of proxies that report nothing, nobody can know
		s.w.rejected = "gateway podinfo does not exist"
	}
}

func (s *randomRun) scaleToZero() {
	if s.w.target.exists {
		s.w.Scale(0)
	}
}

// resizeTarget has a user want another size.
func (s *randomRun) resizeTarget() {
	if s.w.target.exists {
		s.w.Scale(1 + s.rng.Int32N(5))
	}
}

func (s *randomRun) loseTarget() {
	if s.w.target.exists {
		s.w.target.remove()
		s.w.targetChanged = s.w.now
		return
	}
	s.w.target.set(s.w, s.w.hashed(name(s.top)), 2)
	s.w.targetChanged = s.w.now
}

// act has a person ask for something, now and then of another revision.
func (s *randomRun) act() {
	wishes := []string{"promote", "promote", "promote skip-step=true", "promote-full", "override", "abort", "retry", "pause", "resume", "rollback"}
	s.w.Act(wishes[s.rng.IntN(len(wishes))], []string{"anna", "ben"}[s.rng.IntN(2)])
	if s.rng.IntN(8) == 0 {
		s.w.Request(strings.Replace(s.w.requested.Text, "revision=", "revision=x", 1), "anna")
	}
}

// crashPod has a container of the canary end, as far as anybody looks.
func (s *randomRun) crashPod() {
	s.w.crashed = []string{"", "podinfod ended with exit code 1"}[s.rng.IntN(2)]
}

// toggleGate closes a gate, or opens it again.
func (s *randomRun) toggleGate() {
	h := gates()[s.rng.IntN(3)].Type
	s.w.gates[h] = !s.w.gates[h]
	if h == v1beta1.ConfirmTrafficIncreaseHook {
		s.w.gates[v1beta1.StepHook] = s.w.gates[h] // not done
	}
}

// deleteCanary deletes the Canary, seldom: there is nothing to be seen after it.
func (s *randomRun) deleteCanary() {
	if s.rng.IntN(4) == 0 && !s.w.deleting {
		s.w.Delete()
	}
}

func (s *randomRun) toggleRollback() { s.w.rollbackAsked = !s.w.rollbackAsked && s.rng.IntN(2) == 0 }

// undecideMetrics has metrics say nothing for a while.
func (s *randomRun) undecideMetrics() {
	s.w.metricVerdict = []v1beta1.Verdict{"", v1beta1.Waiting, v1beta1.Inconclusive}[s.rng.IntN(3)]
}

// spoil has checks of the canary fail from now on, whatever they said before.
func (s *randomRun) spoil() {
	if s.w.status.Phase.Analysing() {
		s.w.bad[template(s.w.target.revision)] = true
	}
}

// deny has the API server refuse all writes to one object, or take them again.
func (s *randomRun) deny() {
	to := []object{targetObject, primaryObject, scalerObject, scalerObject, apexObject, routesObject}[s.rng.IntN(6)]
	s.w.refused[to] = !s.w.refused[to]
	s.w.edited = s.w.edited || to == scalerObject
}

func (s *randomRun) losePrimary() {
	if s.rng.IntN(3) == 0 {
		s.w.primary.remove()
	}
}

// endFaults takes all faults away and gives the rollout the time to come to rest.
func (s *randomRun) endFaults() {
	s.lag, s.crash, s.replyLoss, s.slow = 0, 0, 0, 0
	s.w.flaky, s.w.failures, s.w.rejected = 0, 0, ""
	s.w.scaling = false
	s.w.rollbackAsked, s.w.metricVerdict = false, ""
	clear(s.w.gates)
	clear(s.w.refused)
	s.w.Suspend(false)
	s.w.crashed = ""
	s.heal()
	if !s.w.target.exists {
		s.loseTarget()
	}
	for n := range 240 {
		switch n % 20 { // somebody looks after what waits for a person
		case 0:
			s.w.Act("promote", "anna")
		case 10:
			s.w.Act("resume", "anna")
		}
		s.Second()
	}
	if !s.w.deleting && !s.w.primary.exists && s.observe(true).Revision != s.w.status.LastPromotedSpec {
		return // deleted by a user, and nothing that passed is left to make it from
	}
	checkAtRest(s.w, s.Operator)
}

// checkAtRest holds that a world without faults comes to rest, as the status says it should be.
func checkAtRest(w *World, o *Operator) {
	if w.deleting {
		if w.status.Phase != v1beta1.PhaseTerminated {
			w.violated("not gone: %s, target %+v, primary %+v", brief(w.status), o.targets.live(), o.primaries.live())
		}
		return
	}
	if !w.status.Phase.Settled() {
		w.violated("not settled: %s, target %+v, primary %+v", brief(w.status), o.targets.live(), o.primaries.live())
		return
	}
	v := o.observe(true)
	kept := w.status.CanaryWeight > 0 || w.status.Promoting != ""
	if w.named != w.about && !kept || w.former != nil && w.former.primary.exists {
		w.violated("at rest, and not with target %d: %s", w.named, brief(w.status))
	}
	if len(o.adds(v)) > 0 || o.removes(v) || !v.Routed {
		w.violated("at rest, and not what %s calls for: %+v, %+v", brief(w.status), v.intent, v.net)
	}
	runs := w.primary.revision
	if runs == "" { // made by somebody else, who wrote no revision on it
		runs = w.copied
	}
	if w.status.CanaryWeight == 0 && v.Revision == w.status.LastPromotedSpec && w.primary.exists && !sameTemplate(runs, w.target.revision) {
		w.violated("at rest with %s promoted, and the primary runs %s", w.target.revision, w.primary.revision)
	}
	if v.Revision != w.status.LastAppliedSpec && w.primary.exists {
		w.violated("at rest, and %s was never looked at: %s", w.target.revision, brief(w.status))
	}
}

func brief(s v1beta1.CanaryStatus) string {
	waits := ""
	for _, c := range s.Conditions {
		if c.Type == v1beta1.ConditionWaiting {
			waits = c.Reason + " " + c.Message
		}
	}
	return fmt.Sprintf("%s weight=%d step=%d applied=%s promoted=%s promoting=%s waits=%q", s.Phase, s.CanaryWeight, s.Step,
		s.LastAppliedSpec, s.LastPromotedSpec, s.Promoting, waits)
}

// Release gives the target a revision.
func (w *World) Release(revision string) {
	if revision = w.hashed(revision); w.target.exists && w.target.revision != revision {
		w.target.blamed = w.target.blamed || w.target.recreates // users have taken its pods down
		w.target.set(w, revision, w.target.size)
		w.targetChanged = w.now
	}
}

// Suspend halts the Canary, or lets it go on.
func (w *World) Suspend(on bool) {
	if w.paused != on {
		w.paused = on
		w.generation++
		w.version++
	}
}

// Act has a person ask for something, by all that is known of the rollout now.
func (w *World) Act(what, by string) {
	verb, more, _ := strings.Cut(what, " ")
	revision := w.status.LastAppliedSpec
	if w.status.Phase == v1beta1.PhaseWaiting {
		revision = w.hashed(w.target.revision)
	}
	w.Request(strings.TrimSuffix(fmt.Sprintf("%s id=%d revision=%s %s", verb, w.time().Unix(), revision, more), " "), by)
}

// Request has a person ask for something in exactly these words.
func (w *World) Request(text, by string) {
	w.requested = rollout.Requested{Text: text, By: by}
	w.toldSinceMove = nil // what was answered before may be answered again
	w.version++
}

// Delete deletes the Canary, which asked for its target back.
func (w *World) Delete() {
	w.deleting = true
	w.version++
}

// ChangePlan changes the spec.
func (w *World) ChangePlan(p rollout.Plan) {
	w.plan = p
	w.generation++
	w.version++
}

// Scale has a user change the target's size.
func (w *World) Scale(size int32) {
	w.target.set(w, w.target.revision, size)
	w.target.ours = false
	w.target.blamed = true
}

// losePrimary takes away the node of the primary's pods; no other one takes them.
func (w *World) losePrimary() {
	w.primary.pods, w.primary.blamed = nil, true
	w.trouble[w.primary.name] = noReason
}

// line is what is going on, for people.
func (w *World) line() string {
	n := w.net
	left := ""
	if w.former != nil {
		left = fmt.Sprintf(" former=%d primary %d/%d asked=%t", w.former.number, w.former.primary.serving(), w.former.primary.size, n.former)
	}
	return fmt.Sprintf("target=%s %d/%d primary=%s %d/%d apex=%d routes=%t/%d pending=%d guard=%d paused=%t rejected=%q", w.target.revision,
		w.target.serving(), w.target.size, w.primary.revision, w.primary.serving(), w.primary.size, n.apex, n.routes, n.weight, len(n.pending), w.guard, w.paused, w.rejected) + left
}

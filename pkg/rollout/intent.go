package rollout

import "github.com/sluice-cd/sluice/pkg/apis/v1beta1"

// Intent is what must be true in the cluster. It depends on the status alone, so that applying it
// twice, or after a crash, is applying it once.
type Intent struct {
	Apex              Side     // whom the apex Service selects
	Primary           string   // revision the primary must run; empty: leave it alone
	Traffic           *Traffic // nil: no routes yet
	Canary            bool     // the target runs; false: scaled to zero, once routed
	TargetMinimum     int32    // pods the target must have at least while it runs
	StartFull         bool     // a target that was stopped starts as large as the primary
	PrimaryMinimum    int32    // pods the primary must have at least; zero: whatever it has
	PrimaryMaximum    int32    // pods the primary is to have at most, once routed; zero: whatever it has
	Exact             bool     // both minimums are the most as well, once the other side has its own
	AutoscalerMinimum int32    // pods the primary's autoscaler must keep at least; zero: its own minimum
	KeepRouting       bool     // Services and routes stay as they are, and with them what else was made for another target
}

// IntentOf says what a status calls for.
func IntentOf(p Plan, s v1beta1.CanaryStatus) Intent {
	if Foreign(s) {
		return leaveAsFound()
	}
	s, _ = bounded(s)
	return sizePromoted(p, p.sizeByWeight(intentOf(p, s), s), s)
}

func intentOf(p Plan, s v1beta1.CanaryStatus) Intent {
	switch s.Phase {
	case "", v1beta1.PhaseInitializing:
		return initial(p, s)
	case v1beta1.PhaseProgressing, v1beta1.PhaseWaitingPromotion:
		return underWay(p, s)
	case v1beta1.PhasePromoting:
		i := underWay(p, s)
		i.Primary = s.Promoting
		// After a promotion the target is stopped, and nobody is to meet it again.
		i.Canary = i.Canary && !rollsBackWithoutTarget(p, s)
		return i
	case v1beta1.PhaseTerminating, v1beta1.PhaseTerminated:
		return givingBack(p, s)
	default:
		// Settled. A weight above zero is that of a canary whose promotion failed: it is the healthy copy.
		i := routes(p, s)
		i.Canary = s.CanaryWeight > 0 || s.CanaryKept
		if i.TargetMinimum = floor(p, s); s.CanaryKept {
			i.TargetMinimum = 0 // it stays as it is
		}
		i.AutoscalerMinimum = s.PrimaryReplicas // until the traffic has come back
		return i
	}
}

// initial leaves users with the target until there is a primary. Where the primary was deleted later they stay with it,
// unless that was in mid-rollout: else the target is stopped by then, and would not be there any sooner.
func initial(p Plan, s v1beta1.CanaryStatus) Intent {
	if RoutingKept(s) {
		return Intent{Apex: PrimarySide, Primary: s.LastAppliedSpec, Canary: true, PrimaryMinimum: s.PrimaryReplicas, KeepRouting: true}
	}
	if s.LastPromotedSpec != "" {
		i := routes(p, s)
		i.Primary, i.Canary, i.TargetMinimum = s.LastAppliedSpec, s.CanaryWeight > 0, floor(p, s)
		if s.Replaces != nil {
			i.AutoscalerMinimum = s.PrimaryReplicas
		}
		return i
	}
	// Routes would name a primary without pods.
	return Intent{Apex: TargetSide, Primary: s.LastAppliedSpec, Canary: true, TargetMinimum: 1, StartFull: true}
}

// Within is the intent without pods that the target cannot be given.
func (i Intent) Within(target Workload) Intent {
	i.TargetMinimum = target.AtMost(i.TargetMinimum)
	return i
}

// underWay keeps both sides in size: the canary for what it has and gets next, the primary for having all users back at
// any moment, so that a rollback waits for no pod.
func underWay(p Plan, s v1beta1.CanaryStatus) Intent {
	i := routes(p, s)
	i.Canary = true
	i.TargetMinimum = floor(p, s)
	i.StartFull = s.Step == 0 && !startsByShare(p)
	i.AutoscalerMinimum = s.PrimaryReplicas
	return i
}

// startsByShare says that the first step is one of users, so that it tells how large a canary is to be for them. One that is
// judged without any, as by load tests, is judged at full size.
func startsByShare(p Plan) bool { return p.Ratio || p.Length() > 0 && p.Step(1).share() > 0 }

// routes sends the status' weight to the canary, by the apex Service itself where there is no other way.
func routes(p Plan, s v1beta1.CanaryStatus) Intent {
	i := Intent{Apex: PrimarySide, Traffic: &Traffic{Weight: s.CanaryWeight, Matched: s.Matched, Mirror: mirrored(p, s)}}
	if p.Affinity != nil {
		i.Traffic.Cookies = cookies(s)
	}
	// At zero the canary may have no pods, and at 100 insiders are with it already.
	if !s.Matched && s.CanaryWeight > 0 && s.CanaryWeight < everything {
		i.Traffic.Preview, i.Traffic.PreviewOf = previewed(p, s)
	}
	if s.Matched && !p.Matched {
		i.Traffic.Weight = 0 // of requests that nobody can tell apart any more
	}
	// A Service has no weights in between: such plans know 0 and 100 alone (docs/decisions/0008).
	if p.Swap && s.CanaryWeight > 0 {
		i.Apex = TargetSide
	}
	return i
}

// mirrored is the percentage of requests that the canary gets a copy of, in a step that is the plan's own.
func mirrored(p Plan, s v1beta1.CanaryStatus) int {
	// Copies are for judging by, which is over.
	if !s.Phase.Analysing() {
		return 0
	}
	// A spec that was changed meanwhile: until findStep has found the place in it, its step is not ours.
	if s.Step < 1 || s.Step > p.Length() || p.Step(s.Step).Weight != s.CanaryWeight {
		return 0
	}
	return p.Step(s.Step).Mirror
}

// previewed says whether some requests go to the canary at any weight, and by which step's matches. A weight that is no step's
// is one on the way back from the last one, or of a spec that was changed meanwhile: see findStep.
func previewed(p Plan, s v1beta1.CanaryStatus) (some bool, by int) {
	if !p.Listed || p.Skip {
		return p.Preview, 0
	}
	of, last := Step{Preview: p.Preview}, p.Length()
	switch {
	case s.Phase == v1beta1.PhasePromoting:
		of = p.Step(last)
	case s.Step >= 1 && s.Step <= last && p.Step(s.Step).Weight == s.CanaryWeight:
		of = p.Step(s.Step)
	default:
		for _, step := range p.Steps {
			if step.Weight <= s.CanaryWeight {
				of = step
			}
		}
	}
	if !of.Preview {
		return false, 0
	}
	return true, of.PreviewOf
}

// floor is the size that the present weight and the next step's need, so that a step finds its pods there.
func floor(p Plan, s v1beta1.CanaryStatus) int32 {
	// One at least, also at weight zero: that is where it shows whether it starts, and where acceptance tests meet it.
	least := max(Share(max(s.CanaryWeight, mirrored(p, s)), s.PrimaryReplicas), 1)
	if s.Phase == v1beta1.PhasePromoting {
		return max(least, s.PrimaryReplicas) // should the primary not come up, the canary takes it all
	}
	if s.Phase.Analysing() && s.Step > 0 && s.Step <= p.Length() && p.Step(s.Step).Weight == s.CanaryWeight {
		least = max(least, p.Step(s.Step).pods(s.PrimaryReplicas))
	}
	if s.Phase == v1beta1.PhaseProgressing && s.Step < p.Length() {
		least = max(least, p.Step(s.Step+1).pods(s.PrimaryReplicas))
	}
	return least
}

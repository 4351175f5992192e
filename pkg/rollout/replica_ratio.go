package rollout

import (
	"fmt"
	"math"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// Where nothing divides requests but the apex Service, a weight can still be reached by numbers of pods: both sides stand
// behind the Service, and each gets requests by how many pods it has. Sizes then are routes. Whatever grows, grows
// before the other side shrinks, so that together they never have fewer pods than the primary had alone.

// pods is how many of size pods are the canary's at a weight; a weight between nothing and everything leaves
// each side one at least.
func pods(weight int, size int32) (canary, primary int32) {
	switch {
	case weight <= 0:
		return 0, size
	case weight >= everything:
		return size, 0
	}
	canary = int32(math.Round(float64(weight) * float64(size) / everything))
	// A side without a pod would be 0 or 100 %: of one pod in all, each side then has one.
	canary = max(min(canary, size-1), 1)
	return canary, max(size-canary, 1)
}

// Unreachable says which steps pods cannot come within half a pod of, with so many pods in all.
func (p *Plan) Unreachable(size int32) []Remark {
	var remarks []Remark
	if !p.Ratio {
		return nil
	}
	said := map[int]bool{}
	for _, s := range p.Steps {
		if said[s.Weight] {
			continue
		}
		said[s.Weight] = true
		canary, primary := pods(s.Weight, size)
		off := math.Abs(float64(canary) - float64(s.Weight)*float64(size)/everything)
		if off <= .5 && canary+primary == size {
			continue
		}
		remarks = append(remarks, Remark{ReasonStrategyAdjusted,
			fmt.Sprintf("A weight of %d%% cannot be reached with %d pods, the nearest is %d%%", s.Weight, size, share(canary, primary))})
	}
	return remarks
}

// share is the percentage of requests that the canary gets by the number of its pods.
func share(canary, primary int32) int {
	all := float64(canary) + float64(primary)
	if all == 0 {
		return 0
	}
	return int(math.Round(everything * float64(canary) / all))
}

// sizeByWeight turns an intent into one that is reached by sizes. While the primary grows back, the canary stays behind
// the Service with what it has: status.actualWeight is above zero until that is over. At everything the primary keeps
// the pods that it has left, without requests: should the canary be lost, that is all there is.
func (p *Plan) sizeByWeight(i Intent, s v1beta1.CanaryStatus) Intent {
	if !p.Ratio {
		return i
	}
	size, still := s.PrimaryReplicas, canaryStillServes(s)
	if still && i.Apex == PrimarySide || s.CanaryWeight > 0 {
		i.Apex = BothSides
	}
	// What each side must have, and whether it may have more:
	//
	//	on the way out         both serve until the target alone does
	//	promoting              the primary is to have its old size back; the canary keeps what it has
	//	at everything          the canary has all of them, and the apex is its own
	//	at a step              exactly the share, on both sides
	//	before the first step  the primary whole, the canary no larger than its first share: it would get more requests
	//	else                   the primary whole; a canary that still answers keeps its pods until it is
	switch {
	case s.Phase.Leaving():
		if s.CanaryWeight == everything {
			i.Apex = TargetSide
		}
	case s.Phase == v1beta1.PhasePromoting:
		i.PrimaryMinimum = size
	case s.CanaryWeight == everything:
		i.Apex, i.TargetMinimum = TargetSide, max(size, 1)
	case s.CanaryWeight > 0:
		i.TargetMinimum, i.PrimaryMinimum = pods(s.CanaryWeight, size)
		i.Exact = true
	case s.Phase == v1beta1.PhaseProgressing && s.Step < p.Length():
		i.PrimaryMinimum, i.Exact = size, true // it starts no larger than its first share
		i.TargetMinimum, _ = pods(p.Step(s.Step+1).Weight, size)
	default:
		i.PrimaryMinimum = size
		if still {
			i.Canary, i.TargetMinimum = true, 0
		}
	}
	return i
}

// canaryStillServes says that both sides stand behind the Service, although the canary is to get nothing any more.
func canaryStillServes(s v1beta1.CanaryStatus) bool {
	return s.ActualWeight != nil && *s.ActualWeight > 0
}

// podsOfStep is how many pods the canary must have for the step that it is at, or that comes first.
func podsOfStep(f *facts) int32 {
	weight := f.Status.CanaryWeight
	if f.Status.Step == 0 && len(f.Plan.Steps) > 0 {
		weight = f.Plan.Steps[0].Weight
	}
	canary, _ := pods(weight, f.Status.PrimaryReplicas)
	return canary
}

// sizedByWeight says that both sides have the sizes that the weight asks for.
func (f *facts) sizedByWeight() bool {
	if f.Status.CanaryWeight == 0 {
		return !canaryStillServes(f.Status)
	}
	_, primary := pods(f.Status.CanaryWeight, f.Status.PrimaryReplicas)
	// Pods beyond a share are requests beyond it. At everything the primary's get none.
	return f.Primary.Replicas <= primary || f.Status.CanaryWeight == everything
}

// recordActualWeight notes the share that was reached, where it is reached by sizes.
func (t *transition) recordActualWeight() {
	// Whether weights are reached by sizes is not known without a plan; sizes stay as they are meanwhile.
	if t.refused {
		return
	}
	t.next.ActualWeight = nil
	if !t.Plan.Ratio {
		return
	}
	reached := share(t.Target.Available, t.Primary.Available)
	never := t.Status.CanaryWeight == 0 && !canaryStillServes(t.Status)
	switch {
	// The apex was the canary's own already, whatever pods the primary has left.
	case t.next.CanaryWeight > 0 && IntentOf(t.Plan, t.Status).Apex == TargetSide:
		reached = everything
	case t.next.CanaryWeight > 0:
	// Nobody is behind the Service but the primary, or that is whole, so that the canary may leave.
	case never, t.Target.Available == 0, t.Primary.Available >= t.Status.PrimaryReplicas:
		reached = 0
	default:
		// Rounded to zero, it would say that the canary has left: see canaryStillServes.
		reached = max(reached, 1)
	}
	t.next.ActualWeight = &reached
}
